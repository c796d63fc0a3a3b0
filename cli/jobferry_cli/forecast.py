"""What a run will take, before it is run: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from jobferry import pacing, prices


@dataclass(frozen=True, slots=True)
class Experience:
    """How long an earlier run of the same profile took."""

    seconds: float
    jobs: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """jobs: exact. requests: the fewest that can do it. seconds: None while nobody knows.
    cost: US dollars at list prices."""

    jobs: int
    requests: int
    seconds: float | None
    cost: float


def forecast(
    *, rows: int, jobs: int, max_jobs: int, poll_batch: int, experience: Experience | None
) -> Forecast:
    """Forecast a run of `rows` rows, bad ones included, in `jobs` jobs.

    Each job is submitted once, and a poll reads at best every job that may be in flight, or as
    many as one status request can name. Time goes in rounds of `max_jobs` jobs, each as long as
    they were the last time.
    """
    polls = _rounds(jobs, min(max_jobs, poll_batch))
    lanes = pacing.lanes_for(max_jobs, jobs)
    seconds = None
    if experience is not None and experience.jobs:
        seconds = experience.seconds * _rounds(jobs, max_jobs) / _rounds(experience.jobs, max_jobs)
    return Forecast(
        jobs=jobs,
        requests=jobs + polls,
        seconds=seconds,
        cost=sum(prices.estimate(rows=rows, chunks=jobs, polls=polls, lanes=lanes).values()),
    )


def _rounds(jobs: int, at_once: int) -> int:
    return -(-jobs // max(1, at_once))
