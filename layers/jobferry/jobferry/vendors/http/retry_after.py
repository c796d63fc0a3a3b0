"""How long a vendor asks us to wait, within reason: `Retry-After` in all the forms that it takes.

What is no plausible wait is no hint at all: one absurd number must not end a connection for ever.
"""

from __future__ import annotations

import email.utils
import math
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_WAIT = 3_600.0
"""Seconds; what is asked for beyond is asked for again then."""

LONGEST_SANE = 86_400.0
"""Seconds up to which a longer wait is believed, and bounded; beyond, it is a mistake."""

EPOCH_NEAR = 3 * 86_400.0
"""Seconds around now within which a number is read as a moment (RFC 9110 knows only seconds and
dates; APIs write epochs in seconds and in milliseconds all the same)."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a hint says.

    Attributes:
        seconds: to wait, 0 to `LONGEST_WAIT`; None where it says nothing of use
        absurd: it named a wait that nobody can mean
    """

    seconds: float | None = None
    absurd: bool = False


def read_retry_after(value: str | None, date: str | None, now: float) -> Wait:
    """The wait of a `Retry-After` header: a number of seconds, an epoch, or an HTTP date.

    Args:
        date: the answer's own `Date`, which dates are relative to.
        now: epoch seconds.
    """
    if not value:
        return Wait()
    moment = _http_date(date)
    here = now if moment is None else moment.timestamp()
    try:
        number = float(value)
    except ValueError:
        until = _http_date(value)
        if until is None or moment is None:
            return Wait()
        return bounded_wait(until.timestamp() - here)
    if math.isfinite(number) and number > LONGEST_SANE:
        for origin in (here, now):
            for scale in (1.0, 1_000.0):
                if abs(number / scale - origin) <= EPOCH_NEAR:
                    return bounded_wait(number / scale - origin)
    return bounded_wait(number)


def bounded_wait(seconds: float) -> Wait:
    """A wait as it is applied: negative is none, hours are asked about again after one."""
    if not math.isfinite(seconds) or seconds > LONGEST_SANE:
        return Wait(absurd=True)
    return Wait(min(max(0.0, seconds), LONGEST_WAIT))


def _http_date(value: str | None) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value or "")
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        moment.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment
