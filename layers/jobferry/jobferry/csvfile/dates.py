"""Dates and times as people and programs write them → the one form that vendors read.

A form that can be meant in one way only is read; `03/04/2026` is not one, unless the profile says
which number is the day.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, cast

from jobferry.csvfile.blanks import ENDS, invisible_in
from jobferry.domain.error_codes import CellError, RejectCode

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
"""The form that is sent as it stands."""
_DATE = re.compile(r"(?P<year>[0-9]{4})(?P<sep>[-/.]?)(?P<month>[0-9]{2})(?P=sep)(?P<day>[0-9]{2})")
_TIME = (
    r"(?P<hour>[0-9]{2})(?P<colon>:?)(?P<minute>[0-9]{2})"
    r"(?:(?P=colon)(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
)
_MOMENT = re.compile(
    _DATE.pattern + r"(?:[Tt]|[ \xa0\u202f]+)" + _TIME + r"(?P<zone>.*)", re.DOTALL
)
_MAIL_DATE = re.compile(
    r"(?:[A-Za-z]{3},? +)?(?P<day>[0-9]{1,2})[ -](?P<name>[A-Za-z]{3})[A-Za-z]*[ -]"
    r"(?P<year>[0-9]{4}),? +" + _TIME + r"(?P<zone>.*)",
    re.DOTALL,
)
"""As mail and web servers write times: `Tue, 31 Mar 2026 09:30:00 +0000`."""
_OFFSET = re.compile(r"(?P<sign>[+\u2212-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2}))?")
_UTC = frozenset({"z", "utc", "gmt", "utc+0", "gmt+0"})
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
_MICROSECONDS = 6


def date_parser(format_: str | None) -> Callable[[str], str]:
    """Reads cells of type `date`; gives `2026-03-31`.

    Args:
        format_: how they are written (`datetime.strptime`); None: the year first.
    """

    def parse(cell: str) -> str:
        text = cell.strip(ENDS)
        found = _date_by(text, format_) if format_ else _date(text)
        if found is None:
            written = (
                f" written as {format_}" if format_ else " such as 2026-03-31 (year-month-day)"
            )
            raise CellError(RejectCode.NOT_A_DATE, f"must be a date{written}{_hint(text, format_)}")
        return found.isoformat()

    return parse


def datetime_parser(format_: str | None, zone: str | None) -> Callable[[str], str]:
    """Reads cells of type `datetime`; gives RFC 3339 with the offset from UTC.

    Args:
        format_: how they are written (`datetime.strptime`); None: the year first, or as in mails.
        zone: IANA name of the time zone of a cell that names none; None: it must name one.
    """

    def parse(cell: str) -> str:
        text = cell.strip(ENDS)
        if format_ is None and _RFC_3339.fullmatch(text) and _is_moment(text):
            return text
        found = _moment_by(text, format_) if format_ else _moment(text)
        if found is not None and found.tzinfo is None and zone is not None:
            found = _in_zone(found, zone)
        if found is None or found.tzinfo is None:
            written = (
                f" written as {format_}"
                if format_
                else " with its time zone, such as 2026-03-31T09:30:00Z or "
                "2026-03-31T09:30:00+02:00"
            )
            raise CellError(
                RejectCode.NOT_A_DATETIME,
                f"must be a date and time{written}{_hint(text, format_)}",
            )
        return _rfc_3339(found)

    return parse


def _rfc_3339(moment: datetime) -> str:
    text = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    if moment.microsecond:
        head, offset = text[: -len("+00:00")], text[-len("+00:00") :]
        text = head.rstrip("0") + offset
    return text.removesuffix("+00:00") + "Z" if moment.utcoffset() == timedelta() else text


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _date(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    if match and match["sep"]:
        return _day(match)
    moment = _moment(text)
    # A spreadsheet or a data frame writes dates with the time of midnight.
    at_midnight = moment is not None and moment.tzinfo is None and moment.time() == time()
    return moment.date() if moment is not None and at_midnight else None


def _date_by(text: str, format_: str) -> date | None:
    moment = _moment_by(text, format_)
    return None if moment is None else moment.date()


def _moment_by(text: str, format_: str) -> datetime | None:
    try:
        # Where the format has no zone, the caller knows it.
        return datetime.strptime(text, format_)  # noqa: DTZ007
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    """A time in a form that can be meant in one way only; without a zone if it names none."""
    match = _MOMENT.fullmatch(text) or _MAIL_DATE.fullmatch(text)
    day = None if match is None else _day(match)
    if match is None or day is None:
        return None
    fraction = match["fraction"] or ""
    if fraction[_MICROSECONDS:].strip("0"):
        return None  # it would be rounded
    zone = _zone(match["zone"].strip(ENDS))
    if zone is None:
        return None
    try:
        clock = time(
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"] or 0),
            int(fraction[:_MICROSECONDS].ljust(_MICROSECONDS, "0")),
        )
    except ValueError:
        return None
    return datetime.combine(day, clock, zone or None)


def _day(match: re.Match[str]) -> date | None:
    names = match.groupdict()
    month = _MONTHS.get(names["name"].lower()) if "name" in names else int(names["month"])
    try:
        return date(int(names["year"]), month or 0, int(names["day"]))
    except ValueError:
        return None


def _zone(text: str) -> tzinfo | Literal[False] | None:
    """The zone that a text names: an offset, False where there is none, None where it is no zone.

    Letters such as CET or EST are none: they mean different zones in different countries.
    """
    if not text:
        return False
    if text.lower() in _UTC:
        return UTC
    # Go and Ruby write both: `+0000 UTC`.
    both = text.split()
    if len(both) == 2 and both[1].lower() in ("utc", "gmt") and _zone(both[0]) == UTC:
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if hours > 23 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(offset if match["sign"] == "+" else -offset)


def _in_zone(moment: datetime, name: str) -> datetime | None:
    """A time of a clock in a zone; None where the clock shows it twice, or not at all."""
    from dateutil import tz

    zone = named_zone(name)
    if zone is None or tz.datetime_ambiguous(moment, zone) or not tz.datetime_exists(moment, zone):
        return None
    return moment.replace(tzinfo=timezone(moment.replace(tzinfo=zone).utcoffset() or timedelta()))


@lru_cache(maxsize=32)
def named_zone(name: str) -> tzinfo | None:
    """A time zone by its IANA name.

    dateutil, which comes with boto3, brings the zones along; a function's image need not have them.
    """
    from dateutil import tz

    return cast("tzinfo | None", tz.gettz(name))


def _hint(text: str, format_: str | None) -> str:
    name = invisible_in(text)
    if name:
        return f". There is an invisible character in the cell ({name}): type it anew"
    if format_ is None and any(mark in text for mark in "/."):
        return ". Where days and months are written otherwise, say how in the profile (format)"
    return ""
