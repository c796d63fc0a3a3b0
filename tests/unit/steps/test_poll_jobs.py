"""Poll: what ended is kept and freed, what is silent is waited for, what is gone is unknown."""

from __future__ import annotations

from datetime import datetime

import pytest

from jobferry.domain.chunk import ChunkState
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.routes import LaneRoute
from jobferry.domain.run import RunStatus
from jobferry.domain.trouble import POLL, REFUSED_READING
from jobferry.lane.poller import JOB_DEADLINE, VISIBLE_WITHIN
from jobferry.lane.state import LaneState
from jobferry.scheduler.settings import USUAL
from jobferry.vendors.answers import PollAnswer, Refused, Throttled, ThrottleReason
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import CREATE, Behaviour, Submission
from virtual.world import CONNECTION, World, sample_csv

UNKNOWN = OutcomeStatus.UNKNOWN

pytestmark = pytest.mark.usefixtures("settled_later")


@pytest.fixture
def state(world: World) -> LaneState:
    """A lane with three jobs of twenty seconds, which are all of its run."""
    return world.submit(LaneState(world.planned(sample_csv(6)).run_id, 0))


def in_flight(world: World) -> int:
    return world.store.limits.get(CONNECTION).in_flight


def states(world: World, run_id: str) -> list[ChunkState]:
    return [chunk.state for chunk in world.store.chunks.all(run_id)]


def polled_until(world: World, state: LaneState, moment: float) -> LaneState:
    """Poll again and again, each time when the last one has said, until a moment or the end."""
    while state.state == LaneRoute.WORKING:
        wait_until = datetime.fromisoformat(state.wait_until).timestamp()
        if wait_until > moment:
            break
        world.clock.until(wait_until)
        state = world.poll(state)
        if set(states(world, state.run_id)) == {ChunkState.FINISHED}:
            break
    return state


class TestEnded:
    def test_results_are_kept_and_slots_come_free(self, world: World, state: LaneState) -> None:
        after = world.poll(state)
        assert after.settle == ((1, 2, 3),)
        assert in_flight(world) == 0
        (key,) = world.objects.keys("evidence/")
        kept = world.objects.get_json(key)
        assert sorted(kept["jobs"]) == ["job-1", "job-2", "job-3"]
        assert kept["jobs"]["job-1"] == world.account.raw(world.account.jobs["job-1"])
        assert {c.evidence for c in world.store.chunks.all(state.run_id)} == {key}

    def test_slots_that_come_free_are_filled_at_once(self, world: World) -> None:
        world.account.latency = lambda number: 5.0 + number
        state = world.poll(world.submit(LaneState(world.planned(sample_csv(20)).run_id, 0)))
        assert len(world.account.submissions) == 10
        assert world.account.most_in_flight == 3
        ended = sorted(job.ends_at for job in world.account.jobs.values())
        for freed, submission in zip(ended, world.account.submissions[3:], strict=False):
            assert submission.at - freed < 5
        assert set(world.account.received.values()) == {1}
        assert state.state == LaneRoute.WORKING

    def test_what_is_learned_serves_the_next_run(self, world: World, state: LaneState) -> None:
        world.poll(state)
        latency = world.store.limits.latencies(CONNECTION, CREATE)[""]
        # Looks at ages that grow by half tell no more than this.
        assert latency.median == pytest.approx(20.0, rel=0.25)
        first, polls = world.account.polls[0], len(world.account.polls)
        assert first[0] - world.account.jobs["job-1"].created_at < 5
        start = world.clock.now()
        world.poll(world.submit(LaneState(world.planned(sample_csv(6, start=50)).run_id, 0)))
        assert 10 < world.account.polls[polls][0] - start <= 20

    def test_jobs_under_way_stay(self, world: World, state: LaneState) -> None:
        world.account.jobs["job-2"].ends_at = world.clock.now() + 500
        after = world.poll(state)
        assert after.settle == ((1, 3),)
        assert (after.state, in_flight(world)) == (LaneRoute.WORKING, 1)

    def test_nothing_ended_leaves_no_evidence(self, world: World, state: LaneState) -> None:
        for job in world.account.jobs.values():
            job.ends_at += 500
        before = states(world, state.run_id)
        after = world.poll(state.then(settling=((9,),)))
        assert (after.settle, after.settling) == ((), ())
        assert world.objects.keys("evidence/") == []
        assert states(world, state.run_id) == before

    def test_no_result_is_asked_for_twice(self, world: World, state: LaneState) -> None:
        after = world.poll(state)
        polls = len(world.account.polls)
        # The step's answer was lost and it is repeated; or the lane goes on.
        assert world.poll(state).settle == after.settle
        assert world.poll(after.then(settling=after.settle, settle=())).settle == ()
        assert len(world.account.polls) == polls

    def test_requests_are_counted(self, world: World, state: LaneState) -> None:
        world.poll(state)
        counted = world.store.runs.requests(state.run_id)["poll"]
        assert counted == len(world.account.polls) > 0

    @pytest.mark.parametrize("phase", Phase)
    def test_a_crash_before_the_slots_are_free_loses_nothing(
        self, world: World, state: LaneState, phase: Phase
    ) -> None:
        world.effects.on_effect = CrashOnce(1, phase, frozenset({"objects.put"}))
        with pytest.raises(Crash):
            world.poll(state)
        assert in_flight(world) == 3
        world.clock.advance(2)
        assert world.poll(state).settle == ((1, 2, 3),)
        assert set(world.account.times_applied.values()) == {1}


