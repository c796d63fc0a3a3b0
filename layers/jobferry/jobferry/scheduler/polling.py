"""When to poll next, and for which jobs. Pure.

Nothing here reads a clock or a database, so the same code runs in virtual time.
All moments are epoch seconds, all durations seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jobferry.domain.latency import Latency
from jobferry.scheduler.completion import InFlight, expected_ended, first_moment
from jobferry.scheduler.rate_limit import reserve
from jobferry.scheduler.settings import USUAL, SchedulerSettings


def next_poll_at(
    now: float,
    in_flight: Sequence[InFlight],
    latency: Latency | None,
    *,
    scarce: bool,
    more: bool,
    refilled: bool = False,
    scarce_requests: bool = False,
    last_polled_at: float = 0.0,
    not_before: float = 0.0,
    spacing: float = 0.0,
    settings: SchedulerSettings = USUAL,
) -> float:
    """When to poll next: when the jobs expected to have ended are worth the request.

    Args:
        scarce: chunks are left and wait for the slots that ended jobs still hold.
        more: chunks are left.
        refilled: their slots are filled again without a poll.
        scarce_requests: they wait for requests, too: each poll takes one from them.
        last_polled_at: the last poll.
        not_before: no request before this.
        spacing: seconds between polls that the rate limit leaves.
    """
    if not in_flight:
        return math.inf
    least, most = settings.min_poll_interval, settings.max_poll_interval
    earliest = max(now, last_polled_at + max(least, spacing), not_before)
    oldest = min(job.submitted_at for job in in_flight)
    before = max(last_polled_at, oldest)
    if latency is None:
        grown = settings.first_poll + settings.unknown_growth * (before - oldest)
        return max(before + min(most, grown), earliest)
    earliest = max(earliest, last_polled_at + settings.poll_gap * latency.median)
    wanted = _min_completions(
        len(in_flight),
        settings,
        scarce=scarce,
        more=more,
        refilled=refilled,
        scarce_requests=scarce_requests,
    )
    stale = _stale_at(oldest, before, latency, settings, refilled=refilled)
    if more and scarce_requests:
        stale = before + settings.stale_after
    latest = max(earliest, min(before + most, stale))
    return first_moment(lambda t: expected_ended(t, in_flight, latency) >= wanted, earliest, latest)


def most_likely_ended(
    jobs: Sequence[InFlight], batch: int, now: float, latency: Latency | None, threshold: float
) -> tuple[str, ...]:
    """Ids of the jobs to poll: all, or in whole requests those that have most likely ended.

    Args:
        batch: jobs that one request reads.
        threshold: probability of having ended from which a job is worth asking for.
    """
    if len(jobs) <= batch:
        return tuple(job.job_id for job in jobs)

    def likely(job: InFlight) -> float:
        return now - job.submitted_at if latency is None else job.ended_by(now, latency)

    ranked = sorted(jobs, key=likely, reverse=True)
    worth = sum(likely(job) >= threshold for job in ranked)
    whole = -(-max(worth, 1) // batch) * batch
    return tuple(job.job_id for job in ranked[:whole])


def poll_spacing(
    per_minute: int | None, submissions_per_second: float, settings: SchedulerSettings = USUAL
) -> float:
    """Seconds between polls for which submissions leave requests free; 0 without a limit."""
    if per_minute is None:
        return 0.0
    spare = per_minute - 60.0 * submissions_per_second
    return 60.0 / max(spare, reserve(per_minute, settings), 1)


def _min_completions(
    in_flight: int,
    settings: SchedulerSettings,
    *,
    scarce: bool,
    more: bool,
    refilled: bool,
    scarce_requests: bool,
) -> float:
    """Ended jobs that make a poll worth its request."""
    part = settings.min_expected_part
    if scarce:
        return min(settings.min_expected_completions, part * in_flight)
    if more and scarce_requests:
        return min(2 * settings.min_expected_batch, 1.5 * part * in_flight)
    if more:
        part = settings.min_expected_refilled if refilled else part
        return min(settings.min_expected_batch, part * in_flight)
    return max(part, settings.min_expected_last * in_flight) if in_flight > 1 else part


def _stale_at(
    oldest: float,
    last_polled_at: float,
    latency: Latency,
    settings: SchedulerSettings,
    *,
    refilled: bool,
) -> float:
    """When the oldest job is polled, whatever else is worth a poll: results that wait unseen help
    nobody, and a job that is overdue is polled less and less often."""
    due = oldest + latency.median * (1 + 2 * latency.spread)
    least = settings.min_poll_interval
    if last_polled_at < due:
        medians = settings.stale_medians if refilled else 1.0
        return due + min(settings.stale_after, max(least, medians * latency.median))
    return last_polled_at + max(least, settings.overdue_growth * (last_polled_at - oldest))
