"""What every simulated vendor lives in, and what the simulator asks of each of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.routing import BaseRoute

from vendorsim.clock import Clock
from vendorsim.effects import Ledger, RequestKind
from vendorsim.faults import NO_EFFECT, Effect
from vendorsim.settings import Settings
from vendorsim.values import JsonObject, Reply, seeded


@dataclass(slots=True)
class World:
    """The state that vendors share; replaced as a whole by a reset."""

    settings: Settings
    clock: Clock
    ledger: Ledger = field(default_factory=Ledger)

    def draws(self, purpose: str) -> random.Random:
        """Random numbers that depend on the seed and `purpose` alone."""
        return seeded(self.settings.seed, purpose)


@dataclass(slots=True)
class Exchange:
    """One request on its way: its id, the fault that hit it, whether a limit refused it.

    at  when it is done, where that is not now
    """

    request_id: str
    effect: Effect = NO_EFFECT
    throttled: bool = False
    at: float | None = None


class Vendor(Protocol):
    """One simulated API. It finds its `Exchange` in `request.state.exchange`."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Paths that are this vendor's start with one of these."""
        ...

    @property
    def routes(self) -> Sequence[BaseRoute]: ...

    def load(self, records: dict[str, list[JsonObject]]) -> None:
        """Add records that are there already."""
        ...

    def advance(self) -> None:
        """Carry out every job that ended by now."""
        ...

    def request_kind(self, method: str, path: str) -> RequestKind: ...

    def rate_limited(self, form: str, retry_after: int | str | None) -> Reply:
        """The refusal of too many requests: `json`, `plain` or `edge`."""
        ...

    def too_many_jobs(self) -> Reply:
        """The refusal of one more job."""
        ...

    def not_found(self) -> Reply:
        """The answer to a path that is not served."""
        ...
