"""The jobs of Zendesk Sunshine, and how its readers show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from vendorsim.faults import FailRows
from vendorsim.job_life import Life, LivingJobs
from vendorsim.values import JsonObject, distorted, iso_time
from vendorsim.world import Exchange, World
from vendorsim.zendesk_sunshine.records import Store
from vendorsim.zendesk_sunshine.replies import error
from vendorsim.zendesk_sunshine.rows import VENDOR, Operation, Row, RowRefused

ABORTED = "aborted"


def new_id(draws: Random) -> str:
    """A UUID as the vendor's ids look."""
    return str(UUID(int=draws.getrandbits(128)))


@dataclass(slots=True)
class Job:
    """One job."""

    id: str
    life: Life
    operation: Operation
    records: Sequence[JsonObject]
    results: list[JsonObject] = field(default_factory=list)

    def described(self, now: float, *, results: bool = True) -> JsonObject:
        """The job as a reader sees it now; the list leaves out the results."""
        life = self.life
        began = life.submitted_at if now < life.works_at else life.works_at
        shown: JsonObject = {
            "id": self.id,
            "job_status": life.look(now, "processing"),
            "created_at": iso_time(life.submitted_at),
            "updated_at": iso_time(life.ends_at if life.ended else began),
            "completed_at": iso_time(life.ends_at) if life.ended else None,
        }
        return {**shown, "results": self.results} if results else shown


class JobBook(LivingJobs[Job]):
    """The jobs of the account."""

    vendor = VENDOR
    purpose = "sunshine "

    def __init__(self, world: World, store: Store) -> None:
        super().__init__(world)
        self._store = store

    @property
    def running(self) -> int:
        """Jobs queued or processing."""
        return len(self.running_ids)

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], exchange: Exchange
    ) -> Job:
        """Take a job."""
        life, draws = self._begin(exchange)
        job = Job(id=new_id(draws), life=life, operation=operation, records=records)
        self._take(job, operation.name, len(records))
        return job

    def get(self, job_id: str) -> JsonObject | None:
        """One job with its results, by id."""
        job = self._readable(job_id)
        return job.described(self._world.clock.now()) if job else None

    def listed(self, status: str | None) -> list[JsonObject]:
        """The jobs without results, oldest first (the order is assumed), all or of one status."""
        now = self._world.clock.now()
        shown = [job.described(now, results=False) for job in self._listed()]
        return [job for job in shown if status in (None, job["job_status"])]

    def _carry_out(self, job: Job) -> None:
        effect = job.life.effect
        draws = self._draws("rows", job.life.number)
        # A job is aborted while it is still queued: nothing of it is done.
        to_do = [] if effect.status_word == ABORTED else job.records
        if effect.fail_job:
            job.life.end = "failed"
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
            at=job.life.ends_at,
            max_records=self._world.settings.sunshine_max_records,
            store=self._store,
            ledger=self._world.ledger,
            job_id=job.id,
            request_id=job.life.request_id,
        )


def _outcome(row: Row, operation: Operation, fail_rows: FailRows | None, draw: float) -> JsonObject:
    """Carry out one row: its result."""
    if fail_rows and fail_rows.hits(row.index, _marked(row.record), draw):
        entry = error(422, fail_rows.told_details)
        if fail_rows.told_error:
            entry["code"] = fail_rows.told_error
        return {"success": False, "errors": [entry]}
    try:
        return {"success": True, "data": operation.apply(row)}
    except RowRefused as refused:
        return {"success": False, "errors": [refused.error]}


def _marked(record: JsonObject) -> JsonObject:
    """Where a fault looks for its marker: the record and its attributes."""
    attributes = record.get("attributes")
    return {**(attributes if isinstance(attributes, dict) else {}), **record}
