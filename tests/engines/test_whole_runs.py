"""Whole runs: the real steps, called by moto's Step Functions as the definition says.

Table, buckets and vendor are fakes on a clock of their own, which stands where nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from threading import Lock
from typing import Any

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.steps.open_run import open_run
from tests.engines.moto_states import MotoStates
from tests.engines.script import Ended, StepError
from tests.events import announced
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import Execution, World, sample_csv


@pytest.fixture
def world() -> Iterator[World]:
    """Two rows a job, six jobs at a time, two in one lane."""
    with World(max_records=2, slots=6, lane_window=2) as made:
        yield made


def carried(world: World, request: RunRequest, states: MotoStates) -> tuple[Run, Ended]:
    """The run of a file after moto has carried out the state machine."""
    execution = world.execution()
    execution._opening = lambda: open_run(request, execution.arn, world.deps)
    given = {"profile": request.profile, "source": f"s3://{request.bucket}/{request.key}"}
    ended = states.carry_out_by(steps_of(execution), given)
    return world.run(execution.run_id), ended


def steps_of(execution: Execution) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """One step after the other, as the clock is no clock for many threads."""
    lock = Lock()

    def answer(step: str, payload: dict[str, Any]) -> dict[str, Any]:
        with lock:
            if step == "PollJobs":
                until = datetime.fromisoformat(payload["wait_until"]).timestamp()
                execution.world.clock.until(until)
            try:
                document: dict[str, Any] = execution.task(step, payload)
            except Crash as crash:
                execution.failed(step)
                raise StepError("Crash") from crash
            return document

    return answer


def test_a_run_in_three_lanes(world: World, states: MotoStates) -> None:
    run, ended = carried(world, world.drop(sample_csv(31)), states)
    assert (ended.status, ended.lanes_failed) == ("SUCCEEDED", 0)
    assert run.lanes == 3
    assert world.statuses(run.run_id) == [OutcomeStatus.SUCCEEDED] * 31
    assert world.problems(run.run_id) == []
    opened, closed = announced(world)
    assert (opened["detail-type"], opened["detail"]["rows"]) == ("Run opened", 0)
    assert (closed["detail-type"], closed["detail"]["rows"]) == ("Run closed", 31)


def test_a_trial_is_announced_as_paused(world: World, states: MotoStates) -> None:
    _run, ended = carried(world, world.drop(sample_csv(9), options={"jobferry-trial": "3"}), states)
    assert (ended.status, ended.output["status"]) == ("SUCCEEDED", "paused")
    opened, paused = announced(world)
    assert (opened["detail-type"], paused["detail-type"]) == ("Run opened", "Run paused")
    assert paused["detail"]["code"] == "trial"


def test_the_second_event_for_a_file_changes_nothing(world: World, states: MotoStates) -> None:
    request = world.drop(sample_csv(3))
    run, _ = carried(world, request, states)
    again, ended = carried(world, request, states)
    assert (ended.status, again) == ("SUCCEEDED", run)
    assert sorted(world.account.times_applied.items()) == [("r1", 1), ("r2", 1), ("r3", 1)]


@pytest.mark.parametrize("number", [3, 9, 15, 21])
def test_a_step_that_dies_in_the_middle_is_repeated(
    world: World, states: MotoStates, number: int
) -> None:
    death = CrashOnce(number, Phase.AFTER)
    world.effects.on_effect = death
    run, ended = carried(world, world.drop(sample_csv(9)), states)
    assert (ended.status, len(ended.waits)) == ("SUCCEEDED", 1)
    assert world.statuses(run.run_id) == [OutcomeStatus.SUCCEEDED] * 9
    assert world.problems(run.run_id) == []
