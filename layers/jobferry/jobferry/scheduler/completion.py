"""Which jobs have ended, as far as can be told without a look: their slots may be tried. Pure.

Where the vendor refuses one job too many without doing anything, a submission is a look as well:
accepted, it says that a slot was free, and refused, that none was. So slots are refilled when
their jobs should have ended, and looks wait until they bring many results at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from jobferry.domain.latency import Latency, density, normal
from jobferry.scheduler.bounds import MAX_POLL_INTERVAL

SUBMIT_THRESHOLD = 0.8
"""Jobs expected to have ended, beyond those whose slots are filled again, before another
submission is worth its request."""

FOR_CERTAIN = 5.0
"""The same where requests are what is scarce."""

_ENOUGH_JOBS = 5
_HARDLY = 1e-6


@dataclass(frozen=True, slots=True)
class Known:
    """What the answer to a submission told: so many of the jobs under way had ended by then."""

    at: float
    ended: float


@dataclass(frozen=True, slots=True)
class CompletionEstimate:
    """What may be taken for ended.

    flying           jobs that no look has seen ended
    answer_seconds   from sending a job to hearing of it: it begins about in the middle
    slots            as many of them can be under way
    known            what the last answer told
    scale            jobs under way on the whole connection for each of these
    scarce_requests  none is spent on a slot that is not free for certain
    """

    in_flight: Sequence[InFlight]
    latency: Latency
    answer_seconds: float
    slots: float
    known: Known | None = None
    scale: float = 1.0
    scarce_requests: bool = False

    def ended(self, now: float) -> int:
        """Jobs of the whole connection that may be taken for ended, for a submission now."""
        return self._ended(self._chances(), now)

    def when(self, wanted: int, now: float) -> float:
        """When so many may be; infinity if that lies beyond a minute."""
        if wanted > self.scale * len(self.in_flight):
            return math.inf
        chances = self._chances()
        moment = first_moment(
            lambda t: self._ended(chances, t) >= wanted, now, now + MAX_POLL_INTERVAL
        )
        return moment if moment < now + MAX_POLL_INTERVAL else math.inf

    def after_refusal(self, now: float, under_way: int) -> Known:
        """A submission found no slot: as many as there can be are still under way.

        under_way: jobs of the whole connection that no look had seen ended by then.
        """
        mine = sum(job.submitted_at <= now for job in self.in_flight)
        return Known(now, mine * max(0.0, 1.0 - self.scale * self.slots / max(1, under_way)))

    def after_acceptance(self, now: float) -> Known | None:
        """A submission, by now one of `in_flight`, found a slot: what is known from then on.

        The number of ended jobs is taken as normal, and cut off below those that must have ended.
        """
        least = len(self.in_flight) - self.slots
        if least <= 0 or self.scarce_requests:
            # Nothing follows; and who has no request to spare does not hope.
            return self.known
        chances = self._chances()
        mean, deviation = chances.mean(now), chances.deviation(now)
        cut = (least - 0.5 - mean) / max(deviation, _HARDLY)
        beyond = normal(-cut)
        if beyond < _HARDLY:
            return Known(now, least)
        raised = mean + deviation * density(cut) / beyond
        return Known(now, min(max(raised, least), len(self.in_flight)))

    def _chances(self) -> _Chances:
        return _chances(self.in_flight, self.latency, self.known)

    def _ended(self, chances: _Chances, now: float) -> int:
        worth = FOR_CERTAIN if self.scarce_requests else SUBMIT_THRESHOLD
        expected = self.scale * chances.mean(now + self.answer_seconds / 2)
        return max(0, int(expected + 1.0 - worth))


def can_estimate(latency: Latency | None) -> TypeGuard[Latency]:
    """Whether enough jobs were seen to end to tell of another without asking."""
    return latency is not None and latency.jobs >= _ENOUGH_JOBS


@dataclass(frozen=True, slots=True)
class _Chances:
    """Jobs that surely have ended, and the others: (job, chance that it is none of those)."""

    latency: Latency
    surely: float
    others: Sequence[tuple[InFlight, float]]

    def mean(self, moment: float) -> float:
        return self.surely + sum(self._each(moment))

    def deviation(self, moment: float) -> float:
        return math.sqrt(sum(p * (1.0 - p) for p in self._each(moment)))

    def _each(self, moment: float) -> list[float]:
        return [part * job.ended_by(moment, self.latency) for job, part in self.others]


def _chances(in_flight: Sequence[InFlight], latency: Latency, known: Known | None) -> _Chances:
    if known is None:
        return _Chances(latency, 0.0, [(job, 1.0) for job in in_flight])
    before = [job for job in in_flight if job.submitted_at <= known.at]
    # Only their number was told: those are still under way most likely that were likely to be
    # before it was told, and those have not ended by then.
    under_way = [max(_HARDLY, 1.0 - job.ended_by(known.at, latency)) for job in before]
    part = max(0.0, len(before) - known.ended) / max(sum(under_way), _HARDLY)
    return _Chances(
        latency,
        min(known.ended, len(before)),
        [
            *(
                (replace(job, seen=max(job.seen, known.at)), min(1.0, part * likely))
                for job, likely in zip(before, under_way, strict=True)
            ),
            *((job, 1.0) for job in in_flight if job.submitted_at > known.at),
        ],
    )


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job under way, as pacing sees it.

    seen     when it was last seen under way; its submission, if it never was
    expected the moment of its end as the vendor's own count of progress foretells it
    """

    submitted_at: float
    seen: float = 0.0
    expected: float | None = None

    @property
    def known_age(self) -> float:
        """How old it was when last seen under way."""
        return max(0.0, self.seen - self.submitted_at)

    def ended_by(self, moment: float, latency: Latency) -> float:
        """Probability that it has ended by then."""
        if self.expected is not None:
            # What is left goes on about as fast as what is done.
            spread = 0.1 + 0.15 * max(0.0, self.expected - self.seen)
            return 0.5 * math.erfc((self.expected - moment) / (spread * math.sqrt(2.0)))
        return latency.ended_since(moment - self.submitted_at, self.known_age)


LONGEST_FORECAST = 30 * 86_400.0
"""Seconds: the farthest end of a job that a count of progress is believed for."""

_LARGEST_COUNT = 2**53
"""Counts above this are no counts; below it they are exact as floats."""


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
