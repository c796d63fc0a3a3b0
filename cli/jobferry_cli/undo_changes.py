"""The file and the profile that put back what a run has changed (`jobferry undo`)."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

from jobferry.csvfile.formula_injection import defuse
from jobferry.domain.outcome import Outcome
from jobferry.domain.run import Run
from jobferry.operator.put_back import (
    OUR_COLUMN,
    ChangedRow,
    PutBackColumn,
    changed_rows,
    put_back_profile,
)
from jobferry.vendors.operation import Operation
from jobferry.vendors.record_snapshot import ID
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
            records = _Records(opened.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")))
            others = csv.writer(
                opened.enter_context(cannot_part.open("w", newline="", encoding="utf-8"))
            )
            others.writerow(CANNOT_COLUMNS)
            for changed in changed_rows(run, stack.deps):
                why = records.add(changed)
                if changed.kept is not None and changed.kept.fields:
                    lost.update(changed.kept.lost)
                if why is not None:
                    others.writerow(_cannot_cells(changed.outcome, why))
                    cannot += 1
            for _, _, fields in records:
                rows += 1
                for path, value in fields.items():
                    columns.setdefault(path, PutBackColumn(path, operation)).note(value)
            _write_rows(files.rows, records, columns, rows)
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


@dataclass
class _Records:
    """The records that can be put back, each once, in the order of the rows that name it first.

    Args:
        scratch: where the first row of each waits; of the other rows of a record there are few.
    """

    scratch: TextIO
    _first: dict[str, int] = field(default_factory=dict)
    _others: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = field(default_factory=dict)

    def add(self, changed: ChangedRow) -> str | None:
        """Take in a row; why nothing is written for it, or None."""
        row, kept = changed.outcome.row, changed.kept
        if kept is None:
            return NOT_KEPT
        if kept.record_id is None:
            return NOT_THERE
        if not kept.fields:
            return NOTHING
        record = str(kept.record_id)
        first = self._first.setdefault(record, row)
        if first == row:
            line = json.dumps([row, changed.taken_at, kept.record_id, dict(kept.fields)])
            self.scratch.write(f"{line}\n")
            return None
        self._others.setdefault(record, []).append((changed.taken_at, row, kept.fields))
        return (
            f"Row {first} changes the same record: what it was before both is put back with that "
            "row."
        )

    def __iter__(self) -> Iterator[tuple[int, str | int, Mapping[str, Any]]]:
        """(row, record, path of a field → its value before all rows of the record)."""
        self.scratch.seek(0)
        for line in self.scratch:
            row, taken_at, record_id, fields = json.loads(line)
            before: dict[str, Any] = {}
            kept = [(taken_at, row, fields), *self._others.get(str(record_id), ())]
            for _, _, older in sorted(kept, key=lambda each: each[:2]):
                before = {**older, **before}
            yield row, record_id, before


def _write_rows(
    path: Path, records: _Records, columns: Mapping[str, PutBackColumn], rows: int
) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        # With its mark Excel takes it for what it is.
        with part.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file)
            writer.writerow([ID, *map(defuse, columns), OUR_COLUMN])
            for row, record_id, fields in records:
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
