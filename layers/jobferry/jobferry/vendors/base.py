"""The one small protocol that every vendor module implements.

A vendor is two halves. Its *client* talks HTTP and answers with data, never by raising for
anything a vendor may do: the four answers to a submission are `Accepted`, `Refused`,
`Throttled` and `Ambiguous`. Its *reading* of a job's results is a pure function of the stored
answer, so settling needs neither network nor secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from jobferry.model import ColumnType, JsonObject, RecordResult


class JobPhase(StrEnum):
    """A vendor's status word, reduced to what decides the next step."""

    ACTIVE = "active"
    """Accepted, not ended. Unknown words count as active: a deadline ends them, not a guess."""
    ENDED = "ended"
    """Terminal, whatever the word; the rows are decided by the results alone."""
    GONE = "gone"
    """The vendor does not know the job (yet, or any more)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One bulk operation: what may be sent and how safe it is to send it again.

    max_records       records in one request, the vendor's own limit
    max_bytes         encoded bytes of one request body
    repeatable        sending the same records twice leaves the same state (upsert, update, delete)
    adds              fields that add something each time they are sent (a comment), so that the
                      operation is not repeatable where a profile fills one of them
    required          vendor fields without which the vendor refuses every record; each entry lists
                      alternatives, any of which will do
    match_on          record fields that a result can be matched by when it carries no index, in
                      order
    folded            fields that the vendor compares without regard to case
    types             fields that are no plain text, whatever the profile says of them
    says_status       a success of this operation always names a status; an id alone proves nothing
    fields            documented fields, for people (`jobferry operations`); others pass unchecked
    max_record_bytes  encoded bytes of one record, where the vendor bounds each by itself
    endpoint          the vendor's name of a request limit that these requests have besides the
                      account's
    endpoint_per_minute
                      that limit, as published
    external_id_field field that the vendor keeps with the record and that may hold an id of ours;
                      declared for operations that make records (see `steps.external_ids`)
    identified_by     fields any of which says which record is meant, where an operation makes one
                      if there is none: a row that fills none of them would be made anew each time
                      it is sent, so it gets an external id of ours
    undone_by         the operation that takes away what a row of this one made, named by the
                      row's vendor id; empty: there is none
    undone_by_field   the field of that operation that takes the vendor id
    cannot_undo       what stays all the same, or why nothing can be undone, for people
    """

    name: str
    summary: str
    max_records: int
    max_bytes: int
    repeatable: bool
    adds: frozenset[str] = frozenset()
    required: tuple[tuple[str, ...], ...] = ()
    match_on: tuple[str, ...] = ()
    folded: frozenset[str] = frozenset()
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    says_status: bool = False
    fields: tuple[str, ...] = ()
    max_record_bytes: int | None = None
    endpoint: str = ""
    endpoint_per_minute: int | None = None
    external_id_field: str = ""
    identified_by: tuple[str, ...] = ()
    undone_by: str = ""
    undone_by_field: str = "id"
    cannot_undo: str = ""

    @property
    def deletes(self) -> bool:
        """Whether it takes records away, so that one that is not there is as wanted."""
        return "delete" in self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor can do, as data that steps and the CLI read; never `if vendor == …`."""

    poll_batch: int = 1
    """Jobs in one status request."""
    max_jobs: int = 1
    """Jobs that one account may have in flight, as documented."""
    refuses_excess: bool = False
    """One job more than that is refused at once, in words of its own, and nothing is done."""
    retention_seconds: int = 86_400
    """How long results can be read after the job was created, at the least."""
    token_search: bool = False
    """A job can be found by the token that its submission carried."""
    job_list: bool = False
    """Recent jobs can be listed."""
    record_lookup: bool = False
    """Records can be looked up by external id."""
    abort: bool = False
    priority: bool = False
    rerun: bool = False
    delete: bool = False
    problems: bool = False
    """These five: the client is a `JobControl`, and this call of it works."""
    push: bool = False
    priority_field: str = ""
    """Record field that says a new job's priority; empty: a new job cannot be given one. Its
    bytes are no part of the request's body, which is weighed when the file is planned."""
    priority_words: Mapping[str, str] = field(default_factory=dict)
    """A run's priority → the vendor's word; one that is not here is said as it is."""

    def priority_word(self, priority: str) -> str:
        """A run's priority (`lowest` … `immediate`) in the vendor's words."""
        return self.priority_words.get(priority, priority)


