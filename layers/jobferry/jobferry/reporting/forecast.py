"""What a run must take at the least, what it will take, and how close it came. Pure.

K jobs, J jobs in flight, R requests a minute, C requests in all, P jobs per look, L the latency of
a job: no client can be done before `max(K·L/J, 60·C/R)` and the last job's end, nor with fewer than
`K + ⌈K / min(J, P)⌉` requests, and as many more as it takes to read what records are before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jobferry.domain import prices
from jobferry.domain.latency import Latency
from jobferry.reporting import costs
from jobferry.reporting.costs import Load, Work
from jobferry.scheduler import lanes as lanes_module
from jobferry.scheduler.settings import USUAL

ASSUMED = Latency(mu=math.log(10.0), spread=0.5, jobs=0)
"""Jobs of a connection that has never run one: ten seconds."""

_PLANNED_ROWS_A_SECOND = 80_000
_CLOSED_ROWS_A_SECOND = 40_000
_START_SECONDS = 2.0
# Of what a lane does, as `benchmarks/cost.py` sees it.
_REFUSED_A_SECOND, _REFUSED_BELOW, _MOST_REFUSED = 0.3, 0.25, 0.5
"""Submissions refused for each job, where slots are refilled on an estimated end: the more seconds
lie between two ends, the more come too early."""
_CLAIM_SECONDS = 0.8
"""Between two claims, where slots are refilled on an estimated end."""
_SEEN_AT_ONCE = 0.6
"""Part of the jobs in flight that a poll finds ended, where slots are refilled without it."""
_SEEN_IF_BUSY = 0.4
"""The same where the function is what a run waits for."""
_REFUSALS_BEFORE_POLL = 20
_POLL_SECONDS = 0.6
"""What a poll takes beside the wait for it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which conditions jobs run.

    Attributes:
        max_jobs: J
        per_minute: R; None while no limit is known
        poll_batch: P
        latency: what was learned of jobs; `ASSUMED` before the first
        estimates: slots are refilled on the expected end of their jobs
        by_token: lost jobs are searched for by a token, so that a claim is the intent
        reads: requests beside each job that read what its records are before
    """

    max_jobs: int
    per_minute: int | None
    poll_batch: int
    latency: Latency
    estimates: bool = False
    by_token: bool = False
    reads: int = 0


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
    if not jobs:
        return 0
    at_once = max(1, min(terms.max_jobs, terms.poll_batch))
    return jobs * (1 + terms.reads) + -(-jobs // at_once)


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
    if not jobs:
        return 0
    at_once = max(1, min(terms.max_jobs, jobs))
    fewest = -(-jobs // max(1, min(terms.max_jobs, terms.poll_batch)))
    tail = math.ceil(math.log2(at_once + 1)) + 1
    seconds = busy_seconds(jobs, terms)
    if terms.estimates or not _slots_bind(jobs, terms):
        seen = jobs / (_SEEN_AT_ONCE * terms.max_jobs)
        often = max(seen, seconds / USUAL.max_poll_interval) if jobs > terms.max_jobs else 0
        after_refusals = refused_tries(jobs, terms) / _REFUSALS_BEFORE_POLL
        return max(fewest, round(often + after_refusals)) + tail
    gap = max(
        0.02 * terms.latency.median,
        1.5 * terms.latency.mean / terms.max_jobs,
        USUAL.min_poll_interval,
    )
    if _function_binds(jobs, terms):
        gap = max(gap, _SEEN_IF_BUSY * terms.max_jobs * costs.POLL_JOB_SECONDS)
    return max(fewest, round(seconds / (gap + _POLL_SECONDS))) + tail


def refused_tries(jobs: int, terms: Terms) -> int:
    """Submissions that are likely to come a moment too early, and are retried."""
    if not terms.estimates or not _slots_bind(jobs, terms):
        return 0
    between = terms.latency.mean / terms.max_jobs - _REFUSED_BELOW
    return round(min(_MOST_REFUSED, max(0.0, _REFUSED_A_SECOND * between)) * jobs)


def busy_seconds(jobs: int, terms: Terms) -> float:
    """How long lanes are likely to be at work."""
    return max(1.03 * least_seconds(jobs, terms), _function_seconds(jobs, terms))


def _function_seconds(jobs: int, terms: Terms) -> float:
    lanes = lanes_module.lanes_for(terms.max_jobs, jobs, terms.poll_batch)
    return costs.POLL_JOB_SECONDS * jobs / max(1, lanes)


def _function_binds(jobs: int, terms: Terms) -> bool:
    return _function_seconds(jobs, terms) > least_seconds(jobs, terms)


def _slots_bind(jobs: int, terms: Terms) -> bool:
    slots = jobs * terms.latency.mean / terms.max_jobs
    submits = jobs * (1 + terms.reads)
    rate = 0.0 if terms.per_minute is None else 60.0 * submits / terms.per_minute
    return jobs > terms.max_jobs and slots > rate


def work_of(load: Load, terms: Terms) -> Work:
    """What lanes are likely to do for a run."""
    jobs = load.jobs
    lanes = lanes_module.lanes_for(terms.max_jobs, jobs, terms.poll_batch)
    polled, refused = polls(jobs, terms), refused_tries(jobs, terms)
    lane_seconds = lanes * busy_seconds(jobs, terms)
    in_flight = min(terms.max_jobs, jobs)
    settles = min(jobs, max(polled, jobs / costs.MOST_TOGETHER))
    claims = settles
    if terms.estimates:
        # Each as soon as slots are expected to be free.
        together = max(1.0, _CLAIM_SECONDS * jobs / max(1.0, busy_seconds(jobs, terms)))
        claims = jobs / min(together, costs.MOST_TOGETHER)
    large = lanes_module.needs_large(
        in_flight / max(1, lanes),
        terms.latency.mean,
        terms.per_minute,
        load.rows / max(1, jobs),
    )
    return Work(
        lane_seconds=lane_seconds,
        poll_gb=prices.POLL_LARGE_GB if large else prices.POLL_GB,
        lanes=lanes,
        in_flight=in_flight,
        iterations=lanes + lane_seconds / USUAL.iteration_seconds,
        chunk_units=costs.CHUNK_UNITS - costs.INTENT_UNITS * terms.by_token,
        claims=claims,
        refused=refused,
        polls=polled,
        settles=settles,
        blocks=costs.blocks_of(load, settles, in_flight),
    )


def expected_costs(load: Load, terms: Terms) -> Mapping[str, float]:
    """Dollars that a run is likely to cost, by item, at list prices."""
    return prices.cost(costs.used(load, work_of(load, terms)))


def forecast(load: Load, terms: Terms) -> Forecast:
    """Forecast a run, rows that are not sent included."""
    jobs = load.jobs
    seconds = _START_SECONDS + load.rows / _PLANNED_ROWS_A_SECOND + busy_seconds(jobs, terms)
    seconds += load.rows / _CLOSED_ROWS_A_SECOND
    return Forecast(
        jobs=jobs,
        requests=jobs * (1 + terms.reads) + refused_tries(jobs, terms) + polls(jobs, terms),
        seconds=round(seconds, 1),
        bound=round(least_seconds(jobs, terms), 1),
        cost=sum(expected_costs(load, terms).values()),
        learned_from=terms.latency.jobs,
    )
