"""What a lane does next: submit, poll, wait or finish. Pure; README.md has the model on one page.

`decide` is the one place that says so. It takes a snapshot of all that a lane knows, and whoever
asks does it: submits or polls once, notes what happened, and asks again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from jobferry.domain.latency import Latency
from jobferry.scheduler import concurrency, fair_share, lanes, polling, rate_limit
from jobferry.scheduler.completion import CompletionEstimate, Correction, can_estimate
from jobferry.scheduler.others import OthersJobs
from jobferry.scheduler.settings import USUAL, SchedulerSettings
from jobferry.scheduler.snapshot import NEVER, LaneSnapshot

_ROUNDED = 0.02
"""Jobs that are none."""

_OVER = 0.5
"""Jobs in flight over its share with which a lane keeps no chunk in hand."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Send chunks: those in hand, and as many more as it takes.

    Attributes:
        count: at the most.
        max_jobs: claim only while fewer are in flight on the whole connection.
        alone: the first one goes alone: an account or a profile that the vendor refuses then costs
            one request, and not a window of them.
    """

    count: int
    max_jobs: int
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for these jobs."""

    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """There is nothing to do before this moment.

    Attributes:
        until: epoch seconds; infinity: nothing of this lane will change it.
        release: give back what is claimed and not sent: others wait for the slots.
    """

    until: float
    release: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is in flight, and nothing is left."""


Decision = Submit | Poll | Wait | Finish


def decide(lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL) -> Decision:
    """What the lane does now.

    Args:
        now: epoch seconds.
    """
    if not lane.busy and not lane.left:
        return Finish()
    poll_at = next_poll_at(lane, now, settings)
    if poll_at <= now:
        batch, threshold = lane.poll_batch, settings.poll_threshold
        return Poll(polling.most_likely_ended(lane.jobs, batch, now, lane.latency, threshold))
    submit = _submit(lane, now, settings)
    if submit.count:
        return submit
    until = min(poll_at, next_submit_at(lane, now, settings), _search_at(lane, now, settings))
    return Wait(until, release=_keeps_slots_from_others(lane, now, settings))


def next_poll_at(lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL) -> float:
    """When the next poll is worth its requests; never, with no job in flight."""
    if not lane.jobs:
        return NEVER
    more, limits, latency = lane.wants_more, lane.limits, lane.latency
    estimate = estimate_of(lane, now, settings)
    full = not concurrency.free_slots(limits, now, settings) or lane.busy >= window_of(
        lane, now, settings
    )
    waits = lane.refused >= settings.refusals_before_poll or lane.offer.held
    rate = account_limit(lane, now)
    granted_at = rate_limit.next_grant(lane.requests.logs, rate, now)
    per_second = len(lane.jobs) / latency.median if more and latency is not None else 0.0
    return polling.next_poll_at(
        now,
        lane.jobs,
        latency,
        scarce=more and (waits or (full and estimate is None)),
        more=more,
        refilled=more and not waits and estimate is not None,
        scarce_requests=estimate is not None and estimate.scarce_requests,
        last_polled_at=lane.last_polled_at,
        not_before=max(lane.poll_not_before, limits.retry_after_until, granted_at),
        spacing=polling.poll_spacing(rate.get(rate_limit.ACCOUNT), per_second, settings),
        settings=settings,
    )


def next_submit_at(lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL) -> float:
    """When another submission makes sense, where none does now."""
    if lane.stopped:
        return now if lane.left else NEVER  # what is left is skipped at once
    if not lane.wants_more:
        return NEVER
    held = _held_until(lane)
    if held > now:
        return held
    if lane.stale:
        return now + settings.stale_check_seconds
    if lane.refused >= settings.refusals_before_poll:
        # The next poll tells which slots are free; without a job to poll, time does.
        return NEVER if lane.jobs else max(now, lane.refused_at + settings.no_slot_wait)
    if lane.offer.held and not lane.ready:
        return _settled_at(lane, now, settings)
    moment = lane.offer.more_at
    estimate = estimate_of(lane, now, settings)
    if estimate is not None:
        slots = concurrency.max_jobs(lane.limits, now, settings)
        over = max(0, lane.limits.in_flight - lane.ready - slots)
        least = now + settings.min_poll_interval
        room_at = _room_at(lane, estimate, now, settings)
        besides = _extra_threshold(lane, estimate, now, settings)
        moment = min(moment, max(estimate.when(over + 1, now, besides), room_at, least))
    if has_no_share(lane, now, settings):
        return moment
    window = window_of(lane, now, settings)
    if lane.offer.more_at == NEVER and (lane.ready or lane.busy < window):
        moment = min(moment, now + settings.others_slots_seconds)
    return moment


def may_submit(lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL) -> bool:
    """Whether something may be sent now, as far as slots and requests are there."""
    if not lane.wants_more or lane.stale or _held_until(lane) > now:
        return False
    if lane.refused >= settings.refusals_before_poll:
        return not lane.jobs and now >= lane.refused_at + settings.no_slot_wait
    return True


def window_of(lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL) -> int:
    """Jobs that the lane may have in flight: its part of the run's fair share."""
    if lane.ramping and lane.lane > 0:
        return 0
    jobs = concurrency.max_jobs(lane.limits, now, settings)
    if len(lane.demands) > 1:
        jobs = fair_share.shares(jobs, lane.demands).get(lane.run_id, jobs)
    if lane.in_order:
        return min(1, jobs)
    if lane.ramping:
        return jobs
    return lanes.window_for(jobs, lane.lanes, lane.lane)


