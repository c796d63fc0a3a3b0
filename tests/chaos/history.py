"""What happened in a scenario: a trace, and what promises are checked by."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from jobferry.domain.run_request import RunRequest
from jobferry.steps.close_run import LanesStuckError
from jobferry.steps.open_run import run_id_of
from jobferry.store.objects import DeniedError, ObjectMissingError, SourceError
from jobferry.store.plan_writer import PlanMovedError
from jobferry.store.table import BusyTableError
from jobferry.vendors.credentials import CredentialsError
from tests.chaos.adapter_scenarios import VendorFaultKind
from tests.chaos.ground_truth import Invocation
from tests.chaos.operator_actor import ExtraRun
from tests.chaos.scenario import (
    FaultKind,
    Scenario,
)
from virtual.effects import Crash
from virtual.machine import ExecutionFailedError

if TYPE_CHECKING:
    from tests.chaos.runner import ChaosWorld

invocation: ContextVar[Invocation | None] = ContextVar("invocation", default=None)
"""The invocation that runs in this context."""


class LostAnswerError(Exception):
    """The write was applied; its answer never came."""


class EndlessError(Exception):
    """The scenario does not end."""


EXPECTED_ERRORS = (
    BotoCoreError,
    CredentialsError,
    ObjectMissingError,
    SourceError,
    Crash,
    LostAnswerError,
    BusyTableError,
    ClientError,
    PlanMovedError,
    LanesStuckError,
    DeniedError,
    ExecutionFailedError,
    EndlessError,
)
"""What a task may fail with in a scenario. Anything else is a fault of the task itself."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what happened.

    seconds     since the scenario began
    fault_kind  what went wrong with it, if anything
    """

    seconds: float
    who: str
    what: str
    fault_kind: FaultKind | None = None


@dataclass
class History:
    """What happened in one scenario: everything that promises are checked by."""

    scenario: Scenario
    world: ChaosWorld
    requests: list[RunRequest]
    lines: list[Line] = field(default_factory=list)
    injected: Counter[tuple[str, FaultKind | VendorFaultKind]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    unexpected_errors: list[str] = field(default_factory=list)
    left_success: list[str] = field(default_factory=list)
    approved_at: dict[int, float] = field(default_factory=dict)
    demand_writers: dict[str, Invocation | None] = field(default_factory=dict)
    extras: list[ExtraRun] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    endless: str = ""
    effects: int = 0

    @property
    def kinds(self) -> set[str]:
        """Kinds of effects that there were."""
        return {kind for kind, n in self.world.faults.counts.items() if n}

    @property
    def per_minute(self) -> int:
        """Requests in a minute that the operator allows; with fewer than two nothing is learned."""
        return max(2, self.scenario.per_minute)

    def run_id(self, file: int) -> str:
        request = self.requests[file]
        return run_id_of(request, str(request.version_id))
