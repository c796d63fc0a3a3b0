"""A lane's history on moto is as long as we count it: a lane that is renewed too late fails for
good at 25,000 events."""

from __future__ import annotations

import pytest

from jobferry.scheduler import lanes as lanes_module
from tests.engines.moto_states import MotoStates
from tests.engines.script import Lanes, Script

LANE = {"run_id": "things-1", "lane": 0, "settle": []}
AROUND = 4
"""Events around all iterations: the execution and its last state begin and end."""


@pytest.mark.parametrize("groups", [0, 1, 2, 5, 10])
@pytest.mark.parametrize("iterations", [1, 3])
def test_events_of_a_lane(states: MotoStates, groups: int, iterations: int) -> None:
    found = [[number] for number in range(1, groups + 1)]
    lanes = Lanes({0: [*[found] * iterations, []]})
    script = Script(
        SubmitJobs=lanes.submit, PollJobs=lanes.poll, SettleJob=lambda _payload: {"settled": 1}
    )
    history = states.history_of_lane(script, LANE)
    assert history[-1] == "ExecutionSucceeded"
    assert len(script.calls("SettleJob")) == groups * iterations
    counted = lanes_module.events_of_iteration(
        groups
    ) * iterations + lanes_module.events_of_iteration(0)
    assert counted * 0.9 <= len(history) - AROUND <= counted
