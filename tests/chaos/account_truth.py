"""What the vendor in memory really did, and what it reports of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.trouble import REFUSED_READING
from jobferry.domain.types import JsonObject
from jobferry.store.row_items import ID_CHARACTERS
from jobferry.vendors.answers import (
    Ambiguous,
    PollAnswer,
    Problem,
    RecordsRead,
    Refused,
    Throttled,
    ThrottleReason,
)
from tests.chaos.ground_truth import Invocation, Request, Sent, ThrottleLog
from tests.chaos.malformed_answers import (
    HUGE,
    Malformation,
    MalformedAnswer,
)
from tests.chaos.outages import Outage
from tests.chaos.scenario import (
    JobBehaviour,
    PollReply,
    RecordBehaviour,
    ScriptedPoll,
    VendorBehaviour,
)
from virtual.effects import Effects
from virtual.schedule import Schedule
from virtual.vendor import Account, Behaviour, Job

NAME = "name"
"""The field that is different in every row of a scenario."""

AMBIGUOUS = (Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED)

ENDLESS_SECONDS = 2_700.0
"""Longer than anybody follows a job in a scenario."""


def row_of(name: str) -> tuple[str, int]:
    """(file's letter, row) of a record's name: `b7` is row 7 of the second file."""
    return name[0], int(name[1:])


SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED


def vendor_id(job: Job, record: JsonObject) -> str:
    """The id of what a job made of a record."""
    return f"{job.job_id}/{record[NAME]}"


class AccountOfAScenario(Account):
    """An account that does what the scenario says, and knows what it has done.

    Args:
        who: the invocation that asks.
        outage: what strikes a request of this kind now.
    """

    def __init__(
        self,
        clock: Schedule,
        effects: Effects,
        vendor: VendorBehaviour,
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
        self._throttle_log = ThrottleLog()
        self.undecided: set[str] = set()
        self.denied_jobs: set[str] = set()
        self.refused_polls = 0
        self._search_replies = list(vendor.searches)
        self.will_reply(*vendor.replies)
        self.will_answer_polls(*map(_scripted_poll, vendor.polls))
        self.will_read(*map(_scripted_read, vendor.reads))

    def record_behaviour(self, record: JsonObject) -> RecordBehaviour:
        records = self.vendor.records
        return (
            records[row_of(str(record[NAME]))[1] % len(records)]
            if records
            else RecordBehaviour.APPLIED
        )

    def job_behaviour(self, job: Job) -> JobBehaviour:
        number = int(job.job_id.removeprefix("job-"))
        records = self.vendor.jobs
        return records[number - 1] if number <= len(records) else JobBehaviour.NORMAL

    def malformed(self, job_id: str) -> MalformedAnswer | None:
        """How the answers about a job are malformed."""
        number = int(job_id.removeprefix("job-"))
        return next(
            (malformed for malformed in self.vendor.malformed if malformed.job == number), None
        )

    def _answer_unreadable(self, job_id: str | None) -> bool:
        """Whether the answer to the submission of a job could not be read."""
        malformed = None if job_id is None else self.malformed(job_id)
        return malformed is not None and malformed.what is Malformation.SUBMISSION_FAILS

    def is_unusable(self, job_id: str) -> bool:
        """Whether nothing can be learned of a job's rows, whatever is answered about it."""
        malformed = self.malformed(job_id)
        return malformed is not None and malformed.unusable

    def made_of(self, job: Job, record: JsonObject) -> str:
        """The id of what a job made of a record, as a row can hold it."""
        malformed = self.malformed(job.job_id)
        long = HUGE if malformed is not None and malformed.what is Malformation.LONG else ""
        return (vendor_id(job, record) + long)[:ID_CHARACTERS]

    def done(self, job: Job) -> list[bool]:
        """Which of a job's records it applies, in their order."""
        half = -(-len(job.records) // 2)
        killed = self.job_behaviour(job) is JobBehaviour.KILLED
        return [
            self._applies(job, record) and not (killed and i >= half)
            for i, record in enumerate(job.records)
        ]

    def _applies(self, job: Job, record: JsonObject) -> bool:
        match self.record_behaviour(record):
            case RecordBehaviour.APPLIED | RecordBehaviour.APPLIED_UNREPORTED:
                return True
            case RecordBehaviour.CONFLICT:
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

    def reported(self, job: Job) -> list[RecordResult | None]:
        """What its results say of each record, in their order."""
        half = -(-len(job.records) // 2)
        partly = self.job_behaviour(job) in (JobBehaviour.KILLED, JobBehaviour.PARTIAL_RESULTS)
        return [
            None if partly and i >= half else self._reported(job, record)
            for i, record in enumerate(job.records)
        ]

    def _reported(self, job: Job, record: JsonObject) -> RecordResult | None:
        match self.record_behaviour(record):
            case RecordBehaviour.APPLIED | RecordBehaviour.CONFLICT if self._applies(job, record):
                return RecordResult(SUCCEEDED, vendor_id=vendor_id(job, record))
            case RecordBehaviour.CONFLICT:
                return RecordResult(FAILED, code="DatabaseConflict", text="Try again.")
            case RecordBehaviour.REFUSED:
                return RecordResult(FAILED, code="Invalid", text="The vendor does not like it.")
        return None

    def unreported(self, job: Job) -> set[str]:
        """The names of a job's records of which its results say nothing."""
        reported = zip(job.records, self.reported(job), strict=True)
        return {str(record[NAME]) for record, result in reported if result is None}

    def applied(self, run_id: str = "") -> dict[str, list[str]]:
        """Record's name → ids of what was made of it, one for each time; by one run, or by all."""
        made: dict[str, list[str]] = {}
        for job in self.jobs.values():
            if not job.token.startswith(run_id):
                continue
            for record, done in zip(job.records, self.done(job), strict=True):
                if done:
                    made.setdefault(str(record[NAME]), []).append(self.made_of(job, record))
        return made

    def max_in_flight(self) -> int:
        """Jobs in flight at one moment, of those that the vendor shows, ends and does not deny."""
        hidden = (JobBehaviour.FORGOTTEN, JobBehaviour.NEVER_ENDS)
        changes = sorted(
            change
            for job in self.jobs.values()
            if self.job_behaviour(job) not in hidden
            and MalformedAnswer(int(job.job_id.removeprefix("job-")), Malformation.POLL_FAILS)
            not in self.vendor.malformed
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
            Sent(
                each.at,
                each.job_id,
                each.reply.behaviour in AMBIGUOUS or self._answer_unreadable(each.job_id),
            )
            for each in self.submissions
            if each.token.startswith(run_id)
            and any(record[NAME] == name for record in each.records)
        ]

    def denies_job(self, name: str) -> bool:
        """It finds a job by its token, whatever else it answers about it."""
        return False

    def confirms(self, name: str, outcome: Outcome) -> bool | None:
        job = self.jobs.get(outcome.job_id or "")
        match outcome.error_code:
            case "unsaid" if job is not None:
                return name in self.unreported(job)
            case "answer_unusable" if job is not None:
                return self.is_unusable(job.job_id)
            case "job_forgotten" if job is not None:
                return self.job_behaviour(job) is JobBehaviour.FORGOTTEN
            case "job_never_ended" if job is not None:
                return self.job_behaviour(job) is JobBehaviour.NEVER_ENDS
            case "submission_lost":
                return name in self.undecided
            case "403" if job is not None:
                return self.refused_polls >= REFUSED_READING.times
            case "evidence_missing":
                return False
        return None

    def left_uncertain(self, name: str) -> bool:
        return any(each.answer_lost for each in self.sent(name)) or any(
            name in self.unreported(job) or self._is_given_up(job, name)
            for job in self.jobs.values()
        )

    def _is_given_up(self, job: Job, name: str) -> bool:
        """Whether nobody waits for the result of a row in this job."""
        given_up = self.job_behaviour(job) in (JobBehaviour.NEVER_ENDS, JobBehaviour.FORGOTTEN)
        given_up = given_up or self.is_unusable(job.job_id)
        return given_up and any(record[NAME] == name for record in job.records)

    @property
    def throttle_violations(self) -> Sequence[str]:
        return self._throttle_log.throttle_violations

    @property
    def throttled_at(self) -> Sequence[float]:
        return self._throttle_log.throttled_at

    def _note_throttle(
        self, kind: str, seconds: float, recipient: Invocation | None, *, submissions_only: bool
    ) -> None:
        now = self.clock.now()
        self._throttle_log.note_wait(
            kind, now, seconds, recipient, submissions_only=submissions_only
        )

    def _note_request(self) -> None:
        now, me = self.clock.now(), self.who()
        self._throttle_log.note_request(now, me)
        self.requests.append(Request(now, me))


def _scripted_read(scripted: ScriptedPoll) -> RecordsRead | None:
    match scripted.reply:
        case PollReply.NORMAL:
            return None
        case PollReply.THROTTLED:
            problem: Problem = Throttled(ThrottleReason.RATE, scripted.retry_after)
        case PollReply.REFUSED:
            problem = Refused("404", "No.", http_status=404)
        case PollReply.PROBLEM:
            problem = Ambiguous("a gateway error")
    return RecordsRead(problem=problem)


def _scripted_poll(poll: ScriptedPoll) -> PollAnswer | None:
    match poll.reply:
        case PollReply.THROTTLED:
            return PollAnswer(throttled=Throttled(ThrottleReason.RATE, poll.retry_after))
        case PollReply.REFUSED:
            return PollAnswer(refused=Refused("403", "No."))
        case PollReply.PROBLEM:
            return PollAnswer(problem="502")
    return None
