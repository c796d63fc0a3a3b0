"""When a schedule fires next and has fired last, by what EventBridge Scheduler documents.

`cron(minutes hours day-of-month month day-of-week year)` in a time zone, and `rate(n unit)` from a
moment on. A time of day that a clock passes over in spring does not fire; one that it shows twice
in autumn fires once.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FIRST_YEAR, LAST_YEAR = 1970, 2199
_SEARCHED_YEARS = 40
"""Beyond 29 February of a leap year on a certain day of the week, which comes every 28 or 40."""

_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES, 1)}
_UNIT_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
_RATE = re.compile(r"rate\(\s*([1-9]\d{0,8})\s+(minute|hour|day)s?\s*\)")
_CRON = re.compile(r"cron\((.*)\)")

_Fits = Callable[[date], bool]


class ExpressionError(ValueError):
    """An expression that cannot be read. Its text names the field."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression.

    Attributes:
        day_fits: whether it fires on a day, as far as days of the month and of the week go
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    day_fits: _Fits

    def on(self, day: date) -> bool:
        return day.year in self.years and day.month in self.months and self.day_fits(day)


@dataclass(frozen=True, slots=True)
class Firings:
    """Moments in epoch seconds; None: there is none, or it is not known."""

    last: float | None = None
    next: float | None = None


def firings(expression: str, timezone: str, now: float, since: float | None = None) -> Firings:
    """The firing before this moment, and the one after it.

    Args:
        since: when the schedule was put; it has not fired before, and rates count from there.
            Without it nothing is known of a rate.

    Raises:
        ExpressionError: the expression or the time zone cannot be read.
    """
    rate = _RATE.fullmatch(expression.strip())
    if rate is not None:
        return _of_rate(int(rate[1]) * _UNIT_SECONDS[rate[2]], now, since)
    cron = parse_cron(expression)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ExpressionError(f"the time zone {timezone!r} is not known here") from None
    last = _near(cron, zone, now, -1)
    return Firings(
        last=last if last is not None and (since is None or last >= since) else None,
        next=_near(cron, zone, now, +1),
    )


def _of_rate(seconds: int, now: float, since: float | None) -> Firings:
    if since is None:
        return Firings()
    past = max(0, int((now - since) // seconds))
    last = since + past * seconds if past else None
    return Firings(last=last, next=since + (past + 1) * seconds)


def _near(cron: Cron, zone: ZoneInfo, now: float, step: int) -> float | None:
    """The next firing (step 1) after this moment, or the last one (step -1) at it or before."""
    today = datetime.fromtimestamp(now, zone).date()
    for day in _days(today, step):
        if not cron.on(day):
            continue
        hours, minutes = cron.hours[::step], cron.minutes[::step]
        for moment in (_moment(day, hour, minute, zone) for hour in hours for minute in minutes):
            if moment is not None and (moment > now if step > 0 else moment <= now):
                return moment
    return None


def _days(today: date, step: int) -> Iterator[date]:
    """Days from the one beside today on, as far as there are years to search."""
    day = today - timedelta(days=step)
    for _ in range(_SEARCHED_YEARS * 366):
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            # A day outside may still be followed by one inside.
            if (day.year > LAST_YEAR) == (step > 0):
                return
        else:
            yield day
        day += timedelta(days=step)


def _moment(day: date, hour: int, minute: int, zone: ZoneInfo) -> float | None:
    """Epoch seconds of a time of day; None where clocks pass over it."""
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    back = local.astimezone(UTC).astimezone(zone)
    return local.timestamp() if (back.hour, back.minute) == (hour, minute) else None


def parse_cron(expression: str) -> Cron:
    """What `cron(…)` says.

    Raises:
        ExpressionError: it cannot be read.
    """
    found = _CRON.fullmatch(expression.strip())
    fields = found[1].upper().split() if found else []
    if len(fields) != 6:
        raise ExpressionError(f"{expression!r} is not cron(…) with six fields")
    minutes, hours, of_month, months, of_week, years = fields
    if (of_month == "?") == (of_week == "?"):
        raise ExpressionError("one of day-of-month and day-of-week must be ?, and the other not")
    return Cron(
        tuple(sorted(_numbers(minutes, "minutes", 0, 59))),
        tuple(sorted(_numbers(hours, "hours", 0, 23))),
        frozenset(_numbers(months, "month", 1, 12, _MONTHS)),
        frozenset(_numbers(years, "year", FIRST_YEAR, LAST_YEAR)),
        _any_of([_of_week(part) for part in of_week.split(",")])
        if of_month == "?"
        else _any_of([_of_month(part) for part in of_month.split(",")]),
    )


def _any_of(fits: list[_Fits]) -> _Fits:
    return lambda day: any(each(day) for each in fits)


def _numbers(
    text: str, name: str, least: int, most: int, words: dict[str, int] | None = None
) -> set[int]:
    """All numbers that a field names: `*`, `5`, `1-5`, `*/15`, `10/5`, `MON-FRI`, and lists."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, every = part.partition("/")
        step = _number(every, name, 1, most, None) if slash else 1
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = least, most
        else:
            start = _number(first, name, least, most, words)
            end = _number(last, name, least, most, words) if dash else (most if slash else start)
        if end < start:  # over the end of the week or of the day: FRI-MON, 22-2
            end += most - least + 1
        found |= {
            least + (each - least) % (most - least + 1) for each in range(start, end + 1, step)
        }
    return found


def _number(text: str, name: str, least: int, most: int, words: dict[str, int] | None) -> int:
    value = (words or {}).get(text)
    if value is None and re.fullmatch(r"[0-9]{1,4}", text):
        value = int(text)
    if value is None or not least <= value <= most:
        raise ExpressionError(f"{name}: {text or 'nothing'!r} is not within {least} to {most}")
    return value


def _of_month(part: str) -> _Fits:
    """`L` (the last day), `LW` (the last working day), `15W` (the working day nearest to it)."""
    if part == "L":
        return lambda day: day.day == _length(day)
    if part == "LW":
        return lambda day: day.day == _working_day(day, _length(day))
    if part.endswith("W"):
        wanted = _number(part[:-1], "day-of-month", 1, 31, None)
        return lambda day: wanted <= _length(day) and day.day == _working_day(day, wanted)
    days = _numbers(part, "day-of-month", 1, 31)
    return lambda day: day.day in days


def _of_week(part: str) -> _Fits:
    """`MON-FRI`, `6L` (the last Friday of the month), `MON#2` (the second Monday)."""
    if part == "L":
        return lambda day: _weekday(day) == _DAYS["SAT"]
    if part.endswith("L"):
        last = _number(part[:-1], "day-of-week", 1, 7, _DAYS)
        return lambda day: _weekday(day) == last and day.day > _length(day) - 7
    name, hash_, number = part.partition("#")
    if hash_:
        wanted = _number(name, "day-of-week", 1, 7, _DAYS)
        nth = _number(number, "day-of-week", 1, 5, None)
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == nth
    days = _numbers(part, "day-of-week", 1, 7, _DAYS)
    return lambda day: _weekday(day) in days


def _weekday(day: date) -> int:
    """1 is Sunday."""
    return day.isoweekday() % 7 + 1


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _working_day(day: date, wanted: int) -> int:
    """The working day of the month that is nearest to a day of it, without leaving the month."""
    weekday = date(day.year, day.month, wanted).isoweekday()
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 7:
        return wanted + 1 if wanted < _length(day) else wanted - 2
    return wanted
