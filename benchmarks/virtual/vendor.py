"""A vendor's job API as a model: what it lets through, how long things take, what was used.

The model knows no clock. Whoever drives it says when a request takes effect, in epoch seconds
that never go back, so the same model serves an event loop and real code on a virtual clock.

Every policy meets the same vendor: the job that is accepted as the n-th takes as long whoever
sent it, because its latency is drawn from the seed and n alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from math import log
from random import Random
from typing import NamedTuple

WINDOW = 60.0
"""Seconds; requests are counted in fixed windows, as Zendesk does."""

POLL_BATCH = 100
"""Jobs that one poll may ask about."""

TOTAL = 100
"""Records of every job; a job's progress counts up to it."""

JITTER = 0.3
"""A request takes this part longer or shorter."""

STORM_EVERY = 300.0
STORM_LASTS = 20.0
STORM_RETRY_AFTER = 5.0
"""In a storm every request is refused. It comes at the same times in every run."""


class Kind(StrEnum):
    SUBMIT = "submit"
    POLL = "poll"


SECONDS = {Kind.SUBMIT: 0.35, Kind.POLL: 0.15}
"""That a request takes on average."""


class Reason(StrEnum):
    RATE = "rate"
    """More requests than the minute allows."""
    STORM = "storm"
    """A 429 that has nothing to do with what was sent."""
    JOBS = "jobs"
    """As many jobs in flight as the account may have."""


class Refusal(NamedTuple):
    """Nothing was done. `retry_after` in seconds; None where the vendor does not say."""

    reason: Reason
    retry_after: float | None


class Reading(NamedTuple):
    """A job as one poll saw it; `progress` of `TOTAL` records."""

    ended: bool
    progress: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """The account and its day.

    max_jobs             J: jobs in flight
    requests_per_minute  R
    latency              L: seconds from acceptance to the end of a job, on average, without
                         stragglers; log-normal
    sigma                of the logarithm of the latency
    stragglers           share of jobs that take `straggler_factor` times as long
    storms               whether there are storms of 429
    poll_batch           jobs that one poll may ask about
    refuses_excess       one job too many is refused in words of its own, and the vendor says so
    rows                 of each job
    failing              share of the rows that fail
    """

    max_jobs: int
    requests_per_minute: int
    latency: float
    sigma: float = 0.3
    stragglers: float = 0.02
    straggler_factor: float = 5.0
    storms: bool = False
    poll_batch: int = POLL_BATCH
    refuses_excess: bool = True
    rows: int = 1
    failing: float = 0.0


USUAL = Conditions(max_jobs=30, requests_per_minute=700, latency=15.0)
"""Zendesk on its Enterprise plan."""


class _Job(NamedTuple):
    accepted_at: float
    ends_at: float


