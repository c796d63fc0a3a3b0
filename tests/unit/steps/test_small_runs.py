"""A run of a few jobs is carried in one invocation; what that leaves goes on in lanes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import RunStatus
from jobferry.lane.state import LaneState
from jobferry.steps.open_run import open_run
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import Behaviour, Reply
from virtual.world import CONNECTION, Execution, World, sample_csv

SUCCEEDED = OutcomeStatus.SUCCEEDED


def carried(world: World, rows: int) -> Execution:
    """An execution of a file of so many rows, from its upload to the end."""
    execution = world.execution()
    request = world.drop(sample_csv(rows))
    execution.run(lambda: open_run(request, execution.arn, world.deps))
    return execution


@pytest.mark.parametrize(("jobs", "route"), [(1, "small"), (20, "small"), (21, "planned")])
def test_how_many_jobs_are_few(world: World, jobs: int, route: str) -> None:
    answer = open_run(world.drop(sample_csv(2 * jobs)), "arn:1", world.deps)
    assert world.plan(answer["run_id"])["state"] == route


def test_it_takes_one_invocation_between_plan_and_close(world: World) -> None:
    execution = carried(world, 10)
    run = world.run(execution.run_id)
    assert (run.status, run.outcomes[SUCCEEDED]) == (RunStatus.COMPLETED, 10)
    assert execution.history.count("SubmitJobs") == 1
    assert not {"PollJobs", "SettleJob"} & set(execution.history)
    assert world.problems(run.run_id) == []


def test_long_jobs_are_not_waited_for_in_a_function(world: World) -> None:
    world.account.latency = lambda _number: 600.0
    execution = carried(world, 10)
    assert world.run(execution.run_id).status is RunStatus.COMPLETED
    assert execution.history.count("PollJobs") > 0
    assert world.problems(execution.run_id) == []


def test_rows_that_go_again_and_bad_ones_end_as_in_lanes(world: World) -> None:
    told = {"r1": RecordResult(OutcomeStatus.FAILED, code="DatabaseConflict", text="Collision")}
    world.account.result_of = lambda record: told.pop(
        str(record["ref"]), RecordResult(SUCCEEDED, vendor_id="id")
    )
    world.account.will_reply(Reply(Behaviour.REFUSE, http_status=422))
    execution = carried(world, 10)
    run = world.run(execution.run_id)
    assert (run.status, run.outcomes[SUCCEEDED]) == (RunStatus.COMPLETED, 10)
    assert world.problems(run.run_id) == []


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("number", [1, 4, 7, 10, 13, 16])
def test_a_crash_anywhere_is_mended_by_the_next_invocation(
    world: World, number: int, phase: Phase
) -> None:
    run_id = world.planned(sample_csv(10)).run_id
    whole = LaneState(run_id, 0, whole=True)
    world.effects.on_effect = CrashOnce(number, phase)
    with pytest.raises(Crash):
        world.submit(whole)
    world.clock.advance(120)
    after = world.submit(whole)
    while after.state == "working" or after.settle:
        after = replace(after, whole=False)
        if after.settle:
            world.settle(after)
        after = world.poll(world.submit(after))
        world.clock.advance(60)
    run = world.run(run_id)
    assert run.settled_rows == 10
    assert world.account.times_applied == dict.fromkeys([f"r{n}" for n in range(1, 11)], 1)
    assert world.store.limits.get(CONNECTION).in_flight == 0
