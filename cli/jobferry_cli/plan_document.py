"""The plan of a file as a document: what scripts read, and what terminal and page show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobferry.csvfile.fieldpath import parse_path
from jobferry.csvfile.header_names import RESULT_COLUMNS, fold_name
from jobferry.domain.error_codes import RejectCode, column_letters
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.timestamps import timestamp
from jobferry.domain.types import JsonObject
from jobferry.reporting.costs import Load
from jobferry.reporting.forecast import Terms, forecast
from jobferry.reporting.run_metrics import planned_load, rows_per_job, terms_of
from jobferry.scheduler.rows_at_stake import rows_at_stake
from jobferry.vendors.operation import Operation, most_records, snapshot_reads
from jobferry_cli.plan_file import FirstRecord, PlannedFile, plan_file
from jobferry_cli.profiles import UsableProfile
from jobferry_cli.resources import PART_BYTES
from jobferry_cli.stack import Stack

_OTHER_PART_BYTES = 8 * 1024 * 1024
"""Size of the parts in which AWS's own command uploads large files."""


def planned_document(file: Path, usable: UsableProfile, stack: Stack) -> dict[str, Any]:
    """Plan a whole file; nothing is sent or uploaded.

    Raises:
        CommandError: the file cannot be used, or not be read.
    """
    return document_of(file, planned(file, usable, stack), usable, stack)


def planned(file: Path, usable: UsableProfile, stack: Stack) -> PlannedFile:
    """The file as a run opened now would plan it.

    Raises:
        CommandError: as `planned_document`.
    """
    most = most_records(usable.profile, usable.operation)
    job_rows = rows_per_job(
        usable.connection, usable.vendor, usable.operation, most, stack.deps.store
    )
    return plan_file(file, usable, stack.settings, job_rows)


def document_of(
    file: Path, plan: PlannedFile, usable: UsableProfile, stack: Stack
) -> dict[str, Any]:
    """What is known of a planned file (docs/cli.md, plan)."""
    terms = _terms(plan, usable, stack)
    columns = _columns(plan, usable)
    records = [_first_record(plan, each) for each in plan.first_records]
    operation = usable.operation
    codes = [bad.code for bad in plan.bad_rows]
    return {
        "file": str(file),
        "profile": usable.profile.name,
        "operation": operation.name,
        "connection": usable.connection.name,
        "base_url": usable.connection.base_url,
        "planned_at": timestamp(stack.deps.now()),
        "rows": plan.rows,
        "to_send": plan.to_send,
        "rejected": plan.unsent[OutcomeStatus.REJECTED],
        "skipped": plan.unsent[OutcomeStatus.SKIPPED],
        "duplicates": codes.count(RejectCode.DUPLICATE_ROW_KEY),
        "conflicts": codes.count(RejectCode.CONFLICTING_ROW_KEY),
        "columns": columns,
        "first_record": records[0]["record"] if records else None,
        "first_records": records,
        "warnings": list(plan.warnings),
        "same_content": _sent_before(file, usable, stack),
        "bad_rows": [
            {
                "row": bad.row,
                "status": bad.status.value,
                "error_code": bad.code,
                "error": bad.reason,
            }
            for bad in plan.bad_rows
        ],
        "at_stake": rows_at_stake(
            plan.to_send,
            plan.jobs,
            terms.max_jobs,
            usable.profile,
            undoable=bool(operation.undone_by),
        ),
        "undo": undo_of(operation, kept=usable.keeps_records),
        "notifies": _notifies(plan, operation),
        "forecast": asdict(forecast(_load(plan, usable, stack), terms)),
    }


def undo_of(operation: Operation, *, kept: bool = False) -> dict[str, Any]:
    """What can be taken back: the operation that does, and what stays all the same.

    Args:
        kept: what the records are is kept before they are changed.
    """
    stays = operation.cannot_undo
    if operation.undone_by:
        text = f"`undo` plans {operation.undone_by} of what the run has made."
    elif operation.deletes:
        text = "What is deleted cannot be brought back by Jobferry."
    elif kept:
        text = (
            "What the records are is read and kept before each job, so that `undo` writes the file "
            "that puts them back. What the change sets off stays."
        )
        stays = ""
    elif operation.readable_in_batches:
        text = (
            "Jobferry cannot take this back: `snapshot: true` in the profile keeps what the "
            "records were."
        )
    else:
        text = "Jobferry cannot take this back."
    return {
        "by": operation.name if kept else operation.undone_by or None,
        "deletes": operation.deletes,
        "snapshot": kept,
        "text": f"{text} {stays}".strip(),
    }


def _notifies(plan: PlannedFile, operation: Operation) -> dict[str, Any] | None:
    if plan.notified is None or operation.notifies is None:
        return None
    return {
        "whom": operation.notifies.whom,
        "people": plan.notified.people,
        "rows": plan.notified.rows,
        "text": operation.notifies.text,
    }


