"""Put back what a run has changed: its rows with what their records were before.

A value has to come out of a cell as it went in. A column whose values all do as text, as numbers or
as true and false is written so, and an empty cell clears its field. Any other column holds JSON,
which says every value exactly: `null` clears the field, and an empty cell leaves it alone, as in a
row that never sent it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jobferry.csvfile.fieldpath import parse_path, put
from jobferry.csvfile.formula_injection import defuse
from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.mojibake import is_garbled
from jobferry.csvfile.row_mapping import RowMapping, RowRejected
from jobferry.deps import Deps
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import ColumnType, Empty, Profile
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.lane.keep_records import snapshot_key
from jobferry.store.objects import ObjectMissingError
from jobferry.vendors.operation import Operation
from jobferry.vendors.record_snapshot import ID, KeptRecord

AT_ONCE = 100
"""Snapshots that are held in memory."""

READERS = 16

OUR_COLUMN = RESULT_COLUMNS[0]
"""It says that an apostrophe before a formula is ours, and no part of the cell."""

_MAY_BE_CHANGED = frozenset({OutcomeStatus.SUCCEEDED, OutcomeStatus.UNKNOWN})

_PLAIN = (ColumnType.STRING, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN)
"""Types that a column may have beside JSON, in the order in which they are tried."""


class OutcomesGoneError(Exception):
    """Outcomes of the run are no longer all kept."""


class ChangedRow(NamedTuple):
    """A row that has changed its record, or may have.

    Attributes:
        kept: of the record before; None: nothing is kept of it.
        taken_at: when it was read, so that it compares: no job is sent before its snapshot, and
            of two of one record the older one shows no change of the other's row.
    """

    outcome: Outcome
    kept: KeptRecord | None
    taken_at: str = ""


class _Taken(NamedTuple):
    at: str
    record: KeptRecord


def changed_rows(run: Run, deps: Deps) -> Iterator[ChangedRow]:
    """The rows of a closed run that may have changed their records, in the order of the file.

    Raises:
        OutcomesGoneError: at the end.
    """
    kept = _Kept(run, deps)
    seen = 0
    for outcome in deps.store.rows.between(run.run_id, 1, run.rows):
        seen += 1
        if outcome.status in _MAY_BE_CHANGED:
            taken = kept.of(outcome.row)
            yield ChangedRow(outcome, taken and taken.record, taken.at if taken else "")
    if seen < run.rows:
        raise OutcomesGoneError(run.run_id)


@dataclass
class _Kept:
    """What is kept of the records of a run. Rows are asked for in ascending order."""

    run: Run
    deps: Deps
    _page: dict[int, _Taken] = field(default_factory=dict)
    _next_chunk: int = 1
    _last_row: int = 0
    _resent: dict[int, _Taken] | None = None

    def of(self, row: int) -> _Taken | None:
        while row > self._last_row and self._next_chunk <= self.run.plan.chunks:
            self._read_page()
        found = self._page.get(row)
        return self._of_resent().get(row) if found is None else found

    def _read_page(self) -> None:
        chunks = self.deps.store.runs.planned_chunks(self.run.run_id, self._next_chunk, AT_ONCE)
        numbers = range(self._next_chunk, self._next_chunk + AT_ONCE)
        self._next_chunk = numbers.stop
        self._page = self._read(numbers)
        ends = [span.first_row + span.rows - 1 for chunk in chunks for span in chunk.spans]
        # A plan that is gone says nothing of its rows: those that were read must do.
        self._last_row = max([self._last_row, *self._page, *ends])

    def _of_resent(self) -> Mapping[int, _Taken]:
        """Of rows that went again: the first snapshot of each, where its planned chunk has none."""
        if self._resent is None:
            first = self.run.plan.chunks + 1
            numbers = [chunk.number for chunk in self.deps.store.chunks.all(self.run.run_id, first)]
            self._resent = {}
            for start in range(0, len(numbers), AT_ONCE):
                for row, kept in self._read(numbers[start : start + AT_ONCE]).items():
                    self._resent.setdefault(row, kept)
        return self._resent

    def _read(self, numbers: range | list[int]) -> dict[int, _Taken]:
        objects, run_id = self.deps.objects, self.run.run_id

        def read(number: int) -> list[tuple[int, str, Any]]:
            try:
                document = objects.get_json(snapshot_key(run_id, number))
            except ObjectMissingError:
                return []
            return [(row, document["taken_at"], record) for row, record in document["rows"]]

        found: dict[int, _Taken] = {}
        for rows in self.deps.parallel_map(read, list(numbers), READERS):
            for row, at, record in rows:
                found.setdefault(row, _Taken(at, KeptRecord.from_json(record)))
        return found


class PutBackColumn:
    """A column of the file that puts records back: what has been in it so far decides its type.

    Args:
        path: of the field.
        operation: that puts it back.
    """

    def __init__(self, path: str, operation: Operation) -> None:
        self.path = path
        self.rows = 0
        self._types = {
            column_type: mapping
            for column_type in _PLAIN
            if (mapping := _mapping(path, column_type, operation)) is not None
        }
        self._said = False

    def note(self, value: object) -> None:
        """A row puts this value back."""
        self.rows += 1
        if value is None:
            return
        self._said = True
        self._types = {
            column_type: mapping
            for column_type, mapping in self._types.items()
            if _comes_back(self.path, value, mapping)
        }

    def type_for(self, rows: int) -> ColumnType:
        """The column's type in a file of so many rows."""
        # An empty cell clears the field: no row may leave it alone.
        if self.rows < rows or not self._types:
            return ColumnType.JSON
        return next(iter(self._types))

    def document(self, rows: int) -> JsonObject:
        """The column as a profile has it."""
        column_type = self.type_for(rows)
        if column_type is ColumnType.JSON:
            return {"field": self.path, "type": column_type.value, "optional": True}
        plain = {"field": self.path, "empty": Empty.CLEAR.value}
        return plain if column_type is ColumnType.STRING else {**plain, "type": column_type.value}

    def cell(self, fields: Mapping[str, Any], rows: int) -> str:
        """What a row has in this column."""
        if self.path not in fields:
            return ""
        value = fields[self.path]
        if self.type_for(rows) is not ColumnType.JSON:
            return "" if value is None else _plain_text(value)
        text = json.dumps(value, ensure_ascii=False)
        return json.dumps(value) if _seems_garbled(text) else text