@dataclass(frozen=True, slots=True)
class RateReading:
    """What the headers of one answer told of the account's limits; None for what they left out.

    It comes along with an answer and is no part of its meaning: answers are compared without it.

    requests_limit      requests a minute
    requests_remaining  of these, how many are left in the running window
    resets_in           seconds until that window is new
    jobs_limit          jobs in flight
    jobs_remaining      of these, how many more may be started now
    """

    requests_limit: int | None = None
    requests_remaining: int | None = None
    resets_in: float | None = None
    jobs_limit: int | None = None
    jobs_remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor took the job.

    warnings  what it said that it left out, or takes otherwise; for people, and never for a log
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
    """Too many requests, or the service asks for patience: every lane waits."""
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
    """The request may have been carried out: time-out, reset, 5xx, an unreadable success.

    `retry_after` in seconds, where the vendor asked for patience all the same; `absurd_hint` as in
    `Throttled`.
    """

    reason: str
    retry_after: float | None = None
    absurd_hint: bool = field(default=False, compare=False, kw_only=True)


SubmitAnswer = Accepted | Refused | Throttled | Ambiguous


def patience(problem: Refused | Throttled | Ambiguous | None) -> Throttled | None:
    """How a vendor that has not answered a read asks for patience, if it does.

    A read may simply be repeated, so that one without a clear answer is as good as throttled when
    the vendor says how long to wait.
    """
    if isinstance(problem, Ambiguous) and problem.retry_after is not None:
        return Throttled(ThrottleReason.RATE, problem.retry_after, absurd_hint=problem.absurd_hint)
    return problem if isinstance(problem, Throttled) else None


@dataclass(frozen=True, slots=True)
class JobReading:
    """One job as one poll saw it.

    raw          the vendor's own object, kept as evidence and handed to `read_results`; None when
                 GONE
    waiting_for  what the job needs before it goes on, in the vendor's words
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
    """What the last answer of the round told."""


READERS = 8
"""Requests of a poll that are under way at once, where it takes several."""

TAKEN_WITHIN = 660.0
"""Seconds after which a vendor neither takes a request that was over, nor shows its job any more:
ten minutes, and one to spare."""


class FoundState(StrEnum):
    FOUND = "found"
    """The submission was carried out as this job."""
    ABSENT = "absent"
    """This search saw everything there is, and none of it is ours. A vendor may show what it took
    late, so that one such search is no proof (see `steps.absence`)."""
    PENDING = "pending"
    """Not decidable yet: ask again later."""
    UNDECIDABLE = "undecidable"
    """The vendor cannot say."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a submission whose answer was lost.

    readable  the vendor could be read: what is PENDING all the same, it cannot decide yet
    """

    state: FoundState
    job_id: str | None = None
    reason: str = ""
    requests: int = 0
    readable: bool = True
    throttled: Throttled | None = field(default=None, compare=False)
    """The vendor asked for patience meanwhile; it comes along and is no part of the finding."""


@dataclass(frozen=True, slots=True)
class LostSubmission:
    """What we know about a submission without an answer.

    token        the token the submission carried, if the vendor can carry one
    sent_at      epoch seconds, just before the request left
    lost_at      epoch seconds, when the request was over on our side
    known_jobs   ids of jobs of this connection that belong to other chunks
    ended_before  those of them whose results were read in the hour before this was sent: a list of
                 recent jobs still has them, and one that goes by the ends of jobs has nothing below
                 them that ended later
    """

    token: str
    sent_at: float
    records: Sequence[JsonObject]
    known_jobs: frozenset[str]
    ended_before: frozenset[str] = frozenset()
    lost_at: float = 0.0


class Meter(Protocol):
    """Pays for requests from what all that use a connection share."""

    def take(self) -> bool:
        """Take one request; False when none is left for now, so that it must not be sent."""
        ...


class VendorClient(Protocol):
    """The half that talks to the vendor. One instance per connection and warm Lambda."""

    meter: Meter | None
    """Asked before each request of any kind; None: requests are free."""

    @property
    def requests_made(self) -> int:
        """Requests sent so far, of every kind."""
        ...

    def wake(self) -> None:
        """Called once before each use: connections that idled too long are dropped."""
        ...

    def test(self) -> Refused | Throttled | Ambiguous | None:
        """One harmless authenticated request; None when the vendor welcomed us."""
        ...

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        """Send one job, once. Never repeats a request by itself."""
        ...

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Read many jobs in as few requests as the vendor allows, with its second reader."""
        ...

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for the job of a submission whose answer was lost.

        It knows no timers: how late a job may show itself is for the caller to weigh.
        """
        ...


@dataclass(frozen=True, slots=True)
class JobProblem:
    """A condition at the vendor that jobs wait for; somebody there has to act.

    kind     the vendor's word for it
    details  what the vendor says of it besides
    jobs     ids of the jobs that wait
    """

    problem_id: str
    kind: str
    details: Mapping[str, str]
    jobs: Sequence[str]


class JobControl(VendorClient, Protocol):
    """A client whose vendor lets jobs be changed; `Capabilities` says which calls work.

    None is "done". Nothing here is repeated by itself.
    """

    def abort(
        self, job_id: str, *, reason: str | None = None, cleanup: bool = True
    ) -> Refused | Throttled | Ambiguous | None:
        """Ask for the end of a job. It may take a while: the next polls tell."""
        ...

    def set_priority(
        self, job_id: str, priority: str
    ) -> Refused | Throttled | Ambiguous | None: ...

    def rerun(self, job_id: str, priority: str | None = None) -> SubmitAnswer:
        """Start a copy of a job; it is a new job with an id of its own."""
        ...

    def delete(self, job_ids: Sequence[str]) -> Refused | Throttled | Ambiguous | None:
        """Remove the vendor's records of jobs; one that is not there counts as removed."""
        ...

    def problems(
        self, job_id: str | None = None
    ) -> Sequence[JobProblem] | Refused | Throttled | Ambiguous:
        """What jobs wait for: all of them, or one job."""
        ...


