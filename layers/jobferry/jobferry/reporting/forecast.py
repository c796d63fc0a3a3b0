"""What a run must take at the least, what it will take, and how close it came. Pure.

K jobs, J jobs in flight, R requests a minute, C requests in all, P jobs per look, L the latency of
a job: no client can be done before `max(K·L/J, 60·C/R)` and the last job's end, nor with fewer than
`K + ⌈K / min(J, P)⌉` requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jobferry.domain import prices
from jobferry.domain.latency import Latency
from jobferry.scheduler import lanes as lanes_module
from jobferry.scheduler.settings import USUAL

ASSUMED = Latency(mu=math.log(10.0), spread=0.5, jobs=0)
"""Jobs of a connection that has never run one: ten seconds."""

_PLANNED_ROWS_A_SECOND = 80_000
_CLOSED_ROWS_A_SECOND = 20_000
_START_SECONDS = 2.0
_SETTLED_GB_SECONDS = 0.08
"""Of settling one job."""

_REFUSED = 0.4
"""Submissions refused for each job, where slots are refilled on an estimated end; measured."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which conditions jobs run.

    Attributes:
        max_jobs: J
        per_minute: R; None while no limit is known
        poll_batch: P
        latency: what was learned of jobs; `ASSUMED` before the first
        estimates: slots are refilled on the expected end of their jobs
    """

    max_jobs: int
    per_minute: int | None
    poll_batch: int
    latency: Latency
    estimates: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """seconds: wall time. bound: the seconds below which nobody comes. cost: dollars at list
    prices. learned_from: jobs that the latency was learned from; 0: it is assumed."""

    jobs: int
    requests: int
    seconds: float
    bound: float
    cost: float
    learned_from: int


def least_requests(jobs: int, terms: Terms) -> int:
    """Every job is submitted once, and a poll sees at best as many as fit into it."""
    return jobs + -(-jobs // max(1, min(terms.max_jobs, terms.poll_batch))) if jobs else 0


def least_seconds(jobs: int, terms: Terms) -> float:
    """The time that the vendor's limits take for so many jobs, the last one's end included."""
    if not jobs:
        return 0.0
    slots = jobs * terms.latency.mean / terms.max_jobs
    requests = least_requests(jobs, terms)
    rate = 0.0 if terms.per_minute is None else 60.0 * requests / terms.per_minute
    if jobs <= terms.max_jobs:
        # They all fit into the slots at once; what binds then is the last one.
        return max(terms.latency.mean, rate)
    return max(slots, rate) + terms.latency.mean


def polls(jobs: int, terms: Terms) -> int:
    """Looks that a run is likely to take."""
    at_once = max(1, min(terms.max_jobs, jobs))
    fewest = -(-jobs // max(1, min(terms.max_jobs, terms.poll_batch))) if jobs else 0
    tail = math.ceil(math.log2(at_once + 1)) + 1 if jobs else 0
    if terms.estimates or not _slots_bind(jobs, terms):
        return fewest + tail
    gap = max(
        0.02 * terms.latency.median,
        1.5 * terms.latency.mean / terms.max_jobs,
        USUAL.min_poll_interval,
    )
    return max(fewest, round(jobs * terms.latency.mean / terms.max_jobs / gap)) + tail


def refused_tries(jobs: int, terms: Terms) -> int:
    """Submissions that are likely to come a moment too early, and are retried."""
    return round(_REFUSED * jobs) if terms.estimates and _slots_bind(jobs, terms) else 0


def _slots_bind(jobs: int, terms: Terms) -> bool:
    slots = jobs * terms.latency.mean / terms.max_jobs
    rate = 0.0 if terms.per_minute is None else 60.0 * jobs / terms.per_minute
    return jobs > terms.max_jobs and slots > rate


def forecast(rows: int, jobs: int, terms: Terms) -> Forecast:
    """Forecast a run of `rows` rows, bad ones included, in `jobs` jobs."""
    bound = least_seconds(jobs, terms)
    polled, refused = polls(jobs, terms), refused_tries(jobs, terms)
    seconds = _START_SECONDS + rows / _PLANNED_ROWS_A_SECOND + 1.03 * bound
    seconds += rows / _CLOSED_ROWS_A_SECOND
    lanes = lanes_module.lanes_for(terms.max_jobs, jobs, terms.poll_batch)
    iterations = lanes * (1 + bound / USUAL.iteration_seconds)
    used = prices.Used(
        write_units=rows + prices.WRITES_PER_CHUNK * jobs + prices.WRITES_PER_REFUSAL * refused,
        read_units=rows / 8 + 3 * polled + 3 * jobs,
        transitions=9
        + lanes
        + prices.ITERATION_TRANSITIONS * iterations
        + jobs / USUAL.settle_group,
        invocations=5 + 2 * iterations + jobs / USUAL.settle_group,
        gb_seconds=prices.POLL_GB * lanes * bound + _SETTLED_GB_SECONDS * jobs + rows / 30_000,
        puts=min(polled, jobs / 5) + 12,
        gets=jobs + 10,
    )
    return Forecast(
        jobs=jobs,
        requests=jobs + refused + polled,
        seconds=round(seconds, 1),
        bound=round(bound, 1),
        cost=sum(prices.cost(used).values()),
        learned_from=terms.latency.jobs,
    )
