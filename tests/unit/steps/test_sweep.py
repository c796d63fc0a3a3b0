"""Sweep: a run whose execution died is carried on by another, once."""

from __future__ import annotations

from jobferry.ledger.runs import Halt
from jobferry.model import RunStatus
from jobferry.steps.lane import LaneState
from jobferry.steps.sweep import SETTLED_SECONDS
from tests.fakes.world import World, things


def test_a_dead_run_is_carried_to_its_end(world: World) -> None:
    run = world.planned(things(9))
    world.submit(LaneState(run.run_id, 0))  # and then the execution is stopped
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 1, "restarted": 1}
    assert world.restarts == [(run.run_id, run.execution)]
    world.carry_restarts()
    assert world.run(run.run_id).status is RunStatus.COMPLETED
    assert set(world.account.carried_out.values()) == {1}
    assert world.problems(run.run_id) == []
    assert world.sweep() == {"open_runs": 0, "restarted": 0}


def test_two_sweeps_start_one_execution(world: World) -> None:
    run = world.planned(things(9))
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.sweep()
    assert len(world.restarts) == 2
    world.carry_restarts()
    assert len(world.account.submissions) == 5
    assert world.problems(run.run_id) == []


def test_a_run_that_is_carried_is_left_alone(world: World) -> None:
    run = world.planned(things(9))
    world.running.add(run.execution)
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 1, "restarted": 0}


def test_a_run_that_has_just_begun_is_left_alone(world: World) -> None:
    world.planned(things(9))
    world.clock.advance(SETTLED_SECONDS)
    assert world.sweep() == {"open_runs": 1, "restarted": 0}


def test_the_run_itself_decides_and_not_the_index(world: World) -> None:
    run = world.planned(things(2))
    world.table.hold_indexes()
    world.ledger.runs.halt(run.run_id, Halt("aborted", "Stopped."))
    execution = world.execution()
    execution.carry(lambda: {"run_id": run.run_id, "state": "unusable"})
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 0, "restarted": 0}


def test_a_file_that_failed_and_was_never_closed_is_closed(world: World) -> None:
    run = world.planned(things(2))
    world.ledger.runs.fail(run.run_id, "no header")
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.carry_restarts()
    assert world.run(run.run_id).status is RunStatus.FAILED
    assert world.run(run.run_id).closed_at == world.clock.now()