class TestStaying:
    """How long one invocation waits for jobs by itself."""

    def test_it_leaves_with_as_much_as_one_iteration_settles(self) -> None:
        with World(max_records=1, max_jobs=30) as world:
            world.schedule_with(rows_settled_at_once=0, small_function_load=9.0)
            world.account.latency = lambda _number: 1.0
            world.put_profile({"breaker": None})
            run_id = world.planned(sample_csv(1_000)).run_id
            state = world.poll(world.submit(LaneState(run_id, 0)))
            settle = [number for group in state.settle for number in group]
            iteration = USUAL.iteration_chunks
            assert iteration <= len(settle) == len(set(settle)) < iteration + 30
            assert max(map(len, state.settle)) <= USUAL.settle_group
            assert state.state == LaneRoute.WORKING

    def test_results_are_not_held_back_for_long(self, world: World) -> None:
        run_id = world.planned(sample_csv(600)).run_id
        world.schedule_with(iteration_seconds=120.0)
        state = world.submit(LaneState(run_id, 0))
        start = world.clock.now()
        state = world.poll(state)
        assert world.clock.now() - start <= 120.0
        assert state.settle != ()

    def test_it_does_not_sit_through_a_long_wait(self, world: World) -> None:
        world.account.latency = lambda _number: 600.0
        run_id = world.planned(sample_csv(6)).run_id
        polled_until(world, world.submit(LaneState(run_id, 0)), world.clock.now() + 700)
        start, polls = world.clock.now(), len(world.account.polls)
        run_id = world.planned(sample_csv(6, start=50)).run_id
        state = world.poll(world.submit(LaneState(run_id, 0)))
        assert (world.clock.now(), len(world.account.polls)) == (start, polls)
        wait = datetime.fromisoformat(state.wait_until).timestamp() - start
        assert wait == pytest.approx(USUAL.max_poll_interval, abs=0.1)

    def test_it_leaves_when_its_time_is_up(self, world: World) -> None:
        world.seconds["poll"] = 8.0
        world.account.latency = lambda number: 3.0 if number < 3 else 500.0
        run_id = world.planned(sample_csv(20)).run_id
        state = world.submit(LaneState(run_id, 0))
        start = world.clock.now()
        state = world.poll(state)
        assert world.clock.now() - start <= 8.0
        assert state.settle == ((1, 2),)
        assert in_flight(world) == 3

    def test_other_runs_get_the_slots_of_ended_jobs_soon(self, world: World) -> None:
        """Slots are given back within seconds, whatever else this lane waits for."""
        world.account.latency = lambda number: 5.0 if number == 1 else 40.0
        state = world.submit(LaneState(world.planned(sample_csv(6)).run_id, 0))
        start = world.clock.now()
        put_at: list[float] = []

        def note(kind: str, phase: Phase) -> None:
            if kind == "objects.put" and phase is Phase.AFTER:
                put_at.append(world.clock.now() - start)

        world.effects.on_effect = note
        world.poll(state)
        first = world.store.chunks.get(state.run_id, [1])[0]
        assert first.finished_at is not None
        assert put_at[0] <= first.finished_at - start + 0.01
        assert first.finished_at - start < 10

    def test_a_lane_without_work_is_done(self, world: World, state: LaneState) -> None:
        state = world.poll(state)
        assert (state.state, state.iteration) == (LaneRoute.WORKING, 1)
        world.settle(state)
        state = world.poll(world.submit(state))
        assert (state.state, state.settle, state.settling) == (LaneRoute.DONE, (), ())

    def test_a_long_history_is_renewed_with_what_is_to_be_settled(
        self, world: World, state: LaneState
    ) -> None:
        after = world.poll(state.then(events=USUAL.max_events, iteration=1))
        assert after.state == LaneRoute.RENEW
        assert set(states(world, state.run_id)) == {ChunkState.FINISHED}
        fresh = world.submit(LaneState(state.run_id, 0))
        assert fresh.settle == ((1, 2, 3),)


