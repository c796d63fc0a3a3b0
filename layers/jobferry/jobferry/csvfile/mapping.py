"""Profile + header → what to do with each cell."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jobferry.csvfile.blanks import ENDS
from jobferry.csvfile.converters import cell_parser
from jobferry.csvfile.fieldpath import PathConflict, looks_like_path, parse_path, put
from jobferry.csvfile.formula_injection import undefuse
from jobferry.csvfile.header_names import RESULT_COLUMNS, places_of
from jobferry.csvfile.row_mapping import Judge, MappedField, RowKey, RowMapping, holds, is_one_of
from jobferry.domain.error_codes import FileRefused, RefusalCode, column_letters
from jobferry.domain.profile import Column, ColumnType, Profile
from jobferry.domain.types import JsonObject

_IDS = frozenset({"id", "external_id", "phone", "mobile", "shared_phone_number"})
"""Fields whose numbers are names: a digit more or less means another record."""


def compile_mapping(
    profile: Profile,
    header: Sequence[str],
    *,
    folded: frozenset[str] = frozenset(),
    types: Mapping[str, ColumnType] | None = None,
    required: Sequence[Sequence[str]] = (),
    judge: Judge | None = None,
) -> RowMapping:
    """Bind the profile's columns to a header (`Dialect.header`).

    Args:
        folded: vendor fields that are compared without regard to case.
        types: vendor fields that are no plain text, for columns that the profile says nothing of.
        required: fields that the vendor needs in each record, alternatives together.
        judge: says which records the vendor takes in no request.

    Raises:
        FileRefused: a mapped column is missing or there twice, columns want the same place in the
            record, or, for a profile without columns, a name cannot be a field.
    """
    defused = any(name in RESULT_COLUMNS for name in header)
    names = [undefuse(name) for name in header] if defused else list(header)
    columns = (
        list(profile.entries()) if profile.columns is not None else list(_columns_of(names).items())
    )
    wanted = [name for name, _ in columns]
    places = places_of(names, [*wanted, *([profile.row_key] if profile.row_key else [])])
    nulls = frozenset(text.strip(ENDS) for text in profile.null_values)
    fields = [
        _field(name, _typed(column, types or {}, profile), places[name], names, nulls, profile)
        for name, column in columns
    ]
    constants: JsonObject = {}
    for path, value in profile.constants.items():
        put(constants, parse_path(path), copy.deepcopy(value), replace=True)
    _refuse_conflicts(fields, constants)
    row_key = None
    if profile.row_key:
        of_key = next((f for f in fields if f.name == profile.row_key), None)
        field_name = "" if of_key is None else ".".join(of_key.path.keys)
        row_key = RowKey(places[profile.row_key], profile.row_key, field_name in folded, of_key)
    if profile.columns is None:
        _refuse_without_required(names, constants, required)
    return RowMapping(fields, constants, row_key, defused=defused, required=required, judge=judge)


def _field(
    name: str,
    column: Column,
    index: int,
    names: Sequence[str],
    nulls: frozenset[str],
    profile: Profile,
) -> MappedField:
    path = parse_path(column.field)
    plain = column.type is ColumnType.STRING and not column.enum
    last = path.keys[-1]
    is_key = name == profile.row_key
    names_a_record = is_key or last in _IDS or last.endswith("_id")
    key = plain and names_a_record and not column.values
    parse = cell_parser(column, key=is_key, names_a_record=names_a_record)
    return MappedField(index, name, names[index], path, column.when_empty, parse, nulls, key)


def _typed(column: Column, types: Mapping[str, ColumnType], profile: Profile) -> Column:
    if column.trim is None:
        column = replace(column, trim=profile.trim)
    if column.type is not ColumnType.STRING or column.enum or column.field not in types:
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


def _refuse_conflicts(fields: Sequence[MappedField], constants: JsonObject) -> None:
    alone: JsonObject = {}
    with_constants: JsonObject = copy.deepcopy(constants)
    for each in fields:
        try:
            put(alone, each.path, "")
            put(with_constants, each.path, "", replace=True)
        except PathConflict:
            raise FileRefused(
                RefusalCode.CONFLICTING_COLUMNS,
                f'The column "{each.name}" wants a place in the record that another column or a '
                "constant has taken. Give each its own field in the profile.",
            ) from None


def _refuse_without_required(
    names: Sequence[str], constants: JsonObject, required: Sequence[Sequence[str]]
) -> None:
    for alternatives in required:
        filled = any(holds(constants, name) for name in alternatives) or any(
            is_one_of(parse_path(name), alternatives) for name in names if name
        )
        if not filled:
            raise FileRefused(
                RefusalCode.MISSING_COLUMN,
                f"The vendor needs {' or '.join(alternatives)} in every record. Add the column, or "
                "a constant to the profile.",
            )
