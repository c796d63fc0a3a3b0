"""Profile + header → what to do with each cell: check it for planning, place it for sending."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobferry.csvfile.celltypes import LEFT_OUT, CellError, Parse, cell_parser, missing_value
from jobferry.csvfile.fieldpath import (
    FieldPath,
    PathConflict,
    looks_like_path,
    parse_path,
    put,
)
from jobferry.csvfile.problems import (
    FileRefused,
    Problem,
    RefusalCode,
    RejectCode,
    column_letters,
)
from jobferry.csvfile.safe import undefuse
from jobferry.model import Column, ColumnType, JsonObject, Profile

RESULT_COLUMNS = (
    "jobferry_row",
    "jobferry_status",
    "jobferry_vendor_id",
    "jobferry_error_code",
    "jobferry_error",
)
"""Columns that result files add. A file that has one is taken for a result file that was mended."""

_NAMED_COLUMNS = 10


class RowRejected(Exception):
    """The row cannot become a record."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Field:
    """One mapped column of this very file. `parse` None: the cell is carried as it stands."""

    index: int
    name: str
    path: FieldPath
    optional: bool
    parse: Parse | None


@dataclass(frozen=True, slots=True)
class _RowKey:
    index: int
    name: str
    folded: bool


class RowMapping:
    """A profile's columns bound to the header of one file. Made by `compile_mapping`.

    key_name     header of the row_key column, None when the profile has none
    fixed_bytes  at least as many as a record's compact JSON has beyond six times the bytes that
                 its row has in the file
    """

    def __init__(
        self,
        fields: Sequence[_Field],
        constants: JsonObject,
        row_key: _RowKey | None,
        *,
        defused: bool,
    ) -> None:
        self._fields = tuple(fields)
        self._constants = constants
        self._row_key = row_key
        self._defused = defused
        needed = [field.index for field in fields if not field.optional]
        self._needed = tuple([*needed, row_key.index] if row_key else needed)
        self._parsers = tuple((f.index, f.parse) for f in fields if f.parse is not None)
        self.key_name = row_key.name if row_key else None
        self.fixed_bytes = _json_bytes(self._template())

    def check(self, cells: Sequence[str]) -> Problem | None:
        """What keeps the row from becoming a record: all of it in one sentence each, or None.

        cells  as many as the header has columns
        """
        plain = self._plain(cells)
        for index in self._needed:
            cell = plain[index]
            if not cell or cell.isspace():
                return self._complaint(plain)
        try:
            for index, parse in self._parsers:
                cell = plain[index]
                if cell and not cell.isspace():
                    parse(cell)
        except CellError:
            return self._complaint(plain)
        return None

    def key(self, cells: Sequence[str]) -> str:
        """The row's key, folded if the vendor compares it so; empty when the profile has none."""
        if self._row_key is None:
            return ""
        cell = cells[self._row_key.index]
        if self._defused:
            cell = undefuse(cell)
        return cell.casefold() if self._row_key.folded else cell

    def record(self, cells: Sequence[str]) -> JsonObject:
        """The record to send. Raises RowRejected with what `check` says when there is something."""
        plain = self._plain(cells)
        record: JsonObject = copy.deepcopy(self._constants)
        try:
            for field in self._fields:
                value = self._value(field, plain[field.index])
                if value is not LEFT_OUT:
                    put(record, field.path, value, replace=True)
        except CellError as error:
            raise RowRejected(self._complaint(plain)) from error
        return record

    def sets(self, name: str) -> bool:
        """Whether a column or a constant fills the field of this name, or something inside it."""
        return name in self._template()

    def _plain(self, cells: Sequence[str]) -> Sequence[str]:
        return [undefuse(cell) for cell in cells] if self._defused else cells

    @staticmethod
    def _value(field: _Field, cell: str) -> object:
        if not cell or cell.isspace():
            if field.optional:
                return LEFT_OUT
            raise missing_value()
        return field.parse(cell) if field.parse else cell

    def _complaint(self, cells: Sequence[str]) -> Problem:
        problems: list[Problem] = []
        key = self._row_key
        if key is not None and not cells[key.index].strip():
            problems.append(
                Problem(
                    RejectCode.MISSING_ROW_KEY,
                    f"{key.name}: must not be empty, as it tells the rows apart.",
                )
            )
        for field in self._fields:
            if problems and key is not None and field.index == key.index:
                continue
            try:
                self._value(field, cells[field.index])
            except CellError as error:
                problems.append(Problem(error.code, f"{field.name}: {error.wants}."))
        return Problem(problems[0].code, " ".join(problem.reason for problem in problems))

    def _template(self) -> JsonObject:
        record = copy.deepcopy(self._constants)
        for field in self._fields:
            put(record, field.path, "", replace=True)
        return record


