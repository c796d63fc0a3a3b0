"""What the vendor of a story really did, whichever vendor it is; promises are checked by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobferry.domain.outcome import Outcome
from tests.chaos.hostile import LONGEST_WAIT

GRACE = 5.0
"""Seconds in which requests that were on their way may still arrive after a Retry-After."""


@dataclass(eq=False)
class Invocation:
    """One invocation of a function.

    dead    it has crashed: nothing of it has any effect from here on
    harmed  it has crashed, or did not hear an answer: what it knew is lost
    slowed  something took long in it: what it does is based on what it knew before
    """

    number: int
    name: str
    dead: bool = False
    harmed: bool = False
    slowed: bool = False

    def __str__(self) -> str:
        return f"{self.name} #{self.number}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One submission that held a row.

    job_id   None when no job came of it
    unheard  its answer, if there was one, did not say what had become of it
    """

    at: float
    job_id: str | None
    unheard: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One request that reached the vendor, and who sent it."""

    at: float
    who: Invocation | None


class Truth(Protocol):
    """The far side of a story that has ended."""

    @property
    def max_jobs(self) -> int:
        """Jobs that it takes at once."""
        ...

    @property
    def impatient(self) -> Sequence[str]:
        """Requests that came although it had asked for patience."""
        ...

    @property
    def asked_at(self) -> Sequence[float]:
        """When it asked for patience, for however long."""
        ...

    def is_unusable(self, job_id: str) -> bool:
        """Whether nothing can be learned of a job's rows, whatever is answered about it."""
        ...

    @property
    def requests(self) -> Sequence[Request]:
        """All requests that reached it, in their order."""
        ...

    def doings(self, run_id: str = "") -> Mapping[str, list[str]]:
        """Name of a row → ids of what was made of it, one for each time; by one run, where the
        far side knows which, or by all of them."""
        ...

    def sent(self, name: str, run_id: str = "") -> Sequence[Sent]:
        """The submissions that held a row, of one run or of all, as `doings`."""
        ...

    def denied(self, name: str) -> bool:
        """Whether it says that it knows nothing of a job of this row, which it has taken."""
        ...

    def most_at_once(self) -> int:
        """Jobs in flight at one moment, of those that it shows, ends and does not deny."""
        ...

    def bears_out(self, name: str, outcome: Outcome) -> bool | None:
        """Whether what is true bears out the reason that a row gives for being unknown; None:
        the reason is that the row was sent before, and what became of that is not known."""
        ...

    def left_in_doubt(self, name: str) -> bool:
        """Whether it left somebody in doubt about a row."""
        ...


@dataclass(frozen=True)
class _OperatorRequest:
    """The vendor asked one invocation for patience, in its answer to a request of this kind."""

    kind: str
    at: float
    until: float
    told: Invocation | None
    submissions_only: bool


class Patience:
    """What the vendor asked for, and who did not heed it."""

    def __init__(self) -> None:
        self.impatient: list[str] = []
        self.asked_at: list[float] = []
        self._wishes: list[_OperatorRequest] = []

    def ask(
        self,
        kind: str,
        now: float,
        seconds: float,
        told: Invocation | None,
        *,
        submissions_only: bool,
    ) -> None:
        """A wait of more than an hour is none that anybody keeps."""
        self.asked_at.append(now)
        until = now + min(seconds, LONGEST_WAIT)
        self._wishes.append(_OperatorRequest(kind, now, until, told, submissions_only))

    def note_request(self, now: float, me: Invocation | None) -> None:
        """Requests against a wish that somebody has heard and could have passed on."""
        if me is not None and me.slowed:
            return
        for wish in self._wishes:
            if wish.told is not None and (wish.told.harmed or wish.told.slowed):
                continue
            if wish.at + GRACE <= now < wish.until and not wish.submissions_only:
                self.impatient.append(
                    f"{me} at {now:.1f}; the answer to {wish.kind} at {wish.at:.1f} was to wait "
                    f"until {wish.until:.1f}"
                )
