"""The state that a lane hands from one of its steps to the next: pointers and counts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from jobferry.domain.routes import LaneRoute

_FORMER_NAMES = {"lap": "iteration", "looked_at": "last_polled_at"}
"""What fields were called in payloads of executions that an older version has begun."""


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane between two of its steps.

    Attributes:
        iteration: iterations done by this execution
        events: history events that these took, about
        settle: groups of chunk numbers whose jobs are finished, for the next iteration's Settle map
        settling: the groups that this iteration's Settle map has in hand
        last_polled_at: the last poll of all jobs of the lane; 0 before the first
        wait_until: when to poll next (ISO 8601)
        began_at: when this execution of the lane began; 0 before its first step
        large: the next iteration is more work than the small function's processor can do
        whole: this invocation carries the lane as far as it can, instead of one step of it
        idle: steps in a row in which the run had no share of the slots
        state: `working`, `done` (nothing left), or `renew` (this history is long enough)
    """

    run_id: str
    lane: int
    iteration: int = 0
    events: int = 0
    settle: tuple[tuple[int, ...], ...] = ()
    settling: tuple[tuple[int, ...], ...] = ()
    last_polled_at: float = 0.0
    wait_until: str = ""
    began_at: float = 0.0
    large: bool = False
    whole: bool = False
    idle: int = 0
    state: LaneRoute = LaneRoute.WORKING

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> LaneState:
        groups = {
            name: tuple(tuple(group) for group in payload.get(name, ()))
            for name in ("settle", "settling")
        }
        known = {each.name for each in fields(cls)}
        named = {_FORMER_NAMES.get(name, name): value for name, value in payload.items()}
        given = {name: value for name, value in named.items() if name in known}
        return cls(**{**given, **groups})

    def to_payload(self) -> dict[str, Any]:
        return asdict(self)

    def then(self, **changes: Any) -> LaneState:
        return replace(self, **changes)
