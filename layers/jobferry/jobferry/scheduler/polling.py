"""Pure decisions about time and numbers: how many to submit, when to look again, where to wait.

Nothing here reads a clock or a database, so the same code runs in virtual time.
All moments are epoch seconds, all durations seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jobferry.domain.latency import Latency
from jobferry.scheduler.bounds import MAX_POLL_INTERVAL, MIN_POLL_INTERVAL
from jobferry.scheduler.completion import InFlight, expected_ended, first_moment
from jobferry.scheduler.rate_limit import reserve

MIN_EXPECTED_COMPLETIONS = 0.6
"""Jobs expected to have ended before a look is worth its request while slots are scarce."""

MIN_EXPECTED_BATCH = 40.0
"""Jobs expected to have ended before a look is worth it while slots are free, or filled again
without one."""

STALE = 60.0
"""Results that wait are fetched after this, needed or not: people watch."""

_GAP = 0.02
"""Shortest gap between two looks, as a part of the latency: half of it is what a freed slot
stays empty on average."""

_OVERDUE = 0.15
_FIRST = 1.0
_UNKNOWN = 0.5
"""While nothing is known of latencies: the first look after a second, then at ages that grow by
half each time."""


def next_poll_at(
    now: float,
    in_flight: Sequence[InFlight],
    latency: Latency | None,
    *,
    scarce: bool,
    more: bool,
    scarce_requests: bool = False,
    last_polled_at: float = 0.0,
    retry_after_until: float = 0.0,
    spacing: float = 0.0,
) -> float:
    """When to poll next: when the jobs expected to have ended are worth the request.

    Args:
        scarce: chunks are left and wait for the slots that ended jobs still hold.
        more: chunks are left.
        scarce_requests: they wait for requests, too: each look takes one from them.
        looked_at: the last look.
        spacing: seconds between looks that the request limit leaves.
    """
    if not in_flight:
        return math.inf
    earliest = max(now, last_polled_at + max(MIN_POLL_INTERVAL, spacing), retry_after_until)
    oldest = min(job.submitted_at for job in in_flight)
    before = max(last_polled_at, oldest)
    if latency is None:
        return max(before + min(MAX_POLL_INTERVAL, _FIRST + _UNKNOWN * (before - oldest)), earliest)
    earliest = max(earliest, last_polled_at + _GAP * latency.median)
    worth = _worth(len(in_flight), scarce=scarce, more=more, scarce_requests=scarce_requests)
    stale = before + STALE if more and scarce_requests else _stale_at(oldest, before, latency)
    latest = max(earliest, min(before + MAX_POLL_INTERVAL, stale))
    return first_moment(lambda t: expected_ended(t, in_flight, latency) >= worth, earliest, latest)


def _worth(in_flight: int, *, scarce: bool, more: bool, scarce_requests: bool) -> float:
    """Ended jobs that make a look worth its request."""
    if scarce:
        return min(MIN_EXPECTED_COMPLETIONS, 0.6 * in_flight)
    if more and scarce_requests:
        return min(2 * MIN_EXPECTED_BATCH, 0.9 * in_flight)
    if more:
        return min(MIN_EXPECTED_BATCH, 0.6 * in_flight)
    # Nothing is left to submit: each look is to find most of what is under way, so a handful of
    # looks sees the last of it.
    return max(0.6, 0.7 * in_flight) if in_flight > 1 else 0.6


def _stale_at(oldest: float, last_polled_at: float, latency: Latency) -> float:
    """When the oldest job is looked at, whatever else is worth a look: results that wait unseen
    help nobody, and a job that is overdue is looked at less and less often."""
    due = oldest + latency.median * (1 + 2 * latency.spread)
    if last_polled_at < due:
        return due + min(STALE, max(MIN_POLL_INTERVAL, latency.median))
    return last_polled_at + max(MIN_POLL_INTERVAL, _OVERDUE * (last_polled_at - oldest))


def poll_spacing(per_minute: int | None, submissions_per_second: float) -> float:
    """Seconds between looks for which submissions leave requests free; 0 without a limit."""
    if per_minute is None:
        return 0.0
    spare = per_minute - 60.0 * submissions_per_second
    return 60.0 / max(spare, reserve(per_minute), 1)
