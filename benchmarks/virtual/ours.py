"""Jobferry on the model vendor: the real steps, store and scheduler, from the upload to the closed
run, in virtual time.

Only what lies outside is replaced: the table and the objects by fakes that keep DynamoDB's and
S3's rules, the vendor's HTTP client by `ModelClient`. A file has as many rows as its jobs are to
hold. What AWS takes in time and CPU is charged as `virtual.charges` says: by default nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.virtual.vendor import (
    TOTAL,
    Kind,
    Reading,
    Reason,
    Refusal,
    VendorModel,
    next_window,
)
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.types import JsonObject
from jobferry.scheduler.settings import USUAL as SCHEDULING
from jobferry.vendors.answers import (
    Accepted,
    Found,
    FoundState,
    JobPhase,
    JobReading,
    PollAnswer,
    RateReading,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Capabilities, Operation
from jobferry.vendors.protocol import Meter, Vendor
from virtual.bill import Bill
from virtual.charges import AWS, FREE, Charges
from virtual.effects import Effects
from virtual.schedule import Schedule
from virtual.vendor import VENDOR
from virtual.world import CONNECTION, World, sample_csv

RETENTION_DAYS = 90
"""As template.yaml has it by default."""


class ModelClient:
    """A `VendorClient` of the model: each request takes its time on the schedule."""

    def __init__(
        self, vendor: VendorModel, schedule: Schedule, effects: Effects | None = None
    ) -> None:
        self._vendor = vendor
        self._schedule = schedule
        self._effects = effects or Effects()
        self.requests_made = 0
        self.meter: Meter | None = None

    def drop_idle_connections(self) -> None:
        """There is no connection that could have idled."""

    def test(self) -> None:
        """The model welcomes everybody."""

    def submit(
        self, _operation: Operation, records: Sequence[JsonObject], _token: str
    ) -> SubmitAnswer:
        now = self._request(Kind.SUBMIT, len(records))
        answer = self._vendor.submit(now)
        if isinstance(answer, Refusal):
            return _throttled(answer, self._rate(now))
        return Accepted(str(answer), self._rate(now))

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        readings: dict[str, JobReading] = {}
        requests = 0
        rate = None
        most = self._vendor.conditions.poll_batch
        for first in range(0, len(job_ids), most):
            asked = job_ids[first : first + most]
            now = self._request(Kind.POLL)
            answer = self._vendor.poll(now, [int(job_id) for job_id in asked])
            rate = self._rate(now)
            requests += 1
            if isinstance(answer, Refusal):
                return PollAnswer(
                    readings, _throttled(answer, rate), requests=requests, limits=rate
                )
            readings |= {i: self._reading(i, seen) for i, seen in zip(asked, answer, strict=True)}
        return PollAnswer(readings, requests=requests, limits=rate)

    def find(self, _operation: Operation, _lost: LostSubmission, _now: float) -> Found:
        """The model loses no answer."""
        return Found(FoundState.ABSENT)

    def _reading(self, job_id: str, seen: Reading) -> JobReading:
        if not seen.ended:
            return JobReading(job_id, JobPhase.ACTIVE, "working", seen.progress, TOTAL)
        results = list(self._results(int(job_id)))
        raw = {"id": job_id, "status": "completed", "results": results}
        return JobReading(job_id, JobPhase.ENDED, "completed", TOTAL, TOTAL, raw)

    def _results(self, job: int) -> Iterator[list[Any]]:
        """Of each row of a job; those that fail lie at even distances."""
        rows, failing = self._vendor.conditions.rows, self._vendor.conditions.failing
        for row in range(job * rows, (job + 1) * rows):
            if int((row + 1) * failing) > int(row * failing):
                text = "Name: is too short (minimum is 2 characters)"
                yield [OutcomeStatus.FAILED.value, None, "RecordInvalid", text]
            else:
                yield [OutcomeStatus.SUCCEEDED.value, f"{4_800_000_000_000 + row}", None, None]

    def _request(self, kind: Kind, rows: int = 0) -> float:
        self.requests_made += 1
        if (cloud := self._effects.cloud) is not None:
            charges = cloud.charges
            cloud.request(0.0, charges.cpu_vendor + rows * charges.cpu_row_sent)
        self._schedule.sleep(self._vendor.request_seconds(kind))
        return self._schedule.now()

    def _rate(self, now: float) -> RateReading:
        """The headers that Zendesk sends with every answer."""
        return RateReading(
            requests_limit=self._vendor.conditions.requests_per_minute,
            requests_remaining=self._vendor.requests_left,
            resets_in=next_window(now) - now,
        )


def _throttled(refusal: Refusal, rate: RateReading) -> Throttled:
    slots = refusal.reason is Reason.JOBS
    reason = ThrottleReason.SLOTS if slots else ThrottleReason.RATE
    return Throttled(reason, refusal.retry_after, rate)


class ModelWorld(World):
    """A deployment whose one connection leads to the model, on the model's schedule."""

    def __init__(self, vendor: VendorModel, schedule: Schedule, charges: Charges = FREE) -> None:
        conditions = vendor.conditions
        super().__init__(
            max_records=conditions.rows, senders=SCHEDULING.senders, retention_days=RETENTION_DAYS
        )
        self.clock = schedule
        self._read_results = self.vendor.read_results
        self.vendor: Vendor = replace(
            self.vendor,
            capabilities=Capabilities(
                poll_batch=conditions.poll_batch,
                max_jobs=conditions.max_jobs,
                refuses_excess=conditions.refuses_excess,
                token_search=not conditions.refuses_excess,
            ),
            client=self.client_of(vendor, schedule),
            read_results=self._results,
        )
        self.store.config.put_connection(
            Connection(
                CONNECTION,
                VENDOR,
                "https://acme.example",
                max_jobs=conditions.max_jobs,
                requests_per_minute=conditions.requests_per_minute,
            )
        )
        if charges is not FREE:
            self.charge(charges)
        self.deps = self.fresh_deps()

    @property
    def bill(self) -> Bill | None:
        """What was used of AWS; None where nothing is charged."""
        return self.effects.cloud.bill if self.effects.cloud is not None else None

    def plan(self, run_id: str) -> dict[str, Any]:
        before = self.run(run_id).plan.row
        answer = super().plan(run_id)
        self._work(self.run(run_id).plan.row - before, "cpu_row_planned")
        return answer

    def close(self, run_id: str) -> dict[str, Any]:
        answer = super().close(run_id)
        self._work(self.run(run_id).rows, "cpu_row_closed")
        return answer

    def _results(self, operation: Operation, raw: JsonObject, sent: int, records: Any) -> Any:
        self._work(sent, "cpu_row_settled")
        return self._read_results(operation, raw, sent, records)

    def _work(self, rows: int, kind: str) -> None:
        if (cloud := self.effects.cloud) is not None:
            cloud.work(rows * getattr(cloud.charges, kind))

    def client_of(self, vendor: VendorModel, schedule: Schedule) -> Callable[..., ModelClient]:
        """What makes a client of the model."""

        def client(*_account: Any, **_options: Any) -> ModelClient:
            return ModelClient(vendor, schedule, self.effects)

        return client


def jobferry(
    vendor: VendorModel, jobs: int, schedule: Schedule, charges: Charges = FREE
) -> Bill | None:
    """Carry a file of as many rows as make so many jobs, from its upload to the closed run.

    Returns:
        What it used of AWS; None where nothing is charged.

    Raises:
        RuntimeError: the run broke a promise.
    """
    rows = jobs * vendor.conditions.rows
    with ModelWorld(vendor, schedule, charges) as world:
        run = world.processed(sample_csv(rows))
        problems = world.problems(run.run_id)
    if problems or sum(run.outcomes.values()) != rows:
        raise RuntimeError(f"{run.run_id}: {'; '.join(problems) or run.outcomes}")
    return world.bill


charged_jobferry = partial(jobferry, charges=AWS)
