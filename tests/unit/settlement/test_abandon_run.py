"""A run whose connection is deleted under it is closed, its sum holds, and nothing is guessed."""

from __future__ import annotations

from collections import Counter

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.row_verdict import CONNECTION_GONE
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.lane.state import LaneState
from jobferry.settlement.abandon_run import abandon_run
from jobferry.steps.sweep import SETTLED_SECONDS
from virtual.world import CONNECTION, World, sample_csv


def delete_connection(world: World) -> None:
    world.store.config.delete_connection(CONNECTION)
    world.deps = world.fresh_deps()


def carried_on(world: World, run: Run) -> Run:
    """What becomes of a run whose execution died: the sweep has it carried on."""
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep()["restarted"] == 1
    world.run_restarts()
    assert world.sweep() == {"open_runs": 0, "restarted": 0, "opened": 0}
    closed = world.run(run.run_id)
    assert world.problems(run.run_id) == []
    return closed


def counted(world: World, run: Run) -> Counter[OutcomeStatus]:
    return Counter(world.statuses(run.run_id))


def codes(world: World, run: Run) -> set[tuple[OutcomeStatus, str | None]]:
    return {(o.status, o.error_code) for o in world.outcomes(run.run_id).values()}


@pytest.fixture
def under_way(world: World) -> Run:
    """A run of twelve rows: two settled, four sent, six left."""
    world.store.limits.learn_jobs(CONNECTION, 3, world.clock.now())
    run = world.planned(sample_csv(12))
    world.account.latency = lambda number: 5.0 if number == 1 else 900.0
    state = world.submit(LaneState(run.run_id, 0))
    world.clock.advance(8.0)
    world.settle(world.poll(state))
    return world.run(run.run_id)


def test_settled_rows_stay_sent_ones_are_unknown_and_the_others_skipped(
    world: World, under_way: Run
) -> None:
    sent = len(world.account.received)
    before = counted(world, under_way)
    assert before == {OutcomeStatus.SUCCEEDED: 2}
    delete_connection(world)

    closed = carried_on(world, under_way)

    assert closed.status is RunStatus.UNRESOLVED
    assert counted(world, under_way) == {
        OutcomeStatus.SUCCEEDED: 2,
        OutcomeStatus.UNKNOWN: sent - 2,
        OutcomeStatus.SKIPPED: 12 - sent,
    }
    assert codes(world, under_way) == {
        (OutcomeStatus.SUCCEEDED, None),
        (OutcomeStatus.UNKNOWN, CONNECTION_GONE),
        (OutcomeStatus.SKIPPED, CONNECTION_GONE),
    }
    assert len(world.account.received) == sent


def test_a_run_of_which_nothing_was_sent_is_aborted_with_the_reason(world: World) -> None:
    run = world.planned(sample_csv(9) + ",nameless\n")
    delete_connection(world)

    closed = carried_on(world, run)

    assert closed.status is RunStatus.ABORTED
    assert "connection" in str(closed.error)
    assert counted(world, run) == {OutcomeStatus.SKIPPED: 9, OutcomeStatus.REJECTED: 1}


def test_the_reason_of_an_earlier_stop_stays(world: World) -> None:
    run = world.planned(sample_csv(4))
    world.store.runs.stop(run.run_id, StopReason("aborted", "Stopped by hand."))
    delete_connection(world)

    closed = carried_on(world, run)

    assert closed.error == "Stopped by hand."
    assert codes(world, run) == {(OutcomeStatus.SKIPPED, "aborted")}


def test_a_run_that_is_not_planned_yet_fails(world: World) -> None:
    world.seconds["plan"] = -1.0
    run = world.planned(sample_csv(400) + ",nameless\n")
    assert not run.plan.done
    world.seconds["plan"] = 810.0
    delete_connection(world)

    closed = carried_on(world, run)

    assert closed.status is RunStatus.FAILED
    assert "connection" in str(closed.error)
    assert world.outcomes(run.run_id) == {}


def test_a_deleted_profile_harms_no_run_that_has_begun(world: World, under_way: Run) -> None:
    world.store.config.delete_profile(under_way.profile)

    closed = carried_on(world, under_way)

    assert closed.status is RunStatus.COMPLETED


def test_it_goes_on_where_its_time_was_up(world: World, under_way: Run) -> None:
    delete_connection(world)
    world.seconds["close"] = -1.0

    assert world.close(under_way.run_id)["state"] == "closing"
    world.seconds["close"] = 810.0
    assert world.close(under_way.run_id)["state"] == "closed"

    assert world.problems(under_way.run_id) == []
    assert sum(counted(world, under_way).values()) == 12


def test_a_connection_that_is_there_again_is_used(world: World, under_way: Run) -> None:
    kept = world.store.config.connection(CONNECTION)
    assert kept is not None
    delete_connection(world)
    world.store.config.put_connection(kept)

    assert carried_on(world, under_way).status is RunStatus.COMPLETED


def test_whoever_has_no_time_gets_on_all_the_same(world: World, under_way: Run) -> None:
    delete_connection(world)

    tries = 0
    while not abandon_run(world.run(under_way.run_id), "gone", world.deps, deadline=0.0):
        tries += 1
        assert tries < 20

    assert counted(world, under_way).total() == 12
