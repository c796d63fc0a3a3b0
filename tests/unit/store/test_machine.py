"""Random walks of the store's machine: the same ones every time, or as many as are asked for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

from tests.thorough import at_most
from tests.unit.store.machine import StoreMachine

WALKS = int(os.environ.get("JOBFERRY_WALKS", "0"))
"""Walks to take, each time others; unset, a few that are the same every time."""

TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=WALKS or at_most(90, 20),
    stateful_step_count=70,
    derandomize=not WALKS,
    deadline=None,
    # Shrinking a walk takes minutes; whoever wants it asks for walks.
    phases=tuple(Phase) if WALKS else (Phase.generate,),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
