"""The jobs of Zendesk Support, and how a job status shows them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from vendorsim.job_life import Life, LivingJobs
from vendorsim.values import JsonObject, distorted
from vendorsim.world import Exchange, World
from vendorsim.zendesk_support.operations import CANONICAL_HOST, VENDOR, Operation, Row, outcome
from vendorsim.zendesk_support.records import RecordId, Store

_FINISHED_DATE = "%Y-%m-%d %H:%M:%S +0000"


class Request(NamedTuple):
    """What a submission asks for; see Row for `bulk` and `target`."""

    operation: Operation
    records: Sequence[JsonObject]
    bulk: bool = False
    target: str = ""


@dataclass(slots=True)
class Job:
    """One job."""

    id: str
    life: Life
    request: Request
    total: int
    new_ids: list[RecordId] = field(default_factory=list)
    progress: int = 0
    results: list[JsonObject] | JsonObject | None = None


class JobBook(LivingJobs[Job]):
    """The jobs of the account."""

    vendor = VENDOR

    def __init__(self, world: World, store: Store) -> None:
        super().__init__(world)
        self._store = store

    def submit(self, request: Request, exchange: Exchange) -> Job:
        """Take a job."""
        operation = request.operation
        life, draws = self._begin(exchange)
        job = Job(
            id=f"V3-{draws.getrandbits(128):032x}",
            life=life,
            request=request,
            total=len(request.records),
        )
        if operation.mints:
            table = operation.mints(self._store, request.target)
            job.new_ids = table.reserve(job.total)
            if operation.scattered:
                draws.shuffle(job.new_ids)
        self._take(job, operation.name.format(key=request.target), job.total)
        return job

    def get(self, job_id: str) -> JsonObject | None:
        """One job status, by id."""
        job = self._readable(job_id)
        return self.describe(job) if job else None

    def listed(self) -> list[Job]:
        """Those that the list shows: unfinished first, then by end, newest first."""
        return sorted(self._listed(), key=list_position)

    def describe(self, job: Job) -> JsonObject:
        """The job status as a reader sees it now."""
        status = job.life.look(self._world.clock.now(), "working")
        shown: JsonObject = {
            "id": job.id,
            "job_type": job.request.operation.job_type,
            "url": f"{CANONICAL_HOST}/api/v2/job_statuses/{job.id}.json",
            "total": job.total,
            "progress": None,
            "status": status,
            "message": None,
            "results": None,
        }
        if status == "working":
            shown["progress"] = done = self._rows_done(job)
            shown["message"] = job.request.operation.doing.format(n=min(done + 1, job.total))
        elif status != "queued":
            date = datetime.fromtimestamp(job.life.ends_at, UTC).strftime(_FINISHED_DATE)
            shown["progress"] = job.progress
            shown["message"] = f"{status.capitalize()} at {date}"
            shown["results"] = job.results
        if job.request.operation.summarised:
            shown["total"] = shown["progress"] = None
        return shown

    def _rows_done(self, job: Job) -> int:
        life = job.life
        if math.isinf(life.ends_at) or life.ends_at <= life.works_at:
            return 0
        share = (self._world.clock.now() - life.works_at) / (life.ends_at - life.works_at)
        return int(job.total * share)

    def _carry_out(self, job: Job) -> None:
        effect = job.life.effect
        draws = self._draws("rows", job.life.number)
        results: list[JsonObject] = []
        succeeded = 0
        death = effect.fail_job
        for row in self._rows(job):
            if death and row.index >= death.after_rows:
                break
            result, good = outcome(job.request.operation, row, effect.fail_rows, draws)
            results.append(result)
            succeeded += good
        if death:
            job.life.end = "failed"
        elif job.request.operation.summarised:
            lost = "null" in effect.results
            job.results = None if lost else {"success": succeeded == job.total}
        else:
            job.life.end = "completed" if succeeded or not job.total else "failed"
            job.progress = job.total if job.life.end == "completed" else 0
            job.results = distorted(results, effect.results, draws)
        job.request = job.request._replace(records=())
        job.new_ids = []

    def _rows(self, job: Job) -> Iterator[Row]:
        for index, record in enumerate(job.request.records):
            yield Row(
                index=index,
                record=record,
                new_id=job.new_ids[index] if job.new_ids else 0,
                bulk=job.request.bulk,
                queued_at=job.life.submitted_at,
                at=job.life.ends_at,
                target=job.request.target,
                store=self._store,
                ledger=self._world.ledger,
                job_id=job.id,
                request_id=job.life.request_id,
            )


def list_position(job: Job) -> tuple[float, float, float, int]:
    """Where a job stands in the list; the place of unfinished ones is assumed."""
    life = job.life
    if not life.ended:
        return (0, 0.0, -life.submitted_at, -life.number)
    return (1, -life.ends_at, -life.submitted_at, -life.number)
