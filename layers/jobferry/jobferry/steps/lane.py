"""The state that a lane hands from Submit to Poll and back: pointers and counts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

WORKING = "working"
DONE = "done"
RENEW = "renew"


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane between two of its steps.

    lap         laps done by this execution
    events      history events that these took, about
    settle      groups of chunk numbers whose jobs are finished, for the Settle map
    latency     seconds that this lane's jobs take, as learned; None before the first
    troubles    polls in a row that the vendor refused or did not answer
    wait_until  when to poll next (ISO 8601)
    state       `working`, `done` (nothing left), or `renew` (this history is long enough)
    """

    run_id: str
    lane: int
    lap: int = 0
    events: int = 0
    settle: tuple[tuple[int, ...], ...] = ()
    latency: float | None = None
    troubles: int = 0
    wait_until: str = ""
    state: str = WORKING

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> LaneState:
        settle = tuple(tuple(group) for group in payload.get("settle", ()))
        return cls(**{**payload, "settle": settle})

    def to_payload(self) -> dict[str, Any]:
        return asdict(self)

    def then(self, **changes: Any) -> LaneState:
        return replace(self, **changes)


def timestamp(moment: float) -> str:
    """Epoch seconds as the Wait state and people read them: UTC, milliseconds."""
    return (
        datetime.fromtimestamp(moment, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