def has_no_share(lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL) -> bool:
    """Whether other runs have all slots, and nothing of this lane is in flight."""
    return lane.wants_more and not lane.busy and not window_of(lane, now, settings)


def estimate_of(
    lane: LaneSnapshot, now: float, settings: SchedulerSettings = USUAL
) -> CompletionEstimate | None:
    """Which jobs may be estimated complete; None where slots are not tried so.

    That is where the vendor does not simply refuse one job too many, with no harm done, where the
    operator keeps jobs back, and where too little is known of jobs.
    """
    limits, latency = lane.limits, lane.latency
    if not lane.refuses_excess or limits.ceiling < lane.vendor_max_jobs:
        return None
    if limits.over_limit_penalised or not can_estimate(latency, settings):
        return None
    jobs = concurrency.max_jobs(limits, now, settings)
    return CompletionEstimate(
        lane.jobs,
        latency,
        jobs,
        lane.others,
        lane.answer_seconds,
        lane.correction,
        _requests_bind(lane, jobs, latency, now, settings),
        settings,
    )


def followed(
    lane: LaneSnapshot, freed: int, now: float, settings: SchedulerSettings = USUAL
) -> tuple[Correction, OthersJobs]:
    """The estimate after the connection was read again: what others have done tells of it, too.

    Args:
        lane: with the connection as it was read just now, and what was known before.
        freed: slots that the lane has freed.
    """
    mean = lane.latency.mean if lane.latency is not None else settings.unknown_job_seconds
    before, limits = lane.others, lane.limits
    others = before.counted(limits, lane.busy, freed, now, mean)
    estimate = estimate_of(replace(lane, others=others), now, settings)
    if estimate is None or not others.held:
        return lane.correction, others
    if others.has_taken_more(before) and not estimate.scarce_requests:
        # Others have found slots: if all were taken before, jobs must have ended.
        proven = limits.in_flight - (lane.busy - len(lane.jobs)) - estimate.max_jobs
        estimate = estimate.at_least(now, proven)
    if before.at < limits.no_slot_at and lane.correction.at < limits.no_slot_at:
        estimate = estimate.after_refusal(limits.no_slot_at, limits.no_slot_jobs)
    return estimate.correction, estimate.others


def account_limit(lane: LaneSnapshot, now: float) -> dict[str, int]:
    """Requests a minute of the whole account, where a limit is known."""
    per_minute = rate_limit.per_minute(lane.requests, lane.request_budget, lane.share, now)
    return {} if per_minute is None else {rate_limit.ACCOUNT: per_minute}


