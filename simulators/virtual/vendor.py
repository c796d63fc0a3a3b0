"""A vendor that follows a script, and remembers what really happened.

`Account` is the far side: it takes jobs, works on them in virtual time and keeps a record of
every record that was applied. `FakeClient` is the near side of it, a `VendorClient`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from threading import RLock
from typing import Any

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    JobReading,
    PollAnswer,
    RecordsRead,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.credentials import BEARER, CredentialsError
from jobferry.vendors.http.limits import AUTHORIZE_SECONDS
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Capabilities, Operation, compact_json
from jobferry.vendors.protocol import Meter, Vendor
from virtual.clock import Clock
from virtual.effects import Effects
from virtual.schedule import Schedule

VENDOR = "fake"
CREATE = "things.create"
UPSERT = "things.upsert"
UPDATE = "things.update"
"""Changes things that are there; what they are can be read in batches."""
NOTE = "note"
"""The field that adds something each time it is sent."""

KEY_FIELD = "ref"
"""The field that tells records apart in the account's memory."""

POLL_BATCH = 100


class Behaviour(StrEnum):
    """What the account makes of one submission."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    REFUSE_RUN = "refuse_run"
    """The account may not do this (403)."""
    REFUSE_PROFILE = "refuse_profile"
    """The adapter refuses the profile before anything is sent."""
    THROTTLE = "throttle"
    TOO_MANY_JOBS = "too_many_jobs"
    APPLIED_NO_ANSWER = "applied_no_answer"
    """The job is taken, and the answer is lost."""
    NEVER_ARRIVED = "never_arrived"
    """The request never arrives; the client cannot know."""


@dataclass(frozen=True, slots=True)
class Reply:
    behaviour: Behaviour = Behaviour.ACCEPT
    retry_after: float | None = None
    code: str = "refused"
    message: str = "The vendor says no."
    http_status: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """One request that reached the account, or should have.

    Attributes:
        job_id: None when no job came of it
    """

    token: str
    at: float
    operation: str
    records: tuple[JsonObject, ...]
    reply: Reply
    job_id: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(str(record.get(KEY_FIELD)) for record in self.records)


@dataclass
class Job:
    job_id: str
    token: str
    records: tuple[JsonObject, ...]
    created_at: float
    ends_at: float
    visible_from: float = 0.0
    forgotten: bool = False


ResultOf = Callable[[JsonObject], RecordResult | None]
"""What becomes of a record; None: the vendor's answer does not say."""


def _succeed(record: JsonObject) -> RecordResult:
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=f"id-{record.get(KEY_FIELD)}")


