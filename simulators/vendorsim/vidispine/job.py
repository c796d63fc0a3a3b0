"""One job of the simulated site, and the document that shows it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from vendorsim.faults import Effect
from vendorsim.values import JsonObject
from vendorsim.vidispine import words
from vendorsim.vidispine.documents import key_values, vendor_time
from vendorsim.vidispine.settings import Problem

_STEPS = ("Checking the request", "Working on the media", "Updating the metadata")
_STEP_STATES = {
    words.STARTED: "STARTED",
    words.WAITING: "WAITING",
    words.FAILED_TOTAL: "FAILED_TOTAL",
}


@dataclass(slots=True)
class Job:
    """One job. Times are epoch seconds.

    metadata      what came with it, and later what it made (`item`)
    ready_at      the earliest moment at which work can begin
    work_seconds  how long the work takes once it began; infinite for a job that sticks
    ends_at       known once the work began
    holds_slot    it is one of the jobs that the site works on at once
    problem       what it waits for
    """

    id: str
    number: int
    type: str
    user: str
    priority: str
    metadata: dict[str, str]
    request_id: str
    submitted_at: float
    ready_at: float
    work_seconds: float
    effect: Effect
    state: str = words.READY
    work_began_at: float | None = None
    ends_at: float = math.inf
    finished_at: float | None = None
    holds_slot: bool = False
    problem: Problem | None = None
    made: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    warning: str | None = None
    seen_started: bool = False
    regressed: bool = False

    @property
    def ended(self) -> bool:
        """Whether it will never change again; a fault may call that by any word."""
        return self.finished_at is not None

    @property
    def rank(self) -> int:
        """Smaller is sooner."""
        return -words.PRIORITIES.index(self.priority)

    @property
    def fate(self) -> str | None:
        """How the simulator lets it go, by a metadata key or its type."""
        return words.FATE_TYPES.get(self.type) or self.metadata.get(words.FATE_KEY)

    @property
    def text(self) -> str:
        """What a marker is looked for in."""
        return " ".join([self.type, *self.metadata.values()])

    def readable(self, now: float) -> bool:
        """Whether a read by id knows it."""
        hidden_from = 0.0 if self.effect.list_only else self.effect.vanish
        return self.listed(now) and (hidden_from is None or now < self.submitted_at + hidden_from)

    def listed(self, now: float) -> bool:
        """Whether the list shows it."""
        gone_from = math.inf if self.effect.gone is None else self.effect.gone
        return self.effect.not_yet_visible <= now - self.submitted_at < gone_from

    def status(self) -> str:
        """The state as this look sees it."""
        if self.state == words.STARTED:
            if self.effect.regress and self.seen_started and not self.regressed:
                self.regressed = True
                return words.READY
            self.seen_started = True
        return self.state

    def step(self, now: float) -> int:
        """The step that it is at, from 1; 0 before the first."""
        if self.work_began_at is None:
            return 0
        until = now if self.finished_at is None else self.finished_at
        if self.state in (words.FINISHED, words.FINISHED_WARNING):
            return len(_STEPS)
        if not math.isfinite(self.work_seconds) or not self.work_seconds:
            return 1
        share = (until - self.work_began_at) / self.work_seconds
        return 1 + min(len(_STEPS) - 1, int(share * len(_STEPS)))

    def describe(
        self,
        now: float,
        *,
        data: bool = False,
        log: bool = False,
        metadata: bool = False,
        fields: Collection[str] = (),
    ) -> JsonObject:
        """The job document.

        data      with what it made; metadata = also with what came with it
        log       with a task for every step that began
        fields    only these keys of the data
        """
        shown: JsonObject = {
            "jobId": self.id,
            "user": self.user,
            "started": vendor_time(self.submitted_at),
            "status": self.status(),
            "type": self.type,
            "priority": self.priority,
        }
        if self.finished_at is not None:
            shown["finished"] = vendor_time(self.finished_at)
        at = self.step(now)
        if at:
            shown["totalSteps"] = len(_STEPS)
            shown["currentStep"] = {
                "description": _STEPS[at - 1],
                "number": at,
                "status": self._step_state(),
            }
        if self.problem is not None and self.state == words.WAITING:
            shown["waiting"] = {
                "resourceType": self.problem.type,
                "requirement": self.problem.requirement,
            }
        if "null" in self.effect.results and self.ended:
            return shown
        told = self.made | (self.metadata if metadata or fields else {})
        if data or fields:
            chosen = [(k, v) for k, v in told.items() if not fields or k in fields]
            if chosen:
                shown["data"] = key_values(chosen)
        if log:
            shown["log"] = {"task": [self._task(number, at, now) for number in range(1, at + 1)]}
        return shown

    def _step_state(self) -> str:
        return _STEP_STATES.get(self.state, "FINISHED" if self.ended else "READY")

    def _task(self, number: int, at: int, now: float) -> JsonObject:
        last = number == at
        done = 100.0 if not last or self.state in words.ENDED else self._percent(now)
        task: JsonObject = {
            "id": self.number * 100 + number,
            "step": number,
            "attempts": 1,
            "status": self._step_state() if last else "FINISHED",
            "timestamp": vendor_time(self.work_began_at or self.submitted_at),
            "description": _STEPS[number - 1],
            "progress": {"value": done, "total": 100, "unit": "percent"},
        }
        message = (self.error or self.warning) if last else None
        if message:
            task["errorMessage"] = message
        return task

    def _percent(self, now: float) -> float:
        if self.work_began_at is None or not math.isfinite(self.work_seconds):
            return 0.0
        whole = (now - self.work_began_at) / (self.work_seconds or 1.0) * len(_STEPS)
        return round(100.0 * (whole - int(whole)), 1)
