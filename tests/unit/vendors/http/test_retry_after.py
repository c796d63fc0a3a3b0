"""`Retry-After` in its forms, in those that are none, and in those that nobody can mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.http.client import Answer
from jobferry.vendors.http.retry_after import LONGEST_WAIT, Wait, read_retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ABSURD = Wait(None, absurd=True)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    return read_retry_after(value, date, NOW.timestamp()).seconds


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@given(st.integers(0, 3_600))
def test_seconds(seconds: int) -> None:
    assert parse_retry_after(str(seconds)) == seconds


@given(st.integers(-(10**6), 3_600))
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
        ("3600", 3_600.0),
        ("3601", LONGEST_WAIT),
        ("86400", LONGEST_WAIT),
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

    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@given(st.floats() | st.integers() | st.integers(10**9, 10**14), st.none() | st.just(NOW))
def test_no_number_is_kept_to_beyond_reason(number: float, date: datetime | None) -> None:
    wait = read_retry_after(str(number), date and http_date(date), NOW.timestamp())

    assert wait == ABSURD or (wait.seconds is not None and 0 <= wait.seconds <= LONGEST_WAIT)


@pytest.mark.parametrize("value", ["1e12", "31536000", "86401", "inf", "nan", "9" * 400, "-inf"])
def test_what_nobody_can_mean_is_no_hint_and_says_so(value: str) -> None:
    assert read_retry_after(value, http_date(NOW), NOW.timestamp()) == ABSURD


@pytest.mark.parametrize("years", [1, 100])
def test_a_date_that_nobody_can_mean_is_no_hint(years: int) -> None:
    until = http_date(NOW + timedelta(days=365 * years))

    assert read_retry_after(until, http_date(NOW), NOW.timestamp()) == ABSURD


def test_a_date_some_hours_away_is_asked_about_again_in_an_hour() -> None:
    until = http_date(NOW + timedelta(hours=9))

    assert parse_retry_after(until, http_date(NOW)) == LONGEST_WAIT


@pytest.mark.parametrize("scale", [1, 1_000])
@pytest.mark.parametrize("clock", [0, -86_400 * 30])
def test_an_epoch_is_a_date(scale: int, clock: int) -> None:
    """By the answer's own clock; without one, by ours."""
    at = NOW.timestamp()

    def read(ahead: float, date: str | None, now: float) -> Wait:
        return read_retry_after(f"{(at + ahead) * scale:.0f}", date, now)

    assert read(90, http_date(NOW), at + clock) == Wait(90)
    assert read(90, None, at) == Wait(90)
    assert read(-90, http_date(NOW), at) == Wait(0)
    assert read(7_200, None, at) == Wait(LONGEST_WAIT)
    assert read(2 * 86_400, None, at) == ABSURD
    assert read(400 * 86_400, http_date(NOW), at) == ABSURD


@pytest.mark.parametrize("value", ["soon", "", None, "1 2 3", "5, 5"])
def test_what_is_no_number_is_not_absurd_either(value: str | None) -> None:
    assert read_retry_after(value, http_date(NOW), NOW.timestamp()) == Wait()


def test_an_answer_reads_it_from_its_headers() -> None:
    headers = {"retry-after": http_date(NOW + timedelta(seconds=9)), "date": http_date(NOW)}

    assert Answer(429, headers, b"").retry_after == 9
    assert Answer(429, {}, b"").retry_after is None
    assert Answer(429, {"retry-after": "1e12"}, b"").wait.absurd
