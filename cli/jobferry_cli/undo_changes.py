"""The file and the profile that put back what a run has changed (`jobferry undo`)."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jobferry.csvfile.formula_injection import defuse
from jobferry.domain.outcome import Outcome
from jobferry.domain.run import Run
from jobferry.operator.put_back import (
    OUR_COLUMN,
    PutBackColumn,
    changed_rows,
    put_back_profile,
)
from jobferry.vendors.operation import Operation
from jobferry.vendors.record_snapshot import ID, KeptRecord
from jobferry_cli.output import printable
from jobferry_cli.stack import Stack

CANNOT_COLUMNS = ("row", "status", "vendor_id", "error_code", "error")

NOT_KEPT = "What the record was is not kept."
NOT_THERE = "There was no such record before."
NOTHING = "Nothing that the row has changed can be put back."


@dataclass(frozen=True, slots=True)
class UndoFiles:
    """Where an undo writes: the rows, their profile, and the rows that cannot be undone."""

    rows: Path
    profile: Path
    cannot: Path


@dataclass(frozen=True, slots=True)
class PutBack:
    """What was written.

    Attributes:
        rows: records that can be put back
        cannot: rows whose record cannot be
        lost: field → rows of which it cannot be put back
    """

    rows: int
    cannot: int
    lost: Mapping[str, int]


def write_changes(
    stack: Stack, run: Run, operation: Operation, files: UndoFiles, name: str
) -> PutBack:
    """Write the files; those of an earlier undo are replaced, and appear when they are whole.

    Args:
        name: of the profile.

    Raises:
        OutcomesGoneError
    """
    columns: dict[str, PutBackColumn] = {}
    lost: Counter[str] = Counter()
    cannot_part = files.cannot.with_name(f"{files.cannot.name}.part")
    rows = cannot = 0
    try:
        with ExitStack() as opened:
            scratch = opened.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            others = csv.writer(
                opened.enter_context(cannot_part.open("w", newline="", encoding="utf-8"))
            )
            others.writerow(CANNOT_COLUMNS)
            first_rows: dict[str, int] = {}
            for outcome, kept in changed_rows(run, stack.deps):
                why = _why_not(outcome.row, kept, first_rows)
                if kept is None or why is not None:
                    others.writerow(_cannot_cells(outcome, why or NOT_KEPT))
                    cannot += 1
                    continue
                for path, value in kept.fields.items():
                    columns.setdefault(path, PutBackColumn(path, operation)).note(value)
                lost.update(kept.lost)
                line = json.dumps([outcome.row, kept.record_id, dict(kept.fields)])
                scratch.write(f"{line}\n")
                rows += 1
            scratch.seek(0)
            _write_rows(files.rows, map(json.loads, scratch), columns, rows)
        if cannot:
            cannot_part.replace(files.cannot)
        else:
            files.cannot.unlink(missing_ok=True)
    finally:
        cannot_part.unlink(missing_ok=True)
    profile = put_back_profile(run, operation, name, columns, rows)
    heading = f"# Puts back what the run {printable(run.run_id)} has changed with "
    text = yaml.safe_dump(profile, sort_keys=False, allow_unicode=True)
    files.profile.write_text(f"{heading}{operation.name}.\n{text}", encoding="utf-8")
    return PutBack(rows, cannot, dict(lost))


def _why_not(row: int, kept: KeptRecord | None, first_rows: dict[str, int]) -> str | None:
    """Why a row's record cannot be put back; None: it can.

    Args:
        first_rows: record → the row that puts it back; the row is added.
    """
    if kept is None:
        return NOT_KEPT
    if kept.record_id is None:
        return NOT_THERE
    if not kept.fields:
        return NOTHING
    first = first_rows.setdefault(str(kept.record_id), row)
    if first != row:
        return f"Row {first} changes the same record: what it was before that row is put back."
    return None


def _write_rows(
    path: Path, lines: Iterator[Any], columns: Mapping[str, PutBackColumn], rows: int
) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        # With its mark Excel takes it for what it is.
        with part.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file)
            writer.writerow([ID, *map(defuse, columns), OUR_COLUMN])
            for row, record_id, fields in lines:
                cells = [column.cell(fields, rows) for column in columns.values()]
                writer.writerow([defuse(str(record_id)), *map(defuse, cells), row])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _cannot_cells(outcome: Outcome, why: str) -> list[str]:
    """A row that cannot be undone, safe for a spreadsheet."""
    cells = (
        str(outcome.row),
        outcome.status.value,
        outcome.vendor_id or "",
        outcome.error_code or "",
        why,
    )
    return [defuse(cell) for cell in cells]
