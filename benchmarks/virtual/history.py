"""How many events the executions of a run leave in their histories.

Counted from the state machine's definition: the same states, branches and iterations.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EVENTS = {"Task": 5, "Parallel": 4, "Map": 4, "Wait": 2, "Choice": 2, "Succeed": 2, "Fail": 1}
"""History events of a state: entered, exited, and what lies between."""
DISTRIBUTED_EVENTS = 2
"""A Distributed Map's run starts and ends besides."""
ITERATION_EVENTS = 2
EXECUTION_EVENTS = 2
FAILED_TASK_EVENTS = 3
"""Of a task that is tried again: scheduled, started, failed."""


States = Mapping[str, Mapping[str, Any]]
DEFINITION = Path(__file__).resolve().parents[2] / "statemachines" / "run.asl.json"
MACHINE: States = json.loads(DEFINITION.read_text())["States"]
LANE: States = MACHINE["ProcessLanes"]["ItemProcessor"]["States"]


def events_of(state: Mapping[str, Any], items: int = 0) -> int:
    """History events of one passage through a state, all branches and iterations included.

    items  of each inline Map
    """
    events = EVENTS[state["Type"]]
    for branch in state.get("Branches", ()):
        events += sum(events_of(inner, items) for inner in branch["States"].values())
    if state["Type"] != "Map":
        return events
    processor = state["ItemProcessor"]
    if processor["ProcessorConfig"]["Mode"] == "DISTRIBUTED":
        # Its iterations are executions with histories of their own.
        return events + DISTRIBUTED_EVENTS
    inner = sum(events_of(each) for each in processor["States"].values())
    return events + items * (ITERATION_EVENTS + inner)
