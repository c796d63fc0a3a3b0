"""What no client can beat: the least time and the fewest requests that a vendor's limits leave.

All durations are seconds. K jobs, J jobs in flight, R requests a minute, P jobs per poll.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace

from benchmarks.virtual.vendor import STORM_EVERY, STORM_LASTS, in_storm, next_window


def fewest_requests(jobs: int, poll_batch: int) -> int:
    """Each job is sent once, and some poll has to see it end. One poll may see more jobs end than
    there are slots, where slots are filled again before anybody looks."""
    return jobs + -(-jobs // poll_batch)


def jobs_bind(jobs: int, latency: float, max_jobs: int, requests_per_minute: int) -> bool:
    """Whether slots are what a run waits for, and not requests: the first window's are there at
    once, and the others come minute by minute."""
    waits = max(0, jobs - requests_per_minute)
    return jobs * latency / max_jobs >= 60 * waits / requests_per_minute


def least_wall(
    latencies: Sequence[float],
    max_jobs: int,
    requests_per_minute: int,
    started_at: float,
    *,
    storms: bool = False,
    first: float = 0.0,
    last: float = 0.0,
) -> float:
    """The time that a client takes who knows everything: when each job ends, to the moment.

    It sends the next job the moment a slot is free and the vendor lets a request through, and
    polls once, at the end. No client can be faster where the n-th accepted job takes
    `latencies[n]`: it counts how a small run fills and empties the slots, and that fixed windows
    allow a burst.

    Args:
        started_at: epoch seconds, by which windows and storms are placed.
        first: a submission's time in flight, until the first job can be accepted.
        last: the last poll's time in flight.
    """
    free = [started_at + first] * max_jobs
    heapify(free)
    moment, window, passed = started_at, 0.0, 0
    end = started_at
    for latency in latencies:
        moment = max(moment, free[0])
        if storms and in_storm(moment):
            moment = moment // STORM_EVERY * STORM_EVERY + STORM_LASTS
        if moment >= window:
            window, passed = next_window(moment), 0
        if passed == requests_per_minute:
            moment = window
            window, passed = next_window(moment), 0
            if storms and in_storm(moment):
                moment += STORM_LASTS
        passed += 1
        heapreplace(free, moment + latency)
        end = max(end, moment + latency)
    return end + last - started_at