@dataclass
class Account:
    """The vendor's account.

    max_jobs   jobs in flight; one more is refused with "too many"
    poll_batch jobs in one status request
    latency    seconds from acceptance to the end of a job, by the number of the job (from 1)
    result_of  what becomes of each record
    """

    clock: Clock | Schedule
    effects: Effects = field(default_factory=Effects)
    max_jobs: int = 30
    poll_batch: int = POLL_BATCH
    latency: Callable[[int], float] = lambda _number: 20.0
    result_of: ResultOf = _succeed
    never_arrives: Callable[[Sequence[JsonObject]], bool] = lambda _records: False
    """Requests with these records never arrive, and nobody learns of it."""
    poison: Callable[[JsonObject], bool] = lambda _record: False
    """Records for whose sake the account refuses the whole request (422)."""
    request_seconds: float = 0.0
    full_wait: float | None = None
    """The Retry-After of "too many jobs"."""
    retry_after_until: float = 0.0
    """Requests before this moment break the vendor's limit, and are counted."""
    requests_during_wait: int = 0
    during_submit: Callable[[Submission], None] | None = None
    """Called when the request has arrived and the answer is in flight: what others do meanwhile."""
    during_find: Callable[[LostSubmission], None] | None = None
    submissions: list[Submission] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    polls: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    searches: list[tuple[float, LostSubmission]] = field(default_factory=list)
    reads: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    """When records were read, and which."""
    knows: Callable[[JsonObject], bool] = lambda _record: True
    """Whether there was such a record before any job."""
    most_in_flight: int = 0
    _replies: deque[Reply] = field(default_factory=deque)
    _poll_answers: deque[PollAnswer | None] = field(default_factory=deque)
    _find_answers: deque[Found | None] = field(default_factory=deque)
    _read_answers: deque[RecordsRead | None] = field(default_factory=deque)
    _lock: RLock = field(default_factory=RLock)

    def will_reply(self, *replies: Reply | Behaviour) -> None:
        """What it makes of the next submissions; afterwards it accepts."""
        self._replies.extend(Reply(r) if isinstance(r, Behaviour) else r for r in replies)

    def will_answer_polls(self, *answers: PollAnswer | None) -> None:
        """The next polls get these answers; None stands for the truth."""
        self._poll_answers.extend(answers)

    def will_find(self, *answers: Found | None) -> None:
        """The next searches get these answers; None stands for the truth."""
        self._find_answers.extend(answers)

    def will_read(self, *answers: RecordsRead | None) -> None:
        """The next reads of records get these answers; None stands for the truth."""
        self._read_answers.extend(answers)

    @property
    def in_flight(self) -> int:
        return sum(job.ends_at > self.clock.now() for job in self.jobs.values())

    @property
    def times_applied(self) -> Counter[str]:
        """How often each record, by its key, was applied."""
        return Counter(str(r.get(KEY_FIELD)) for job in self.jobs.values() for r in job.records)

    @property
    def received(self) -> Counter[str]:
        """How often each record was in a request, whatever came of it."""
        return Counter(key for submission in self.submissions for key in submission.keys)

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        # Others have their turn while a request is in flight: no lock is held meanwhile.
        self.clock.advance(self.request_seconds)
        with self._lock:
            reply = self._replies.popleft() if self._replies else Reply()
            self._note_request()
            now = self.clock.now()
            if self.in_flight >= self.max_jobs:
                if reply.behaviour is Behaviour.ACCEPT:
                    reply = Reply(Behaviour.TOO_MANY_JOBS, self.full_wait)
                elif reply.behaviour is Behaviour.APPLIED_NO_ANSWER:
                    reply = Reply(Behaviour.NEVER_ARRIVED, reply.retry_after)
            if self.never_arrives(records):
                reply = Reply(Behaviour.NEVER_ARRIVED)
            if reply.behaviour is Behaviour.ACCEPT and any(map(self.poison, records)):
                reply = Reply(Behaviour.REFUSE, code="unprocessable", http_status=422)
            job_id = None
            if reply.behaviour in (Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER):
                number = len(self.jobs) + 1
                job_id = f"job-{number}"
                ends_at = now + self.latency(number)
                self.jobs[job_id] = Job(job_id, token, tuple(records), now, ends_at)
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
            if reply.retry_after is not None:
                self.retry_after_until = max(self.retry_after_until, now + reply.retry_after)
            submission = Submission(token, now, operation.name, tuple(records), reply, job_id)
            self.submissions.append(submission)
        if self.during_submit is not None:
            self.during_submit(submission)
        return self._answer(reply, job_id)

    @staticmethod
    def _answer(reply: Reply, job_id: str | None) -> SubmitAnswer:
        match reply.behaviour:
            case Behaviour.ACCEPT:
                return Accepted(str(job_id), warnings=reply.warnings)
            case Behaviour.REFUSE:
                return Refused(reply.code, reply.message, http_status=reply.http_status)
            case Behaviour.REFUSE_RUN:
                status = reply.http_status or 403
                return Refused(reply.code, reply.message, RefusalScope.RUN, status)
            case Behaviour.REFUSE_PROFILE:
                return Refused(reply.code, reply.message, RefusalScope.RUN)
            case Behaviour.THROTTLE:
                return Throttled(ThrottleReason.RATE, reply.retry_after)
            case Behaviour.TOO_MANY_JOBS:
                return Throttled(ThrottleReason.SLOTS, reply.retry_after)
            case Behaviour.APPLIED_NO_ANSWER | Behaviour.NEVER_ARRIVED:
                return Ambiguous("connection reset", reply.retry_after)

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        self.clock.advance(self.request_seconds)
        with self._lock:
            self._note_request()
            now = self.clock.now()
            self.polls.append((now, tuple(job_ids)))
            requests = -(-len(job_ids) // self.poll_batch)
            scripted = self._poll_answers.popleft() if self._poll_answers else None
            if scripted is not None:
                if scripted.throttled is not None and scripted.throttled.retry_after is not None:
                    self.retry_after_until = max(
                        self.retry_after_until, now + scripted.throttled.retry_after
                    )
                return scripted
            return PollAnswer({i: self._reading(i, now) for i in job_ids}, requests=requests)

    def _reading(self, job_id: str, now: float) -> JobReading:
        job = self.jobs.get(job_id)
        if job is None or job.forgotten or now < job.visible_from:
            return JobReading(job_id, JobPhase.GONE, "not found")
        if now < job.ends_at:
            return JobReading(job_id, JobPhase.ACTIVE, "working")
        return JobReading(job_id, JobPhase.ENDED, "completed", raw=self.raw(job))

    def raw(self, job: Job) -> JsonObject:
        """The vendor's own object of an ended job."""
        results = [self.result_of(record) for record in job.records]
        return {
            "id": job.job_id,
            "status": "completed",
            "results": [
                None if r is None else [r.status.value, r.vendor_id, r.code, r.text]
                for r in results
            ],
        }

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        self.clock.advance(self.request_seconds)
        with self._lock:
            self._note_request()
            self.searches.append((now, lost))
            scripted = self._find_answers.popleft() if self._find_answers else None
            answer = scripted or self._truth(lost)
        if self.during_find is not None:
            self.during_find(lost)
        return answer

    def read_records(self, records: Sequence[JsonObject]) -> RecordsRead:
        self.clock.advance(self.request_seconds)
        with self._lock:
            self._note_request()
            keys = tuple(str(record.get(KEY_FIELD)) for record in records)
            self.reads.append((self.clock.now(), keys))
            scripted = self._read_answers.popleft() if self._read_answers else None
            return scripted or RecordsRead([self.record(each) for each in records])

    def record(self, sent: JsonObject) -> JsonObject | None:
        """What it holds of a thing: as it was, with all jobs applied since."""
        if not self.knows(sent):
            return None
        key = sent.get(KEY_FIELD)
        held = {"id": f"id-{key}", KEY_FIELD: key, "name": old_name(key)}
        for job in self.jobs.values():
            for record in job.records:
                if record.get(KEY_FIELD) == key:
                    held |= record
        return held

    def _truth(self, lost: LostSubmission) -> Found:
        now = self.clock.now()
        # As adapters ask it of a list that shows none. This one has forgotten nothing.
        lost.jobs.any_ended_before()
        for job in self.jobs.values():
            visible = now >= job.visible_from
            ours = visible and job.token == lost.token
            if ours and not lost.jobs.known([job.job_id]):
                return Found(FoundState.FOUND, job.job_id, requests=1)
        return Found(FoundState.ABSENT, requests=1)

    def _note_request(self) -> None:
        if self.clock.now() < self.retry_after_until:
            self.requests_during_wait += 1


def old_name(key: object) -> str:
    """The name of a thing before anybody changes it."""
    return f"old {key}"


class FakeClient:
    """One connection's client of an account. It reads its secret when it is first needed."""

    def __init__(self, account: Account, credentials: object = None) -> None:
        self._account = account
        self._credentials = credentials
        self.requests_made = 0
        self.woken = 0
        self.meter: Meter | None = None

    def drop_idle_connections(self) -> None:
        self.woken += 1

    def _sign_in(self) -> Throttled | None:
        """Why nothing is sent: credentials that make no sense, as `HttpClient` answers them."""
        if callable(self._credentials):
            try:
                self._credentials(False)
            except CredentialsError:
                return Throttled(ThrottleReason.CREDENTIALS)
            self._credentials = None
        return None

    def _paid(self, requests: int) -> bool:
        """Whether that many requests may be sent, as `HttpClient` asks its meter."""
        return self.meter is None or all(self.meter.take() for _ in range(requests))

    def test(self) -> Throttled | None:
        if not self._paid(1):
            return Throttled(ThrottleReason.BUDGET)
        self.requests_made += 1
        return None

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        if not self._paid(1):
            return Throttled(ThrottleReason.BUDGET)
        self.requests_made += 1
        asked_at = self._account.clock.now()
        if (unsigned := self._sign_in()) is not None:
            return unsigned
        if self._account.clock.now() - asked_at > AUTHORIZE_SECONDS:
            return Throttled(ThrottleReason.CREDENTIALS)  # as HttpClient, which sends nothing
        with self._account.effects.around("vendor.submit"):
            return self._account.submit(operation, records, token)

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        if not self._paid(-(-len(job_ids) // self._account.poll_batch)):
            return PollAnswer(throttled=Throttled(ThrottleReason.BUDGET), requests=0)
        if (unsigned := self._sign_in()) is not None:
            return PollAnswer(throttled=unsigned, requests=0)
        with self._account.effects.around("vendor.poll"):
            answer = self._account.poll(job_ids)
        self.requests_made += answer.requests
        return answer

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        if not self._paid(1):
            throttled = Throttled(ThrottleReason.BUDGET)
            return Found(FoundState.PENDING, throttled=throttled)
        if (unsigned := self._sign_in()) is not None:
            return Found(FoundState.PENDING, throttled=unsigned, readable=False)
        with self._account.effects.around("vendor.find"):
            answer = self._account.find(operation, lost, now)
        self.requests_made += answer.requests
        return answer

    def read_records(self, _operation: Operation, records: Sequence[JsonObject]) -> RecordsRead:
        if not self._paid(1):
            return RecordsRead(problem=Throttled(ThrottleReason.BUDGET), requests=0)
        if (unsigned := self._sign_in()) is not None:
            return RecordsRead(problem=unsigned, requests=0)
        self.requests_made += 1
        with self._account.effects.around("vendor.read"):
            return self._account.read_records(records)


def read_results(
    _operation: Operation,
    raw: JsonObject,
    sent: int,
    _records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """The results of a job as `Account.raw` wrote them."""
    results: list[Any] = [*raw["results"], *[None] * sent][:sent]
    return [
        RecordResult(OutcomeStatus.UNKNOWN, code="unsaid", text="The vendor did not say.")
        if result is None
        else RecordResult(OutcomeStatus(result[0]), *result[1:])
        for result in results
    ]


def encode(_operation: Operation, records: Sequence[JsonObject]) -> bytes:
    return compact_json({"things": list(records)})


def _operations(max_records: int, max_bytes: int) -> Iterable[Operation]:
    for name, repeatable in ((CREATE, False), (UPSERT, True), (UPDATE, True)):
        yield Operation(
            name=name,
            summary="things",
            max_records=max_records,
            max_bytes=max_bytes,
            repeatable=repeatable,
            adds=frozenset({NOTE}),
            required=(("name",),),
            match_on=(KEY_FIELD,),
            read_by={KEY_FIELD: max_records} if name == UPDATE else {},
            restores={NOTE: ""},
        )


def fake_vendor(
    account: Account,
    *,
    max_records: int = 100,
    max_bytes: int = 1_000_000,
    refuses_excess: bool = False,
    token_search: bool = True,
    max_jobs: int = 30,
) -> Vendor:
    """The registry entry that leads to this account, whatever the connection's URL."""

    def client(_base_url: str, credentials: object, **_options: object) -> FakeClient:
        return FakeClient(account, credentials)

    return Vendor(
        name=VENDOR,
        title="Fake",
        operations={o.name: o for o in _operations(max_records, max_bytes)},
        capabilities=Capabilities(
            poll_batch=account.poll_batch,
            max_jobs=max_jobs,
            refuses_excess=refuses_excess,
            token_search=token_search,
        ),
        read_results=read_results,
        client=client,
        encode=encode,
        credential_forms=(BEARER,),
    )
