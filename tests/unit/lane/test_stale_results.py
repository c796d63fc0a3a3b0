"""A lane that cannot read its jobs sends no more of them, before the vendor forgets the results."""

from __future__ import annotations

import pytest

from jobferry.domain.run import RunStatus
from jobferry.lane.state import LaneState
from jobferry.scheduler.settings import USUAL
from jobferry.settlement.expiring_results import RISKY_PART
from jobferry.vendors.answers import PollAnswer
from virtual.vendor import CREATE
from virtual.world import CONNECTION, World, sample_csv

HOUR = 3_600.0


@pytest.fixture
def state(world: World) -> LaneState:
    """A lane with one job, of a run that has more to send."""
    world.store.limits.learn_jobs(CONNECTION, 1, world.clock.now())
    return world.submit(LaneState(world.planned(sample_csv(20)).run_id, 0))


def retention(world: World) -> float:
    return world.vendor.capabilities.retention_seconds


def free_slots(world: World) -> None:
    world.store.limits.advertised_jobs(CONNECTION, 30)


def test_reading_comes_before_sending_when_a_job_is_old(world: World, state: LaneState) -> None:
    sent = len(world.account.submissions)
    free_slots(world)
    world.clock.advance(USUAL.stale_result_part * retention(world) + 1)

    world.submit(state)

    assert len(world.account.submissions) == sent


def test_a_job_that_is_younger_holds_up_nothing(world: World, state: LaneState) -> None:
    sent = len(world.account.submissions)
    free_slots(world)
    world.clock.advance(USUAL.stale_result_part * retention(world) - HOUR)

    world.submit(state)

    assert len(world.account.submissions) > sent


def test_a_lane_that_cannot_read_does_not_turn_in_circles(world: World, state: LaneState) -> None:
    free_slots(world)
    world.clock.advance(USUAL.stale_result_part * retention(world) + 1)
    world.account.will_answer_polls(*[PollAnswer(problem="time-out")] * 500)
    sent, asked = len(world.account.submissions), len(world.account.polls)
    began = world.clock.now()

    while world.clock.now() < began + HOUR:
        before = world.clock.now()
        state = world.poll(world.submit(state))
        world.clock.until(max(before + USUAL.stale_check_seconds, world.clock.now()))

    assert len(world.account.submissions) == sent
    assert len(world.account.polls) - asked < 200


def test_a_long_job_that_is_read_holds_up_nothing(world: World, state: LaneState) -> None:
    first = world.account.jobs["job-1"]
    first.ends_at = world.clock.now() + 11 * HOUR
    free_slots(world)
    world.clock.advance(USUAL.stale_result_part * retention(world) + 1)
    sent = len(world.account.submissions)

    world.poll(world.submit(state))

    assert len(world.account.submissions) > sent


def test_the_run_goes_on_when_the_vendor_can_be_read_again(world: World, state: LaneState) -> None:
    free_slots(world)
    world.clock.advance(USUAL.stale_result_part * retention(world) + 1)

    world.sweep()
    world.run_restarts()

    run = world.run(state.run_id)
    assert run.status is RunStatus.COMPLETED
    assert world.problems(run.run_id) == []
    assert set(world.account.times_applied.values()) == {1}


class TestSweep:
    def test_results_that_nobody_reads_are_an_alarm(self, world: World, state: LaneState) -> None:
        world.running.add(world.run(state.run_id).execution)
        world.clock.advance(RISKY_PART * retention(world) + 1)
        world.sweep()
        assert world.metrics == [{"ResultsAtRisk": 1}]
        assert "results at risk" in world.warnings()

    def test_before_that_there_is_none(self, world: World, state: LaneState) -> None:
        world.running.add(world.run(state.run_id).execution)
        world.clock.advance(RISKY_PART * retention(world) - HOUR)
        world.sweep()
        assert world.metrics == []

    def test_a_connection_without_jobs_has_none_at_risk(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        world.clock.advance(RISKY_PART * retention(world) + 1)
        world.metrics.clear()
        world.sweep()
        assert world.metrics == []
        assert run.operation == CREATE
