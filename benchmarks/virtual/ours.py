"""Jobferry on the model vendor: the real steps, store and scheduler, from the upload to the closed
run, in virtual time.

Only what lies outside is replaced: the table and the objects by fakes that keep DynamoDB's and
S3's rules, the vendor's HTTP client by `ModelClient`. Chunks hold one row, so that K rows are K
jobs. As with the peers, the machinery itself (functions, transitions, the table) takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.virtual.vendor import (
    POLL_BATCH,
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
from virtual.schedule import Schedule
from virtual.vendor import VENDOR
from virtual.world import CONNECTION, World, sample_csv


class ModelClient:
    """A `VendorClient` of the model: each request takes its time on the schedule."""

    def __init__(self, vendor: VendorModel, schedule: Schedule) -> None:
        self._vendor = vendor
        self._schedule = schedule
        self.requests_made = 0
        self.meter: Meter | None = None

    def drop_idle_connections(self) -> None:
        """There is no connection that could have idled."""

    def test(self) -> None:
        """The model welcomes everybody."""

    def submit(
        self, _operation: Operation, _records: Sequence[JsonObject], _token: str
    ) -> SubmitAnswer:
        now = self._request(Kind.SUBMIT)
        answer = self._vendor.submit(now)
        if isinstance(answer, Refusal):
            return _throttled(answer, self._rate(now))
        return Accepted(str(answer), self._rate(now))

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        readings: dict[str, JobReading] = {}
        requests = 0
        rate = None
        for first in range(0, len(job_ids), POLL_BATCH):
            asked = job_ids[first : first + POLL_BATCH]
            now = self._request(Kind.POLL)
            answer = self._vendor.poll(now, [int(job_id) for job_id in asked])
            rate = self._rate(now)
            requests += 1
            if isinstance(answer, Refusal):
                return PollAnswer(
                    readings, _throttled(answer, rate), requests=requests, limits=rate
                )
            readings |= {i: _reading(i, seen) for i, seen in zip(asked, answer, strict=True)}
        return PollAnswer(readings, requests=requests, limits=rate)

    def find(self, _operation: Operation, _lost: LostSubmission, _now: float) -> Found:
        """The model loses no answer."""
        return Found(FoundState.ABSENT)

    def _request(self, kind: Kind) -> float:
        self.requests_made += 1
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


def _reading(job_id: str, seen: Reading) -> JobReading:
    if not seen.ended:
        return JobReading(job_id, JobPhase.ACTIVE, "working", seen.progress, TOTAL)
    result = [OutcomeStatus.SUCCEEDED.value, f"id-{job_id}", None, None]
    raw = {"id": job_id, "status": "completed", "results": [result]}
    return JobReading(job_id, JobPhase.ENDED, "completed", TOTAL, TOTAL, raw)


class ModelWorld(World):
    """A deployment whose one connection leads to the model, on the model's schedule."""

    def __init__(self, vendor: VendorModel, schedule: Schedule) -> None:
        super().__init__(max_records=1, senders=SCHEDULING.senders)
        conditions = vendor.conditions
        self.clock = schedule
        self.vendor: Vendor = replace(
            self.vendor,
            capabilities=Capabilities(
                poll_batch=POLL_BATCH, max_jobs=conditions.max_jobs, refuses_excess=True
            ),
            client=self.client_of(vendor, schedule),
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
        self.deps = self.fresh_deps()

    def client_of(self, vendor: VendorModel, schedule: Schedule) -> Callable[..., ModelClient]:
        """What makes a client of the model."""

        def client(*_account: Any, **_options: Any) -> ModelClient:
            return ModelClient(vendor, schedule)

        return client


def jobferry(vendor: VendorModel, jobs: int, schedule: Schedule) -> None:
    """Carry a file of as many rows as there are to be jobs.

    Raises:
        RuntimeError: the run broke a promise.
    """
    with ModelWorld(vendor, schedule) as world:
        run = world.processed(sample_csv(jobs))
        problems = world.problems(run.run_id)
    if problems or run.outcomes.get(OutcomeStatus.SUCCEEDED) != jobs:
        raise RuntimeError(f"{run.run_id}: {'; '.join(problems) or run.outcomes}")
