"""Whatever a vendor answers: what passes the gate can be stored, encoded and compared."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.answer_gate import (
    LARGEST,
    LONGEST_ID,
    LONGEST_TEXT,
    LONGEST_WARNING,
    MAX_DEPTH,
    MOST_WARNINGS,
    VENDOR_ERROR,
    clipped,
    error_said,
    json_document,
    made_safe,
    safe_headers,
    safe_text,
    usable_id,
    warnings_said,
    whole,
    whole_in_text,
)
from jobferry.vendors.http.client import Answer

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)
"""Lone surrogates and NUL included."""

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=10,
)


def depth_of(value: Any) -> int:
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def is_safe(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_safe(key) and is_safe(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(is_safe, value))
    if isinstance(value, str):
        return "\x00" not in value and bool(value.encode() or not value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -LARGEST - 1 <= value <= LARGEST


# Documents


@given(ANY_VALUE)
def test_whatever_stands_in_json_is_safe_afterwards(value: Any) -> None:
    document = json_document(json.dumps(value).encode())

    assert is_safe(document)
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    assert is_safe(made_safe(value))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-LARGEST - 1, LARGEST)
        | st.text("aä€😀", max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("aä"), inner, max_size=3)
        ),
        max_leaves=10,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.booleans(),
)
def test_what_is_harmless_stays_as_it_is(value: Any, encoding: str, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode(encoding)

    assert json_document(body) == json.loads(body) == value


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (rb'{"a": "cut \ud83d"}', {"a": "cut \ufffd"}),
        (rb'{"a": "\ude00 tail"}', {"a": "\ufffd tail"}),
        (rb'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}),
        (rb'{"a": "\u0000"}', {"a": "\ufffd"}),
        (b'{"a": "\xed\xa0\xbd"}', {"a": "\ufffd\ufffd\ufffd"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1e999}', dict.fromkeys("abcd")),
        (b'{"a": 9223372036854775807}', {"a": LARGEST}),
        (b'{"a": 9223372036854775808}', {"a": None}),
        (b'{"a": -9223372036854775808}', {"a": -LARGEST - 1}),
        (b'{"a": -9223372036854775809}', {"a": None}),
        (b'{"a": ' + b"9" * 401 + b', "b": 1}', {"a": None, "b": 1}),
        (b'{"a": ' + b"9" * 5_000 + b', "b": 1}', {"a": None, "b": 1}),
        (b'{"a": "' + b"9" * 5_000 + b'"}', {"a": "9" * 5_000}),
    ],
)
def test_one_bad_value_costs_no_other(body: bytes, document: Any) -> None:
    assert json_document(body) == document
    assert Answer(200, {}, body).json() == document


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 400, 990, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_depth_is_bounded_and_what_stands_beside_it_is_kept(
    levels: int, opened: str, closed: str
) -> None:
    deep = opened * levels + '"[[{"' + closed * levels
    document = json_document(f'{{"deep": {deep}, "beside": [1, "]"]}}'.encode())

    assert document["beside"] == [1, "]"]
    assert depth_of(document) == MAX_DEPTH


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 100_000, b'{"a": ', b"]" * 70, b'{"a": "\x00"}', b"nul", b"{]"]
)
def test_what_is_no_json_is_no_document(body: bytes) -> None:
    assert json_document(body) is None


@given(st.binary(max_size=40) | ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_body_is_too_strange(body: bytes) -> None:
    assert is_safe(json_document(body))


# Texts


@given(ANY_TEXT)
def test_a_safe_text_can_be_stored(text: str) -> None:
    safe = safe_text(text)

    assert "\x00" not in safe
    assert safe.encode().decode() == safe
    assert safe_text(safe) == safe


@given(ANY_TEXT.map(lambda text: text * 90))
def test_a_clipped_text_is_bounded(text: str) -> None:
    assert len(clipped(text)) <= LONGEST_TEXT
    clipped(text).encode()


def test_headers_are_texts_of_a_bounded_length() -> None:
    headers = safe_headers({"X-Ü\ud83d": "ä" * 70_000, "Date": "today"})

    assert headers["date"] == "today"
    assert all(len(value) < 5_000 for value in headers.values())
    json.dumps(headers, ensure_ascii=False).encode()


# Ids and numbers


@pytest.mark.parametrize(
    ("value", "as_text"),
    [
        (1, "1"),
        (LARGEST, str(LARGEST)),
        ("V3-a", "V3-a"),
        ("é 1", "é 1"),
        ("x" * LONGEST_ID, "x" * LONGEST_ID),
        *((no_id, None) for no_id in (None, True, False, 0, -1, LARGEST + 1, 10**400, 1.0)),
        *((no_id, None) for no_id in (math.nan, math.inf, {}, [], {"a": 1}, [1], b"a")),
        *((no_id, None) for no_id in ("", " ", "\t", "a\nb", "a\x00", "\ud83d", "\x1b]0;x\x07")),
        ("x" * (LONGEST_ID + 1), None),
        ("😀" * 240, None),
    ],
)
def test_an_id_is_a_positive_number_or_a_printable_text(value: object, as_text: str | None) -> None:
    assert usable_id(value) == as_text


@given(ANY_VALUE)
def test_an_id_always_fits(value: object) -> None:
    found = usable_id(value)

    assert found is None or (found.strip() and len(found.encode()) <= 900)


@pytest.mark.parametrize(
    ("value", "number", "in_text"),
    [
        (0, 0, 0),
        (7, 7, 7),
        ("7", None, 7),
        *((none, None, None) for none in (True, False, -1, 1.0, 10**400, None, [], {}, "", "-7")),
        *((none, None, None) for none in ("9" * 5_000, "9" * 19, "٣", "²", "7.5", " 7")),
    ],
)
def test_counts_are_whole_numbers(value: object, number: int | None, in_text: int | None) -> None:
    assert (whole(value), whole_in_text(value)) == (number, in_text)


# Codes


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("RecordInvalid", "Email: taken", ("RecordInvalid", "Email: taken")),
        ("a.b-c:d_9", "", ("a.b-c:d_9", "no reason")),
        ("", "words", ("failed", "words")),
        (None, "", ("failed", "no reason")),
        ({}, "words", ("failed", "words")),
        ([1], "words", ("failed", "words")),
        ("Jane Doe", "in use", (VENDOR_ERROR, "Jane Doe: in use")),
        ("jane@example.com", "", (VENDOR_ERROR, "jane@example.com")),
        ("two words", "said two words", (VENDOR_ERROR, "said two words")),
        ("E\n", "x", ("E", "x")),
        ("1abc", "x", (VENDOR_ERROR, "1abc: x")),
        (7, "x", (VENDOR_ERROR, "7: x")),
        ("x" * 64, "t", ("x" * 64, "t")),
        ("é", "t", (VENDOR_ERROR, "é: t")),
    ],
)
def test_only_a_word_is_a_code(code: object, text: str, expected: tuple[str, str]) -> None:
    assert error_said(code, text, without="failed", otherwise="no reason") == expected


@given(ANY_VALUE, ANY_TEXT)
def test_a_code_is_never_free_text(code: object, text: str) -> None:
    said, words = error_said(code, text * 60, without="failed", otherwise="no reason")

    assert said.replace("_", "").replace(".", "").replace("-", "").replace(":", "").isalnum()
    assert said.isascii()
    assert len(said) <= 64
    assert 0 < len(words) <= LONGEST_TEXT
    words.encode()


def test_a_code_longer_than_any_is_text() -> None:
    said, words = error_said("x" * 5_000, "", without="failed", otherwise="no reason")

    assert said == VENDOR_ERROR
    assert len(words) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, ()),
        ({"x-zendesk-api-warn": "Removed  restricted\tkeys"}, ("Removed restricted keys",)),
        (
            {"warning": '299 acme "Field x is \\"old\\"" "Sat, 28 Nov 2026"'},
            ('Field x is \\"old\\"',),
        ),
        ({"warning": '299 - "a, b", 199 - "c"'}, ("a, b", "c")),
        ({"warning": '110 cache "Response is Stale", 214 - "Transformed"'}, ()),
        ({"warning": "the field x is ignored"}, ("the field x is ignored",)),
        ({"warning": " ", "x-zendesk-api-warn": ""}, ()),
        ({"warning": '299 - "same"', "x-zendesk-api-warn": "same"}, ("same",)),
    ],
)
def test_warnings_stand_in_headers(headers: dict[str, str], said: tuple[str, ...]) -> None:
    assert warnings_said(headers) == said
    assert Answer(200, headers, b"").warnings == said


@given(st.dictionaries(st.sampled_from(["warning", "x-zendesk-api-warn"]), ANY_TEXT | st.text()))
def test_warnings_are_few_short_and_safe(headers: dict[str, str]) -> None:
    said = warnings_said(safe_headers(headers))
    assert len(said) <= MOST_WARNINGS
    assert all(0 < len(text) <= LONGEST_WARNING and is_safe(text) for text in said)
    assert all("\n" not in text for text in said)


def test_a_long_warning_and_many_of_them_are_cut() -> None:
    many = ", ".join(f'299 - "{n}{"x" * 300}"' for n in range(9))
    said = warnings_said({"warning": many})
    assert len(said) == MOST_WARNINGS
    assert {len(text) for text in said} == {LONGEST_WARNING}
