"""When schedules fire, held against what EventBridge Scheduler documents and a plain count."""

# ruff: noqa: E501  (a table of expressions is read across)

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.operator.firings import ExpressionError, Firings, firings, parse_cron


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def following(expression: str, now: str, timezone: str = "UTC", count: int = 3) -> list[str]:
    """The next firings, as they stand on a clock of the time zone."""
    moment, found = at(now), []
    for _ in range(count):
        next_ = firings(f"cron({expression})", timezone, moment).next
        if next_ is None:
            break
        found.append(
            datetime.fromtimestamp(next_, ZoneInfo(timezone)).strftime("%a %Y-%m-%d %H:%M")
        )
        moment = next_
    return found


NOW = "2026-03-27T10:30:00Z"  # a Friday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 6 ? * MON-FRI *", ["Mon 2026-03-30 06:00", "Tue 2026-03-31 06:00", "Wed 2026-04-01 06:00"]),
        ("0 6 ? * 2-6 *", ["Mon 2026-03-30 06:00", "Tue 2026-03-31 06:00", "Wed 2026-04-01 06:00"]),
        ("0/15 * * * ? *", ["Fri 2026-03-27 10:45", "Fri 2026-03-27 11:00", "Fri 2026-03-27 11:15"]),
        ("*/20 9-17 * * ? *", ["Fri 2026-03-27 10:40", "Fri 2026-03-27 11:00", "Fri 2026-03-27 11:20"]),
        ("5,35 14 * * ? *", ["Fri 2026-03-27 14:05", "Fri 2026-03-27 14:35", "Sat 2026-03-28 14:05"]),
        ("0 12 L * ? *", ["Tue 2026-03-31 12:00", "Thu 2026-04-30 12:00", "Sun 2026-05-31 12:00"]),
        ("0 12 LW * ? *", ["Tue 2026-03-31 12:00", "Thu 2026-04-30 12:00", "Fri 2026-05-29 12:00"]),
        ("0 8 1W * ? *", ["Wed 2026-04-01 08:00", "Fri 2026-05-01 08:00", "Mon 2026-06-01 08:00"]),
        ("0 8 15W 8,11 ? *", ["Fri 2026-08-14 08:00", "Mon 2026-11-16 08:00", "Mon 2027-08-16 08:00"]),
        ("15 10 ? * 6L *", ["Fri 2026-04-24 10:15", "Fri 2026-05-29 10:15", "Fri 2026-06-26 10:15"]),
        ("15 10 ? * FRIL *", ["Fri 2026-04-24 10:15", "Fri 2026-05-29 10:15", "Fri 2026-06-26 10:15"]),
        ("0 9 ? * MON#1 *", ["Mon 2026-04-06 09:00", "Mon 2026-05-04 09:00", "Mon 2026-06-01 09:00"]),
        ("0 9 ? * 3#5 *", ["Tue 2026-03-31 09:00", "Tue 2026-06-30 09:00", "Tue 2026-09-29 09:00"]),
        ("0 0 ? * FRI-MON *", ["Sat 2026-03-28 00:00", "Sun 2026-03-29 00:00", "Mon 2026-03-30 00:00"]),
        ("0 22-2/2 * * ? *", ["Fri 2026-03-27 22:00", "Sat 2026-03-28 00:00", "Sat 2026-03-28 02:00"]),
        ("0 0 29 2 ? *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00", "Fri 2036-02-29 00:00"]),
        ("0 0 31 */2 ? *", ["Tue 2026-03-31 00:00", "Sun 2026-05-31 00:00", "Fri 2026-07-31 00:00"]),
        ("0 0 1 jan-mar ? 2027-2028", ["Fri 2027-01-01 00:00", "Mon 2027-02-01 00:00", "Mon 2027-03-01 00:00"]),
        ("30 10 27 3 ? 2026", []),
        ("0 0 1 1 ? 2025", []),
        ("0 0 30 2 ? *", []),
        ("0 0 1 1 ? 2199/1", ["Tue 2199-01-01 00:00"]),
    ],
)  # fmt: skip
def test_when_it_fires_next(expression: str, expected: list[str]) -> None:
    if expression.endswith("2199/1"):
        assert following(expression, "2198-06-01T00:00:00Z") == expected
    else:
        assert following(expression, NOW) == expected


def test_a_time_that_clocks_pass_over_does_not_fire() -> None:
    found = following("30 2 * * ? *", "2026-03-28T00:00:00Z", "Europe/Oslo")
    assert found == ["Sat 2026-03-28 02:30", "Mon 2026-03-30 02:30", "Tue 2026-03-31 02:30"]


