"""One simulator for each process, in the time of the scenario that is in flight."""

from __future__ import annotations

import atexit
from functools import cache

from jobferry.domain.types import JsonObject
from tests.chaos.adapters import TICKETS
from vendorsim import RunningSimulator, start
from vendorsim import Scenario as SimulatorSetup
from virtual.clock import START
from virtual.schedule import Schedule


class ScenarioClock:
    """The simulator's time: that of the scenario that is in flight."""

    def __init__(self) -> None:
        self.schedule = Schedule(START)
        self.ahead = 0.0

    def now(self) -> float:
        return self.schedule.now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.schedule.pass_time(seconds)


@cache
def running_simulator(_process: int) -> tuple[RunningSimulator, ScenarioClock]:
    """The simulator of this process."""
    clock = ScenarioClock()
    ticket: JsonObject = {"description": "Where is it?", "created_at": "2020-01-01T00:00:00Z"}
    tickets = [{"id": ticket_id, **ticket} for ticket_id in TICKETS]
    simulator = start(scenario=SimulatorSetup(records={"tickets": tickets}), clock=clock)
    atexit.register(simulator.stop)
    return simulator, clock