ReadResults = Callable[
    [Operation, JsonObject, int, Callable[[], Sequence[JsonObject]]], list[RecordResult]
]
"""(operation, raw job, number of records, the records if matching needs them) → one result per
record, in the order sent; what the vendor did not say is UNKNOWN."""

BuildClient = Callable[..., VendorClient]


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What the requests of an operation ask of single records, beyond their fields' types.

    judge     record → why no request can carry it (a code and a sentence); None: one can
    group_of  record → what all records of a request must have in common; None: they may differ
    """

    judge: Callable[[JsonObject], tuple[str, str] | None] | None = None
    group_of: Callable[[JsonObject], object] | None = None


def no_record_rules(_operation: Operation, _filled: Set[str]) -> RecordRules:
    """Any records may go together."""
    return RecordRules()


@dataclass(frozen=True, slots=True)
class Vendor:
    """A registry entry: declared data, the pure reading, and how to make the client."""

    name: str
    title: str
    operations: Mapping[str, Operation]
    capabilities: Capabilities
    read_results: ReadResults
    client: BuildClient
    encode: Callable[[Operation, Sequence[JsonObject]], bytes]
    """The request body as it is sent, so that planning can weigh it."""
    credential_forms: tuple[frozenset[str], ...]
    """Sets of keys that a credentials document may have."""
    base_path: str = ""
    """A path that people write behind the site's root; the client leaves it off."""
    find_operation: Callable[[str], Operation | None] | None = None
    """For names with a part that only the account knows (`custom_objects.<key>.create`)."""
    record_rules: Callable[[Operation, Set[str]], RecordRules] = no_record_rules
    """What an operation's requests ask of single records that may fill these fields, so that
    planning can keep to it."""

    def operation(self, name: str, filled: Iterable[str] = ()) -> Operation | None:
        """The operation of this name, as it is for a profile.

        Args:
            filled: the fields that the profile fills.
        """
        found = self.operations.get(name)
        if found is None and self.find_operation is not None:
            found = self.find_operation(name)
        if found is None or found.adds.isdisjoint(filled):
            return found
        return replace(found, repeatable=False)


def compact_json(value: Any) -> bytes:
    """JSON as it is sent: UTF-8, no blanks."""
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
