"""`Retry-After` in its two forms, and in those that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.http import Answer, parse_retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@given(st.integers(0, 10**6))
def test_seconds(seconds: int) -> None:
    assert parse_retry_after(str(seconds)) == seconds


@given(st.integers(-(10**6), 10**6))
def test_a_date_is_relative_to_the_answers_own(seconds: int) -> None:
    until = http_date(NOW + timedelta(seconds=seconds))

    assert parse_retry_after(until, http_date(NOW)) == max(0, seconds)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("-3", 0.0),
        (None, None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("soon", None),
        ("1 2 3", None),
    ],
)
def test_other_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, http_date(NOW)) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_date_without_a_date_to_compare_says_nothing(date: str | None) -> None:
    assert parse_retry_after(http_date(NOW), date) is None


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 01 Mar 2026 12:00:30",
        "Sun, 01 Mar 2026 12:00:30 -0000",
        f"Sun, 01 Mar {'9' * 30} 12:00:30 GMT",
    ],
)
def test_no_date_is_an_error(value: str) -> None:
    assert parse_retry_after(value, http_date(NOW)) in (None, 30.0)


@given(st.text(max_size=40), st.one_of(st.none(), st.text(max_size=40)))
def test_no_text_is_an_error(value: str, date: str | None) -> None:
    seconds = parse_retry_after(value, date)

    assert seconds is None or 0 <= seconds < float("inf")


def test_an_answer_reads_it_from_its_headers() -> None:
    headers = {"retry-after": http_date(NOW + timedelta(seconds=9)), "date": http_date(NOW)}

    assert Answer(429, headers, b"").retry_after == 9
    assert Answer(429, {}, b"").retry_after is None