def _submit(lane: LaneSnapshot, now: float, settings: SchedulerSettings) -> Submit:
    """What may be sent now; `count` 0 for nothing."""
    if not may_submit(lane, now, settings):
        return Submit(0, 0)
    estimate = estimate_of(lane, now, settings)
    ended = 0
    if estimate is not None:
        ended = estimate.ended(now, _extra_threshold(lane, estimate, now, settings))
    max_jobs = concurrency.max_jobs(lane.limits, now, settings) + ended
    count = min(
        math.ceil(_below_share(lane, estimate, now, settings) - _ROUNDED),
        max(0, max_jobs - lane.limits.in_flight + lane.ready),
        lane.offer.claimable + lane.ready,
        1 if lane.doubtful else lane.offer.claimable + lane.ready,
    )
    alone = lane.doubtful or not (lane.proven or lane.jobs)
    return Submit(max(0, count), max_jobs, alone)


def _below_share(
    lane: LaneSnapshot,
    estimate: CompletionEstimate | None,
    now: float,
    settings: SchedulerSettings,
) -> float:
    """Jobs that the lane may send until it has its part of the share: by what of its own jobs
    should have ended, since what others' jobs leave free is theirs as well."""
    ended = 0.0 if estimate is None else estimate.own(now + lane.answer_seconds / 2)
    return window_of(lane, now, settings) + ended - (lane.busy - lane.ready)


def _extra_threshold(
    lane: LaneSnapshot, estimate: CompletionEstimate, now: float, settings: SchedulerSettings
) -> float:
    """Jobs that must have ended besides before the lane tries a slot: who is further below its
    share comes first."""
    part = lane.others.held / max(1, lane.others.held + lane.busy)
    below = _below_share(lane, estimate, now, settings)
    behind = 1.0 - min(1.0, max(0.0, below))
    return part * (settings.unseen_threshold + settings.yield_threshold * behind)


def _room_at(
    lane: LaneSnapshot, estimate: CompletionEstimate, now: float, settings: SchedulerSettings
) -> float:
    """When so many of its own jobs should have ended that the lane is below its share."""
    over = lane.busy - lane.ready - window_of(lane, now, settings)
    return estimate.when_own(over + _ROUNDED, now) - lane.answer_seconds / 2 if over >= 0 else now


def _held_until(lane: LaneSnapshot) -> float:
    """No submission before this."""
    limits = lane.limits
    return max(
        limits.retry_after_until,
        limits.no_slot_until,
        limits.outage_until,
        lane.failing_until,
        lane.submit_not_before,
    )


def _settled_at(lane: LaneSnapshot, now: float, settings: SchedulerSettings) -> float:
    """When chunks that wait for others may be sent, as far as it is not the next poll that tells,
    or settling what the last one found."""
    if lane.jobs or lane.to_settle:
        return NEVER
    return min(lane.offer.more_at, now + settings.settling_seconds)


def _search_at(lane: LaneSnapshot, now: float, settings: SchedulerSettings) -> float:
    """When a lost submission is searched for next."""
    if not lane.searches:
        return NEVER
    return max(now + settings.no_slot_wait, min(lane.searches), lane.limits.retry_after_until)


def _keeps_slots_from_others(lane: LaneSnapshot, now: float, settings: SchedulerSettings) -> bool:
    """Whether chunks in hand that cannot be sent take slots that another needs.

    Two lanes that wait for each other's slots with a chunk in hand would wait for ever, and so
    would a run that has the share, for the slot of one that has none.
    """
    if not lane.ready:
        return False
    if lane.failing_until > now or lane.limits.outage_until > now:
        return True
    if lane.jobs and lane.others.held:
        estimate = estimate_of(lane, now, settings)
        # Its share has become smaller: another run is to have the next slot.
        if _below_share(lane, estimate, now, settings) < -_OVER:
            return True
    if lane.jobs or not may_submit(lane, now, settings):
        return False
    others = lane.limits.in_flight > lane.busy
    return others or not window_of(lane, now, settings)


def _requests_bind(
    lane: LaneSnapshot, jobs: int, latency: Latency, now: float, settings: SchedulerSettings
) -> bool:
    """Whether the slots could take more jobs a minute than there are requests."""
    per_minute = account_limit(lane, now).get(rate_limit.ACCOUNT)
    if per_minute is None:
        return False
    return 60.0 * jobs / latency.mean > per_minute - rate_limit.reserve(per_minute, settings)
