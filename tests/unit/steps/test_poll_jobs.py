"""Poll: what ended is kept and freed, what is silent is waited for, what is gone is unknown."""

from __future__ import annotations

import pytest

from jobferry import pacing
from jobferry.model import ChunkState, OutcomeStatus, RunStatus
from jobferry.steps.lane import LaneState
from jobferry.steps.poll_jobs import JOB_DEADLINE, REFUSALS, VISIBLE_WITHIN
from jobferry.vendors.base import PollAnswer, Refused, Throttled, ThrottleReason
from tests.fakes.effects import Crash, CrashOnce, Phase
from tests.fakes.vendor import Submission
from tests.fakes.world import CONNECTION, World, things

UNKNOWN = OutcomeStatus.UNKNOWN


@pytest.fixture
def state(world: World) -> LaneState:
    """A lane with three jobs, and work left."""
    return world.submit(LaneState(world.planned(things(10)).run_id, 0))


def in_flight(world: World) -> int:
    return world.ledger.limits.get(CONNECTION).in_flight


class TestEnded:
    def test_results_are_kept_and_slots_come_free(self, world: World, state: LaneState) -> None:
        world.clock.advance(25)
        after = world.poll(state)
        assert after.settle == ((1, 2, 3),)
        assert in_flight(world) == 0
        (key,) = world.objects.keys("evidence/")
        kept = world.objects.get_json(key)
        assert sorted(kept["jobs"]) == ["job-1", "job-2", "job-3"]
        assert kept["jobs"]["job-1"] == world.account.raw(world.account.jobs["job-1"])
        assert {c.evidence for c in world.ledger.chunks.all(state.run_id)} == {key}

    def test_the_latency_is_learned(self, world: World, state: LaneState) -> None:
        world.clock.advance(25)
        assert world.poll(state).latency == 25
        assert world.poll(state.then(latency=30.0)).latency == 30.0

    def test_jobs_under_way_stay(self, world: World, state: LaneState) -> None:
        world.account.jobs["job-2"].ends_at = world.clock.now() + 500
        world.clock.advance(25)
        assert world.poll(state).settle == ((1, 3),)
        assert in_flight(world) == 1

    def test_nothing_ended_leaves_no_evidence(self, world: World, state: LaneState) -> None:
        before = [c.state for c in world.ledger.chunks.all(state.run_id)]
        after = world.poll(state.then(settle=((9,),)))
        assert (after.settle, after.latency) == ((), None)
        assert world.objects.keys("evidence/") == []
        assert [c.state for c in world.ledger.chunks.all(state.run_id)] == before

    def test_no_result_is_asked_for_twice(self, world: World, state: LaneState) -> None:
        world.clock.advance(25)
        world.poll(state)
        again = world.poll(state)
        assert (again.settle, len(world.account.polls)) == ((), 1)

    def test_requests_are_counted(self, world: World, state: LaneState) -> None:
        world.poll(state)
        assert world.ledger.runs.requests(state.run_id)["poll"] == 1

    @pytest.mark.parametrize("phase", Phase)
    def test_a_crash_before_the_slots_are_free_loses_nothing(
        self, world: World, state: LaneState, phase: Phase
    ) -> None:
        world.clock.advance(25)
        world.effects.on_effect = CrashOnce(1, phase, frozenset({"objects.put"}))
        with pytest.raises(Crash):
            world.poll(state)
        assert in_flight(world) == 3
        world.clock.advance(2)
        assert world.poll(state).settle == ((1, 2, 3),)


