"""The vendors' job APIs on loopback, faithful, with real effects and faults on demand."""

from __future__ import annotations

from vendorsim.clock import Clock, ManualClock, RealClock
from vendorsim.server import RunningSimulator, start
from vendorsim.settings import Scenario, Settings

__all__ = [
    "Clock",
    "ManualClock",
    "RealClock",
    "RunningSimulator",
    "Scenario",
    "Settings",
    "start",
]
