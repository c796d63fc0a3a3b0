"""Jobs: accepted, queued for half their time, working for the other, then carried out at once.

A job's records take effect at its end, all of them at that moment. Between requests nothing
happens: whoever looks first carries out what has ended by then, in the order of the ends.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple

from vendorsim.effects import JobEntry
from vendorsim.faults import Effect
from vendorsim.values import JsonObject
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
    """One job. `ends_at` is infinite for one that sticks; times are epoch seconds."""

    id: str
    number: int
    request: Request
    request_id: str
    submitted_at: float
    works_at: float
    ends_at: float
    effect: Effect
    total: int
    new_ids: list[RecordId] = field(default_factory=list)
    status: str = "completed"
    progress: int = 0
    results: list[JsonObject] | JsonObject | None = None
    ended: bool = False
    seen_working: bool = False
    regressed: bool = False

    def readable(self, now: float) -> bool:
        """Whether a read by id knows it."""
        hidden_from = 0.0 if self.effect.list_only else self.effect.vanish
        return self.listed(now) and (hidden_from is None or now < self.submitted_at + hidden_from)

    def listed(self, now: float) -> bool:
        """Whether the list shows it."""
        gone_from = math.inf if self.effect.gone is None else self.effect.gone
        age = now - self.submitted_at
        return self.effect.not_yet_visible <= age < gone_from


class JobBook:
    """The jobs of the account."""

    def __init__(self, world: World, store: Store) -> None:
        self._world = world
        self._store = store
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, Job] = {}
        self._ends: list[tuple[float, int, Job]] = []
        self._number = 0

    @property
    def running_ids(self) -> list[str]:
        """Jobs queued or working, oldest first."""
        return list(self._running)

    def submit(self, request: Request, exchange: Exchange) -> Job:
        """Take a job."""
        world, operation = self._world, request.operation
        self._number += 1
        draws = world.draws(f"job:{self._number}")
        now = world.clock.now()
        effect = exchange.effect
        latency = draws.uniform(*world.settings.latency)
        job = Job(
            id=f"V3-{draws.getrandbits(128):032x}",
            number=self._number,
            request=request,
            request_id=exchange.request_id,
            submitted_at=now,
            works_at=now + latency / 2,
            ends_at=math.inf if effect.stuck else now + latency,
            effect=effect,
            total=len(request.records),
        )
        if operation.mints:
            table = operation.mints(self._store, request.target)
            job.new_ids = table.reserve(job.total)
            if operation.scattered:
                draws.shuffle(job.new_ids)
        self._jobs[job.id] = self._running[job.id] = job
        heapq.heappush(self._ends, (job.ends_at, job.number, job))
        world.ledger.job_accepted(
            JobEntry(
                job_id=job.id,
                vendor=VENDOR,
                operation=operation.name.format(key=request.target),
                items=job.total,
                submitted_at=now,
                ends_at=None if effect.stuck else job.ends_at,
                request_id=exchange.request_id,
                in_flight=len(self._running),
            )
        )
        return job

    def advance(self) -> None:
        """Carry out the jobs that ended by now, and forget those past their time."""
        now = self._world.clock.now()
        while self._ends and self._ends[0][0] <= now:
            job = heapq.heappop(self._ends)[2]
            del self._running[job.id]
            self._carry_out(job)
        kept_from = now - self._world.settings.retention_seconds
        aged = takewhile(lambda job: job.submitted_at <= kept_from, self._jobs.values())
        for job in [job for job in aged if job.ended]:
            del self._jobs[job.id]

    def get(self, job_id: str) -> JsonObject | None:
        """One job status, by id."""
        now = self._world.clock.now()
        job = self._jobs.get(job_id)
        return self.describe(job) if job and job.readable(now) else None

    def listed(self) -> list[Job]:
        """Those that the list shows: unfinished first, then by end, newest first."""
        now = self._world.clock.now()
        shown = [job for job in self._jobs.values() if job.listed(now)]
        return sorted(shown, key=list_position)

    def describe(self, job: Job) -> JsonObject:
        """The job status as a reader sees it now."""
        status = self._status(job)
        if status == "working":
            job.seen_working = True
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
            date = datetime.fromtimestamp(job.ends_at, UTC).strftime(_FINISHED_DATE)
            shown["progress"] = job.progress
            shown["message"] = f"{status.capitalize()} at {date}"
            shown["results"] = job.results
        if job.request.operation.summarised:
            shown["total"] = shown["progress"] = None
        return shown

    def _status(self, job: Job) -> str:
        if job.effect.regress and job.seen_working and not job.regressed:
            job.regressed = True
            return "queued"
        if job.ended:
            return job.effect.status_word or job.status
        return "queued" if self._world.clock.now() < job.works_at else "working"

    def _rows_done(self, job: Job) -> int:
        if math.isinf(job.ends_at) or job.ends_at <= job.works_at:
            return 0
        share = (self._world.clock.now() - job.works_at) / (job.ends_at - job.works_at)
        return int(job.total * share)

    def _carry_out(self, job: Job) -> None:
        """Do the work; what it did is in the ledger, what it says of it in the job."""
        job.ended = True
        draws = self._world.draws(f"rows:{job.number}")
        results: list[JsonObject] = []
        succeeded = 0
        death = job.effect.fail_job
        for row in self._rows(job):
            if death and row.index >= death.after_rows:
                break
            result, good = outcome(job.request.operation, row, job.effect.fail_rows, draws)
            results.append(result)
            succeeded += good
        if death:
            job.status = "failed"
        elif job.request.operation.summarised:
            lost = "null" in job.effect.results
            job.results = None if lost else {"success": succeeded == job.total}
        else:
            job.status = "completed" if succeeded or not job.total else "failed"
            job.progress = job.total if job.status == "completed" else 0
            job.results = distorted(results, job.effect.results, draws)
        job.request = job.request._replace(records=())
        job.new_ids = []

    def _rows(self, job: Job) -> Iterator[Row]:
        for index, record in enumerate(job.request.records):
            yield Row(
                index=index,
                record=record,
                new_id=job.new_ids[index] if job.new_ids else 0,
                bulk=job.request.bulk,
                queued_at=job.submitted_at,
                at=job.ends_at,
                target=job.request.target,
                store=self._store,
                ledger=self._world.ledger,
                job_id=job.id,
                request_id=job.request_id,
            )


def list_position(job: Job) -> tuple[float, float, float, int]:
    """Where a job stands in the list; the place of unfinished ones is assumed."""
    if not job.ended:
        return (0, 0.0, -job.submitted_at, -job.number)
    return (1, -job.ends_at, -job.submitted_at, -job.number)


def distorted(
    results: list[JsonObject], quirks: Sequence[str], draws: random.Random
) -> list[JsonObject] | None:
    """The results as the faults of the job leave them."""
    shown = [dict(result) for result in results]
    for quirk in quirks:
        if quirk == "null":
            return None
        if quirk == "short":
            shown = shown[:-1]
        elif quirk == "reordered":
            draws.shuffle(shown)
        elif quirk == "no_index":
            for result in shown:
                result.pop("index", None)
        elif quirk == "empty_row" and shown:
            shown[draws.randrange(len(shown))] = {}
    return shown
