"""`jobferry plan`: what would be sent, and every row that would not; sends nothing."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from jobferry.binding.column_binding import chunk_limits, plan_rules
from jobferry.binding.external_ids import add_external_ids, added_field
from jobferry.csvfile.bounds import bounded
from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.plan_items import Boundary, ChunkSpec, PlanItem
from jobferry.csvfile.planner import plan as plan_rows
from jobferry.csvfile.planner import superseded_rows
from jobferry.csvfile.reader import RowBlock, read_blocks
from jobferry.csvfile.records import read_records
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.shared_records import rows_that_share_records
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import OnDuplicate
from jobferry.domain.types import JsonObject
from jobferry.reporting.costs import Load
from jobferry.reporting.forecast import Forecast, Terms, forecast
from jobferry.reporting.formatting import counted, dollars, duration, number
from jobferry.reporting.run_metrics import planned_load, rows_per_job, terms_of
from jobferry.runtime.settings import Settings
from jobferry.scheduler.rows_at_stake import rows_at_stake
from jobferry.vendors.operation import most_records
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.output import put_json, put_text
from jobferry_cli.profiles import UsableProfile, usable_profile
from jobferry_cli.source_file import bind, plain, refused
from jobferry_cli.stack import Stack

_NO_RUN_YET = "<run>"
"""Stands for the run's name in what a record would hold of it."""

BAD_ROWS_FOR_PEOPLE = 50
"""Bad rows printed for people; scripts are given all of them."""


@dataclass
class PlannedFile:
    """A file as it would be cut up."""

    rows: int = 0
    jobs: int = 0
    unsent: Counter[OutcomeStatus] = field(default_factory=Counter)
    bad_rows: list[RejectedRow] = field(default_factory=list)
    first_record: JsonObject | None = None
    warnings: Sequence[str] = ()
    offset: int = 0
    """Bytes of the file up to its last row."""

    @property
    def to_send(self) -> int:
        return self.rows - self.unsent.total()


def plan_file(
    file: Path, usable: UsableProfile, settings: Settings, job_rows: int | None = None
) -> PlannedFile:
    """Plan a whole file as a run would.

    Args:
        settings: of the stack, whose bounds the file must keep.

    Raises:
        CommandError: the file cannot be used, or not be read.
    """
    dialect, mapping = bind(file, usable, settings)
    planned = PlannedFile(warnings=usable.warnings(dialect.header))
    try:
        with ExitStack() as stack:
            path = stack.enter_context(plain(file, settings.max_file_bytes))
            items = _items(stack, path, usable, dialect, mapping, job_rows)
            for item in bounded(items, settings.max_rows_per_file):
                match item:
                    case RejectedRow():
                        planned.bad_rows.append(item)
                        planned.unsent[item.status] += 1
                    case ChunkSpec():
                        if not planned.jobs:
                            planned.first_record = _first_record(
                                path, item, usable, dialect, mapping
                            )
                        planned.jobs += 1
                        planned.rows, planned.offset = item.end_row, item.end_offset
                    case Boundary():
                        planned.rows, planned.offset = item.end_row, item.end_offset
            found = _order_matters(stack, path, usable, dialect, mapping, planned)
            planned.warnings = [*planned.warnings, *_conflicts(planned), *found]
    except FileRefused as refusal:
        raise refused(file, usable.profile.name, refusal) from None
    return planned


def _conflicts(planned: PlannedFile) -> list[str]:
    count = sum(bad.unclear for bad in planned.bad_rows)
    if not count:
        return []
    return [
        f"{counted(count, 'row')} with the row_key of another row and other cells would be "
        "skipped. Find out which of them are right."
    ]


def _order_matters(
    stack: ExitStack,
    file: Path,
    usable: UsableProfile,
    dialect: Dialect,
    mapping: RowMapping,
    planned: PlannedFile,
) -> list[str]:
    """A warning where several rows change the same record."""
    operation = usable.operation
    if not operation.repeatable or operation.deletes or usable.profile.order == "file":
        return []
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobferry-")))
    seen = stack.enter_context(SeenKeys(scratch / "records.keys"))
    count = rows_that_share_records(
        _blocks(stack, file, dialect),
        mapping,
        operation.identified_by or operation.match_on,
        seen,
        frozenset(bad.row for bad in planned.bad_rows),
    )
    if not count:
        return []
    return [
        f"{counted(count, 'row')} change a record that another row changes, and may take effect in "
        "another order than in the file. `order: file` in the profile keeps it."
    ]


def _items(
    stack: ExitStack,
    file: Path,
    usable: UsableProfile,
    dialect: Dialect,
    mapping: RowMapping,
    job_rows: int | None,
) -> Iterator[PlanItem]:
    profile, operation, vendor = usable.profile, usable.operation, usable.vendor
    limits = chunk_limits(profile, operation, vendor, mapping, job_rows)
    seen = superseded = None
    if profile.row_key is not None:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobferry-")))
        seen = stack.enter_context(SeenKeys(scratch / "seen.keys"))
        if profile.on_duplicate is OnDuplicate.LAST:
            superseded = superseded_rows(_blocks(stack, file, dialect), mapping, limits, seen)
            seen = None
    rules = plan_rules(profile, operation, vendor, mapping, superseded)
    return plan_rows(_blocks(stack, file, dialect), mapping, limits, seen, rules=rules)


