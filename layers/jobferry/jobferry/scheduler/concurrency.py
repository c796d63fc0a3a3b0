"""How many jobs may be in flight on a connection now, and how long to wait without a slot. Pure.

The limit is learned as in TCP: a refusal sets it to what was in flight, and it grows by one every
so often until the next refusal.
"""

from __future__ import annotations

from jobferry.domain.connection import ConnectionLimits
from jobferry.scheduler.rate_limit import bounded_wait
from jobferry.scheduler.settings import USUAL, SchedulerSettings


def max_jobs(limits: ConnectionLimits, now: float, settings: SchedulerSettings = USUAL) -> int:
    """Jobs that may be in flight now."""
    most = limits.ceiling
    if limits.advertised_jobs is not None:
        most = min(most, limits.advertised_jobs)
    if limits.learned_jobs is None:
        return most
    learned = limits.learned_jobs
    risen = learned.value + max(0.0, now - learned.at) // settings.slot_probe_seconds
    return max(1, min(most, int(risen)))


def free_slots(limits: ConnectionLimits, now: float, settings: SchedulerSettings = USUAL) -> int:
    """Jobs that may be submitted now, of all runs together."""
    return max(0, max_jobs(limits, now, settings) - limits.in_flight)


def no_slot_until(
    now: float,
    retry_after: float | None,
    quiet: float = 0.0,
    settings: SchedulerSettings = USUAL,
) -> float:
    """No submission before this, after "too many jobs".

    Args:
        quiet: seconds since a submission was accepted last. Slots that others hold for long are
            asked for less and less often.
    """
    grown = max(settings.no_slot_wait, settings.no_slot_growth * quiet)
    default = min(settings.max_no_slot_wait, grown)
    return now + bounded_wait(retry_after, default, settings)


def outage_until(now: float, since: float, settings: SchedulerSettings = USUAL) -> float:
    """No submission before this, while the vendor gives no clear answers.

    Args:
        since: when the first of the submissions in a row without one was over.
    """
    return now + min(settings.max_outage_wait, max(settings.outage_wait, now - since))