class VendorModel:
    """One account of the vendor, for one run of one policy.

    accepted   jobs so far; a job is known by its number, from 0
    requests   sent, by kind, the refused ones too
    refused    of them, by reason
    most_*     the most jobs in flight, and requests in any fixed window and any 60 seconds
    """

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self.conditions = conditions
        self.requests: Counter[Kind] = Counter()
        self.refused: Counter[Reason] = Counter()
        self.most_in_flight = 0
        self.most_in_window = 0
        self.most_in_any_minute = 0
        self._jobs: list[_Job] = []
        self._ends: list[float] = []
        self._window = 0
        self._passed = 0
        self._sent_in_window = 0
        self._last_minute: deque[float] = deque()
        self._latencies = Random(f"latencies {seed}")
        self._request_seconds = Random(f"requests {seed}")

    @property
    def accepted(self) -> int:
        return len(self._jobs)

    @property
    def requests_left(self) -> int:
        """That the running window still lets through, as of the last request."""
        return self.conditions.requests_per_minute - self._passed

    @property
    def latencies(self) -> list[float]:
        """Seconds that each accepted job takes, by its number."""
        return [job.ends_at - job.accepted_at for job in self._jobs]

    @property
    def first_accepted_at(self) -> float:
        return self._jobs[0].accepted_at

    @property
    def last_end(self) -> float:
        """When the job ends that ends last."""
        return max(job.ends_at for job in self._jobs)

    @property
    def last_latency(self) -> float:
        """Seconds of the job that ends last."""
        last = max(self._jobs, key=lambda job: job.ends_at)
        return last.ends_at - last.accepted_at

    def request_seconds(self, kind: Kind) -> float:
        """How long a request is in flight. It takes effect at the end of that time."""
        return SECONDS[kind] * self._request_seconds.uniform(1 - JITTER, 1 + JITTER)

    def submit(self, now: float) -> int | Refusal:
        """One more job; its number, or why not."""
        refusal = self._refusal(Kind.SUBMIT, now)
        if refusal is not None:
            return refusal
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        if len(self._ends) >= self.conditions.max_jobs:
            self.refused[Reason.JOBS] += 1
            return Refusal(Reason.JOBS, None)
        job = _Job(now, now + self._draw_latency())
        self._jobs.append(job)
        heappush(self._ends, job.ends_at)
        self.most_in_flight = max(self.most_in_flight, len(self._ends))
        return len(self._jobs) - 1

    def poll(self, now: float, jobs: Sequence[int]) -> list[Reading] | Refusal:
        """Look at up to `poll_batch` jobs; a reading of each, in order, or why not.

        Raises:
            ValueError: for more jobs than one request may ask about.
        """
        most = self.conditions.poll_batch
        if len(jobs) > most:
            raise ValueError(f"{len(jobs)} jobs in one poll; {most} are allowed")
        return self._refusal(Kind.POLL, now) or [self._reading(self._jobs[n], now) for n in jobs]

    def slot_use(self, since: float) -> float:
        """The part of all slots' time that jobs used, from `since` to the last acceptance: while
        work was left. 0 when no time passed."""
        until = self._jobs[-1].accepted_at
        if until <= since:
            return 0.0
        used = sum(min(job.ends_at, until) - job.accepted_at for job in self._jobs)
        return used / (self.conditions.max_jobs * (until - since))

    def _draw_latency(self) -> float:
        conditions, draw = self.conditions, self._latencies
        mean_of_log = log(conditions.latency) - conditions.sigma**2 / 2
        seconds = draw.lognormvariate(mean_of_log, conditions.sigma)
        slow = draw.random() < conditions.stragglers
        return seconds * conditions.straggler_factor if slow else seconds

    @staticmethod
    def _reading(job: _Job, now: float) -> Reading:
        if now >= job.ends_at:
            return Reading(True, TOTAL)
        done = (now - job.accepted_at) / (job.ends_at - job.accepted_at)
        return Reading(False, int(TOTAL * done))

    def _refusal(self, kind: Kind, now: float) -> Refusal | None:
        """Count a request, and say why it is not let through; None when it is."""
        self._count(kind, now)
        if self.conditions.storms and in_storm(now):
            self.refused[Reason.STORM] += 1
            return Refusal(Reason.STORM, STORM_RETRY_AFTER)
        if self._passed >= self.conditions.requests_per_minute:
            self.refused[Reason.RATE] += 1
            return Refusal(Reason.RATE, next_window(now) - now)
        self._passed += 1
        return None

    def _count(self, kind: Kind, now: float) -> None:
        self.requests[kind] += 1
        window = int(now // WINDOW)
        if window != self._window:
            self._window = window
            self._passed = self._sent_in_window = 0
        self._sent_in_window += 1
        self.most_in_window = max(self.most_in_window, self._sent_in_window)
        self._last_minute.append(now)
        while self._last_minute[0] <= now - WINDOW:
            self._last_minute.popleft()
        self.most_in_any_minute = max(self.most_in_any_minute, len(self._last_minute))


def in_storm(now: float) -> bool:
    return now % STORM_EVERY < STORM_LASTS


def next_window(now: float) -> float:
    """When requests are counted anew."""
    return (now // WINDOW + 1) * WINDOW
