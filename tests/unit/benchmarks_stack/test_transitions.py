from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.transitions import lane_transitions, transitions_of

LANE: dict[str, Any] = {
    "StartAt": "Submit",
    "States": {
        "Submit": {"Type": "Task", "Next": "Settle"},
        "Settle": {"Type": "Map", "Next": "IsDone"},
        "IsDone": {"Type": "Choice", "Choices": [{"Next": "Wait"}], "Default": "End"},
        "Wait": {"Type": "Wait", "Next": "Poll"},
        "Poll": {"Type": "Task", "Next": "Submit"},
        "End": {"Type": "Succeed"},
    },
}


SIDE_BY_SIDE: dict[str, Any] = {
    "StartAt": "ProcessLanes",
    "States": {
        "ProcessLanes": {
            "Type": "Parallel",
            "Next": "IsDone",
            "Branches": [
                {
                    "StartAt": "Submit",
                    "States": {
                        "Submit": {"Type": "Task", "Next": "Poll"},
                        "Poll": {"Type": "Task", "End": True},
                    },
                },
                {"StartAt": "Settle", "States": {"Settle": {"Type": "Map", "End": True}}},
            ],
        },
        "IsDone": {"Type": "Choice", "Choices": [{"Next": "ProcessLanes"}], "Default": "End"},
        "End": {"Type": "Succeed"},
    },
}


def succeeded(**payload: Any) -> dict[str, Any]:
    output = json.dumps({"Payload": payload})
    return {"type": "TaskSucceeded", "taskSucceededEventDetails": {"output": output}}


def test_states_entered_and_retries_count() -> None:
    kinds = ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskFailed"]
    kinds += ["TaskScheduled", "TaskSucceeded", "TaskStateExited", "WaitStateEntered"]
    assert transitions_of({"type": kind} for kind in kinds) == 3


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ("s", ["Submit", "Settle", "IsDone", "End"]),
        (
            "sps",
            ["Submit", "Settle", "IsDone", "Wait", "Poll", "Submit", "Settle", "IsDone", "End"],
        ),
    ],
)
def test_states_between_a_lanes_tasks_come_from_its_definition(
    tasks: str, expected: list[str]
) -> None:
    events = [succeeded(lane=0) for _ in tasks]
    assert lane_transitions(LANE, events) == len(expected)


def test_branches_side_by_side_count_in_every_iteration() -> None:
    # Iteration, Submit, Poll, Settle, IsDone in each; End once.
    events = [succeeded(lane=0)] * 6 + [succeeded(rows=100)]
    assert lane_transitions(SIDE_BY_SIDE, events) == 3 * 5 + 1 + 1


def test_tasks_of_the_inner_map_and_retries_of_a_lane_count_once_each() -> None:
    events = [succeeded(lane=0), succeeded(rows=100), {"type": "TaskFailed"}, succeeded(rows=100)]
    assert lane_transitions(LANE, events) == 4 + 2 + 1


def test_a_history_that_tells_of_states_is_taken_at_its_word() -> None:
    assert lane_transitions(LANE, [{"type": "TaskStateEntered"}, succeeded(lane=0)]) == 1


def test_the_real_lane_can_be_counted() -> None:
    root = Path(__file__).resolve().parents[3]
    states = json.loads((root / "statemachines" / "run.asl.json").read_text())["States"]
    lane = next(state for state in states.values() if state["Type"] == "Map")["ItemProcessor"]
    few, many = [succeeded(lane=0)] * 2, [succeeded(lane=0)] * 20
    assert 1 < lane_transitions(lane, few) < lane_transitions(lane, many)
