"""What one poll gathers where it takes many requests, some of them at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event

from jobferry.vendors.answers import (
    Ambiguous,
    JobReading,
    PollAnswer,
    Refused,
    Throttled,
    throttle_of,
)

READERS = 8
"""Requests of a poll that are in flight at once, where it takes several."""

MAX_TRANSIENT_ERRORS = 3
"""Requests of a poll that may go wrong before it ends: the vendor is in trouble."""


@dataclass
class PollRound:
    """The readings so far, and what went wrong. `over` is set when no more requests are wanted."""

    readings: dict[str, JobReading] = field(default_factory=dict)
    throttled: Throttled | None = None
    refused: Refused | None = None
    transient_errors: list[str] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def note(self, problem: Refused | Throttled | Ambiguous) -> None:
        """Sort a problem in; a transient error ends the round only when it is one of several."""
        asked = throttle_of(problem)
        self.throttled = asked or self.throttled
        if isinstance(problem, Refused):
            self.refused = problem
        elif isinstance(problem, Ambiguous):
            self.transient_errors.append(problem.reason)
            if asked is None and len(self.transient_errors) < MAX_TRANSIENT_ERRORS:
                return
        self.over.set()

    def read(self, readings: Iterable[JobReading]) -> None:
        self.readings |= {reading.job_id: reading for reading in readings}

    def answer(self) -> PollAnswer:
        """The round as an answer; `requests` is left to the caller."""
        return PollAnswer(
            readings=self.readings,
            throttled=self.throttled,
            refused=self.refused,
            problem="; ".join(dict.fromkeys(self.transient_errors)) or None,
        )
