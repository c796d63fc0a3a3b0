"""Cell text → JSON value, one parser per column.

What a parser accepts it keeps exactly: a value that JSON or Python's `json` would change is
rejected, never rounded. What can be read in one way only is read, however it is written; what a
spreadsheet has rounded, or what could be two values, is rejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isinf
from typing import Any, Final, NoReturn

from jobferry.csvfile.blanks import ENDS, invisible_in
from jobferry.csvfile.dates import date_parser, datetime_parser
from jobferry.domain.error_codes import CellError, RejectCode
from jobferry.domain.profile import Column, ColumnType

Parse = Callable[[str], object]

LEFT_OUT: Final = object()
"""What a parser returns when the cell, though not blank, holds no value."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
"""A whole number as programs write it that keep numbers with decimals."""
_EXACT_EXPONENT = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?[eE][0-9]{1,2}")
"""As Java and Salesforce write large numbers: with all digits that they have (`9.0E7`)."""
_ROUNDED = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]{1,3}")
"""As a spreadsheet shows large numbers: with as many digits as it likes (`4.91512E+11`)."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_EMAIL = re.compile(r"[^@\s,;:<>()\[\]\"\\]+@[^@\s,;:<>()\[\]\"\\.]+(?:\.[^@\s,;:<>()\[\]\"\\.]+)+")
_EMAIL_LIMIT = 254
_EXACT = 2**53
"""Whole numbers below it have an exact double, so that a program that keeps doubles has them."""
_DIGITS_LIMIT = 4_000
"""Python refuses to turn integers of more than 4,300 digits into text."""
_DEPTH_LIMIT = 64
"""Levels of nested JSON: whoever encodes the request later has less stack left than we have."""
_TRUE = (
    "true yes y t on 1 1.0 ja j wahr oui vrai sí si s sim verdadero verdadeiro vero sant sann "
    "waar prawda tak"
)
_FALSE = (
    "false no n f off 0 0.0 nein falsch non faux não nao falso falskt nej nei usann nee onwaar "
    "fałsz nie"
)
_BOOLEANS = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)
"""What people and spreadsheets write in the languages of Europe; each word means one thing in all
of them."""
_NAMED_ALTERNATIVES = 12


def cell_parser(column: Column, *, key: bool = False, names_a_record: bool = False) -> Parse | None:
    """The parser for the non-blank cells of a column; None when they are sent as they stand.

    Args:
        column: with its type, and `trim` decided.
        key: its cells distinguish rows: read without blanks at their ends, and never rounded.
        names_a_record: its cells are ids of records: never rounded.

    The parser raises CellError.
    """
    parse = _typed_parser(column, key=key, names_a_record=names_a_record)
    return _replacing(column.values, parse) if column.values else parse


def missing_value() -> CellError:
    return CellError(RejectCode.MISSING_VALUE, "must not be empty")


def _typed_parser(column: Column, *, key: bool, names_a_record: bool) -> Parse | None:
    if column.type is ColumnType.LIST:
        return _list_parser(column)
    if column.type is ColumnType.DATE:
        parse: Parse | None = date_parser(column.format)
    elif column.type is ColumnType.DATETIME:
        parse = datetime_parser(column.format, column.timezone)
    elif column.type is ColumnType.NUMBER:
        parse = _number_parser(column.decimal)
    elif column.type is ColumnType.STRING:
        trimmed = _trimmed if key or column.trim else None
        parse = _never_rounded(trimmed) if key or names_a_record else trimmed
    else:
        parse = _PARSERS[column.type]
    return _enum_parser(column.enum, parse) if column.enum else parse


def _enum_parser(enum: tuple[str, ...], parse: Parse | None) -> Parse:
    allowed = _allowed(enum)
    wants = _one_of(enum)

    def parse_enum(cell: str) -> object:
        text = cell.strip(ENDS)
        found = allowed.get(text) or allowed.get(text.casefold())
        if found is None:
            raise CellError(RejectCode.NOT_ALLOWED, wants)
        return parse(found) if parse else found

    return parse_enum


def _allowed(enum: tuple[str, ...]) -> Mapping[str, str]:
    """What a cell may say → what is sent. Where two words differ by case alone, case counts."""
    folded: dict[str, str | None] = {}
    for word in enum:
        name = word.strip(ENDS).casefold()
        folded[name] = None if name in folded else word
    exact = {word.strip(ENDS): word for word in enum}
    return {name: word for name, word in folded.items() if word is not None} | exact


def _list_parser(column: Column) -> Parse:
    separator = column.separator
    allowed = _allowed(column.enum)
    wants = f"each item {_one_of(column.enum)}"

    def parse_list(cell: str) -> object:
        items = [item for part in cell.split(separator) if (item := part.strip(ENDS))]
        if allowed:
            found = [allowed.get(item) or allowed.get(item.casefold()) for item in items]
            if None in found:
                raise CellError(RejectCode.NOT_ALLOWED, wants)
            items = [item for item in found if item is not None]
        if not items:
            if not column.optional:
                raise missing_value()
            return LEFT_OUT
        return items

    return parse_list


def _replacing(values: Mapping[str, Any], parse: Parse | None) -> Parse:
    """Cells that the profile has a replacement for become it; texts are read on as cells."""
    replacements = {cell.strip(ENDS): sent for cell, sent in values.items()}
    folded = {cell.casefold(): sent for cell, sent in replacements.items()}

    def parse_replaced(cell: str) -> object:
        text = cell.strip(ENDS)
        if text in replacements:
            found = replacements[text]
        elif (name := text.casefold()) in folded:
            found = folded[name]
        else:
            return parse(cell) if parse else cell
        return parse(found) if parse and isinstance(found, str) else found

    return parse_replaced


def _one_of(enum: tuple[str, ...]) -> str:
    named = ", ".join(enum[:_NAMED_ALTERNATIVES])
    more = len(enum) - _NAMED_ALTERNATIVES
    return f"must be one of: {named}" + (f" (and {more} more)" if more > 0 else "")


def _trimmed(cell: str) -> str:
    return cell.strip(ENDS)


def _never_rounded(parse: Callable[[str], str] | None) -> Callable[[str], str]:
    def parse_name(cell: str) -> str:
        if _ROUNDED.fullmatch(cell.strip(ENDS)):
            raise _rounded()
        return parse(cell) if parse else cell

    return parse_name


def _parse_integer(cell: str) -> int:
    text = cell.strip(ENDS)
    if _INTEGER.fullmatch(text):
        return _exact_integer(text)
    whole = _WHOLE.fullmatch(text)
    if whole:
        return _exact_integer(whole[1])
    if _ROUNDED.fullmatch(text):
        raise _rounded()
    if _EXACT_EXPONENT.fullmatch(text):
        value = Decimal(text)
        if value == value.to_integral_value() and abs(value) < _EXACT:
            return int(value)
    raise CellError(RejectCode.NOT_AN_INTEGER, f"must be a whole number such as 42{_unseen(text)}")


def _number_parser(decimal: str) -> Parse:
    def parse_number(cell: str) -> int | float:
        text = cell.strip(ENDS)
        plain = text if decimal == "." else text.replace(".", "x").replace(",", ".")
        if _INTEGER.fullmatch(plain):
            return _exact_integer(plain)
        if _NUMBER.fullmatch(plain) is None:
            other = "," if decimal == "." else "."
            hint = (
                f". If {other!r} stands before the decimals, say so in the profile "
                f'(decimal: "{other}")'
                if text.count(other) == 1
                else ""
            )
            raise CellError(
                RejectCode.NOT_A_NUMBER,
                f"must be a number such as 3{decimal}5, without thousands separators{hint}"
                f"{_unseen(text)}",
            )
        return _exact_float(plain)

    return parse_number


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
        "has more digits than can be sent exactly. Use at most 15, or make the column's type "
        "string",
    )


def _rounded() -> CellError:
    return CellError(
        RejectCode.ROUNDED_NUMBER,
        "the spreadsheet has rounded this number. Format the column as text (or as a number "
        "without decimals), put the whole number in again, and save the file anew",
    )


def _unseen(text: str) -> str:
    """What to say of an invisible character inside a text."""
    name = invisible_in(text)
    return f". There is an invisible character in the cell ({name}): type it anew" if name else ""


def _parse_boolean(cell: str) -> bool:
    text = cell.strip(ENDS)
    try:
        return _BOOLEANS[text.casefold()]
    except KeyError:
        raise CellError(
            RejectCode.NOT_A_BOOLEAN,
            f"must be true or false (or yes, no, 1, 0){_unseen(text)}",
        ) from None


def _parse_email(cell: str) -> str:
    text = cell.strip(ENDS)
    if len(text) > _EMAIL_LIMIT or not _EMAIL.fullmatch(text) or invisible_in(text):
        raise CellError(
            RejectCode.NOT_AN_EMAIL,
            f"must be one e-mail address such as ann@example.com{_unseen(text)}",
        )
    return text


def _parse_json(cell: str) -> object:
    try:
        value = json.loads(
            cell.strip(ENDS),
            parse_int=_exact_integer,
            parse_float=_exact_float,
            parse_constant=_refuse_constant,
        )
        # Lone surrogates can be written as \\u escapes, but no UTF-8 request can hold them.
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
    ColumnType.BOOLEAN: _parse_boolean,
    ColumnType.EMAIL: _parse_email,
    ColumnType.JSON: _parse_json,
}
