"""The jobs of the site: queued by priority, worked on, waiting, aborted, and what they do.

Half of a job's latency it is READY, the other half STARTED, longer where the site works on only
so many at once. Between requests nothing happens: whoever looks first lets everything happen
that was due by then, in its order.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from itertools import count
from typing import Literal

from vendorsim.effects import Action, JobEntry, RecordEffect
from vendorsim.faults import NO_EFFECT
from vendorsim.values import JsonObject
from vendorsim.vidispine import words
from vendorsim.vidispine.documents import key_values
from vendorsim.vidispine.errors import conflict, no_such_job
from vendorsim.vidispine.job import Job
from vendorsim.vidispine.settings import Problem
from vendorsim.world import Exchange, World

VENDOR = "vidispine"

_Event = Literal["arrive", "end", "aborted"]


class JobBook:
    """All jobs, and the clockwork that moves them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs: dict[str, Job] = {}
        self._events: list[tuple[float, int, _Event, Job]] = []
        self._queue: list[tuple[int, int, Job]] = []
        self._waiting: dict[str, Job] = {}
        self._problem_ids: dict[str, int] = {}
        self._numbers = count(1)
        self._items = count(1)
        self._order = count()
        self._working = 0
        self._active = 0

    def __iter__(self) -> Iterator[Job]:
        """Those that the list shows, oldest first."""
        now = self._world.clock.now()
        return (job for job in self._jobs.values() if job.listed(now))

    def get(self, job_id: str) -> Job:
        """A job that can be read by id. Raises RequestRefused."""
        job = self._jobs.get(job_id)
        if job is None or not job.readable(self._world.clock.now()):
            raise no_such_job(job_id)
        return job

    def submit(
        self, job_type: str, user: str, priority: str, metadata: dict[str, str], exchange: Exchange
    ) -> Job:
        """Take a job."""
        world = self._world
        number = next(self._numbers)
        latency = world.draws(f"vidispine job:{number}").uniform(*world.settings.latency)
        now = world.clock.now() if exchange.at is None else exchange.at
        job = Job(
            id=f"VX-{number}",
            number=number,
            type=job_type,
            user=user,
            priority=priority,
            metadata=metadata,
            request_id=exchange.request_id,
            submitted_at=now,
            ready_at=now + latency / 2,
            work_seconds=latency / 2,
            effect=exchange.effect,
        )
        if exchange.effect.stuck or job.fate == "stuck":
            job.work_seconds = math.inf
        self._jobs[job.id] = job
        self._active += 1
        self._at(job.ready_at, "arrive", job)
        world.ledger.job_accepted(
            JobEntry(
                job_id=job.id,
                vendor=VENDOR,
                operation=job_type,
                items=1,
                submitted_at=now,
                ends_at=job.ready_at + job.work_seconds
                if math.isfinite(job.work_seconds)
                else None,
                request_id=exchange.request_id,
                in_flight=self._active,
            )
        )
        return job

    def load(self, record: JsonObject) -> None:
        """A job that is there already, ended as its `status` says."""
        number = next(self._numbers)
        now = self._world.clock.now()
        job = Job(
            id=f"VX-{number}",
            number=number,
            type=record.get("type", "IMPORT"),
            user=record.get("user", "somebody"),
            priority=record.get("priority", words.MEDIUM),
            metadata={key: str(value) for key, value in record.get("metadata", {}).items()},
            request_id="",
            submitted_at=now,
            ready_at=now,
            work_seconds=0.0,
            effect=NO_EFFECT,
            state=record.get("status", words.FINISHED),
            finished_at=now,
        )
        self._jobs[job.id] = job

    def advance(self) -> None:
        """Let everything happen that was due by now."""
        now = self._world.clock.now()
        self._release()
        while self._events and self._events[0][0] <= now:
            at, _, event, job = heapq.heappop(self._events)
            self._happen(event, job, at)
            if not self._events or self._events[0][0] > at:
                self._start_what_may(at)
        self._start_what_may(now)

    def abort(self, job: Job, reason: str | None, *, cleanup: bool, exchange: Exchange) -> None:
        """Mark it for abortion; one that never began and needs no cleanup ends at once.

        Raises RequestRefused when it has ended (assumed).
        """
        if job.ended:
            raise conflict(job.id, f"The job is {job.state}")
        now = self._world.clock.now()
        settings = self._world.settings
        at_once = job.state == words.READY and not cleanup
        self._waiting.pop(job.id, None)
        job.problem = None
        job.error = reason
        if at_once:
            self._end(job, words.ABORTED, now)
        else:
            job.state = settings.vidispine_abort_word
            self._at(now + settings.vidispine_abort_seconds, "aborted", job)
        self._note("updated", job, exchange, {"status": job.state, "reason": reason})

    def set_priority(self, job: Job, priority: str, exchange: Exchange) -> None:
        """Change when its turn comes."""
        job.priority = priority
        now = self._world.clock.now()
        if job.state == words.READY and job.ready_at <= now:
            heapq.heappush(self._queue, (job.rank, job.number, job))
        self._note("updated", job, exchange, {"priority": priority})

    def delete(self, jobs: list[Job], exchange: Exchange) -> None:
        """Remove them; work on them stops (assumed)."""
        now = self._world.clock.now()
        for job in jobs:
            del self._jobs[job.id]
            self._waiting.pop(job.id, None)
            if not job.ended:
                self._end(job, "DELETED", now)
            self._note("deleted", job, exchange, {})
        self._start_what_may(now)

    def problems(self, only: Job | None = None) -> list[JsonObject]:
        """What jobs wait for, and which jobs."""
        shown: dict[int, JsonObject] = {}
        for job in self._waiting.values():
            if job.problem is not None and (only is None or only is job):
                number = self._problem_id(job.problem)
                entry = shown.setdefault(number, _problem_document(number, job.problem))
                entry["job"].append(job.id)
        return list(shown.values())

    def _problem_id(self, problem: Problem) -> int:
        return self._problem_ids.setdefault(problem.model_dump_json(), len(self._problem_ids) + 1)

    def _at(self, moment: float, event: _Event, job: Job) -> None:
        heapq.heappush(self._events, (moment, next(self._order), event, job))

    def _happen(self, event: _Event, job: Job, at: float) -> None:
        """What was due; an event that something else has overtaken does nothing."""
        if event == "arrive" and job.state == words.READY:
            heapq.heappush(self._queue, (job.rank, job.number, job))
        elif event == "end" and job.state == words.STARTED and job.ends_at == at:
            self._carry_out(job, at)
        elif event == "aborted" and not job.ended:
            self._end(job, words.ABORTED, at)

    def _start_what_may(self, at: float) -> None:
        limit = self._world.settings.vidispine_running
        while self._queue and (not limit or self._working < limit):
            rank, _, job = heapq.heappop(self._queue)
            if job.state == words.READY and job.rank == rank:
                self._start(job, at)

    def _start(self, job: Job, at: float) -> None:
        job.work_began_at = at
        job.problem = self._problem_of(job)
        if job.problem is not None:
            job.state = words.WAITING
            self._waiting[job.id] = job
            return
        job.state = words.STARTED
        job.holds_slot = True
        self._working += 1
        job.ends_at = at + job.work_seconds
        self._at(job.ends_at, "end", job)

    def _problem_of(self, job: Job) -> Problem | None:
        problems = self._world.settings.vidispine_problems
        return next((problem for problem in problems if problem.marker in job.text), None)

    def _release(self) -> None:
        """Put back into the queue what waits for nothing any more."""
        unresolved = self._world.settings.vidispine_problems
        for job in [job for job in self._waiting.values() if job.problem not in unresolved]:
            del self._waiting[job.id]
            job.problem = None
            job.state = words.READY
            heapq.heappush(self._queue, (job.rank, job.number, job))

    def _carry_out(self, job: Job, at: float) -> None:
        """Do the work; what it did is in the store, what it says of it in the job."""
        effect = job.effect
        draw = self._world.draws(f"vidispine row:{job.number}").random()
        rows = effect.fail_rows
        if job.fate == "fail" or effect.fail_job is not None:
            job.error = "Simulated failure"
        elif rows is not None and rows.hits(0, {"name": job.text}, draw):
            said = str(rows.told_details)
            job.error = f"{rows.told_error}: {said}" if rows.told_error else said
        if job.error is not None:
            job.made["errorMessage"] = job.error
            self._end(job, effect.status_word or words.FAILED_TOTAL, at)
            return
        self._make(job, at)
        if job.fate == "warn":
            job.warning = "Simulated warning"
        ended_as = words.FINISHED_WARNING if job.warning else words.FINISHED
        self._end(job, effect.status_word or ended_as, at)

    def _make(self, job: Job, at: float) -> None:
        """Work on the item that the metadata names, or make one."""
        named = job.metadata.get("item") or job.metadata.get("itemId")
        item = named or f"VX-{10_000_000 + next(self._items)}"
        job.made["item"] = item
        self._world.ledger.record(
            RecordEffect(
                vendor=VENDOR,
                kind="item",
                action="updated" if named else "created",
                id=item,
                external_id=job.metadata.get("external_id"),
                job_id=job.id,
                request_id=job.request_id,
                index=0,
                at=at,
                fields={"type": job.type, **job.metadata},
            )
        )

    def _end(self, job: Job, state: str, at: float) -> None:
        job.state = state
        job.finished_at = at
        self._active -= 1
        if job.holds_slot:
            job.holds_slot = False
            self._working -= 1

    def _note(self, action: Action, job: Job, exchange: Exchange, fields: JsonObject) -> None:
        self._world.ledger.record(
            RecordEffect(
                vendor=VENDOR,
                kind="job",
                action=action,
                id=job.id,
                external_id=None,
                job_id=job.id,
                request_id=exchange.request_id,
                index=0,
                at=self._world.clock.now(),
                fields=fields,
            )
        )


def _problem_document(number: int, problem: Problem) -> JsonObject:
    data = key_values(problem.data.items())
    return {"id": number, "type": problem.type, "data": data, "job": []}
