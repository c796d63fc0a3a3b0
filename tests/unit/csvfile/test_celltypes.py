from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.celltypes import LEFT_OUT, CellError, cell_parser
from jobferry.model import Column, ColumnType


def parse(cell: str, type_: ColumnType, **options: object) -> object:
    parser = cell_parser(Column("f", type=type_, **options))  # type: ignore[arg-type]
    assert parser is not None
    return parser(cell)


def refusal(cell: str, type_: ColumnType, **options: object) -> CellError:
    with pytest.raises(CellError) as caught:
        parse(cell, type_, **options)
    return caught.value


def test_strings_need_no_parser() -> None:
    assert cell_parser(Column("f")) is None


@given(st.integers())
def test_integers_of_any_length_are_exact(value: int) -> None:
    assert parse(str(value), ColumnType.INTEGER) == value


def test_long_integers() -> None:
    assert parse("9" * 100, ColumnType.NUMBER) == int("9" * 100)
    assert refusal("9" * 5_000, ColumnType.INTEGER).code == "number_not_exact"


@pytest.mark.parametrize("cell", ["1.0", "1e3", "", "x", "1 000", "\uff11", "0x1", "--1", "1_000"])
def test_what_is_no_integer(cell: str) -> None:
    assert refusal(cell, ColumnType.INTEGER).code == "not_an_integer"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-1e9, max_value=1e9))
def test_ordinary_numbers_are_carried_exactly(value: Decimal) -> None:
    sent = json.dumps(parse(f"{value:f}", ColumnType.NUMBER))
    assert Decimal(sent) == value


@given(st.from_regex(r"[+-]?[0-9]{1,30}\.[0-9]{1,30}(e[+-]?[0-9]{1,3})?", fullmatch=True))
def test_a_number_is_exact_or_rejected(cell: str) -> None:
    try:
        sent = json.dumps(parse(cell, ColumnType.NUMBER))
    except CellError as error:
        assert error.code == "number_not_exact"  # noqa: PT017
    else:
        assert Decimal(sent) == Decimal(cell)


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "-inf", "1,5", "1.", "abc", "1e1000", "٣"])
def test_what_is_no_number(cell: str) -> None:
    assert refusal(cell, ColumnType.NUMBER).code == "not_a_number"


@pytest.mark.parametrize("cell", ["0.1000000000000000000001", "1e400", "1e-400", "1.5e999"])
def test_numbers_that_would_change(cell: str) -> None:
    assert refusal(cell, ColumnType.NUMBER).code == "number_not_exact"


@pytest.mark.parametrize(
    ("cell", "value"),
    [("true", True), ("FALSE", False), ("Yes", True), ("no", False), ("1", True), (" 0 ", False)],
)
def test_booleans(cell: str, *, value: bool) -> None:
    assert parse(cell, ColumnType.BOOLEAN) is value


def test_what_is_no_boolean() -> None:
    assert refusal("maybe", ColumnType.BOOLEAN).code == "not_a_boolean"


def test_dates() -> None:
    assert parse("2024-02-29", ColumnType.DATE) == "2024-02-29"


@pytest.mark.parametrize(
    "cell", ["2023-02-29", "20240101", "2024-W01-1", "31.03.2026", "3/31/2026", "2024-1-1"]
)
def test_what_is_no_date(cell: str) -> None:
    error = refusal(cell, ColumnType.DATE)
    assert error.code == "not_a_date"
    assert "2026-03-31" in error.wants


@pytest.mark.parametrize(
    "cell",
    [
        "2026-03-31T09:30:00Z",
        "2026-03-31T09:30Z",
        "2026-03-31T09:30:00.123456789Z",
        "2026-03-31T09:30:00+02:00",
        "2026-03-31T09:30:00-11:30",
    ],
)
def test_datetimes_are_carried_as_written(cell: str) -> None:
    assert parse(f" {cell} ", ColumnType.DATETIME) == cell


@pytest.mark.parametrize(
    "cell",
    [
        "2026-03-31",
        "2026-03-31T09:30:00",
        "2026-03-31 09:30:00Z",
        "2026-03-31T25:00:00Z",
        "2026-02-30T09:30:00Z",
        "2026-03-31T09:30:00+0200",
        "20260331T093000Z",
        "tomorrow",
    ],
)
def test_what_is_no_datetime_is_told_what_is_right(cell: str) -> None:
    error = refusal(cell, ColumnType.DATETIME)
    assert error.code == "not_a_datetime"
    assert "2026-03-31T09:30:00Z" in error.wants


def test_lists_are_stripped_and_lose_empty_items() -> None:
    assert parse(" a | b||c ", ColumnType.LIST, separator="|") == ["a", "b", "c"]


def test_a_list_without_items_is_no_value() -> None:
    assert refusal("| |", ColumnType.LIST, separator="|").code == "missing_value"
    assert parse("| |", ColumnType.LIST, separator="|", optional=True) is LEFT_OUT


def test_every_item_of_a_list_must_be_allowed() -> None:
    assert parse("a,b", ColumnType.LIST, enum=("a", "b")) == ["a", "b"]
    error = refusal("a,z", ColumnType.LIST, enum=("a", "b"))
    assert error.code == "not_allowed"
    assert "a, b" in error.wants


def test_enums_are_exact_and_name_what_is_allowed() -> None:
    assert parse("low", ColumnType.STRING, enum=("low", "high")) == "low"
    error = refusal("Low", ColumnType.STRING, enum=("low", "high"))
    assert error.code == "not_allowed"
    assert "low, high" in error.wants
    assert "and 88 more" in refusal("x", ColumnType.STRING, enum=tuple(map(str, range(100)))).wants


def test_an_enum_of_integers() -> None:
    assert parse("2", ColumnType.INTEGER, enum=("1", "2")) == 2
    assert refusal("3", ColumnType.INTEGER, enum=("1", "2")).code == "not_allowed"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_json_is_carried_exactly(value: object) -> None:
    assert parse(json.dumps(value), ColumnType.JSON) == value


@pytest.mark.parametrize(
    "cell", ["{", "NaN", "[Infinity]", '"\\ud800"', "[" * 100_000, "{'a': 1}", "[" * 80 + "]" * 80]
)
def test_what_is_no_json_that_can_be_sent(cell: str) -> None:
    assert refusal(cell, ColumnType.JSON).code == "not_json"


def test_numbers_inside_json_are_exact_or_rejected() -> None:
    assert parse("[0.1, 1e5]", ColumnType.JSON) == [0.1, 1e5]
    assert refusal("[0.10000000000000000001]", ColumnType.JSON).code == "number_not_exact"
