from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.converters import LEFT_OUT, CellError, cell_parser
from jobferry.domain.profile import Column, ColumnType


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


@pytest.mark.parametrize(
    "cell", ["1.5", "1.5e0", "", "x", "1 000", "1,0", "\uff11", "0x1", "--1", "1_000"]
)
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
        "2026-03-31T25:00:00Z",
        "2026-02-30T09:30:00Z",
        "2026-03-31T09:30:00 CET",
        "2026-03-31T09:30:00+2",
        "2026-03-31T09:30:00+24:00",
        "2026-03-31 09:30:00.1234567Z",
        "31.03.2026 09:30 UTC",
        "03/04/2026 09:30 UTC",
        "46112.39",
        "tomorrow",
    ],
)
def test_what_is_no_datetime_is_told_what_is_right(cell: str) -> None:
    error = refusal(cell, ColumnType.DATETIME)
    assert error.code == "not_a_datetime"
    assert "2026-03-31T09:30:00Z" in error.wants


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ("2026-03-31 09:30:00 +0000", "2026-03-31T09:30:00Z"),
        ("2026-03-31 09:30:00 UTC", "2026-03-31T09:30:00Z"),
        ("2026-03-31 09:30:00 +0000 UTC", "2026-03-31T09:30:00Z"),
        ("2026-03-31T09:30:00.000+0200", "2026-03-31T09:30:00+02:00"),
        ("2026-03-31T09:30:00,250-1130", "2026-03-31T09:30:00.25-11:30"),
        ("2026-03-31t09:30:00z", "2026-03-31T09:30:00Z"),
        ("20260331T093000Z", "2026-03-31T09:30:00Z"),
        ("2026/03/31 09:30 GMT", "2026-03-31T09:30:00Z"),
        ("2026-03-31 09:30:00+02", "2026-03-31T09:30:00+02:00"),
        ("Tue, 31 Mar 2026 09:30:00 +0000", "2026-03-31T09:30:00Z"),
        ("31 March 2026 09:30 UTC", "2026-03-31T09:30:00Z"),
        ("\u200e2026-03-31 09:30:00Z\xa0", "2026-03-31T09:30:00Z"),
    ],
)
def test_datetimes_that_name_their_zone_are_read(cell: str, sent: str) -> None:
    assert parse(cell, ColumnType.DATETIME) == sent


@pytest.mark.parametrize(
    ("cell", "format_", "sent"),
    [
        ("31.03.2026 09:30", "%d.%m.%Y %H:%M", "2026-03-31T09:30:00+02:00"),
        ("1.12.2026 09:30", "%d.%m.%Y %H:%M", "2026-12-01T09:30:00+01:00"),
        ("2026-03-31 09:30", None, "2026-03-31T09:30:00+02:00"),
        ("2026-03-31T09:30:00Z", None, "2026-03-31T09:30:00Z"),
    ],
)
def test_the_zone_of_the_profile_is_that_of_cells_without_one(
    cell: str, format_: str | None, sent: str
) -> None:
    assert parse(cell, ColumnType.DATETIME, format=format_, timezone="Europe/Oslo") == sent


@pytest.mark.parametrize("cell", ["2026-10-25 02:30", "2026-03-29 02:30"])
def test_an_hour_that_the_clock_shows_twice_or_never_is_rejected(cell: str) -> None:
    assert refusal(cell, ColumnType.DATETIME, timezone="Europe/Oslo").code == "not_a_datetime"


@pytest.mark.parametrize(
    ("cell", "options", "sent"),
    [
        ("2026-03-31 00:00:00", {}, "2026-03-31"),
        ("2026/03/31", {}, "2026-03-31"),
        ("31.03.2026", {"format": "%d.%m.%Y"}, "2026-03-31"),
        ("3/31/26", {"format": "%m/%d/%y"}, "2026-03-31"),
    ],
)
def test_dates_in_other_forms(cell: str, options: dict[str, Any], sent: str) -> None:
    assert parse(cell, ColumnType.DATE, **options) == sent


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("360001.0", 360001),
        ("360001.000", 360001),
        ("9.0E7", 90_000_000),
        ("-1.5e3", -1500),
        ("\u200b42\ufeff", 42),
        ("\xa042\u202f", 42),
    ],
)
def test_whole_numbers_in_other_forms(cell: str, value: int) -> None:
    assert parse(cell, ColumnType.INTEGER) == value


