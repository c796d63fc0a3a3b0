"""Submit: the window is filled, each chunk is sent once, and whatever the vendor says is kept."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from unittest import mock

import pytest

from jobferry.domain.chunk import ChunkState
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.routes import LaneRoute
from jobferry.domain.run import RunStatus, StopReason
from jobferry.domain.timestamps import timestamp
from jobferry.lane.state import LaneState
from jobferry.scheduler.settings import USUAL
from jobferry.steps.open_run import open_run
from jobferry.steps.submit_jobs import submit_jobs
from jobferry.store.chunks import Chunks
from jobferry.store.operations import Item
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import CREATE, UPSERT, VENDOR, Behaviour, Reply, Submission
from virtual.world import CONNECTION, Execution, World, sample_csv

SKIPPED, FAILED = OutcomeStatus.SKIPPED, OutcomeStatus.FAILED

pytestmark = pytest.mark.usefixtures("settled_later")


def lane(run_id: str, number: int = 0) -> LaneState:
    return LaneState(run_id, number)


def sent(world: World) -> list[tuple[str, ...]]:
    return [submission.keys for submission in world.account.submissions]


def states(world: World, run_id: str) -> list[ChunkState]:
    return [chunk.state for chunk in world.chunks(run_id)]


def kept(world: World) -> list[Item]:
    """All that the table holds but the work that each invocation adds up."""
    return [item for item in world.table.items() if not item["sk"].startswith("LANE#")]


def continue_run(world: World, run_id: str) -> Execution:
    """Close, which starts lanes for what is left, until the run is closed."""
    execution = world.execution()
    execution.run(lambda: {"run_id": run_id, "state": "unusable"})
    return execution


class TestWindow:
    def test_free_slots_are_filled_in_file_order(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        state = world.submit(lane(run.run_id))
        assert sent(world) == [("r1", "r2"), ("r3", "r4"), ("r5", "r6")]
        assert states(world, run.run_id) == [ChunkState.SUBMITTED] * 3
        assert world.store.limits.get(CONNECTION).in_flight == 3
        assert (state.state, state.iteration, state.settle) == (LaneRoute.WORKING, 0, ())
        assert state.wait_until > timestamp(world.clock.now())

    def test_a_full_window_sends_nothing_more(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        state = world.submit(lane(run.run_id))
        world.submit(state)
        assert len(sent(world)) == 3

    def test_the_same_step_twice_sends_once(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        first = world.submit(lane(run.run_id))
        before, requests = kept(world), world.store.runs.requests(run.run_id)
        assert world.submit(lane(run.run_id)).to_payload() == first.to_payload()
        assert kept(world) == before
        assert world.store.runs.requests(run.run_id) == requests

    def test_lanes_share_pool_and_slots(self) -> None:
        with World(max_records=1, max_jobs=20, lane_window=10) as world:
            run = world.planned(sample_csv(50))
            assert run.lanes == 2
            world.submit(lane(run.run_id, 0))
            world.submit(lane(run.run_id, 1))
            assert len(sent(world)) == len(set(sent(world))) == 20
            by_lane = [len(world.store.chunks.in_flight(CONNECTION, run.run_id, n)) for n in (0, 1)]
            assert by_lane == [10, 10]

    def test_the_claim_of_another_lane_in_between_is_no_harm(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        stale = world.store.chunks.pool(run.run_id)
        world.store.chunks.claim(
            run,
            1,
            world.store.runs.planned_chunks(run.run_id, 1, 1),
            stale,
            world.clock.now(),
            max_jobs=3,
        )
        current = Chunks.pool
        polls = iter([stale] * 3)
        with mock.patch.object(
            Chunks, "pool", lambda chunks, run_id: next(polls, None) or current(chunks, run_id)
        ):
            world.submit(lane(run.run_id))
        assert next(polls, None) is None
        assert sent(world) == [("r3", "r4")]

    def test_slots_of_other_runs_count(self, world: World) -> None:
        first = world.planned(sample_csv(10))
        world.submit(lane(first.run_id))
        second = world.planned(sample_csv(4, start=100))
        state = world.submit(lane(second.run_id))
        assert len(sent(world)) == 3
        assert (state.state, state.wait_until) == (
            LaneRoute.WORKING,
            timestamp(world.clock.now() + USUAL.others_slots_seconds),
        )

    def test_requests_are_counted(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        world.submit(lane(run.run_id))
        assert world.store.runs.requests(run.run_id) == {"submit": 3, "poll": 0, "other": 0}


class TestLane:
    def test_a_lane_ends_when_nothing_is_left(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        state = world.poll(world.submit(lane(run.run_id)))
        assert (state.state, state.settle) == (LaneRoute.WORKING, ((1,),))
        world.settle(state)
        state = world.poll(world.submit(state))
        assert (state.state, state.settle) == (LaneRoute.DONE, ())

    def test_a_long_history_is_renewed(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        state = world.submit(lane(run.run_id).then(events=USUAL.max_events - 1, iteration=3))
        assert state.state == LaneRoute.WORKING
        assert world.poll(state).state == LaneRoute.RENEW

    def test_a_lane_settles_what_its_first_iteration_has_found(self, world: World) -> None:
        """Renewed at once, lane after lane would find the same again and settle nothing."""
        run = world.planned(sample_csv(6))
        world.submit(lane(run.run_id))
        world.clock.advance(100.0)
        world.schedule_with(max_events=1)
        state = world.poll(world.submit(lane(run.run_id)))
        assert (state.state, bool(state.settle)) == (LaneRoute.WORKING, True)
        assert world.poll(world.submit(state)).state in (LaneRoute.RENEW, LaneRoute.DONE)

    def test_a_closed_run_needs_no_lane(self, world: World) -> None:
        run = world.processed(sample_csv(2))
        state = world.submit(lane(run.run_id).then(settle=((1,),)))
        assert (state.state, state.settle) == (LaneRoute.DONE, ())
        assert len(sent(world)) == 1

    def test_what_a_dead_step_finished_is_settled(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        state = world.submit(lane(run.run_id))
        world.poll(state)  # and its answer is lost
        after = world.submit(state)
        assert sorted(n for group in after.settle for n in group) == [1, 2, 3]

    def test_a_fresh_lane_hands_on_at_once_what_waits_to_be_settled(self, world: World) -> None:
        """With one job at a time nothing else goes on until then."""
        run = world.planned(sample_csv(10))
        world.submit(lane(run.run_id))
        world.clock.advance(100.0)
        world.poll(lane(run.run_id))

        state = world.submit(lane(run.run_id))
        assert state.wait_until == timestamp(world.clock.now())
        assert world.poll(state).settle

    def test_what_a_dead_step_claimed_is_sent(self, list_world: World) -> None:
        run = list_world.planned(sample_csv(6))
        list_world.effects.on_effect = CrashOnce(1, Phase.AFTER, frozenset({"table.transact"}))
        with pytest.raises(Crash):
            list_world.submit(lane(run.run_id))
        assert (sent(list_world), states(list_world, run.run_id)) == ([], [ChunkState.CLAIMED] * 3)
        list_world.submit(lane(run.run_id))
        assert sent(list_world) == [("r1", "r2"), ("r3", "r4"), ("r5", "r6")]
        assert list_world.account.times_applied.most_common(1)[0][1] == 1


class TestDeadline:
    def test_after_it_no_request_is_begun(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        world.account.request_seconds = 40.0
        world.seconds["submit"] = 70.0
        world.submit(lane(run.run_id))
        assert len(sent(world)) == 2
        assert world.store.limits.get(CONNECTION).in_flight == 2
        pool = world.store.chunks.pool(run.run_id)
        assert (pool.left, pool.released) == (3, frozenset({3}))

    def test_what_went_back_is_sent_by_the_next_iteration(self, world: World) -> None:
        world.account.request_seconds = 40.0
        run = world.processed(sample_csv(10))
        assert (run.status, run.outcomes[OutcomeStatus.SUCCEEDED]) == (RunStatus.COMPLETED, 10)
        assert world.account.received.most_common(1)[0][1] == 1


class TestRefused:
    def test_a_refused_chunk_fails_and_the_others_go_on(self, world: World) -> None:
        world.account.will_reply(
            Behaviour.ACCEPT,
            Reply(Behaviour.REFUSE, code="BadBody", message="No.", http_status=405),
        )
        run = world.processed(sample_csv(10))
        assert run.status is RunStatus.COMPLETED_WITH_FAILURES
        failed = {r: o for r, o in world.outcomes(run.run_id).items() if o.status is FAILED}
        assert sorted(failed) == [3, 4]
        assert {(o.error_code, o.error, o.job_id, o.attempts) for o in failed.values()} == {
            ("BadBody", "No.", None, 1)
        }
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 8
        assert world.problems(run.run_id) == []

    def test_an_account_that_is_refused_stops_the_run(self, world: World) -> None:
        world.account.will_reply(*[Reply(Behaviour.REFUSE_RUN, code="401", message="Log in.")] * 50)
        run = world.processed(sample_csv(40))
        assert run.status is RunStatus.ABORTED
        assert (run.stop, run.error) == (StopReason("401", "Log in."), "Log in.")
        assert 3 <= len(sent(world)) <= 5
        at = [submission.at for submission in world.account.submissions]
        assert at[-1] - at[0] >= 60.0
        assert (run.outcomes[FAILED], run.outcomes[SKIPPED]) == (2, 38)
        skipped = world.outcomes(run.run_id)[40]
        assert (skipped.status, skipped.error_code, skipped.error, skipped.attempts) == (
            SKIPPED,
            "401",
            "Log in.",
            0,
        )
        assert world.problems(run.run_id) == []

    def test_a_refusal_in_the_middle_lets_jobs_under_way_end(self, world: World) -> None:
        world.account.will_reply(*[Behaviour.ACCEPT] * 4, Behaviour.REFUSE_PROFILE)
        run = world.processed(sample_csv(20))
        assert run.status is RunStatus.ABORTED
        counts = {status: n for status, n in run.outcomes.items() if n}
        assert counts == {OutcomeStatus.SUCCEEDED: 8, FAILED: 2, SKIPPED: 10}
        assert world.problems(run.run_id) == []

    def test_a_large_run_that_is_stopped_skips_many_chunks_an_iteration(self) -> None:
        with World(max_records=1, max_jobs=3) as world:
            world.account.will_reply(Behaviour.REFUSE_PROFILE)
            run = world.processed(sample_csv(700))
            assert run.outcomes[SKIPPED] == 699
            assert len(sent(world)) == 1
            assert world.problems(run.run_id) == []

    def test_an_operator_can_stop_a_run(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        world.submit(lane(run.run_id))
        world.store.runs.stop(run.run_id, StopReason("aborted", "Stopped by ops."))
        continue_run(world, run.run_id)
        run = world.run(run.run_id)
        assert run.status is RunStatus.ABORTED
        assert (run.outcomes[OutcomeStatus.SUCCEEDED], run.outcomes[SKIPPED]) == (6, 4)
        assert world.problems(run.run_id) == []


class TestThrottled:
    @pytest.mark.parametrize("retry_after", [None, 0.0, 90.0, 3_600.0])
    def test_nothing_is_sent_before_the_vendor_allows_it(
        self, world: World, retry_after: float | None
    ) -> None:
        world.account.will_reply(Behaviour.ACCEPT, Reply(Behaviour.THROTTLE, retry_after))
        run = world.planned(sample_csv(10))
        now = world.clock.now()
        world.submit(lane(run.run_id))
        until = now + (USUAL.default_retry_after if retry_after is None else retry_after)
        assert world.store.limits.get(CONNECTION).retry_after_until == until
        continue_run(world, run.run_id)
        run = world.run(run.run_id)
        assert run.status is RunStatus.COMPLETED
        assert all(s.at >= until for s in world.account.submissions[2:])
        assert {o.attempts for o in world.outcomes(run.run_id).values()} == {1}
        assert world.problems(run.run_id) == []

    def test_the_lane_waits_as_long_as_the_vendor_asks(self, world: World) -> None:
        world.account.will_reply(Reply(Behaviour.THROTTLE, 500.0))
        run = world.planned(sample_csv(10))
        state = world.submit(lane(run.run_id))
        assert len(sent(world)) == 1
        assert state.wait_until == timestamp(world.clock.now() + 500.0)
        assert world.store.limits.get(CONNECTION).in_flight == 0

    def test_too_many_jobs_lets_polls_go_on(self, world: World) -> None:
        world.account.will_reply(Behaviour.ACCEPT, Reply(Behaviour.TOO_MANY_JOBS, 120.0))
        run = world.planned(sample_csv(10))
        start = world.clock.now()
        state = world.submit(lane(run.run_id))
        limits = world.store.limits.get(CONNECTION)
        assert (limits.no_slot_until, limits.retry_after_until) == (start + 120.0, 0)
        assert state.wait_until < timestamp(start + 61)
        continue_run(world, run.run_id)
        assert all(s.at >= start + 120.0 for s in world.account.submissions[2:])
        assert world.run(run.run_id).status is RunStatus.COMPLETED
        assert {o.attempts for o in world.outcomes(run.run_id).values()} == {1}

    def test_slots_that_others_hold_are_asked_for_less_and_less_often(self, world: World) -> None:
        """Also by one invocation after the other, of which each begins anew."""
        world.schedule_with(iteration_seconds=120.0)
        world.account.will_reply(*[Behaviour.TOO_MANY_JOBS] * 200)
        run = world.planned(sample_csv(2))
        state, moments = lane(run.run_id), list[float]()
        while world.clock.now() < 1_800.0 + (moments or [world.clock.now()])[0]:
            before = len(world.account.submissions)
            state = world.poll(world.submit(state))
            moments += [s.at for s in world.account.submissions[before:]]
            world.clock.advance(3.0)
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert gaps[0] < 10.0
        assert min(gaps[-5:]) >= 25.0
        assert len(moments) < 90

    def test_an_account_with_fewer_slots_than_we_think_is_no_harm(self, world: World) -> None:
        world.account.max_jobs = 1
        run = world.processed(sample_csv(12))
        assert run.status is RunStatus.COMPLETED
        assert world.account.most_in_flight == 1
        assert {o.attempts for o in world.outcomes(run.run_id).values()} == {1}
        assert world.problems(run.run_id) == []

    def test_patience_asked_for_without_a_clear_answer_is_given(self, world: World) -> None:
        world.account.will_reply(Reply(Behaviour.NEVER_ARRIVED, 90.0))
        run = world.planned(sample_csv(10))
        state = world.submit(lane(run.run_id))
        assert len(sent(world)) == 1
        until = world.clock.now() + 90.0
        assert world.store.limits.get(CONNECTION).retry_after_until == until
        assert state.wait_until == timestamp(until)
        continue_run(world, run.run_id)
        assert all(s.at >= until for s in world.account.submissions[1:])
        assert world.run(run.run_id).status is RunStatus.COMPLETED

    @pytest.mark.parametrize(
        ("operation", "reply"),
        [
            (CREATE, Reply(Behaviour.THROTTLE, 60.0)),
            (CREATE, Behaviour.NEVER_ARRIVED),
            (UPSERT, Behaviour.APPLIED_NO_ANSWER),
        ],
    )
    def test_a_lane_stays_for_the_last_chunk_that_went_back(
        self, world: World, operation: str, reply: Behaviour | Reply
    ) -> None:
        world.schedule_with(small_run_jobs=0)
        world.put_profile({"operation": operation})
        world.account.will_reply(reply, reply)
        execution = world.execution()
        request = world.drop(sample_csv(2))
        execution.run(lambda: open_run(request, execution.arn, world.deps))
        assert world.run(execution.run_id).status is RunStatus.COMPLETED
        assert execution.history.count("CloseRun") == 1

    def test_a_chunk_left_claimed_waits_too(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        world.effects.on_effect = CrashOnce(1, Phase.AFTER, frozenset({"table.transact"}))
        with pytest.raises(Crash):
            world.submit(lane(run.run_id))
        world.store.limits.block(CONNECTION, world.clock.now() + 60)
        world.submit(lane(run.run_id))
        assert sent(world) == []

    def test_questions_about_lost_submissions_wait_too(self, world: World) -> None:
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        run = world.planned(sample_csv(2))
        state = world.submit(lane(run.run_id))
        world.store.limits.block(CONNECTION, world.clock.now() + 60)
        world.submit(state)
        assert world.account.searches == []


class TestBudget:
    """Requests a minute, of all runs of a connection together."""

    @pytest.mark.parametrize(("share", "most"), [(1.0, 12), (0.5, 6)])
    def test_no_minute_sees_more_requests(self, share: float, most: int) -> None:
        with World(max_records=1) as world:
            world.store.config.put_connection(
                Connection(CONNECTION, VENDOR, "https://x", 10, 12, share)
            )
            run = world.processed(sample_csv(60))
            assert run.status is RunStatus.COMPLETED
            moments = [s.at for s in world.account.submissions]
            moments += [at for at, _ in world.account.polls]
            minutes = Counter(int(at // 60) for at in moments)
            assert max(minutes.values()) <= most
            assert world.problems(run.run_id) == []

    def test_polls_get_their_turn_while_there_is_much_to_send(self) -> None:
        with World(max_records=1, max_jobs=30) as world:
            world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", 30, 10))
            world.account.latency = lambda _number: 5.0
            start = world.clock.now()
            run = world.processed(sample_csv(80))
            assert run.status is RunStatus.COMPLETED
            # A look a minute and one that is kept for it: eight of ten may be submissions.
            assert world.clock.now() - start <= 61 * 80 / 8


class TestTwins:
    """The same step twice at the same time: one was taken for dead, and was only slow."""

    def test_a_twin_sends_nothing_twice(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        twins = iter([lane(run.run_id)])

        def meanwhile(_submission: Submission) -> None:
            for state in twins:
                world.submit(state)

        world.account.during_submit = meanwhile
        state = world.submit(lane(run.run_id))
        assert world.account.received.most_common(1)[0][1] == 1
        assert states(world, run.run_id) == [ChunkState.SUBMITTED] * 3
        assert state.state == LaneRoute.WORKING

    def test_a_twin_without_time_gives_nothing_back_that_is_being_sent(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        world.effects.on_effect = CrashOnce(1, Phase.AFTER, frozenset({"table.transact"}))
        with pytest.raises(Crash):
            world.submit(lane(run.run_id))
        in_flight = Chunks.in_flight
        polls = iter([world.store.chunks.in_flight(CONNECTION, run.run_id, 0)])
        twins = iter([lane(run.run_id)])

        def meanwhile(_submission: Submission) -> None:
            """The twin has looked before this request left, and acts now, out of time."""
            for state in twins:
                with mock.patch.object(
                    Chunks, "in_flight", lambda *args: next(polls, None) or in_flight(*args)
                ):
                    submit_jobs(state, world.deps, world.clock.now())

        world.account.during_submit = meanwhile
        world.submit(lane(run.run_id))
        continue_run(world, run.run_id)
        assert world.account.times_applied.most_common(1)[0][1] == 1