class TestGone:
    def test_a_job_may_be_unknown_at_first(self, world: World, state: LaneState) -> None:
        for job in world.account.jobs.values():
            job.visible_from = world.clock.now() + VISIBLE_WITHIN - 1
        world.clock.advance(VISIBLE_WITHIN - 2)
        assert world.poll(state).settle == ()
        assert in_flight(world) == 3
        world.clock.advance(2)
        assert world.poll(state).settle == ((1, 2, 3),)

    def test_a_job_that_is_forgotten_leaves_its_rows_unknown(self, world: World) -> None:
        world.account.latency = lambda number: 1e9 if number == 2 else 20.0
        request = world.drop(things(10))

        def forget(_submission: Submission) -> None:
            if "job-2" in world.account.jobs:
                world.account.jobs["job-2"].forgotten = True

        world.account.during_submit = forget
        run = world.execute(request)
        assert run.status is RunStatus.UNRESOLVED
        unknown = {r: o for r, o in world.outcomes(run.run_id).items() if o.status is UNKNOWN}
        assert sorted(unknown) == [3, 4]
        assert {(o.error_code, o.job_id, o.attempts) for o in unknown.values()} == {
            ("job_forgotten", "job-2", 1)
        }
        assert world.problems(run.run_id) == []

    def test_a_job_that_never_ends_is_given_up(self, world: World) -> None:
        world.account.latency = lambda number: 1e9 if number == 2 else 20.0
        start = world.clock.now()
        run = world.carried(things(10))
        assert run.status is RunStatus.UNRESOLVED
        assert world.outcomes(run.run_id)[3].error_code == "job_never_ended"
        assert run.outcomes[UNKNOWN] == 2
        assert JOB_DEADLINE < world.clock.now() - start < JOB_DEADLINE + 120
        assert world.problems(run.run_id) == []


class TestThrottled:
    @pytest.mark.parametrize("retry_after", [None, 300.0])
    def test_all_lanes_wait(
        self, world: World, state: LaneState, retry_after: float | None
    ) -> None:
        world.account.will_answer_polls(
            PollAnswer(throttled=Throttled(ThrottleReason.RATE, retry_after))
        )
        world.clock.advance(25)
        now = world.clock.now()
        world.poll(state)
        until = now + (retry_after or pacing.THROTTLED)
        assert world.ledger.limits.get(CONNECTION).blocked_until == until
        world.poll(state)
        assert len(world.account.polls) == 1
        world.clock.until(until)
        assert world.poll(state).settle == ((1, 2, 3),)

    def test_a_run_that_is_throttled_again_and_again_completes(self, world: World) -> None:
        throttled = PollAnswer(throttled=Throttled(ThrottleReason.RATE, 45.0))
        world.account.will_answer_polls(throttled, None, throttled, None, throttled)
        run = world.carried(things(20))
        assert run.status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []


class TestRefused:
    REFUSED = PollAnswer(refused=Refused("401", "Log in."))

    def test_a_refusal_stops_sending_and_a_later_answer_counts(self, world: World) -> None:
        world.account.will_answer_polls(self.REFUSED)
        run = world.carried(things(10))
        assert run.status is RunStatus.ABORTED
        assert run.error == "Log in."
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 6
        assert run.outcomes[OutcomeStatus.SKIPPED] == 4
        assert world.problems(run.run_id) == []

    def test_jobs_are_given_up_after_some_refusals(self, world: World) -> None:
        world.account.will_answer_polls(*[self.REFUSED] * 50)
        run = world.carried(things(10))
        assert run.status is RunStatus.UNRESOLVED
        assert (run.outcomes[UNKNOWN], run.outcomes[OutcomeStatus.SKIPPED]) == (6, 4)
        outcome = world.outcomes(run.run_id)[1]
        assert (outcome.error_code, outcome.job_id) == ("401", "job-1")
        assert len(world.account.polls) == REFUSALS
        assert world.problems(run.run_id) == []

    def test_refusals_must_come_in_a_row(self, world: World, state: LaneState) -> None:
        for answer in (self.REFUSED, self.REFUSED, PollAnswer()):
            world.account.will_answer_polls(answer)
            state = world.poll(state)
            world.clock.advance(20)
        assert state.troubles == 0


def test_a_gateway_error_is_no_news(world: World, state: LaneState) -> None:
    world.account.will_answer_polls(PollAnswer(problem="502 Bad Gateway"))
    world.clock.advance(25)
    assert world.poll(state).settle == ()
    assert world.poll(state).settle == ((1, 2, 3),)
    assert [c.state for c in world.ledger.chunks.all(state.run_id)] == [ChunkState.FINISHED] * 3
    assert "poll without an answer" in world.warnings()
