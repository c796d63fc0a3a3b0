"""Jobs: queued for half their time, processing for the other, then carried out at once.

A job's records take effect at its end, all of them at that moment, as those of Zendesk Support.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from random import Random
from uuid import UUID

from vendorsim.effects import JobEntry
from vendorsim.faults import Effect, FailRows
from vendorsim.values import JsonObject, iso_time
from vendorsim.world import Exchange, World
from vendorsim.zendesk_sunshine.records import Store
from vendorsim.zendesk_sunshine.replies import error
from vendorsim.zendesk_sunshine.rows import VENDOR, Operation, Row, RowRefused
from vendorsim.zendesk_support.jobs import distorted

ABORTED = "aborted"


def new_id(draws: Random) -> str:
    """A UUID as the vendor's ids look."""
    return str(UUID(int=draws.getrandbits(128)))


@dataclass(slots=True)
class Job:
    """One job. `ends_at` is infinite for one that sticks; times are epoch seconds."""

    id: str
    number: int
    operation: Operation
    records: Sequence[JsonObject]
    request_id: str
    submitted_at: float
    works_at: float
    ends_at: float
    effect: Effect
    status: str = "completed"
    results: list[JsonObject] = field(default_factory=list)
    ended: bool = False
    seen_processing: bool = False
    regressed: bool = False

    def readable(self, now: float) -> bool:
        """Whether a read by id knows it."""
        hidden_from = 0.0 if self.effect.list_only else self.effect.vanish
        return self.listed(now) and (hidden_from is None or now < self.submitted_at + hidden_from)

    def listed(self, now: float) -> bool:
        """Whether the list shows it."""
        gone_from = math.inf if self.effect.gone is None else self.effect.gone
        return self.effect.not_yet_visible <= now - self.submitted_at < gone_from

    def status_at(self, now: float) -> str:
        if self.effect.regress and self.seen_processing and not self.regressed:
            self.regressed = True
            return "queued"
        if self.ended:
            return self.effect.status_word or self.status
        return "queued" if now < self.works_at else "processing"

    def described(self, now: float, *, results: bool = True) -> JsonObject:
        """The job as a reader sees it now; the list leaves out the results."""
        status = self.status_at(now)
        self.seen_processing |= status == "processing"
        began = self.submitted_at if now < self.works_at else self.works_at
        shown: JsonObject = {
            "id": self.id,
            "job_status": status,
            "created_at": iso_time(self.submitted_at),
            "updated_at": iso_time(self.ends_at if self.ended else began),
            "completed_at": iso_time(self.ends_at) if self.ended else None,
        }
        return {**shown, "results": self.results} if results else shown


class JobBook:
    """The jobs of the account."""

    def __init__(self, world: World, store: Store) -> None:
        self._world = world
        self._store = store
        self._jobs: dict[str, Job] = {}
        self._running: set[str] = set()
        self._ends: list[tuple[float, int, Job]] = []
        self._number = 0

    @property
    def running(self) -> int:
        """Jobs queued or processing."""
        return len(self._running)

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], exchange: Exchange
    ) -> Job:
        """Take a job."""
        world, effect = self._world, exchange.effect
        self._number += 1
        draws = world.draws(f"sunshine job:{self._number}")
        now = world.clock.now()
        latency = draws.uniform(*world.settings.latency)
        job = Job(
            id=new_id(draws),
            number=self._number,
            operation=operation,
            records=records,
            request_id=exchange.request_id,
            submitted_at=now,
            works_at=now + latency / 2,
            ends_at=math.inf if effect.stuck else now + latency,
            effect=effect,
        )
        self._jobs[job.id] = job
        self._running.add(job.id)
        heapq.heappush(self._ends, (job.ends_at, job.number, job))
        world.ledger.job_accepted(
            JobEntry(
                job_id=job.id,
                vendor=VENDOR,
                operation=operation.name,
                items=len(records),
                submitted_at=now,
                ends_at=None if effect.stuck else job.ends_at,
                request_id=exchange.request_id,
                in_flight=self.running,
            )
        )
        return job

    def advance(self) -> None:
        """Carry out the jobs that ended by now, and forget those past their time."""
        now = self._world.clock.now()
        while self._ends and self._ends[0][0] <= now:
            job = heapq.heappop(self._ends)[2]
            self._running.remove(job.id)
            self._carry_out(job)
        kept_from = now - self._world.settings.retention_seconds
        aged = takewhile(lambda job: job.submitted_at <= kept_from, self._jobs.values())
        for job in [job for job in aged if job.ended]:
            del self._jobs[job.id]

    def get(self, job_id: str) -> JsonObject | None:
        """One job with its results, by id."""
        now = self._world.clock.now()
        job = self._jobs.get(job_id)
        return job.described(now) if job and job.readable(now) else None

    def listed(self, status: str | None) -> list[JsonObject]:
        """The jobs without results, oldest first (the order is assumed), all or of one status."""
        now = self._world.clock.now()
        shown = [
            job.described(now, results=False) for job in self._jobs.values() if job.listed(now)
        ]
        return [job for job in shown if status in (None, job["job_status"])]

    def _carry_out(self, job: Job) -> None:
        """Do the work; what it did is in the ledger, what it says of it in the job."""
        job.ended = True
        draws = self._world.draws(f"sunshine rows:{job.number}")
        effect = job.effect
        # A job is aborted while it is still queued: nothing of it is done.
        to_do = [] if effect.status_word == ABORTED else job.records
        if effect.fail_job:
            job.status = "failed"
            to_do = to_do[: effect.fail_job.after_rows]
        results = [
            _outcome(self._row(job, index, record), job.operation, effect.fail_rows, draws.random())
            for index, record in enumerate(to_do)
        ]
        job.results = distorted(results, effect.results, draws) or []
        job.records = ()

    def _row(self, job: Job, index: int, record: JsonObject) -> Row:
        return Row(
            index=index,
            record=record,
            at=job.ends_at,
            max_records=self._world.settings.sunshine_max_records,
            store=self._store,
            ledger=self._world.ledger,
            job_id=job.id,
            request_id=job.request_id,
        )


def _outcome(row: Row, operation: Operation, fail_rows: FailRows | None, draw: float) -> JsonObject:
    """Carry out one row: its result."""
    if fail_rows and fail_rows.hits(row.index, _marked(row.record), draw):
        entry = error(422, fail_rows.details)
        if fail_rows.error:
            entry["code"] = fail_rows.error
        return {"success": False, "errors": [entry]}
    try:
        return {"success": True, "data": operation.apply(row)}
    except RowRefused as refused:
        return {"success": False, "errors": [refused.error]}


def _marked(record: JsonObject) -> JsonObject:
    """Where a fault looks for its marker: the record and its attributes."""
    attributes = record.get("attributes")
    return {**(attributes if isinstance(attributes, dict) else {}), **record}
