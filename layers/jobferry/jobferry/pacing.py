"""Pure decisions about time and numbers: how many lanes, how many jobs, when to look again.

Nothing here reads a clock or a database, so the same code runs in virtual time.
All moments are epoch seconds, all durations seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LANE_WINDOW = 15
"""Jobs that one lane keeps in flight. Two lanes share Zendesk's 30, so that one submits while
the other settles; more lanes would only poll more often."""

MAX_LANES = 40
"""Concurrency of the Distributed Map."""

SETTLE_GROUP = 5
"""Jobs settled by one invocation: few transitions, and still parallel."""

MAX_EVENTS = 20_000
"""Events of one lane execution before a fresh one goes on: a history holds 25,000, and what the
count below does not know (retries) needs room."""

_EVENTS_PER_LAP = 18
_EVENTS_PER_GROUP = 7

POLLING_SHARE = 0.2
"""Part of a minute's requests that submissions leave to polling, without which none would end."""

WINDOW = 60.0
"""Seconds over which vendors count requests."""

FLOOR = 0.5
"""The shortest wait between two looks."""

CEILING = 60.0
"""The longest: whatever was learned, a look a minute is affordable."""

THROTTLED = 15.0
"""Wait after a 429 that does not say how long."""

NO_SLOT = 3.0
"""Wait after "too many jobs" without a Retry-After, when none of our own jobs tells more."""

_OVERDUE = 0.15
_UNKNOWN = 0.35
_LEARNING = 0.3


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job under way, as pacing sees it."""

    submitted_at: float
    progress: int | None = None
    total: int | None = None


def lanes_for(max_jobs: int, chunks: int) -> int:
    """How many lanes a run of this many chunks is worth; none for nothing."""
    useful = min(max_jobs, chunks)
    return min(MAX_LANES, -(-useful // LANE_WINDOW))


def window_for(max_jobs: int, lanes: int) -> int:
    """Jobs that each of `lanes` may keep in flight, so that together they fill every slot."""
    return max(1, -(-max_jobs // max(1, lanes)))


def to_claim(window: int, mine: int, free_slots: int, left: int) -> int:
    """How many chunks a lane claims now: its own room, the connection's, and what is left."""
    return max(0, min(window - mine, free_slots, left))


def learned(latency: float | None, observed: Sequence[float]) -> float | None:
    """Job latency after seeing these more: a moving average that follows within a few jobs."""
    for seconds in observed:
        latency = seconds if latency is None else latency + _LEARNING * (seconds - latency)
    return latency


def next_look(
    now: float,
    in_flight: Sequence[InFlight],
    latency: float | None,
    *,
    blocked_until: float = 0.0,
) -> float:
    """When to poll next: at the first expected end, not before the vendor lets us.

    A job of known latency is looked at when it should be done; one that is overdue, or of which
    nothing is known, after a part of its age, so that looks thin out as it grows old.
    """
    if not in_flight:
        return max(now + FLOOR, blocked_until)
    moment = min(_expected(now, job, latency) for job in in_flight)
    moment = min(max(moment, now + FLOOR), now + CEILING)
    return max(moment, blocked_until)


def _expected(now: float, job: InFlight, latency: float | None) -> float:
    age = max(0.0, now - job.submitted_at)
    if job.progress and job.total and age > 0:
        # The vendor counts: what is left goes on as fast as what is done.
        return now + age * max(0, job.total - job.progress) / job.progress
    if latency is not None and job.submitted_at + latency > now:
        return job.submitted_at + latency
    return now + age * (_OVERDUE if latency is not None else _UNKNOWN)


def blocked_until(now: float, retry_after: float | None) -> float:
    """No request before this, after a 429: exactly what the vendor asks for."""
    return now + (THROTTLED if retry_after is None else retry_after)


def full_until(now: float, retry_after: float | None) -> float:
    """No submission before this, after "too many jobs"."""
    return now + (NO_SLOT if retry_after is None else retry_after)


def settle_groups(chunks: Sequence[int]) -> list[list[int]]:
    """Chunks as the Settle map takes them: groups of at most `SETTLE_GROUP`."""
    return [list(chunks[i : i + SETTLE_GROUP]) for i in range(0, len(chunks), SETTLE_GROUP)]


def events_of_lap(groups: int) -> int:
    """History events of one lap of a lane that settles this many groups.

    Submit and Poll take 5 each, Map 4, Choice and Wait 2 each; a group's iteration 7.
    """
    return _EVENTS_PER_LAP + _EVENTS_PER_GROUP * groups


def request_budget(requests_per_minute: int | None, share: float) -> int | None:
    """Requests that may be sent in a minute, polls included; None for no limit of ours."""
    if requests_per_minute is None:
        return None
    return max(2, int(requests_per_minute * share))


def submission_budget(budget: int) -> int:
    """How many of them submissions may take."""
    return max(1, int(budget * (1 - POLLING_SHARE)))


def window_of(now: float) -> int:
    """The number of the minute that requests are counted in."""
    return int(now // WINDOW)


def next_window(now: float) -> float:
    """When requests are counted anew."""
    return (window_of(now) + 1) * WINDOW


def relaunch_at(now: float, relaunches: int) -> float:
    """When lanes start again: at once after progress (0), later and later without any."""
    return now + (0.0 if relaunches == 0 else min(300.0, 5.0 * 2.0 ** (relaunches - 1)))
