"""The vendor of a story: an account that knows the truth about every record.

What it tells may be late, short, wrong in order, or nothing; `done` is what it really did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.trouble import REFUSED_READING
from jobferry.domain.types import JsonObject
from jobferry.store.rows import ID_CHARACTERS
from jobferry.vendors.answers import (
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    PollAnswer,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from tests.chaos import story as stories
from tests.chaos.hostile import HUGE, Odd, Oddity, fail_reading, odd_raw, odd_reading
from tests.chaos.outages import FIND, POLL, SUBMIT, Outage, Way, to_look, to_search, to_submission
from tests.chaos.story import Fate, FindWord, JobFate, Look, PollWord
from tests.chaos.truth import Invocation, Patience, Request, Sent
from tests.fakes.effects import Effects
from tests.fakes.schedule import Schedule
from tests.fakes.vendor import Account, Act, Job, Submission
from tests.fakes.vendor import read_results as in_order

NAME = "name"
"""The field that is different in every row of a story."""

UNHEARD = (Act.DONE_UNHEARD, Act.LOST)

ENDLESS_SECONDS = 2_700.0
"""Longer than anybody follows a job in a story."""


def row_of(name: str) -> tuple[str, int]:
    """(file's letter, row) of a record's name: `b7` is row 7 of the second file."""
    return name[0], int(name[1:])


class Teller(Account):
    """An account that does what the story says.

    Args:
        who: the invocation that asks.
        outage: what strikes a request of this kind now.
    """

    def __init__(
        self,
        clock: Schedule,
        effects: Effects,
        vendor: stories.Vendor,
        who: Callable[[], Invocation | None],
        poll_batch: int,
        outage: Callable[[str], Outage | None] = lambda _kind: None,
    ) -> None:
        latencies = vendor.latencies or (20.0,)
        super().__init__(
            clock,
            effects,
            max_jobs=max(1, vendor.max_jobs),
            poll_batch=poll_batch,
            latency=lambda number: latencies[(number - 1) % len(latencies)],
            request_seconds=vendor.request_seconds,
            full_wait=vendor.full_wait,
        )
        self.vendor = vendor
        self.who = who
        self.outage = outage
        self.requests: list[Request] = []
        self._patience = Patience()
        self.undecided: set[str] = set()
        self.denied_jobs: set[str] = set()
        self.refused_looks = 0
        self._words = list(vendor.finds)
        self.will_reply(*vendor.replies)
        self.will_answer_polls(*map(_look, vendor.polls))

    # what is true

    def fate_of(self, record: JsonObject) -> Fate:
        fates = self.vendor.fates
        return fates[row_of(str(record[NAME]))[1] % len(fates)] if fates else Fate.DONE

    def job_fate(self, job: Job) -> JobFate:
        number = int(job.job_id.removeprefix("job-"))
        fates = self.vendor.jobs
        return fates[number - 1] if number <= len(fates) else JobFate.PLAIN

    def odd(self, job_id: str) -> Odd | None:
        """What is odd about the answers about a job."""
        number = int(job_id.removeprefix("job-"))
        return next((odd for odd in self.vendor.odd if odd.job == number), None)

    def _unread(self, job_id: str | None) -> bool:
        """Whether the answer to the submission of a job told nobody of it."""
        odd = None if job_id is None else self.odd(job_id)
        return odd is not None and odd.what is Oddity.SUBMISSION_FAILS

    def is_unusable(self, job_id: str) -> bool:
        """Whether nothing can be learned of a job's rows, whatever is answered about it."""
        odd = self.odd(job_id)
        return odd is not None and odd.unusable

    def made_of(self, job: Job, record: JsonObject) -> str:
        """The id of what a job made of a record, as a row can hold it."""
        odd = self.odd(job.job_id)
        long = HUGE if odd is not None and odd.what is Oddity.LONG else ""
        return (vendor_id(job, record) + long)[:ID_CHARACTERS]

    def done(self, job: Job) -> list[bool]:
        """Which of a job's records it carries out, in their order."""
        half = -(-len(job.records) // 2)
        killed = self.job_fate(job) is JobFate.KILLED
        return [
            self._carries_out(job, record) and not (killed and i >= half)
            for i, record in enumerate(job.records)
        ]

    def _carries_out(self, job: Job, record: JsonObject) -> bool:
        match self.fate_of(record):
            case Fate.DONE | Fate.DONE_UNSAID:
                return True
            case Fate.CONFLICT:
                return self._was_sent_before(job, record)
        return False

    def _was_sent_before(self, job: Job, record: JsonObject) -> bool:
        """Whether an earlier job holds the record, too."""
        for earlier in self.jobs.values():
            if earlier is job:
                return False
            if any(each[NAME] == record[NAME] for each in earlier.records):
                return True
        return False

    def said(self, job: Job) -> list[RecordResult | None]:
        """What its results say of each record, in their order."""
        half = -(-len(job.records) // 2)
        partly = self.job_fate(job) in (JobFate.KILLED, JobFate.SHORT)
        return [
            None if partly and i >= half else self._said(job, record)
            for i, record in enumerate(job.records)
        ]

    def _said(self, job: Job, record: JsonObject) -> RecordResult | None:
        match self.fate_of(record):
            case Fate.DONE | Fate.CONFLICT if self._carries_out(job, record):
                return RecordResult(SUCCEEDED, vendor_id=vendor_id(job, record))
            case Fate.CONFLICT:
                return RecordResult(FAILED, code="DatabaseConflict", text="Try again.")
            case Fate.REFUSED:
                return RecordResult(FAILED, code="Invalid", text="The vendor does not like it.")
        return None

    def unsaid(self, job: Job) -> set[str]:
        """The names of a job's records of which its results say nothing."""
        said = zip(job.records, self.said(job), strict=True)
        return {str(record[NAME]) for record, result in said if result is None}

    def doings(self, run_id: str = "") -> dict[str, list[str]]:
        """Record's name → ids of what was made of it, one for each time; by one run, or by all."""
        made: dict[str, list[str]] = {}
        for job in self.jobs.values():
            if not job.token.startswith(run_id):
                continue
            for record, done in zip(job.records, self.done(job), strict=True):
                if done:
                    made.setdefault(str(record[NAME]), []).append(self.made_of(job, record))
        return made

    def most_at_once(self) -> int:
        """Jobs in flight at one moment, of those that the vendor shows, ends and does not deny."""
        hidden = (JobFate.FORGOTTEN, JobFate.ENDLESS)
        changes = sorted(
            change
            for job in self.jobs.values()
            if self.job_fate(job) not in hidden
            and Odd(int(job.job_id.removeprefix("job-")), Oddity.LOOK_FAILS) not in self.vendor.odd
            and job.job_id not in self.denied_jobs
            and not any(record[NAME] in self.undecided for record in job.records)
            for change in ((job.created_at, 1), (job.ends_at, -1))
        )
        most = now = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most

    def sent(self, name: str, run_id: str = "") -> list[Sent]:
        return [
            Sent(each.at, each.job_id, each.reply.act in UNHEARD or self._unread(each.job_id))
            for each in self.submissions
            if each.token.startswith(run_id)
            and any(record[NAME] == name for record in each.records)
        ]

    def denied(self, name: str) -> bool:
        """It finds a job by its token, whatever it tells of it otherwise."""
        return False

    def bears_out(self, name: str, outcome: Outcome) -> bool | None:
        job = self.jobs.get(outcome.job_id or "")
        match outcome.error_code:
            case "unsaid" if job is not None:
                return name in self.unsaid(job)
            case "answer_unusable" if job is not None:
                return self.is_unusable(job.job_id)
            case "job_forgotten" if job is not None:
                return self.job_fate(job) is JobFate.FORGOTTEN
            case "job_never_ended" if job is not None:
                return self.job_fate(job) is JobFate.ENDLESS
            case "submission_lost":
                return name in self.undecided
            case "403" if job is not None:
                return self.refused_looks >= REFUSED_READING.times
            case "evidence_missing":
                return False
        return None

    def left_in_doubt(self, name: str) -> bool:
        return any(each.unheard for each in self.sent(name)) or any(
            name in self.unsaid(job) or self._is_given_up(job, name) for job in self.jobs.values()
        )

    def _is_given_up(self, job: Job, name: str) -> bool:
        """Whether nobody waits for what would be said of a row in this job."""
        given_up = self.job_fate(job) in (JobFate.ENDLESS, JobFate.FORGOTTEN)
        given_up = given_up or self.is_unusable(job.job_id)
        return given_up and any(record[NAME] == name for record in job.records)

    # what it tells

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        me = self.who()
        outage = self.outage(SUBMIT)
        if outage is not None and outage.way is not Way.BAD_GATEWAY_DONE:
            return self._struck(outage, operation, records, token)
        answer = super().submit(operation, records, token)
        job_id, reply = self.submissions[-1].job_id, self.submissions[-1].reply
        if job_id is not None:
            self._begin(self.jobs[job_id])
        if reply.retry_after is not None:
            full = reply.act is Act.FULL
            self._wish("vendor.submit", reply.retry_after, me, submissions_only=full)
        if self._unread(job_id):
            raise ValueError("the answer is odd")
        return answer if outage is None else to_submission(outage.way)

    def _struck(
        self, outage: Outage, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        """A submission that does nothing, while the vendor is out of order."""
        me = self.who()
        self.clock.advance(self.request_seconds)
        answer, now = to_submission(outage.way), self.clock.now()
        unheard = isinstance(answer, Ambiguous)
        reply = stories.Reply(Act.LOST if unheard else Act.THROTTLE)
        self.submissions.append(Submission(token, now, operation.name, tuple(records), reply, None))
        if outage.way is not Way.UNREACHABLE:
            self._note_request()
        if isinstance(answer, Throttled) and answer.retry_after is not None:
            self._wish("vendor.submit", answer.retry_after, me, submissions_only=False)
        return answer

    def _begin(self, job: Job) -> None:
        match self.job_fate(job):
            case JobFate.FORGOTTEN:
                job.forgotten = True
            case JobFate.LATE:
                job.visible_from = job.created_at + self.vendor.late
            case JobFate.ENDLESS:
                job.ends_at = job.created_at + ENDLESS_SECONDS

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        me = self.who()
        outage = self.outage(POLL)
        if outage is None:
            answer = super().poll(job_ids)
            for _ in range(answer.requests - 1):
                self._note_request()
            answer = self._oddly(answer)
        else:
            self.clock.advance(self.request_seconds)
            answer = to_look(outage.way)
            if outage.way is not Way.UNREACHABLE:
                self._note_request()
        if answer.throttled is not None and answer.throttled.retry_after is not None:
            seconds = answer.throttled.retry_after
            self._wish("vendor.poll", seconds, me, submissions_only=False)
        self.refused_looks += answer.refused is not None
        return answer

    def _oddly(self, answer: PollAnswer) -> PollAnswer:
        """The answer to a look, with all that is odd about its jobs."""
        readings = dict(answer.readings)
        for job_id, reading in answer.readings.items():
            odd = self.odd(job_id)
            if odd is None:
                continue
            ended = reading.phase is JobPhase.ENDED
            if odd.what is Oddity.LOOK_FAILS or (odd.what is Oddity.END_FAILS and ended):
                raise TypeError("the answer is odd")
            readings[job_id] = odd_reading(odd.what, reading)
        return replace(answer, readings=readings)

    def raw(self, job: Job) -> JsonObject:
        odd, raw = self.odd(job.job_id), self._plain_raw(job)
        return raw if odd is None else cast("JsonObject", odd_raw(odd.what, raw))

    def _plain_raw(self, job: Job) -> JsonObject:
        said = self.said(job)
        if self.job_fate(job) in (JobFate.KILLED, JobFate.SHORT):
            said = said[: -(-len(said) // 2)]
        results = [
            None if r is None else [r.status.value, r.vendor_id, r.code, r.text] for r in said
        ]
        raw: JsonObject = {"id": job.job_id, "status": "completed", "results": results}
        if self.job_fate(job) is JobFate.SHUFFLED:
            raw["results"] = results[::-1]
            raw["names"] = [record[NAME] for record in job.records][::-1]
        return raw

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        found = super().find(operation, lost, now)
        if found.state is FoundState.ABSENT and operation.repeatable:
            # What may be repeated goes again after a job's time, and nobody waits for eleven
            # minutes until a job that it did not know of shows itself (decision 19).
            self.denied_jobs |= {j.job_id for j in self.jobs.values() if j.token == lost.token}
        return found

    def _truth(self, lost: LostSubmission) -> Found:
        outage = self.outage(FIND)
        if outage is not None:
            found = to_search(outage.way)
            if found.throttled is not None and found.throttled.retry_after is not None:
                wait = found.throttled.retry_after
                self._wish("vendor.find", wait, self.who(), submissions_only=False)
            return found
        word = self._words.pop(0) if self._words else FindWord.TRUTH
        names = {str(record[NAME]) for record in lost.records}
        match word:
            case FindWord.PENDING:
                self.undecided |= names
                return Found(FoundState.PENDING, requests=1)
            case FindWord.UNDECIDABLE:
                self.undecided |= names
                return Found(FoundState.UNDECIDABLE, requests=1)
        return super()._truth(lost)

    # patience

    @property
    def impatient(self) -> Sequence[str]:
        return self._patience.impatient

    @property
    def asked_at(self) -> Sequence[float]:
        return self._patience.asked_at

    def _wish(
        self, kind: str, seconds: float, told: Invocation | None, *, submissions_only: bool
    ) -> None:
        now = self.clock.now()
        self._patience.ask(kind, now, seconds, told, submissions_only=submissions_only)

    def _note_request(self) -> None:
        now, me = self.clock.now(), self.who()
        self._patience.note_request(now, me)
        self.requests.append(Request(now, me))


SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED


def vendor_id(job: Job, record: JsonObject) -> str:
    """The id of what a job made of a record."""
    return f"{job.job_id}/{record[NAME]}"


def _written(result: RecordResult) -> list[str | None]:
    return [result.status.value, result.vendor_id, result.code, result.text]


def _look(look: Look) -> PollAnswer | None:
    match look.word:
        case PollWord.THROTTLED:
            return PollAnswer(throttled=Throttled(ThrottleReason.RATE, look.retry_after))
        case PollWord.REFUSED:
            return PollAnswer(refused=Refused("403", "No."))
        case PollWord.PROBLEM:
            return PollAnswer(problem="502")
    return None


def read_results(
    operation: Operation,
    raw: JsonObject,
    sent: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """As the fake vendor's, with results in another order matched by their records' names."""
    fail_reading(raw)
    if "names" not in raw:
        return in_order(operation, raw, sent, records)
    by_name = dict(zip(raw["names"], raw["results"], strict=True))
    ordered = [by_name[record[NAME]] for record in records()]
    return in_order(operation, {**raw, "results": ordered}, sent, records)
