"""The life of a job that has rows: queued for half its time, working for the other, then done.

A job's records take effect at its end, all of them at that moment. Between requests nothing
happens: whoever looks first carries out what has ended by then, in the order of the ends.
"""

from __future__ import annotations

import heapq
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar, Generic, Protocol, TypeVar

from vendorsim.effects import JobEntry
from vendorsim.faults import Effect
from vendorsim.world import Exchange, World


@dataclass(slots=True)
class Life:
    """When a job is what; times are epoch seconds, and `ends_at` is infinite for one that sticks.

    number        of the job, from 1 on
    end           the word that it ends with
    seen_working  a reader saw it at work
    regressed     a reader saw it queued after that, which a fault may ask for once
    """

    number: int
    request_id: str
    effect: Effect
    submitted_at: float
    works_at: float
    ends_at: float
    end: str = "completed"
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
        return self.effect.not_yet_visible <= now - self.submitted_at < gone_from

    def look(self, now: float, working: str) -> str:
        """The status that a reader sees; `working` is the vendor's word for being at work."""
        if self.effect.regress and self.seen_working and not self.regressed:
            self.regressed = True
            return "queued"
        if self.ended:
            return self.effect.status_word or self.end
        if now < self.works_at:
            return "queued"
        self.seen_working = True
        return working


class Living(Protocol):
    """A job of either vendor."""

    @property
    def id(self) -> str: ...

    @property
    def life(self) -> Life: ...


AnyJob = TypeVar("AnyJob", bound=Living)


class LivingJobs(ABC, Generic[AnyJob]):
    """The jobs of an account, from acceptance until they are forgotten.

    vendor   as the store names it
    purpose  what this vendor's random numbers are told apart by
    """

    vendor: ClassVar[str]
    purpose: ClassVar[str] = ""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs: dict[str, AnyJob] = {}
        self._running: dict[str, AnyJob] = {}
        self._ends: list[tuple[float, int, AnyJob]] = []
        self._number = 0

    @property
    def running_ids(self) -> list[str]:
        """Jobs that have not ended, oldest first."""
        return list(self._running)

    def advance(self) -> None:
        """Carry out the jobs that ended by now, and forget those past their time."""
        now = self._world.clock.now()
        while self._ends and self._ends[0][0] <= now:
            job = heapq.heappop(self._ends)[2]
            del self._running[job.id]
            job.life.ended = True
            self._carry_out(job)
        kept_from = now - self._world.settings.retention_seconds
        aged = takewhile(lambda job: job.life.submitted_at <= kept_from, self._jobs.values())
        for job in [job for job in aged if job.life.ended]:
            del self._jobs[job.id]

    @abstractmethod
    def _carry_out(self, job: AnyJob) -> None:
        """Do the work; what it did is in the store, what it says of it in the job."""

    def _begin(self, exchange: Exchange) -> tuple[Life, random.Random]:
        """The life of the next job, and the random numbers for the rest of it."""
        world, effect = self._world, exchange.effect
        self._number += 1
        draws = self._draws("job", self._number)
        now = world.clock.now() if exchange.at is None else exchange.at
        latency = draws.uniform(*world.settings.latency)
        life = Life(
            number=self._number,
            request_id=exchange.request_id,
            effect=effect,
            submitted_at=now,
            works_at=now + latency / 2,
            ends_at=math.inf if effect.stuck else now + latency,
        )
        return life, draws

    def _take(self, job: AnyJob, operation: str, items: int) -> None:
        """Let a job begin, and tell the store."""
        life = job.life
        self._jobs[job.id] = self._running[job.id] = job
        heapq.heappush(self._ends, (life.ends_at, life.number, job))
        self._world.ledger.job_accepted(
            JobEntry(
                job_id=job.id,
                vendor=self.vendor,
                operation=operation,
                items=items,
                submitted_at=life.submitted_at,
                ends_at=None if life.effect.stuck else life.ends_at,
                request_id=life.request_id,
                in_flight=len(self._running),
            )
        )

    def _draws(self, kind: str, number: int) -> random.Random:
        return self._world.draws(f"{self.purpose}{kind}:{number}")

    def _readable(self, job_id: str) -> AnyJob | None:
        job = self._jobs.get(job_id)
        return job if job and job.life.readable(self._world.clock.now()) else None

    def _listed(self) -> Iterator[AnyJob]:
        """Those that the list shows, oldest first."""
        now = self._world.clock.now()
        return (job for job in self._jobs.values() if job.life.listed(now))
