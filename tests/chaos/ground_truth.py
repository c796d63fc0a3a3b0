"""What the vendor of a scenario really did, whichever vendor it is; promises are checked by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobferry.domain.outcome import Outcome
from tests.chaos.malformed_answers import LONGEST_WAIT

GRACE = 5.0
"""Seconds in which requests that were on their way may still arrive after a Retry-After."""


@dataclass(eq=False)
class Invocation:
    """One invocation of a function.

    crashed      it has crashed: nothing of it has any effect from here on
    interrupted  it has crashed, or an answer to it was lost: what it knew is lost
    delayed      something took long in it: what it does is based on what it knew before
    """

    number: int
    name: str
    crashed: bool = False
    interrupted: bool = False
    delayed: bool = False

    def __str__(self) -> str:
        return f"{self.name} #{self.number}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One submission that held a row.

    job_id   None when no job came of it
    answer_lost  its answer, if there was one, did not say what had become of it
    """

    at: float
    job_id: str | None
    answer_lost: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One request that reached the vendor, and who sent it."""

    at: float
    who: Invocation | None


class GroundTruth(Protocol):
    """The far side of a scenario that has ended."""

    @property
    def max_jobs(self) -> int:
        """Jobs that it takes at once."""
        ...

    @property
    def throttle_violations(self) -> Sequence[str]:
        """Requests that came although it had asked to wait."""
        ...

    @property
    def throttled_at(self) -> Sequence[float]:
        """When it asked to wait, for however long."""
        ...

    def is_unusable(self, job_id: str) -> bool:
        """Whether nothing can be learned of a job's rows, whatever is answered about it."""
        ...

    @property
    def requests(self) -> Sequence[Request]:
        """All requests that reached it, in their order."""
        ...

    def applied(self, run_id: str = "") -> Mapping[str, list[str]]:
        """Name of a row → ids of what was made of it, one for each time; by one run, where the
        far side knows which, or by all of them."""
        ...

    def sent(self, name: str, run_id: str = "") -> Sequence[Sent]:
        """The submissions that held a row, of one run or of all, as `applied`."""
        ...

    def denies_job(self, name: str) -> bool:
        """Whether it says that it knows nothing of a job of this row, which it has taken."""
        ...

    def max_in_flight(self) -> int:
        """Jobs in flight at one moment, of those that it shows, ends and does not deny."""
        ...

    def confirms(self, name: str, outcome: Outcome) -> bool | None:
        """Whether what is true bears out the reason that a row gives for being unknown; None:
        the reason is that the row was sent before, and what became of that is not known."""
        ...

    def left_uncertain(self, name: str) -> bool:
        """Whether it left somebody in doubt about a row."""
        ...


@dataclass(frozen=True)
class _Throttle:
    """The vendor asked one invocation to wait, in its answer to a request of this kind."""

    kind: str
    at: float
    until: float
    recipient: Invocation | None
    submissions_only: bool


class ThrottleLog:
    """Which waits the vendor asked for, and which requests came all the same."""

    def __init__(self) -> None:
        self.throttle_violations: list[str] = []
        self.throttled_at: list[float] = []
        self._throttles: list[_Throttle] = []

    def note_wait(
        self,
        kind: str,
        now: float,
        seconds: float,
        recipient: Invocation | None,
        *,
        submissions_only: bool,
    ) -> None:
        """A wait of more than an hour is none that anybody keeps."""
        self.throttled_at.append(now)
        until = now + min(seconds, LONGEST_WAIT)
        self._throttles.append(_Throttle(kind, now, until, recipient, submissions_only))

    def note_request(self, now: float, me: Invocation | None) -> None:
        """Count a request that came during a wait of which its sender could have known."""
        if me is not None and me.delayed:
            return
        for throttle in self._throttles:
            if throttle.recipient is not None and (
                throttle.recipient.interrupted or throttle.recipient.delayed
            ):
                continue
            if throttle.at + GRACE <= now < throttle.until and not throttle.submissions_only:
                self.throttle_violations.append(
                    f"{me} at {now:.1f}; the answer to {throttle.kind} at {throttle.at:.1f} was "
                    f"to wait until {throttle.until:.1f}"
                )