def _terms(plan: PlannedFile, usable: UsableProfile, stack: Stack) -> Terms:
    """The conditions of the connection, as learned from earlier runs."""
    return terms_of(
        usable.connection,
        usable.vendor,
        usable.operation.name,
        stack.deps.store,
        in_order=usable.profile.in_order,
        reads=snapshot_reads(usable.profile, usable.operation, plan.dialect.header),
    )


def _load(plan: PlannedFile, usable: UsableProfile, stack: Stack) -> Load:
    """What the run would consist of."""
    return planned_load(
        plan.rows,
        plan.jobs,
        rejected=plan.unsent[OutcomeStatus.REJECTED],
        every_row=usable.profile.row_items == "all",
        offset=plan.offset,
        retention_days=stack.settings.retention_days,
        snapshot=usable.keeps_records,
    )


def _names(header: tuple[str, ...]) -> dict[int, str]:
    """The columns of a file by place, each with a name of its own; without those of ours."""
    found: dict[int, str] = {}
    for place, name in enumerate(header):
        if name in RESULT_COLUMNS:
            continue
        letters = column_letters(place)
        shown = name or f"Column {letters}"
        found[place] = shown if shown not in found.values() else f"{shown} ({letters})"
    return found


def _columns(plan: PlannedFile, usable: UsableProfile) -> list[dict[str, Any]]:
    """Every column with the fields that its cells go to, none where it is not sent."""
    profile = usable.profile
    fields: dict[str, list[str]] = {}
    for name, column in profile.entries():
        fields.setdefault(fold_name(name), []).append(column.field)
    return [
        {
            "header": name,
            "fields": [plan.dialect.header[place]]
            if profile.columns is None and plan.dialect.header[place]
            else fields.get(fold_name(plan.dialect.header[place]), []),
        }
        for place, name in _names(plan.dialect.header).items()
    ]


def _first_record(plan: PlannedFile, first: FirstRecord) -> dict[str, Any]:
    names = _names(plan.dialect.header)
    return {
        "row": first.row,
        "cells": {name: first.cells[place] for place, name in names.items()},
        "record": first.record,
    }


NOT_SENT: Any = object()
"""Stands for the value of a field that a record does not have."""


def side_by_side(
    first: Mapping[str, Any], columns: list[dict[str, Any]]
) -> Iterator[tuple[str | None, str, str | None, Any]]:
    """(header, cell, field, value) of a row and its record.

    A column that is not sent has no field; what comes from no column has no header; `NOT_SENT` is
    the value of a field that the cell leaves out.

    Args:
        first: an entry of `first_records`.
        columns: of the same document.
    """
    shown = set()
    for column in columns:
        cell = first["cells"].get(column["header"], "")
        if not column["fields"]:
            yield column["header"], cell, None, NOT_SENT
        for path in column["fields"]:
            shown.add(path)
            yield column["header"], cell, path, _value(first["record"], path)
    for path, value in _leaves(first["record"]):
        if not any(path == each or path.startswith(f"{each}.") for each in shown):
            yield None, "", path, value


def _value(record: JsonObject, path: str) -> Any:
    keys, entry = parse_path(path)
    value: Any = record
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return NOT_SENT
        value = value[key]
    if entry is None:
        return value
    entries = value if isinstance(value, list) else []
    return next((each["value"] for each in entries if each.get("id") == entry), NOT_SENT)


def _leaves(record: JsonObject, above: str = "") -> Iterator[tuple[str, Any]]:
    """The paths of a record with what stands there; entries of lists by their id."""
    for key, value in record.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}.")
        elif _is_of_entries(value):
            yield from ((f"{path}[{each['id']}]", each["value"]) for each in value)
        else:
            yield path, value


def _is_of_entries(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and each.keys() == {"id", "value"} for each in value)
    )


def _sent_before(file: Path, usable: UsableProfile, stack: Stack) -> dict[str, str] | None:
    """The run that has sent the very same bytes with this profile, where sending them again would
    do it twice; its run would wait for a person's yes."""
    if usable.operation.repeatable:
        return None
    runs = stack.deps.store.runs
    for content in contents_of(file):
        found = runs.sender_of(usable.profile.name, content)
        if found is None or found[2] <= stack.deps.now():
            continue
        run = runs.get(found[0])
        if run is not None and (run.closed_at is None or run.processed):
            return {"run_id": found[0], "at": timestamp(found[1])}
    return None


def contents_of(file: Path) -> list[str]:
    """What S3 may call the content of a file, by the size of the parts it was uploaded in.

    A bucket with a key of its own names contents otherwise; nothing is found then.
    """
    # A file that is smaller than a part is uploaded whole.
    total = file.stat().st_size
    parts: dict[int, list[bytes]] = {
        size: [] for size in (PART_BYTES, _OTHER_PART_BYTES) if size <= total
    }
    whole = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(PART_BYTES):
            whole.update(block)
            for size, digests in parts.items():
                digests += [
                    hashlib.md5(block[at : at + size], usedforsecurity=False).digest()
                    for at in range(0, len(block), size)
                ]
    tags = [whole.hexdigest()]
    for digests in parts.values():
        of_parts = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
        tags.append(f"{of_parts}-{len(digests)}")
    return [f"{tag}-{total}" for tag in dict.fromkeys(tags)]