def test_a_time_that_clocks_show_twice_fires_once() -> None:
    found = following("30 2 * * ? *", "2026-10-24T12:00:00Z", "Europe/Oslo")
    assert found == ["Sun 2026-10-25 02:30", "Mon 2026-10-26 02:30", "Tue 2026-10-27 02:30"]
    moments = firings("cron(30 2 * * ? *)", "Europe/Oslo", at("2026-10-24T12:00:00Z"))
    assert moments.next == at("2026-10-25T02:30:00+02:00")


def test_the_day_is_that_of_the_time_zone() -> None:
    found = following("0 23 ? * SUN *", "2026-03-27T00:00:00Z", "America/Los_Angeles", 1)
    assert found == ["Sun 2026-03-29 23:00"]
    assert following("0 1 ? * SUN *", "2026-03-28T12:30:00Z", "Pacific/Auckland", 1) == [
        "Sun 2026-04-05 01:00"
    ]


def test_the_last_firing_is_none_before_the_schedule_was_put() -> None:
    now = at(NOW)
    expression = "cron(0 6 ? * MON-FRI *)"
    assert firings(expression, "UTC", now).last == at("2026-03-27T06:00:00Z")
    assert firings(expression, "UTC", now, since=now - 3_600).last is None
    assert firings(expression, "UTC", now, since=now - 86_400).last == at("2026-03-27T06:00:00Z")
    assert firings(expression, "UTC", at("2026-03-27T06:00:00Z")).last == at("2026-03-27T06:00:00Z")


def test_rates_count_from_when_they_were_put() -> None:
    assert firings("rate(15 minutes)", "UTC", 2_000.0, 100.0) == Firings(1_900.0, 2_800.0)
    assert firings("rate(1 day)", "UTC", 2_000.0, 100.0) == Firings(None, 86_500.0)
    assert firings("rate(1 day)", "UTC", 2_000.0) == Firings()


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("cron(60 6 ? * * *)", "minutes"),
        ("cron(0 24 ? * * *)", "hours"),
        ("cron(0 6 32 * ? *)", "day-of-month"),
        ("cron(0 6 * 13 ? *)", "month"),
        ("cron(0 6 * FOO ? *)", "month"),
        ("cron(0 6 ? * 8 *)", "day-of-week"),
        ("cron(0 6 ? * MON#6 *)", "day-of-week"),
        ("cron(0 6 ? * * 1969)", "year"),
        ("cron(0 6 * * * *)", "must be ?"),
        ("cron(0 6 ? * ? *)", "must be ?"),
        ("cron(0 6 * * *)", "six fields"),
        ("cron(0/0 6 * * ? *)", "minutes"),
        ("cron(,5 6 * * ? *)", "minutes"),
        ("cron(1- 6 * * ? *)", "minutes"),
        ("cron(0 6 XW * ? *)", "day-of-month"),
        ("rate(0 days)", "six fields"),
        ("at(2026-01-01T00:00:00)", "six fields"),
        ("", "six fields"),
    ],
)
def test_what_cannot_be_read_names_its_field(expression: str, field: str) -> None:
    with pytest.raises(ExpressionError, match=field.replace("?", r"\?")):
        firings(expression, "UTC", 0.0)


def test_a_time_zone_that_is_none() -> None:
    for zone in ("Oslo", "", "../etc/passwd"):
        with pytest.raises(ExpressionError, match="time zone"):
            firings("cron(0 6 * * ? *)", zone, 0.0)


fields = st.tuples(
    st.sampled_from(["0", "*/7", "5,35", "10-20/5", "59"]),
    st.sampled_from(["*", "3", "0/6", "22-2", "9-17"]),
    st.sampled_from(["* ? ?", "L * ?", "15W * ?", "? * MON-FRI", "? * 6L", "? */3 TUE#2", "1,31 * ?"]),
)  # fmt: skip


@given(fields, st.integers(0, 2 * 366 * 1_440))
def test_it_is_the_first_minute_that_fits(parts: tuple[str, str, str], minutes: int) -> None:
    """Counted minute by minute in UTC for two days; beyond that nothing may have fitted."""
    minute, hour, days = parts
    days = days.replace("* ? ?", "* * ?")
    expression = f"cron({minute} {hour} {days} *)"
    cron = parse_cron(expression)
    now = at("2026-01-01T00:00:00Z") + 60 * minutes
    found = firings(expression, "UTC", now).next
    moment = datetime.fromtimestamp(now, UTC)
    for _ in range(2 * 1_440):
        moment += timedelta(minutes=1)
        fits = cron.on(moment.date()) and moment.hour in cron.hours
        if fits and moment.minute in cron.minutes:
            assert found == moment.timestamp()
            return
    assert found is None or found > moment.timestamp()
