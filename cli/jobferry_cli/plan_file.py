"""A file on this machine, planned as a run would plan it: what is sent, and what is not."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path

from jobferry.binding.column_binding import chunk_limits, plan_rules
from jobferry.binding.external_ids import add_external_ids, added_field
from jobferry.csvfile.bounds import bounded
from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.plan_items import Boundary, ChunkSpec, PlanItem
from jobferry.csvfile.planner import plan as plan_rows
from jobferry.csvfile.planner import superseded_rows
from jobferry.csvfile.reader import RowBlock, read_blocks, read_rows
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.shared_records import rows_that_share_records
from jobferry.domain.chunk import Span
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import OnDuplicate
from jobferry.domain.types import JsonObject
from jobferry.reporting.formatting import counted
from jobferry.runtime.settings import Settings
from jobferry_cli.plan_people import Notified, count_people, people_reader
from jobferry_cli.profiles import UsableProfile
from jobferry_cli.source_file import bind, plain, refused

NO_RUN_YET = "<run>"
"""Stands for the run's name in what a record would hold of it."""

FIRST_RECORDS = 5


@dataclass(frozen=True, slots=True)
class FirstRecord:
    """A row and the record that it would be sent as."""

    row: int
    cells: Sequence[str]
    record: JsonObject


@dataclass
class PlannedFile:
    """A file as it would be cut up.

    Attributes:
        offset: bytes of the file up to its last row
        notified: None where nobody is, as far as the vendor's pages say
    """

    dialect: Dialect
    rows: int = 0
    jobs: int = 0
    unsent: Counter[OutcomeStatus] = field(default_factory=Counter)
    bad_rows: list[RejectedRow] = field(default_factory=list)
    first_records: list[FirstRecord] = field(default_factory=list)
    warnings: Sequence[str] = ()
    offset: int = 0
    notified: Notified | None = None

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
    try:
        with ExitStack() as stack:
            path = stack.enter_context(plain(file, settings.max_file_bytes))
            planning = _Planning(stack, path, usable, dialect, mapping)
            planned = planning.plan(settings, job_rows)
            planning.look_through(planned)
    except FileRefused as refusal:
        raise refused(file, usable.profile.name, refusal) from None
    return planned


@dataclass(frozen=True, slots=True)
class _Planning:
    """One file, bound to its profile; what is opened is closed with `stack`."""

    stack: ExitStack
    path: Path
    usable: UsableProfile
    dialect: Dialect
    mapping: RowMapping

    def plan(self, settings: Settings, job_rows: int | None) -> PlannedFile:
        planned = PlannedFile(self.dialect, warnings=self.usable.warnings(self.dialect.header))
        for item in bounded(self._items(job_rows), settings.max_rows_per_file):
            match item:
                case RejectedRow():
                    planned.bad_rows.append(item)
                    planned.unsent[item.status] += 1
                case ChunkSpec():
                    missing = FIRST_RECORDS - len(planned.first_records)
                    if missing:
                        planned.first_records += self._first_records(item.spans, missing)
                    planned.jobs += 1
                    planned.rows, planned.offset = item.end_row, item.end_offset
                case Boundary():
                    planned.rows, planned.offset = item.end_row, item.end_offset
        return planned

    def look_through(self, planned: PlannedFile) -> None:
        """Note what only the rows together show."""
        unsent = frozenset(bad.row for bad in planned.bad_rows)
        planned.warnings = [
            *planned.warnings,
            *_conflicts(planned),
            *self._order_matters(unsent),
        ]
        if planned.to_send:
            planned.notified = self._notified(unsent)

    def _items(self, job_rows: int | None) -> Iterator[PlanItem]:
        profile, operation, vendor = (
            self.usable.profile,
            self.usable.operation,
            self.usable.vendor,
        )
        limits = chunk_limits(profile, operation, vendor, self.mapping, job_rows)
        seen = superseded = None
        if profile.row_key is not None:
            seen = self._no_keys_yet("seen.keys")
            if profile.on_duplicate is OnDuplicate.LAST:
                superseded = superseded_rows(self._blocks(), self.mapping, limits, seen)
                seen = None
        rules = plan_rules(profile, operation, vendor, self.mapping, superseded)
        return plan_rows(self._blocks(), self.mapping, limits, seen, rules=rules)

    def _blocks(self) -> Iterator[RowBlock]:
        stream = self.stack.enter_context(self.path.open("rb"))
        stream.seek(self.dialect.data_offset)
        return read_blocks(stream, self.dialect, offset=self.dialect.data_offset, row=0)

    def _no_keys_yet(self, name: str) -> SeenKeys:
        scratch = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="jobferry-"))
        return self.stack.enter_context(SeenKeys(Path(scratch) / name))

    def _first_records(self, spans: Sequence[Span], most: int) -> list[FirstRecord]:
        """The first rows of a job beside the records that are made of them."""
        field_added = added_field(self.usable.profile, self.usable.operation, self.mapping)
        identified_by = self.usable.operation.identified_by
        found = []
        for row, cells in islice(self._rows_of(spans), most):
            numbered = [(row, self.mapping.record(cells))]
            (record,) = add_external_ids(
                numbered, field_added, NO_RUN_YET, identified_by=identified_by
            )
            found.append(FirstRecord(row, cells, record))
        return found

    def _rows_of(self, spans: Sequence[Span]) -> Iterator[tuple[int, Sequence[str]]]:
        with self.path.open("rb") as stream:
            for span in spans:
                stream.seek(span.offset)
                part = BytesIO(stream.read(span.length))
                rows = read_rows(part, self.dialect, offset=span.offset, row=span.first_row - 1)
                yield from ((row.number, row.cells) for row in rows)

    def _order_matters(self, unsent: frozenset[int]) -> list[str]:
        """A warning where several rows change the same record."""
        operation = self.usable.operation
        in_order = self.usable.profile.order == "file"
        if not operation.repeatable or operation.deletes or in_order:
            return []
        count = rows_that_share_records(
            self._blocks(),
            self.mapping,
            operation.identified_by or operation.match_on,
            self._no_keys_yet("records.keys"),
            unsent,
        )
        if not count:
            return []
        return [
            f"{counted(count, 'row')} change a record that another row changes, and may take "
            "effect in another order than in the file. `order: file` in the profile keeps it."
        ]

    def _notified(self, unsent: frozenset[int]) -> Notified | None:
        """How many rows, and people, the vendor may send a notification for."""
        reader = people_reader(self.usable.profile, self.usable.operation, self.dialect.header)
        if reader is None:
            return None
        return count_people(self._blocks(), reader, self._no_keys_yet("people.keys"), unsent)


def _conflicts(planned: PlannedFile) -> list[str]:
    count = sum(bad.unclear for bad in planned.bad_rows)
    if not count:
        return []
    return [
        f"{counted(count, 'row')} with the row_key of another row and other cells would be "
        "skipped. Find out which of them are right."
    ]
