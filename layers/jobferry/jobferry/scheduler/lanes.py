"""How a run is spread over lanes; how long an iteration, a lane and its history may get. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.domain import prices
from jobferry.scheduler.settings import USUAL, SchedulerSettings


def lanes_for(
    max_jobs: int,
    chunks: int,
    poll_batch: int = 1,
    *,
    in_order: bool = False,
    settings: SchedulerSettings = USUAL,
) -> int:
    """How many lanes a run of this many chunks is worth; none for nothing.

    Args:
        in_order: it has one job in flight at a time.
    """
    useful = min(max_jobs, chunks, 1 if in_order else chunks)
    width = max(settings.lane_window, min(poll_batch, settings.max_poll_batch))
    return min(settings.max_lanes, -(-useful // width))


def window_for(max_jobs: int, lanes: int, lane: int = 0) -> int:
    """Jobs that a lane may keep in flight, so that all `lanes` together fill every slot.

    Where there are fewer slots than lanes, the first lanes have one each and the others none.
    """
    if max_jobs < lanes:
        return int(lane < max_jobs)
    return -(-max_jobs // max(1, lanes))


def is_cheaper_here(wait: float, memory_gb: float) -> bool:
    """Whether a wait is cheaper inside the function than as an iteration of the state machine."""
    return wait * memory_gb * prices.LAMBDA_GB_SECOND_ARM <= prices.ITERATION


def needs_large(
    slots: float,
    seconds: float,
    per_minute: int | None,
    rows: float,
    settings: SchedulerSettings = USUAL,
) -> bool:
    """Whether a lane is more work than the small function can do as fast as slots come free.

    Args:
        slots: jobs that it keeps in flight.
        seconds: what a job takes.
        per_minute: requests that the account allows; None: as many as wanted.
        rows: of a job.
    """
    jobs_a_second = slots / max(seconds, 0.1)
    if per_minute is not None:
        jobs_a_second = min(jobs_a_second, per_minute / 60)
    job = settings.job_cpu_seconds + rows * settings.row_cpu_seconds
    return jobs_a_second * job > settings.small_function_load


def idle_until(now: float, idle: int, settings: SchedulerSettings = USUAL) -> float:
    """When a lane without a share of the slots asks for one again: later and later.

    Args:
        idle: how often in a row it had none.
    """
    return now + min(settings.max_poll_interval, settings.idle_wait * 2.0 ** min(idle, 10))


def is_dead(
    alive_until: float, began_at: float, now: float, settings: SchedulerSettings = USUAL
) -> bool:
    """Whether a lane is dead, as another one sees it that began at `began_at`.

    Args:
        alive_until: when it should be heard of again; 0: it has ended.
    """
    if not alive_until or now - began_at < settings.dead_after:
        return False
    return alive_until + settings.dead_after < now


def settle_groups(chunks: Sequence[int], settings: SchedulerSettings = USUAL) -> list[list[int]]:
    """Chunks as the map of SettleJob takes them."""
    size = settings.settle_group
    return [list(chunks[i : i + size]) for i in range(0, len(chunks), size)]


def events_of_iteration(groups: int, settings: SchedulerSettings = USUAL) -> int:
    """History events of one iteration of a lane that settles this many groups.

    LaneIteration takes 4, Submit and Poll 5 each, the Map 4, Choice, Wait and the branches' ends
    2 each; a group 7.
    """
    return settings.events_per_iteration + settings.events_per_group * groups


def relaunch_at(now: float, relaunches: int, settings: SchedulerSettings = USUAL) -> float:
    """When lanes start again: at once after progress (0), later and later without any."""
    if relaunches == 0:
        return now
    grown = settings.relaunch_wait * 2.0 ** (relaunches - 1)
    return now + min(settings.max_relaunch_wait, grown)
