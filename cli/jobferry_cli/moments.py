"""Moments as people write and read them: their own time, beside UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

import click

_AGO = re.compile(r"(\d{1,9})\s*(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_CURSOR = re.compile(r"\d{13}\.\d{3}#[A-Za-z0-9_-]{1,80}")

FORMS = "2h, 3d, 2026-03-31, 2026-03-31T09:30 (your time), or with Z or +02:00"


def moment(text: str, now: float) -> float:
    """Epoch seconds of a moment that somebody wrote: `2h` (ago), a date, or ISO 8601.

    Without a zone it is the time of this machine.

    Raises:
        ValueError: it is none.
    """
    ago = _AGO.fullmatch(text.strip().lower())
    if ago is not None:
        return max(0.0, now - int(ago[1]) * _SECONDS[ago[2]])
    try:
        return max(0.0, datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no moment; write it as {FORMS}") from None


def checked_moment(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """The option of a command, if it can be read as a moment."""
    if value is not None:
        try:
            moment(value, 0.0)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


def is_cursor(text: str) -> bool:
    """Whether a list of runs can have named this place."""
    return _CURSOR.fullmatch(text) is not None


def before_moment(at: float) -> str:
    """A cursor before which the runs are that began before this moment."""
    return f"{at:017.3f}"


def local_time(at: str) -> str:
    """A moment (UTC in ISO 8601) in the time of this machine: `2026-03-31 11:30 CEST`."""
    here = datetime.fromisoformat(at).astimezone()
    return f"{here:%Y-%m-%d %H:%M} {here.tzname() or ''}".rstrip()


def both_times(at: str, zone: tzinfo | None = None) -> str:
    """`2026-03-31 09:30 UTC (11:30 CEST)`; UTC alone where the local clock shows it.

    Args:
        at: ISO 8601, as documents have it.
        zone: the local one; None: that of this machine.
    """
    parsed = datetime.fromisoformat(at)
    there, here = parsed.astimezone(UTC), parsed.astimezone(zone)
    shown = f"{there:%Y-%m-%d %H:%M} UTC"
    if here.utcoffset() == there.utcoffset():
        return shown
    day = "" if here.date() == there.date() else f"{here:%Y-%m-%d} "
    return f"{shown} ({day}{here:%H:%M %Z})"
