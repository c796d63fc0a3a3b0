"""How many jobs have ended, as far as can be told without a poll: their slots may be tried. Pure.

Where the vendor refuses one job too many without doing anything, a submission tells as much as a
poll: accepted, it says that a slot was free, and refused, that none was. So slots are refilled when
their jobs should have ended, and polls wait until they bring many results at once.

What is expected is the sum of the jobs' probabilities, corrected by one number: a refusal sets the
correction to the difference between what was expected and what it has proven.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from jobferry.domain.latency import Latency
from jobferry.scheduler.others import NO_OTHERS, OthersJobs
from jobferry.scheduler.settings import USUAL, SchedulerSettings

LONGEST_FORECAST = 30 * 86_400.0
"""Seconds: the farthest end of a job that a count of progress is believed for."""

_LARGEST_COUNT = 2**53
"""Counts above this are no counts; below it they are exact as floats."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job in flight, as the scheduler sees it.

    Attributes:
        submitted_at: epoch seconds.
        last_active_at: when it was last seen in flight; its submission, if it never was.
        estimated_end: when it will end by the vendor's own count of progress; None: it does not
            count.
        job_id: the vendor's name of it.
    """

    submitted_at: float
    last_active_at: float = 0.0
    estimated_end: float | None = None
    job_id: str = ""

    @property
    def known_age(self) -> float:
        """How old it was when last seen in flight."""
        return max(0.0, self.last_active_at - self.submitted_at)

    def ended_by(self, moment: float, latency: Latency) -> float:
        """Probability that it has ended by then."""
        if self.estimated_end is not None:
            # What is left goes on about as fast as what is done.
            spread = 0.1 + 0.15 * max(0.0, self.estimated_end - self.last_active_at)
            return 0.5 * math.erfc((self.estimated_end - moment) / (spread * math.sqrt(2.0)))
        return latency.ended_since(moment - self.submitted_at, self.known_age)


def estimated_end(
    submitted_at: float, now: float, progress: int | None, total: int | None
) -> float | None:
    """When a job will end whose vendor counts its progress; None when it does not, or not yet."""
    age = now - submitted_at
    if not progress or not total or not 0.0 < age < math.inf:
        return None
    if not 0 < progress < total <= _LARGEST_COUNT:
        return None
    return now + min(LONGEST_FORECAST, age * (total - progress) / progress)


def expected_ended(moment: float, in_flight: Sequence[InFlight], latency: Latency | None) -> float:
    """How many of these jobs have ended by then, on average."""
    if latency is None:
        return 0.0
    return sum(job.ended_by(moment, latency) for job in in_flight)


def first_moment(holds: Callable[[float], bool], earliest: float, latest: float) -> float:
    """The first moment in the range from which something holds; the last one if it never does."""
    if holds(earliest) or not holds(latest):
        return earliest if holds(earliest) else latest
    before, after = earliest, latest
    while after - before > 0.02:
        middle = (before + after) / 2
        before, after = (before, middle) if holds(middle) else (middle, after)
    return after


@dataclass(frozen=True, slots=True)
class Correction:
    """What answers to submissions have proven about the estimate since the last poll.

    Attributes:
        at: epoch seconds of the last answer that proved something.
        jobs: to be taken off what is expected to have ended.
    """

    at: float = 0.0
    jobs: float = 0.0


NO_CORRECTION = Correction()


@dataclass(frozen=True, slots=True)
class CompletionEstimate:
    """Which jobs of a whole connection may be estimated complete.

    Attributes:
        in_flight: jobs of this lane that no poll has seen ended.
        latency: what is known of their length.
        max_jobs: as many can be in flight on the connection.
        others: jobs of other lanes.
        answer_seconds: from sending a job to its answer: it begins about in the middle.
        correction: what the last answers have proven.
        scarce_requests: none is spent on a slot that is not free for certain.
    """

    in_flight: Sequence[InFlight]
    latency: Latency
    max_jobs: int
    others: OthersJobs = NO_OTHERS
    answer_seconds: float = 0.3
    correction: Correction = NO_CORRECTION
    scarce_requests: bool = False
    settings: SchedulerSettings = USUAL

    def expected(self, moment: float) -> float:
        """Jobs of the connection that have ended by then, on average, as far as it is known."""
        return self._uncorrected(moment) - self.correction.jobs

    def own(self, moment: float) -> float:
        """The same of this lane's jobs alone."""
        ended = expected_ended(moment, self.in_flight, self.latency) - self.correction.jobs
        return min(float(len(self.in_flight)), max(0.0, ended))

    def ended(self, now: float, besides: float = 0.0) -> int:
        """Jobs of the connection that may be estimated complete, for a submission now.

        Args:
            besides: jobs that must have ended besides, so that others come first.
        """
        threshold = self.threshold + besides
        return max(0, int(self.expected(now + self.answer_seconds / 2) + 1.0 - threshold))

    @property
    def threshold(self) -> float:
        """Jobs expected to have ended, beyond those whose slots are filled again, before another
        submission is worth its request.

        The longer it takes until the next job ends, the more often a slot would be tried in vain.
        """
        settings = self.settings
        if self.scarce_requests:
            return settings.certain_threshold
        until_next = self.latency.mean / self.max_jobs
        grown = settings.submit_threshold + settings.threshold_growth * until_next
        return min(settings.max_submit_threshold, grown)

    def when(self, wanted: int, now: float, besides: float = 0.0) -> float:
        """When so many may be; infinity if that lies beyond the longest wait for a poll."""
        latest = now + self.settings.max_poll_interval
        if wanted > len(self.in_flight) + self.others.held:
            return math.inf
        moment = first_moment(lambda at: self.ended(at, besides) >= wanted, now, latest)
        return moment if moment < latest else math.inf

    def when_own(self, wanted: float, now: float) -> float:
        """When so many of this lane's jobs should have ended; infinity as in `when`."""
        latest = now + self.settings.max_poll_interval
        if wanted > len(self.in_flight):
            return math.inf
        moment = first_moment(lambda at: self.own(at) >= wanted, now, latest)
        return moment if moment < latest else math.inf

    def after_refusal(self, at: float, held: int) -> CompletionEstimate:
        """The estimate after a submission that found no slot: all slots were taken then.

        Args:
            at: epoch seconds of the answer.
            held: jobs of the connection that no poll had seen ended by then.
        """
        return self._set_right(at, max(0.0, held - self.max_jobs))

    def after_acceptance(self, at: float) -> CompletionEstimate:
        """The estimate after a submission that found a slot: if all were taken before, jobs must
        have ended.

        Args:
            at: epoch seconds of the answer. The job is one of `in_flight` by now.
        """
        proven = len(self.in_flight) + self.others.held - self.max_jobs
        if proven <= 0 or self.scarce_requests:
            # Nothing follows; and who has no request to spare does not hope.
            return self
        return self.at_least(at, proven)

    def at_least(self, at: float, proven: float) -> CompletionEstimate:
        """The estimate when so many jobs must have ended by a moment."""
        if self.expected(at) >= proven:
            return replace(self, correction=replace(self.correction, at=at))
        return self._set_right(at, proven)

    def _set_right(self, at: float, ended: float) -> CompletionEstimate:
        """The estimate when it is known how many have ended: own jobs and others' by what was
        expected of each."""
        own = expected_ended(at, self.in_flight, self.latency)
        others = self.others.ended_by(at, self.latency.mean)
        corrected = max(0.0, own - self.correction.jobs)
        part = others / (corrected + others) if corrected + others > 0 else 1.0
        known = self.others.set_right(at, part * ended)
        correction = Correction(at, own - (ended - known.ended))
        return replace(self, correction=correction, others=known)

    def _uncorrected(self, moment: float) -> float:
        own = expected_ended(moment, self.in_flight, self.latency)
        return own + self.others.ended_by(moment, self.latency.mean)


def can_estimate(latency: Latency | None, settings: SchedulerSettings) -> TypeGuard[Latency]:
    """Whether enough jobs were seen to end to tell of another without a poll."""
    return latency is not None and latency.jobs >= settings.enough_jobs
