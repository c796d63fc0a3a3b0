"""What modes have in common."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.chaos.drawing import draw
from tests.chaos.outages import (
    Outage,
)
from tests.chaos.scenario import (
    FaultKind,
    Scenario,
)
from tests.chaos.sizes import PRODUCTION

PERMANENT = 1_000_000
"""Faults in a row: more than a scenario has effects."""


DAY = 86_400.0


DEATHS_OF_A_LAPTOP = (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER, FaultKind.ANSWER_LOST)


PRIORITIES = ("lowest", "lowest", "low", "medium", "high", "immediate")


def random_for(name: str, seed: int) -> Random:
    return Random(f"{name} {seed}")


def with_outages(scenario: Scenario, *outages: Outage) -> Scenario:
    return replace(
        scenario,
        outages=outages,
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
        sizes=PRODUCTION,
    )


def when_opened(scenario: Scenario, outage: Outage) -> Scenario:
    """The scenario with an outage that begins when all runs have been opened."""
    files = tuple(replace(file, arrives=0.0) for file in scenario.files)
    return with_outages(replace(scenario, files=files, faults=()), replace(outage, at=25.0))


def calmer(rng: Random, seed: int) -> Scenario:
    """A scenario with few faults of its own."""
    scenario = draw(seed)
    return replace(
        scenario,
        files=tuple(replace(file, trial=0, breaker=0) for file in scenario.files),
        vendor=replace(scenario.vendor, replies=scenario.vendor.replies[:1], searches=(), polls=()),
        actions=scenario.actions[:1] if rng.random() < 0.3 else (),
    )
