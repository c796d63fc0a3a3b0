"""How many jobs may be in flight now, and how long to wait after "too many jobs". Pure."""

from __future__ import annotations

from jobferry.scheduler.rate_limit import _bounded

NO_SLOT = 3.0
"""Wait after "too many jobs" without a Retry-After, when none of our own jobs tells more."""

FULL_CEILING = 30.0
"""The longest such wait."""

_QUIET = 0.2


def no_slot_until(now: float, retry_after: float | None, quiet: float = 0.0) -> float:
    """No submission before this, after "too many jobs".

    quiet: seconds since a submission was accepted last. Slots that others hold for long are asked
        for less and less often.
    """
    unsaid = min(FULL_CEILING, max(NO_SLOT, _QUIET * quiet))
    return now + _bounded(retry_after, unsaid)


OUTAGE_FIRST = 30.0
OUTAGE_CEILING = 120.0
"""The longest wait between two submissions that try whether an outage is over."""


def outage_until(now: float, since: float) -> float:
    """No submission before this, while the vendor gives no clear answers.

    since: when the first of the submissions in a row without one was over.
    """
    return now + min(OUTAGE_CEILING, max(OUTAGE_FIRST, now - since))