def _blocks(stack: ExitStack, file: Path, dialect: Dialect) -> Iterator[RowBlock]:
    stream = stack.enter_context(file.open("rb"))
    stream.seek(dialect.data_offset)
    return read_blocks(stream, dialect, offset=dialect.data_offset, row=0)


def _first_record(
    file: Path, chunk: ChunkSpec, usable: UsableProfile, dialect: Dialect, mapping: RowMapping
) -> JsonObject:
    span = chunk.spans[0]
    with file.open("rb") as stream:
        stream.seek(span.offset)
        data = stream.read(span.length)
    numbered = read_records(data, span.offset, [span], dialect, mapping)[:1]
    field = added_field(usable.profile, usable.operation, mapping)
    identified_by = usable.operation.identified_by
    return add_external_ids(numbered, field, _NO_RUN_YET, identified_by=identified_by)[0]


def plan_document(
    file: Path, usable: UsableProfile, planned: PlannedFile, expected: Forecast, slots: int
) -> dict[str, Any]:
    """A plan as scripts read it.

    Args:
        slots: jobs that the connection may have in flight.
    """
    return {
        "file": str(file),
        "profile": usable.profile.name,
        "operation": usable.operation.name,
        "connection": usable.connection.name,
        "rows": planned.rows,
        "to_send": planned.to_send,
        "rejected": planned.unsent[OutcomeStatus.REJECTED],
        "skipped": planned.unsent[OutcomeStatus.SKIPPED],
        "first_record": planned.first_record,
        "warnings": list(planned.warnings),
        "bad_rows": [
            {
                "row": bad.row,
                "status": bad.status.value,
                "error_code": bad.code,
                "error": bad.reason,
            }
            for bad in planned.bad_rows
        ],
        "at_stake": rows_at_stake(
            planned.to_send,
            planned.jobs,
            slots,
            usable.profile,
            undoable=bool(usable.operation.undone_by),
        ),
        "forecast": asdict(expected),
    }


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", "profile_name", required=True, metavar="P")
@global_options
@pass_app
def plan(app: App, file: Path, profile_name: str) -> None:
    """Show what would be sent, without sending it.

    Lists every bad row with its reason, and a forecast of jobs, requests, time and cost.
    """
    usable = usable_profile(app.stack, profile_name)
    planned = plan_file(file, usable, app.stack.settings, _job_rows(app.stack, usable))
    terms = _terms(app.stack, usable)
    expected = forecast(_load(app.stack, usable, planned), terms)
    document = plan_document(file, usable, planned, expected, terms.max_jobs)
    if app.as_json:
        put_json(document)
        return
    put_text(*_lines(document, usable, expected))


def _job_rows(stack: Stack, usable: UsableProfile) -> int | None:
    """Rows per job as a run opened now would have them."""
    most = most_records(usable.profile, usable.operation)
    return rows_per_job(usable.connection, usable.vendor, usable.operation, most, stack.deps.store)


def _terms(stack: Stack, usable: UsableProfile) -> Terms:
    """The conditions of the connection, as learned from earlier runs."""
    return terms_of(
        usable.connection,
        usable.vendor,
        usable.operation.name,
        stack.deps.store,
        in_order=usable.profile.in_order,
    )


def _load(stack: Stack, usable: UsableProfile, planned: PlannedFile) -> Load:
    """What the run would consist of."""
    return planned_load(
        planned.rows,
        planned.jobs,
        rejected=planned.unsent[OutcomeStatus.REJECTED],
        every_row=usable.profile.row_items == "all",
        offset=planned.offset,
        retention_days=stack.settings.retention_days,
    )


def _lines(document: dict[str, Any], usable: UsableProfile, expected: Forecast) -> list[str]:
    bad_rows = document["bad_rows"]
    basis = (
        f"going by {counted(expected.learned_from, 'earlier job')}"
        if expected.learned_from
        else "if jobs take ten seconds; the first run will show"
    )
    lines = [
        f"File      {document['file']}",
        f"Sends     {number(document['to_send'])} of {counted(document['rows'], 'row')} to "
        f"{usable.operation.name} at {usable.connection.base_url}",
        f"Jobs      {number(expected.jobs)}, in about {counted(expected.requests, 'request')}",
        f"Time      about {duration(expected.seconds)}, {basis}",
        f"Cost      about {dollars(expected.cost)} of AWS at list prices",
    ]
    if document["to_send"]:
        lines.append(_stake(document))
    if document["first_record"] is not None:
        record = json.dumps(document["first_record"], ensure_ascii=False)
        lines.append(f"First     {record}")
    lines += [f"Warning   {warning}" for warning in document["warnings"]]
    if bad_rows:
        lines += ["", f"{counted(len(bad_rows), 'row')} would not be sent:"]
    for bad in bad_rows[:BAD_ROWS_FOR_PEOPLE]:
        lines.append(f"  row {bad['row']:>8}  {bad['status']:<8}  {bad['error']}")
    if len(bad_rows) > BAD_ROWS_FOR_PEOPLE:
        rest = number(len(bad_rows) - BAD_ROWS_FOR_PEOPLE)
        lines.append(f"  and {rest} more; --json lists all of them")
    return [*lines, "", "Nothing was sent."]


def _stake(document: dict[str, Any]) -> str:
    """How many rows a wrong file or profile costs before the run stops by itself."""
    rows, stake = document["to_send"], document["at_stake"]
    if stake < rows:
        return f"At stake  about {counted(stake, 'row')}: then a run of which every row fails stops"
    return "At stake  all of them: rows that fail are seen too late; `run --trial N` sends N first"