def compile_mapping(
    profile: Profile,
    header: Sequence[str],
    *,
    folded: frozenset[str] = frozenset(),
    types: Mapping[str, ColumnType] | None = None,
) -> RowMapping:
    """Bind the profile's columns to a header (`Dialect.header`).

    folded  vendor fields that are compared without regard to case
    types   vendor fields that are no plain text, for columns that the profile says nothing of

    Raises FileRefused when a mapped column is missing or there twice, when columns want the same
    place in the record, or, for a profile without columns, when a name cannot be a field.
    """
    defused = any(name in RESULT_COLUMNS for name in header)
    names = [undefuse(name) for name in header] if defused else list(header)
    columns = {
        name: _typed(column, types or {})
        for name, column in (
            dict(profile.entries()) if profile.columns is not None else _columns_of(names)
        ).items()
    }
    wanted = [*columns, *([profile.row_key] if profile.row_key else [])]
    places = _places(names, wanted)
    fields = [
        _Field(places[name], name, parse_path(column.field), column.optional, cell_parser(column))
        for name, column in columns.items()
    ]
    constants: JsonObject = {}
    for path, value in profile.constants.items():
        put(constants, parse_path(path), copy.deepcopy(value), replace=True)
    _refuse_conflicts(fields, constants)
    row_key = None
    if profile.row_key:
        column = columns.get(profile.row_key)
        row_key = _RowKey(
            places[profile.row_key],
            profile.row_key,
            folded=column is not None and column.field in folded,
        )
    return RowMapping(fields, constants, row_key, defused=defused)


def _typed(column: Column, types: Mapping[str, ColumnType]) -> Column:
    if column.type is not ColumnType.STRING or column.field not in types:
        return column
    return replace(column, type=types[column.field])


def _columns_of(names: Sequence[str]) -> dict[str, Column]:
    """The columns of a profile that names none: every header is a field's path."""
    own = [(index, name) for index, name in enumerate(names) if name and name not in RESULT_COLUMNS]
    for index, name in own:
        if not looks_like_path(name):
            raise FileRefused(
                RefusalCode.NO_HEADER,
                f"Column {column_letters(index)} of the first line is not the name of a field. "
                "The first line must be the header, and as the profile maps no columns, every "
                "name in it must be a field of the vendor.",
            )
    return {name: Column(field=name, optional=True) for _, name in own}


def _places(names: Sequence[str], wanted: Iterable[str]) -> Mapping[str, int]:
    """Where each wanted column stands."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(name, []).append(index)
    wanted = list(dict.fromkeys(wanted))
    missing = [name for name in wanted if name not in places]
    if missing:
        raise _missing(missing, names, none_found=len(missing) == len(wanted))
    for name in wanted:
        if len(places[name]) > 1:
            letters = " and ".join(map(column_letters, places[name]))
            raise FileRefused(
                RefusalCode.DUPLICATE_COLUMN,
                f'The columns {letters} are both named "{name}", and the profile uses that name. '
                "Rename or delete one of them.",
            )
    return {name: places[name][0] for name in wanted}


def _missing(missing: Sequence[str], names: Sequence[str], *, none_found: bool) -> FileRefused:
    listed = ", ".join(f'"{name}"' for name in missing[:_NAMED_COLUMNS])
    if len(missing) > _NAMED_COLUMNS:
        listed += f" and {len(missing) - _NAMED_COLUMNS} more"
    folded = {name.casefold() for name in names}
    if any(name.casefold() in folded for name in missing):
        return FileRefused(
            RefusalCode.MISSING_COLUMN,
            f"The header lacks {listed}, which the profile needs. Capital letters count: write "
            "the names in the header exactly as in the profile.",
        )
    if none_found:
        return FileRefused(
            RefusalCode.NO_HEADER,
            f"The first line is not the header that the profile needs: it has none of {listed}. "
            "Make the line with the column names the first one, with nothing above it.",
        )
    return FileRefused(
        RefusalCode.MISSING_COLUMN,
        f"The header lacks {listed}, which the profile needs. "
        "Add what is missing, or take it out of the profile.",
    )


def _refuse_conflicts(fields: Sequence[_Field], constants: JsonObject) -> None:
    alone: JsonObject = {}
    with_constants: JsonObject = copy.deepcopy(constants)
    for field in fields:
        try:
            put(alone, field.path, "")
            put(with_constants, field.path, "", replace=True)
        except PathConflict:
            raise FileRefused(
                RefusalCode.CONFLICTING_COLUMNS,
                f'The column "{field.name}" wants a place in the record that another column or a '
                "constant has taken. Give each its own field in the profile.",
            ) from None


def _json_bytes(value: JsonObject) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
