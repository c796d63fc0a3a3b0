"""The vendor of a scenario: an account that knows the truth about every record.

What it answers may be late, short, in another order, or nothing; `done` is what it really did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from jobferry.domain.outcome import RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    PollAnswer,
    RecordsRead,
    SubmitAnswer,
    Throttled,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from tests.chaos.account_truth import ENDLESS_SECONDS, NAME, AccountOfAScenario
from tests.chaos.malformed_answers import (
    Malformation,
    fail_reading,
    malformed_raw,
    malformed_reading,
)
from tests.chaos.outages import FIND, POLL, SUBMIT, Outage, Way, to_poll, to_search, to_submission
from tests.chaos.scenario import (
    JobBehaviour,
    SearchReply,
)
from virtual.vendor import Behaviour, Job, Reply, Submission
from virtual.vendor import read_results as in_order


class ScriptedAccount(AccountOfAScenario):
    """Answers as the scenario says: late, short, in another order, or not at all."""

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        me = self.who()
        outage = self.outage(SUBMIT)
        if outage is not None and outage.way is not Way.BAD_GATEWAY_DONE:
            return self._during_outage(outage, operation, records, token)
        answer = super().submit(operation, records, token)
        job_id, reply = self.submissions[-1].job_id, self.submissions[-1].reply
        if job_id is not None:
            self._begin(self.jobs[job_id])
        if reply.retry_after is not None:
            full = reply.behaviour is Behaviour.TOO_MANY_JOBS
            self._note_throttle("vendor.submit", reply.retry_after, me, submissions_only=full)
        if self._answer_unreadable(job_id):
            raise ValueError("the answer is malformed")
        return answer if outage is None else to_submission(outage.way)

    def _during_outage(
        self, outage: Outage, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        """A submission that does nothing, while the vendor is out of order."""
        me = self.who()
        self.clock.advance(self.request_seconds)
        answer, now = to_submission(outage.way), self.clock.now()
        answer_lost = isinstance(answer, Ambiguous)
        reply = Reply(Behaviour.NEVER_ARRIVED if answer_lost else Behaviour.THROTTLE)
        self.submissions.append(Submission(token, now, operation.name, tuple(records), reply, None))
        if outage.way is not Way.UNREACHABLE:
            self._note_request()
        if isinstance(answer, Throttled) and answer.retry_after is not None:
            self._note_throttle("vendor.submit", answer.retry_after, me, submissions_only=False)
        return answer

    def _begin(self, job: Job) -> None:
        match self.job_behaviour(job):
            case JobBehaviour.FORGOTTEN:
                job.forgotten = True
            case JobBehaviour.VISIBLE_LATE:
                job.visible_from = job.created_at + self.vendor.late
            case JobBehaviour.NEVER_ENDS:
                job.ends_at = job.created_at + ENDLESS_SECONDS

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        me = self.who()
        outage = self.outage(POLL)
        if outage is None:
            answer = super().poll(job_ids)
            for _ in range(answer.requests - 1):
                self._note_request()
            answer = self._with_malformed(answer)
        else:
            self.clock.advance(self.request_seconds)
            answer = to_poll(outage.way)
            if outage.way is not Way.UNREACHABLE:
                self._note_request()
        if answer.throttled is not None and answer.throttled.retry_after is not None:
            seconds = answer.throttled.retry_after
            self._note_throttle("vendor.poll", seconds, me, submissions_only=False)
        self.refused_polls += answer.refused is not None
        return answer

    def read_records(self, records: Sequence[JsonObject]) -> RecordsRead:
        me, outage = self.who(), self.outage(SUBMIT)
        if outage is None:
            read = super().read_records(records)
        else:
            self.clock.advance(self.request_seconds)
            answer = to_submission(outage.way)
            read = RecordsRead(problem=None if isinstance(answer, Accepted) else answer)
            if outage.way is not Way.UNREACHABLE:
                self._note_request()
        if isinstance(read.problem, Throttled) and read.problem.retry_after is not None:
            seconds = read.problem.retry_after
            self._note_throttle("vendor.read", seconds, me, submissions_only=False)
        return read

    def _with_malformed(self, answer: PollAnswer) -> PollAnswer:
        """The answer to a poll, with what is malformed about its jobs."""
        readings = dict(answer.readings)
        for job_id, reading in answer.readings.items():
            malformed = self.malformed(job_id)
            if malformed is None:
                continue
            ended = reading.phase is JobPhase.ENDED
            if malformed.what is Malformation.POLL_FAILS or (
                malformed.what is Malformation.END_FAILS and ended
            ):
                raise TypeError("the answer is malformed")
            readings[job_id] = malformed_reading(malformed.what, reading)
        return replace(answer, readings=readings)

    def raw(self, job: Job) -> JsonObject:
        malformed, raw = self.malformed(job.job_id), self._plain_raw(job)
        return raw if malformed is None else cast("JsonObject", malformed_raw(malformed.what, raw))

    def _plain_raw(self, job: Job) -> JsonObject:
        reported = self.reported(job)
        if self.job_behaviour(job) in (JobBehaviour.KILLED, JobBehaviour.PARTIAL_RESULTS):
            reported = reported[: -(-len(reported) // 2)]
        results = [
            None if r is None else [r.status.value, r.vendor_id, r.code, r.text] for r in reported
        ]
        raw: JsonObject = {"id": job.job_id, "status": "completed", "results": results}
        if self.job_behaviour(job) is JobBehaviour.REORDERED:
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
                self._note_throttle("vendor.find", wait, self.who(), submissions_only=False)
            return found
        reply = self._search_replies.pop(0) if self._search_replies else SearchReply.NORMAL
        names = {str(record[NAME]) for record in lost.records}
        match reply:
            case SearchReply.PENDING:
                self.undecided |= names
                return Found(FoundState.PENDING, requests=1)
            case SearchReply.UNDECIDABLE:
                self.undecided |= names
                return Found(FoundState.UNDECIDABLE, requests=1)
        return super()._truth(lost)


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
