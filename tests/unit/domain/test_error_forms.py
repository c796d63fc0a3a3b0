"""Texts of one form are one kind of error; texts that say different things are not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobferry.domain.error_forms import MOST_CHARACTERS, form_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Email: p1@ex.org is not properly formatted", "Email: p2@ex is not properly formatted"),
        ("Ref: repeats row 120", "Ref: repeats row 1,204"),
        ("Requester: Email: person7 at home", "Requester: Email: person812 at home"),
        ('Value "red" is not allowed', 'Value "dark blue" is not allowed'),
        ("Value 'red' isn't allowed", "Value 'it' isn't allowed"),
        ("Wert „rot“ ist falsch", "Wert „blau“ ist falsch"),
        ("Job V3-9f12ab is gone", "Job V3-77aa01 is gone"),
        ("See https://a.example/x?y=1", "See https://a.example/z"),
        ("Since 2026-01-31T09:30:00Z", "Since 2026-02-01T10:00:00Z"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "id 6ecd8c99-4036-403d-bf84-cf8400f67836"),
        ("Rows 1, 2 and 3 repeat", "Rows 7 and 9 repeat"),
        ("too   many\nblanks", "too many blanks"),
    ],
)
def test_what_differs_from_row_to_row_is_masked(one: str, other: str) -> None:
    assert form_of(one) == form_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Description: cannot be blank", "Subject: cannot be blank"),
        ("Email: p1@ex.org is suspended", "Email: p1@ex.org is not properly formatted"),
        ("it can't be blank and doesn't fit", "it can't be long and doesn't fit"),
        ("Ticket 7 is closed", "User 7 is closed"),
        ("", "x"),
    ],
)
def test_what_says_another_thing_is_another_kind(one: str, other: str) -> None:
    assert form_of(one) != form_of(other)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_any_number_is_any_other(one: int, other: int) -> None:
    assert form_of(f"Ticket {one}: not found") == form_of(f"Ticket {other}: not found")


@given(st.text(max_size=3_000))
@example('"' * 2_000)
@example("'a" * 2_000)
@example("a." * 2_000)
@example("a.@" * 2_000)
@example("a://" * 2_000)
def test_any_text_has_a_form(text: str) -> None:
    assert len(form_of(text)) <= 9 * MOST_CHARACTERS
