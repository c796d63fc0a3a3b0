"""Cell text → JSON value, one parser per column.

What a parser accepts it carries exactly: a value that JSON or Python's `json` would change is
rejected, never rounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from math import isinf
from typing import Final, NoReturn

from jobferry.csvfile.problems import RejectCode
from jobferry.model import Column, ColumnType

Parse = Callable[[str], object]

LEFT_OUT: Final = object()
"""What a parser returns when the cell, though not blank, holds no value."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_DIGITS_LIMIT = 4_000
"""Python refuses to turn integers of more than 4,300 digits into text."""
_DEPTH_LIMIT = 64
"""Levels of nested JSON: whoever encodes the request later has less stack left than we have."""
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NAMED_ALTERNATIVES = 12


class CellError(Exception):
    """The cell cannot be what its column wants.

    code  stable word
    wants  completes the sentence "<column>: …"
    """

    def __init__(self, code: RejectCode, wants: str) -> None:
        super().__init__(code, wants)
        self.code = code
        self.wants = wants


def cell_parser(column: Column) -> Parse | None:
    """The parser for the non-blank cells of a column; None when they are carried as they stand.

    The parser raises CellError.
    """
    if column.type is ColumnType.LIST:
        return _list_parser(column)
    parse = _PARSERS.get(column.type)
    if not column.enum:
        return parse
    allowed = frozenset(column.enum)
    wants = _one_of(column.enum)

    def parse_enum(cell: str) -> object:
        if cell not in allowed:
            raise CellError(RejectCode.NOT_ALLOWED, wants)
        return parse(cell) if parse else cell

    return parse_enum


def missing_value() -> CellError:
    return CellError(RejectCode.MISSING_VALUE, "must not be empty")


def _list_parser(column: Column) -> Parse:
    separator = column.separator
    allowed = frozenset(column.enum)
    wants = f"each item {_one_of(column.enum)}"

    def parse_list(cell: str) -> object:
        items = [item for part in cell.split(separator) if (item := part.strip())]
        if allowed and not allowed.issuperset(items):
            raise CellError(RejectCode.NOT_ALLOWED, wants)
        if not items:
            if not column.optional:
                raise missing_value()
            return LEFT_OUT
        return items

    return parse_list


def _one_of(enum: tuple[str, ...]) -> str:
    named = ", ".join(enum[:_NAMED_ALTERNATIVES])
    more = len(enum) - _NAMED_ALTERNATIVES
    return f"must be one of: {named}" + (f" (and {more} more)" if more > 0 else "")


def _parse_integer(cell: str) -> int:
    text = cell.strip()
    if _INTEGER.fullmatch(text) is None:
        raise CellError(RejectCode.NOT_AN_INTEGER, "must be a whole number such as 42")
    return _exact_integer(text)


def _parse_number(cell: str) -> int | float:
    text = cell.strip()
    if _INTEGER.fullmatch(text):
        return _exact_integer(text)
    if _NUMBER.fullmatch(text) is None:
        raise CellError(
            RejectCode.NOT_A_NUMBER,
            "must be a number such as 3.5, with a point and without thousands separators",
        )
    return _exact_float(text)


def _exact_integer(text: str) -> int:
    if len(text) > _DIGITS_LIMIT:
        raise _not_exact()
    return int(text)


def _exact_float(text: str) -> float:
    value = float(text)
    if isinf(value) or Decimal(text) != Decimal(repr(value)):
        raise _not_exact()
    return value


def _not_exact() -> CellError:
    return CellError(
        RejectCode.NUMBER_NOT_EXACT,
        "has more digits than can be carried exactly. Use at most 15, or make the column's type "
        "string",
    )


def _parse_boolean(cell: str) -> bool:
    try:
        return _BOOLEANS[cell.strip().lower()]
    except KeyError:
        raise CellError(
            RejectCode.NOT_A_BOOLEAN, "must be true or false (or yes, no, 1, 0)"
        ) from None


def _parse_date(cell: str) -> str:
    text = cell.strip()
    if _DATE.fullmatch(text):
        try:
            date.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    raise CellError(RejectCode.NOT_A_DATE, "must be a date such as 2026-03-31 (year-month-day)")


def _parse_datetime(cell: str) -> str:
    text = cell.strip()
    if _DATETIME.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    raise CellError(
        RejectCode.NOT_A_DATETIME,
        "must be a date and time with its time zone, such as 2026-03-31T09:30:00Z or "
        "2026-03-31T09:30:00+02:00",
    )


def _parse_json(cell: str) -> object:
    try:
        value = json.loads(
            cell,
            parse_int=_exact_integer,
            parse_float=_exact_float,
            parse_constant=_refuse_constant,
        )
        # Lone surrogates can be written as \\u escapes, but no UTF-8 request can carry them.
        json.dumps(value, ensure_ascii=False).encode()
        nested_too_deep = _deeper_than(value, _DEPTH_LIMIT)
    except (ValueError, RecursionError):
        raise CellError(
            RejectCode.NOT_JSON, 'must be JSON such as {"size": 2} or ["a", "b"]'
        ) from None
    if nested_too_deep:
        raise CellError(
            RejectCode.NOT_JSON, f"must be JSON that nests at most {_DEPTH_LIMIT} levels"
        )
    return value


def _deeper_than(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(child, levels - 1) for child in children)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_PARSERS: dict[ColumnType, Parse] = {
    ColumnType.INTEGER: _parse_integer,
    ColumnType.NUMBER: _parse_number,
    ColumnType.BOOLEAN: _parse_boolean,
    ColumnType.DATE: _parse_date,
    ColumnType.DATETIME: _parse_datetime,
    ColumnType.JSON: _parse_json,
}