@pytest.mark.parametrize("cell", ["4.91512E+11", "4,91512E+11", "5E+11", "1.2e+05", " 3.6E+11 "])
def test_what_a_spreadsheet_has_rounded_is_no_id(cell: str) -> None:
    assert refusal(cell, ColumnType.INTEGER).code == "rounded_number"
    key = cell_parser(Column("external_id"), key=True)
    assert key is not None
    with pytest.raises(CellError) as caught:
        key(cell)
    assert caught.value.code == "rounded_number"


@pytest.mark.parametrize(("cell", "value"), [("4.9E+11", 4.9e11), ("1e-3", 0.001)])
def test_a_number_may_have_an_exponent(cell: str, value: float) -> None:
    assert parse(cell, ColumnType.NUMBER) == value


def test_keys_lose_what_nobody_sees_at_their_ends() -> None:
    key = cell_parser(Column("external_id"), key=True)
    assert key is not None
    assert key("\ufeff K-1\u200b\xa0") == "K-1"
    assert key("1E5") == "1E5"


def test_ids_are_carried_as_they_stand() -> None:
    name = cell_parser(Column("external_id"), names_a_record=True)
    assert name is not None
    assert name(" K-1 ") == " K-1 "
    with pytest.raises(CellError):
        name("4.9E+11")


def test_an_invisible_character_is_named() -> None:
    assert "zero width space" in refusal("36\u200b0001", ColumnType.INTEGER).wants
    assert "left-to-right mark" in refusal("a\u200eb@x.com", ColumnType.EMAIL).wants


@pytest.mark.parametrize(
    ("cell", "value"), [("3,5", 3.5), ("-0,25", -0.25), ("42", 42), (",5", 0.5)]
)
def test_a_decimal_comma(cell: str, value: float) -> None:
    assert parse(cell, ColumnType.NUMBER, decimal=",") == value


@pytest.mark.parametrize("cell", ["1.234,5", "1.5", "1 234,5", "1,2,3"])
def test_no_thousands_separators(cell: str) -> None:
    assert refusal(cell, ColumnType.NUMBER, decimal=",").code == "not_a_number"


def test_the_way_to_a_decimal_comma_is_told() -> None:
    assert 'decimal: ","' in refusal("3,5", ColumnType.NUMBER).wants


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("Y", True),
        ("n", False),
        ("T", True),
        ("f", False),
        ("on", True),
        ("OFF", False),
        ("Ja", True),
        ("nein", False),
        ("WAHR", True),
        ("FALSCH", False),
        ("1.0", True),
    ],
)
def test_booleans_as_people_write_them(word: str, value: object) -> None:
    assert parse(word, ColumnType.BOOLEAN) is value


@pytest.mark.parametrize(
    "cell", ["ann@example.net", " ann@example.net ", "\u200bann@example.net\xa0"]
)
def test_emails_lose_blanks_at_their_ends(cell: str) -> None:
    assert parse(cell, ColumnType.EMAIL) == "ann@example.net"


@pytest.mark.parametrize(
    "cell",
    [
        "n/a",
        "ann",
        "ann@",
        "@x.com",
        "a b@x.com",
        "a@x",
        "a@@x.com",
        "a@x.com, b@x.com",
        "a@x..com",
    ],
)
def test_what_is_no_email(cell: str) -> None:
    assert refusal(cell, ColumnType.EMAIL).code == "not_an_email"


def test_replacements() -> None:
    values = {"Hoch": "high", "ja": True, "": "never"}
    assert parse(" hoch ", ColumnType.STRING, values=values) == "high"
    assert parse("ja", ColumnType.STRING, values=values) is True
    assert parse("other ", ColumnType.STRING, values=values) == "other "
    assert parse("Hoch", ColumnType.STRING, values=values, enum=("high",)) == "high"
    assert refusal("low", ColumnType.STRING, values=values, enum=("high",)).code == "not_allowed"


def test_texts_are_trimmed_only_where_the_profile_says_so() -> None:
    assert cell_parser(Column("f")) is None
    assert parse("\xa0 a b \u200b", ColumnType.STRING, trim=True) == "a b"


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


@pytest.mark.parametrize("cell", ["low", "Low", " LOW ", "low\u200b"])
def test_enums_are_read_without_regard_to_case_and_blanks(cell: str) -> None:
    assert parse(cell, ColumnType.STRING, enum=("low", "high")) == "low"
    assert parse(f"{cell},high", ColumnType.LIST, enum=("low", "high")) == ["low", "high"]


def test_case_counts_where_two_words_differ_by_nothing_else() -> None:
    assert parse("A", ColumnType.STRING, enum=("a", "A")) == "A"
    assert parse("a", ColumnType.STRING, enum=("a", "A")) == "a"


def test_an_enum_names_what_is_allowed() -> None:
    error = refusal("lowest", ColumnType.STRING, enum=("low", "high"))
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