def _mapping(path: str, column_type: ColumnType, operation: Operation) -> RowMapping | None:
    if operation.types.get(path, column_type) is not column_type:
        return None
    column = {"field": path, "type": column_type.value, "enum": (), "empty": Empty.CLEAR.value}
    profile = Profile.from_document(
        {"name": "x", "connection": "x", "operation": "x", "columns": {path: column}}, 1
    )
    return compile_mapping(profile, [path, OUR_COLUMN], types=operation.types)


def _comes_back(path: str, value: object, mapping: RowMapping) -> bool:
    """Whether a value that is written as plain text is read as the very same."""
    if not isinstance(value, str | int | float):
        return False
    cell = _plain_text(value)
    if not cell.strip() or _seems_garbled(cell):
        return False
    wanted: JsonObject = {}
    put(wanted, parse_path(path), value)
    try:
        found = mapping.record([defuse(cell), ""])
    except RowRejected:
        return False
    # true is no 1, and 1.0 is no 1.
    return json.dumps(found) == json.dumps(wanted)


def _plain_text(value: str | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _seems_garbled(text: str) -> bool:
    """Whether a file of ours that holds this text would be taken for one that Excel has spoilt."""
    return not text.isascii() and is_garbled(text)


def put_back_profile(
    run: Run, operation: Operation, name: str, columns: Mapping[str, PutBackColumn], rows: int
) -> JsonObject:
    """The profile of the file that puts records back.

    Args:
        rows: of the file.
    """
    return {
        "name": name,
        "connection": run.connection,
        "operation": operation.name,
        "columns": {
            ID: ID,
            **{path: column.document(rows) for path, column in columns.items()},
        },
        "row_key": ID,
        "delimiter": ",",
        # These values were the records' own.
        "ramp": "off",
    }
