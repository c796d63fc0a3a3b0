"""A submission whose answer was lost: all that a search for its job has to go by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobferry.domain.types import JsonObject

TAKEN_WITHIN = 660.0
"""Seconds after which a vendor neither takes a request that was over, nor shows its job any more:
ten minutes, and one to spare."""


class JobsUnreadError(Exception):
    """It could not be read in time which jobs belong to which chunks: nothing may be concluded."""


class KnownJobs(Protocol):
    """Which of the jobs that a vendor lists are not the one that is searched for.

    Each method may raise `JobsUnreadError`, which the search lets through.
    """

    def known(self, job_ids: Iterable[object]) -> frozenset[str]:
        """Those that belong to other chunks. What is no text is no id."""
        ...

    def ended_before(self, job_ids: Iterable[object]) -> frozenset[str]:
        """Those of them whose results were read in the hour before the submission was sent: a list
        of recent jobs still has them, and one that goes by the ends of jobs has nothing below them
        that ended later."""
        ...

    def any_ended_before(self) -> bool:
        """Whether there is such a job at all, listed or not; also where that is not certain."""
        ...


@dataclass(frozen=True, slots=True)
class JobIds:
    """Known jobs by their ids alone.

    Attributes:
        others: those of other chunks, without those that ended before
        ended: those that ended before
    """

    others: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()

    def known(self, job_ids: Iterable[object]) -> frozenset[str]:
        return _among(self.others | self.ended, job_ids)

    def ended_before(self, job_ids: Iterable[object]) -> frozenset[str]:
        return _among(self.ended, job_ids)

    def any_ended_before(self) -> bool:
        return bool(self.ended)


def _among(jobs: frozenset[str], job_ids: Iterable[object]) -> frozenset[str]:
    return jobs.intersection(job_id for job_id in job_ids if isinstance(job_id, str))


NO_JOBS = JobIds()
"""Where a token tells the job by itself."""


@dataclass(frozen=True, slots=True)
class LostSubmission:
    """What we know about a submission without an answer.

    Attributes:
        token: the token the submission carried, if the vendor can carry one
        sent_at: epoch seconds, just before the request left
        jobs: which jobs are known to be others
        lost_at: epoch seconds, when the request was over on our side
    """

    token: str
    sent_at: float
    records: Sequence[JsonObject]
    jobs: KnownJobs = NO_JOBS
    lost_at: float = 0.0
