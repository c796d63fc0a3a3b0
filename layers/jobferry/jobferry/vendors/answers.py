"""What a vendor may answer, as data: to a submission, a poll, a search, a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from jobferry.domain.types import JsonObject

DATA_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
)
"""What code raises over data that it did not expect (text that cannot be encoded, nesting that is
too deep, a number that is too large are among them). Any other exception means that infrastructure
failed, and the whole step is repeated."""


class JobPhase(StrEnum):
    """A vendor's status word, reduced to what decides the next step."""

    ACTIVE = "active"
    """Accepted, not ended. Unknown words count as active: a deadline ends them, not a guess."""
    ENDED = "ended"
    """Terminal, whatever the word; the rows are decided by the results alone."""
    GONE = "gone"
    """The vendor does not know the job (yet, or any more)."""


@dataclass(frozen=True, slots=True)
class RateReading:
    """Limits of the account that the headers of one answer advertise; None for what they leave out.

    It comes along with an answer and is no part of its meaning: answers are compared without it.

    Attributes:
        requests_limit: requests a minute
        requests_remaining: of these, how many are left in the running window
        resets_in: seconds until that window is new
        jobs_limit: jobs in flight
        jobs_remaining: of these, how many more may be started now
    """

    requests_limit: int | None = None
    requests_remaining: int | None = None
    resets_in: float | None = None
    jobs_limit: int | None = None
    jobs_remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor took the job.

    Attributes:
        warnings: what it said that it left out, or takes otherwise; for people, and never for a log
    """

    job_id: str
    limits: RateReading | None = field(default=None, compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)


class RefusalScope(StrEnum):
    CHUNK = "chunk"
    """This request only: its rows fail, the run goes on."""
    RUN = "run"
    """The account or the operation: nothing of this run can be accepted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A clear no: nothing was done and sending the same again cannot help."""

    code: str
    message: str
    scope: RefusalScope = RefusalScope.CHUNK
    http_status: int | None = None


class ThrottleReason(StrEnum):
    """Why nothing was done. The last four: the request never left."""

    RATE = "rate"
    """Too many requests, or the service asks us to wait: every lane waits."""
    SLOTS = "slots"
    """Too many jobs in flight: a slot must come free first."""
    UNREACHABLE = "unreachable"
    """No connection was made."""
    CREDENTIALS = "credentials"
    """The credentials cannot be read, or cannot be part of a request."""
    ADDRESS = "address"
    """The vendor's host has an address that may not be connected to."""
    BUDGET = "budget"
    """No request of this minute is left for us."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Nothing was done; the same may be sent later. `retry_after` in seconds, None if unsaid.

    `absurd_hint`: the vendor named a wait that nobody can mean, which was disregarded.
    """

    reason: ThrottleReason
    retry_after: float | None = None
    limits: RateReading | None = field(default=None, compare=False)
    absurd_hint: bool = field(default=False, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The request may have been applied: time-out, reset, 5xx, an unreadable success.

    `retry_after` in seconds, where the vendor asked us to wait all the same; `absurd_hint` as in
    `Throttled`.
    """

    reason: str
    retry_after: float | None = None
    absurd_hint: bool = field(default=False, compare=False, kw_only=True)


Problem = Refused | Throttled | Ambiguous
"""Why a vendor did not do as asked."""

SubmitAnswer = Accepted | Problem


def throttle_of(problem: Problem | None) -> Throttled | None:
    """How a vendor that has not answered a read asks us to wait, if it does.

    A read may simply be repeated, so that one without a clear answer is as good as throttled when
    the vendor says how long to wait.
    """
    if isinstance(problem, Ambiguous) and problem.retry_after is not None:
        return Throttled(ThrottleReason.RATE, problem.retry_after, absurd_hint=problem.absurd_hint)
    return problem if isinstance(problem, Throttled) else None


@dataclass(frozen=True, slots=True)
class JobReading:
    """One job as one poll saw it.

    Attributes:
        raw: the vendor's own object, kept as evidence and handed to `read_results`; None when GONE
        waiting_for: what the job needs before it goes on, in the vendor's words
    """

    job_id: str
    phase: JobPhase
    status: str
    progress: int | None = None
    total: int | None = None
    raw: JsonObject | None = None
    waiting_for: str | None = None


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """What a round of polling learned. Jobs missing from `readings` were not seen this time."""

    readings: Mapping[str, JobReading] = field(default_factory=dict)
    throttled: Throttled | None = None
    refused: Refused | None = None
    requests: int = 1
    problem: str | None = None
    """Why nothing was learned (gateway error, time-out), in words for the log."""
    limits: RateReading | None = field(default=None, compare=False)
    """What the last answer of the round advertised."""


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """What records were when they were read, many at a time.

    Attributes:
        records: for each record that was asked for, in that order, what the vendor holds of it;
            None: it has no such record.
        problem: why they could not be read; then there are no records.
        requests: that it took.
    """

    records: Sequence[JsonObject | None] = ()
    problem: Problem | None = None
    requests: int = 1


class FoundState(StrEnum):
    FOUND = "found"
    """The submission was applied as this job."""
    ABSENT = "absent"
    """This search saw everything there is, and none of it is ours. A vendor may show what it took
    late, so that one such search is no proof (see `lane.absence`)."""
    PENDING = "pending"
    """Not decidable yet: ask again later."""
    UNDECIDABLE = "undecidable"
    """The vendor cannot say."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a submission whose answer was lost.

    Attributes:
        readable: the vendor could be read: what is PENDING all the same, it cannot decide yet
    """

    state: FoundState
    job_id: str | None = None
    reason: str = ""
    requests: int = 0
    readable: bool = True
    throttled: Throttled | None = field(default=None, compare=False)
    """The vendor asked us to wait meanwhile; it comes along and is no part of the finding."""


@dataclass(frozen=True, slots=True)
class JobProblem:
    """A condition at the vendor that jobs wait for; somebody there has to act.

    Attributes:
        kind: the vendor's word for it
        details: what the vendor says of it besides
        jobs: ids of the jobs that wait
    """

    problem_id: str
    kind: str
    details: Mapping[str, str]
    jobs: Sequence[str]