class TestGone:
    def test_a_job_may_be_unknown_at_first(self, world: World, state: LaneState) -> None:
        start = world.clock.now()
        for job in world.account.jobs.values():
            job.visible_from = start + VISIBLE_WITHIN - 1
        after = polled_until(world, state, start + VISIBLE_WITHIN - 50)
        assert (after.settle, in_flight(world)) == ((), 3)
        after = polled_until(world, after, start + VISIBLE_WITHIN + 60)
        assert after.settle == ((1, 2, 3),)
        assert {c.verdict for c in world.store.chunks.all(state.run_id)} == {None}

    def test_a_job_that_is_forgotten_leaves_its_rows_unknown(self, world: World) -> None:
        world.account.latency = lambda number: 1e9 if number == 2 else 20.0
        request = world.drop(sample_csv(10))

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
        run = world.processed(sample_csv(10))
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
        after = world.poll(state)
        until = world.account.polls[0][0] + (retry_after or USUAL.default_retry_after)
        assert world.store.limits.get(CONNECTION).retry_after_until == until
        after = polled_until(world, after, until + 60)
        assert after.settle == ((1, 2, 3),)
        assert all(at >= until for at, _ in world.account.polls[1:])
        assert world.account.requests_during_wait == 0

    def test_a_run_that_is_throttled_again_and_again_completes(self, world: World) -> None:
        throttled = PollAnswer(throttled=Throttled(ThrottleReason.RATE, 45.0))
        world.account.will_answer_polls(throttled, None, throttled, None, throttled)
        run = world.processed(sample_csv(20))
        assert run.status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []


class TestRefused:
    REFUSED = PollAnswer(refused=Refused("401", "Log in."))

    @pytest.mark.parametrize("times", [1, 2])
    def test_a_refusal_that_passes_stops_nothing(self, world: World, times: int) -> None:
        world.account.will_answer_polls(*[self.REFUSED] * times)
        run = world.processed(sample_csv(10))
        assert run.status is RunStatus.COMPLETED
        assert (run.stop, run.troubles) == (None, {})
        assert world.problems(run.run_id) == []

    def test_refusals_for_a_minute_stop_sending_and_a_later_answer_counts(
        self, world: World
    ) -> None:
        world.account.will_answer_polls(*[self.REFUSED] * 6)
        world.account.will_reply(*[Behaviour.ACCEPT] * 3, *[Behaviour.TOO_MANY_JOBS] * 99)
        run = world.processed(sample_csv(10))
        assert run.status is RunStatus.ABORTED
        assert run.error == "Log in."
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 6
        assert run.outcomes[OutcomeStatus.SKIPPED] == 4
        assert world.problems(run.run_id) == []

    def test_jobs_are_given_up_after_some_refusals(self, world: World) -> None:
        world.account.will_answer_polls(*[self.REFUSED] * 50)
        run = world.processed(sample_csv(10))
        assert run.status is RunStatus.UNRESOLVED
        assert (run.outcomes[UNKNOWN], run.outcomes[OutcomeStatus.SKIPPED]) == (6, 4)
        outcome = world.outcomes(run.run_id)[1]
        assert (outcome.error_code, outcome.job_id) == ("401", "job-1")
        asked = [at for at, _ in world.account.polls]
        assert len(asked) >= REFUSED_READING.times
        assert asked[-1] - asked[0] >= REFUSED_READING.seconds
        assert world.problems(run.run_id) == []

    def test_refusals_must_come_in_a_row(self, world: World, state: LaneState) -> None:
        answers = [self.REFUSED] * (REFUSED_READING.times - 1)
        world.account.will_answer_polls(*answers, None, *answers)
        after = polled_until(world, state, world.clock.now() + 3_600)
        assert after.settle == ((1, 2, 3),)
        assert POLL not in world.run(state.run_id).troubles
        assert {c.verdict for c in world.store.chunks.all(state.run_id)} == {None}


def test_a_gateway_error_is_no_news(world: World, state: LaneState) -> None:
    world.account.will_answer_polls(PollAnswer(problem="502 Bad Gateway"))
    assert world.poll(state).settle == ((1, 2, 3),)
    assert states(world, state.run_id) == [ChunkState.FINISHED] * 3
    assert "poll without an answer" in world.warnings()


def test_a_lane_of_a_stopped_run_sends_nothing_more(world: World) -> None:
    """Whoever is told by a poll that nothing is welcome does not submit in the same breath."""
    world.account.will_reply(*[Behaviour.ACCEPT] * 3)
    world.account.will_answer_polls(TestRefused.REFUSED)
    state = world.submit(LaneState(world.planned(sample_csv(20)).run_id, 0))
    for ago in (100.0, 50.0):
        run, then = world.run(state.run_id), world.clock.now() - ago
        world.store.runs.note_trouble(run, POLL, "401", "Log in.", then)
    world.poll(state)
    assert world.run(state.run_id).stop is not None
    assert len(world.account.submissions) == 3
