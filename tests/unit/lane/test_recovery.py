"""Lost answers: the vendor is asked, nothing is guessed, nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any
from unittest import mock

import pytest

from jobferry.domain.chunk import (
    EARLIER_KEPT,
    SEND_WINDOW,
    Chunk,
    ChunkState,
    attempts_of,
    lost_from,
)
from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.domain.timestamps import timestamp
from jobferry.lane.absence import BETWEEN, CERTAIN_AFTER, SEARCH_TIMEOUT
from jobferry.lane.claimed_jobs import LISTED, ClaimedJobs
from jobferry.lane.state import LaneState
from jobferry.scheduler.settings import USUAL
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.lost_submission import NO_JOBS, JobsUnreadError, LostSubmission
from tests.thorough import some_in
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import KEY_FIELD, UPSERT, Behaviour, Submission
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.UNKNOWN


def everything(world: World, run_id: str) -> set[tuple[Any, ...]]:
    """What all rows have in common."""
    outcomes = world.outcomes(run_id).values()
    return {(o.status, o.error_code, o.attempts) for o in outcomes}


def lost_chunk(world: World, *acts: Behaviour) -> LaneState:
    """A lane whose only chunk was sent, without a clear answer."""
    world.account.will_reply(*acts)
    run = world.planned(sample_csv(2))
    return world.submit(LaneState(run.run_id, 0))


def chunk_of(world: World, state: LaneState) -> Chunk:
    (chunk,) = world.store.chunks.get(state.run_id, [1])
    return chunk


def only_outcomes(world: World, state: LaneState) -> list[Outcome]:
    world.settle(state)
    return list(world.outcomes(state.run_id).values())


class TestCreate:
    def test_a_job_that_is_found_is_adopted(self, world: World) -> None:
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        run = world.processed(sample_csv(6))
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}
        assert world.outcomes(run.run_id)[1] == Outcome(
            1, SUCCEEDED, vendor_id="id-r1", job_id="job-1", attempts=1
        )
        assert world.store.runs.requests(run.run_id)["other"] == 1
        assert world.problems(run.run_id) == []

    def test_what_never_arrived_is_sent_again(self, world: World) -> None:
        world.account.will_reply(Behaviour.NEVER_ARRIVED)
        run = world.processed(sample_csv(6))
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}
        assert [world.outcomes(run.run_id)[row].attempts for row in (1, 3)] == [2, 1]
        assert world.problems(run.run_id) == []

    def test_each_attempt_has_a_token_of_its_own(self, world: World) -> None:
        world.account.will_reply(Behaviour.NEVER_ARRIVED)
        run = world.processed(sample_csv(2))
        tokens = [s.token for s in world.account.submissions]
        assert tokens == [f"{run.run_id}.1.1", f"{run.run_id}.1.2"]

    def test_what_never_arrives_beside_others_that_do_fails_in_the_end(self, world: World) -> None:
        world.account.never_arrives = lambda records: records[0][KEY_FIELD] == "r1"
        world.put_profile({"name": "single", "batch_size": 1})
        run = world.processed(sample_csv(120), profile="single")
        assert run.status is RunStatus.COMPLETED_WITH_FAILURES
        outcome = world.outcomes(run.run_id)[1]
        assert (outcome.status, outcome.error_code, outcome.attempts) == (
            OutcomeStatus.FAILED,
            "vendor_unavailable",
            3,
        )
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 119

    @pytest.mark.parametrize("times", [4, 30])
    def test_an_outage_is_held_against_nobody(self, world: World, times: int) -> None:
        world.account.will_reply(*[Behaviour.NEVER_ARRIVED] * times)
        run = world.processed(sample_csv(1))
        assert run.status is RunStatus.COMPLETED
        assert world.outcomes(run.run_id)[1].attempts <= 3
        assert world.account.times_applied == {"r1": 1}
        assert world.problems(run.run_id) == []

    def test_what_is_lost_twice_goes_again_in_halves(self, world: World) -> None:
        world.account.will_reply(Behaviour.NEVER_ARRIVED, Behaviour.NEVER_ARRIVED)
        run = world.processed(sample_csv(2))
        assert run.status is RunStatus.COMPLETED
        assert [len(s.records) for s in world.account.submissions] == [2, 2, 1, 1]
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []

    def test_a_vendor_that_cannot_decide_yet_is_asked_again(self, world: World) -> None:
        pending = Found(FoundState.PENDING, requests=2)
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        world.account.will_find(pending, pending, pending, None)
        run = world.processed(sample_csv(2))
        assert run.status is RunStatus.COMPLETED
        assert world.account.times_applied == {"r1": 1, "r2": 1}
        assert world.store.runs.requests(run.run_id)["other"] == 7

    def test_a_vendor_that_never_decides_leaves_the_rows_unknown(self, world: World) -> None:
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        world.account.will_find(*[Found(FoundState.PENDING, requests=1)] * 5_000)
        start = world.clock.now()
        run = world.processed(sample_csv(2))
        assert run.status is RunStatus.UNRESOLVED
        assert everything(world, run.run_id) == {(UNKNOWN, "submission_lost", 1)}
        assert SEARCH_TIMEOUT <= world.clock.now() - start <= SEARCH_TIMEOUT + 60
        assert len(world.account.submissions) == 1

    def test_a_vendor_that_cannot_say_leaves_the_rows_unknown(self, world: World) -> None:
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        world.account.will_find(Found(FoundState.UNDECIDABLE, reason="it keeps no list"))
        run = world.processed(sample_csv(2))
        assert run.status is RunStatus.UNRESOLVED
        assert "it keeps no list" in (world.outcomes(run.run_id)[1].error or "")
        assert everything(world, run.run_id) == {(UNKNOWN, "submission_lost", 1)}

    def test_a_job_found_without_its_id_is_unknown(self, world: World) -> None:
        state = lost_chunk(world, Behaviour.APPLIED_NO_ANSWER)
        world.account.will_find(Found(FoundState.FOUND))
        state = world.submit(state)
        assert {o.status for o in only_outcomes(world, state)} == {UNKNOWN}

    def test_jobs_of_other_chunks_are_named(self) -> None:
        with World(max_records=2, max_jobs=3, token_search=False) as world:
            other = world.processed(sample_csv(2, start=50))
            world.clock.advance(1)
            state = lost_chunk(world, Behaviour.APPLIED_NO_ANSWER)
            world.submit(state)
            ((_, lost),) = world.account.searches
            theirs = {c.job_id for c in world.store.chunks.all(other.run_id)}
            assert len(theirs) == 1
            assert lost.jobs.known([*theirs, "nobody's"]) == theirs
            assert lost.jobs.ended_before([*theirs, "nobody's"]) == theirs
            assert lost.jobs.any_ended_before()
            assert [dict(record) for record in lost.records] == [
                {"name": "thing 1", "ref": "r1"},
                {"name": "thing 2", "ref": "r2"},
            ]

    def test_of_jobs_that_ended_long_ago_it_is_not_said_that_they_are_listed(self) -> None:
        with World(max_records=2, max_jobs=3, token_search=False) as world:
            world.processed(sample_csv(2, start=50))
            world.clock.advance(LISTED)
            world.submit(lost_chunk(world, Behaviour.APPLIED_NO_ANSWER))
            ((_, lost),) = world.account.searches
            assert lost.jobs.known(["job-1"]) == {"job-1"}
            assert lost.jobs.ended_before(["job-1"]) == set()
            assert not lost.jobs.any_ended_before()

    def test_jobs_of_this_run_are_named_even_while_the_index_lags(self) -> None:
        with World(max_records=2, max_jobs=3, token_search=False) as world:
            world.table.hold_indexes()
            world.account.will_reply(Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER)
            known: list[frozenset[str]] = []

            def meanwhile(lost: LostSubmission) -> None:
                known.append(lost.jobs.known(["job-1", "job-2"]))

            world.account.during_find = meanwhile
            run = world.planned(sample_csv(4))
            world.submit(world.submit(LaneState(run.run_id, 0)))
            assert known == [{"job-1"}]

    def test_where_a_token_tells_the_job_no_chunk_is_read_for_it(self, world: World) -> None:
        world.processed(sample_csv(2, start=50))
        with mock.patch.object(ClaimedJobs, "seen_ended", side_effect=AssertionError):
            world.submit(lost_chunk(world, Behaviour.APPLIED_NO_ANSWER))
        ((_, lost),) = world.account.searches
        assert lost.jobs is NO_JOBS

    def test_one_job_is_adopted_by_one_chunk(self) -> None:
        with World(max_records=1, max_jobs=20, lane_window=10) as world:
            run = world.planned(sample_csv(20))
            assert run.lanes == 2
            world.account.will_reply(
                Behaviour.APPLIED_NO_ANSWER, *[Behaviour.ACCEPT] * 9, Behaviour.NEVER_ARRIVED
            )
            lanes = [world.submit(LaneState(run.run_id, lane)) for lane in (0, 1)]
            # A vendor without tokens: both submissions look like the one job that nobody knows.
            lone = Found(FoundState.FOUND, "job-1", requests=1)
            world.account.will_find(lone, lone)
            others = iter([lanes[1]])

            def meanwhile(_lost: LostSubmission) -> None:
                for state in others:
                    world.submit(state)

            world.account.during_find = meanwhile
            world.submit(lanes[0])
            adopted = [c.number for c in world.store.chunks.all(run.run_id) if c.job_id == "job-1"]
            assert len(adopted) == 1


class TestRepeatable:
    """Where the vendor cannot tell by the token alone, asking is not worth its requests."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        with World(max_records=2, max_jobs=3, token_search=False) as made:
            yield made

    def test_a_job_that_can_be_found_is_adopted(self) -> None:
        with World(max_records=2, max_jobs=1) as world:
            world.put_profile({"operation": UPSERT})
            world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
            run = world.processed(sample_csv(2))
            assert run.status is RunStatus.COMPLETED
            assert world.account.most_in_flight == 1
            assert set(world.account.times_applied.values()) == {1}

    def test_it_goes_again_when_its_job_must_have_ended(self) -> None:
        with World(max_records=2, max_jobs=1, token_search=False) as world:
            world.put_profile({"operation": UPSERT})
            world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
            run = world.processed(sample_csv(2))
            assert run.status is RunStatus.COMPLETED
            assert world.account.most_in_flight == 1

    def test_it_simply_goes_again(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED)
        run = world.processed(sample_csv(6))
        assert run.status is RunStatus.COMPLETED
        assert world.account.searches == []
        assert [world.outcomes(run.run_id)[row].attempts for row in (1, 3, 5)] == [2, 2, 1]
        assert world.problems(run.run_id) == []

    def test_without_a_clear_answer_in_the_end_it_is_unknown(self, world: World) -> None:
        world.put_profile({"operation": UPSERT, "max_attempts": 2})
        world.account.will_reply(*[Behaviour.APPLIED_NO_ANSWER] * 9)
        run = world.processed(sample_csv(1))
        assert everything(world, run.run_id) == {(UNKNOWN, "vendor_unavailable", 2)}
        assert len(world.account.submissions) == 2

    def test_a_stopped_run_does_not_say_that_it_was_never_sent(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        state = lost_chunk(world, Behaviour.APPLIED_NO_ANSWER)
        world.store.runs.stop(state.run_id, StopReason("aborted", "Stopped by ops."))
        world.close(state.run_id)
        for _ in range(4):
            state = world.submit(state)
            world.settle(state)
        assert world.account.times_applied == {"r1": 1, "r2": 1}
        assert everything(world, state.run_id) & {(OutcomeStatus.SKIPPED, "aborted", 1)} == set()

    def test_a_later_refusal_does_not_say_what_became_of_the_first(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER, Behaviour.REFUSE, Behaviour.REFUSE)
        run = world.processed(sample_csv(2))
        assert world.account.times_applied == {"r1": 1, "r2": 1}
        assert world.statuses(run.run_id) == [UNKNOWN, UNKNOWN]


class TestLate:
    """What the vendor shows late, or cannot show for a while."""

    @pytest.mark.parametrize("seconds", [0, 20, 55, 61, 90, 119, 180, 300, 599])
    def test_a_job_that_shows_itself_within_ten_minutes_is_not_made_twice(
        self, world: World, seconds: float
    ) -> None:
        def hide(submission: Submission) -> None:
            if submission.job_id == "job-1":
                world.account.jobs["job-1"].visible_from = submission.at + seconds

        world.account.during_submit = hide
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        run = world.processed(sample_csv(3))
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []

    def test_absence_takes_two_searches_minutes_apart(self, world: World) -> None:
        state = lost_chunk(world, Behaviour.NEVER_ARRIVED)
        lost_at = world.clock.now()
        for seconds in (0.0, 100.0, CERTAIN_AFTER - 1):
            world.clock.until(lost_at + seconds)
            state = world.submit(state)
            chunk = chunk_of(world, state)
            assert (chunk.state, chunk.unseen_at) == (ChunkState.CLAIMED, lost_at)
        soon = lost_at + CERTAIN_AFTER
        assert timestamp(soon) <= str(state.wait_until) <= timestamp(soon + USUAL.no_slot_wait)
        world.clock.until(lost_at + CERTAIN_AFTER)
        world.submit(state)
        chunk = chunk_of(world, state)
        assert (chunk.state, chunk.attempt) == (ChunkState.SUBMITTED, 2)
        assert (chunk.unseen_at, chunk.searched_at, chunk.readable_at) == (None, None, None)

    def test_the_second_search_waits_for_its_time_after_a_late_first_one(
        self, world: World
    ) -> None:
        state = lost_chunk(world, Behaviour.NEVER_ARRIVED)
        world.clock.advance(10 * CERTAIN_AFTER)
        first = world.clock.now()
        state = world.submit(state)
        assert chunk_of(world, state).state is ChunkState.CLAIMED
        world.clock.until(first + BETWEEN - 1)
        state = world.submit(state)
        assert chunk_of(world, state).state is ChunkState.CLAIMED
        world.clock.until(first + BETWEEN)
        world.submit(state)
        assert chunk_of(world, state).attempt == 2

    def test_it_is_not_searched_for_all_the_time(self, world: World) -> None:
        world.account.will_reply(Behaviour.NEVER_ARRIVED)
        world.processed(sample_csv(2))
        assert len(world.account.searches) <= 24

    @pytest.mark.parametrize(
        ("act", "hours"),
        some_in(product([Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED], [1.2, 6, 20]), 2),
    )
    def test_an_outage_leaves_nothing_unknown(
        self, world: World, act: Behaviour, hours: float
    ) -> None:
        unreadable = Found(FoundState.PENDING, reason="502", readable=False)
        world.account.will_reply(act)
        began_at = world.clock.now()

        def outage(_lost: LostSubmission) -> None:
            if world.clock.now() < began_at + hours * 3_600:
                world.account.will_find(unreadable)

        world.account.will_find(unreadable)
        world.account.during_find = outage
        run = world.processed(sample_csv(2))
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}

    def test_a_vendor_that_cannot_be_read_is_given_up_before_it_has_forgotten(
        self, world: World
    ) -> None:
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        world.account.will_find(*[Found(FoundState.PENDING, readable=False)] * 5_000)
        start = world.clock.now()
        run = world.processed(sample_csv(2))
        retention = world.vendor.capabilities.retention_seconds
        assert everything(world, run.run_id) == {(UNKNOWN, "submission_lost", 1)}
        assert 0.9 * retention <= world.clock.now() - start <= retention

    @pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, RecursionError])
    def test_an_answer_that_cannot_be_digested_is_none(
        self, world: World, error: type[Exception]
    ) -> None:
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        bad = iter([1, 2, 3])

        def raises(_lost: LostSubmission) -> None:
            if next(bad, None) is not None:
                raise error

        world.account.during_find = raises
        run = world.processed(sample_csv(2))
        assert run.status is RunStatus.COMPLETED
        assert world.account.times_applied == {"r1": 1, "r2": 1}


def test_nothing_is_concluded_before_it_is_known_which_job_is_whose() -> None:
    with World(max_records=2, max_jobs=3, token_search=False) as world:
        state = lost_chunk(world, Behaviour.APPLIED_NO_ANSWER)
        world.account.during_find = lambda lost: lost.jobs.known(["job-1"])
        with mock.patch.object(ClaimedJobs, "seen_ended", side_effect=JobsUnreadError):
            state = world.submit(state)
        world.account.during_find = None
        assert chunk_of(world, state).state is ChunkState.CLAIMED
        world.clock.advance(60)
        world.submit(state)
        assert chunk_of(world, state).job_id == "job-1"


def test_not_every_submission_of_a_long_outage_is_remembered(world: World) -> None:
    (chunk,) = world.store.chunks.get(lost_chunk(world, Behaviour.NEVER_ARRIVED).run_id, [1])
    for _ in range(20):
        chunk = replace(chunk, earlier=attempts_of(chunk))
    assert len(chunk.earlier) == EARLIER_KEPT


class TestSentAgain:
    """The first try is looked for once more before the rows of the second one are settled."""

    @staticmethod
    def late(world: World, *, rows: int = 2, lost: int = 1) -> Run:
        """A run whose first job shows itself when its rows have been sent again."""

        def hide(submission: Submission) -> None:
            if submission.job_id == "job-1":
                world.account.jobs["job-1"].visible_from = submission.at + 5_000
            elif submission.job_id is not None:
                world.account.jobs["job-1"].visible_from = submission.at

        world.account.during_submit = hide
        world.account.will_reply(
            Behaviour.APPLIED_NO_ANSWER, *[Behaviour.NEVER_ARRIVED] * (lost - 1)
        )
        return world.processed(sample_csv(rows))

    def test_rows_that_were_carried_out_twice_are_told(self, world: World) -> None:
        run = self.late(world)
        assert run.status is RunStatus.COMPLETED
        for outcome in world.outcomes(run.run_id).values():
            assert (outcome.status, outcome.error_code) == (SUCCEEDED, "carried_out_twice")
            assert (outcome.job_id, outcome.attempts) == ("job-2", 2)
            assert "job-1" in (outcome.error or "")
        assert "rows carried out twice" in world.warnings()
        assert {"CarriedOutTwice": 1} in world.metrics
        assert world.problems(run.run_id) == []

    def test_also_where_the_rows_went_again_in_halves(self, world: World) -> None:
        run = self.late(world, lost=2)
        outcomes = world.outcomes(run.run_id).values()
        assert {o.error_code for o in outcomes} == {"carried_out_twice"}
        assert {o.job_id for o in outcomes} == {"job-2", "job-3"}

    def test_rows_that_were_carried_out_once_are_not(self, world: World) -> None:
        world.account.will_reply(Behaviour.NEVER_ARRIVED, Behaviour.NEVER_ARRIVED)
        run = world.processed(sample_csv(2))
        assert {o.error_code for o in world.outcomes(run.run_id).values()} == {None}
        assert {"CarriedOutTwice": 1} not in world.metrics

    def test_a_failed_row_keeps_its_reason(self, world: World) -> None:
        failed = RecordResult(OutcomeStatus.FAILED, code="RecordInvalid", text="no")
        world.account.result_of = lambda _record: failed
        run = self.late(world)
        assert {o.error_code for o in world.outcomes(run.run_id).values()} == {"RecordInvalid"}


class TestCrashes:
    def test_nobody_is_asked_while_the_request_may_be_under_way(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        world.effects.on_effect = CrashOnce(1, Phase.AFTER, frozenset({"vendor.submit"}))
        with pytest.raises(Crash):
            world.submit(LaneState(run.run_id, 0))
        sending_at = world.clock.now()
        state = world.submit(LaneState(run.run_id, 0))
        assert (world.account.searches, len(world.account.submissions)) == ([], 1)
        assert state.wait_until == timestamp(sending_at + SEND_WINDOW)
        world.clock.until(sending_at + SEND_WINDOW)
        world.submit(state)
        assert chunk_of(world, state).state is ChunkState.SUBMITTED
        assert chunk_of(world, state).job_id == "job-1"

    @pytest.mark.parametrize("phase", Phase)
    def test_sent_or_not_the_vendor_knows(self, world: World, phase: Phase) -> None:
        request = world.drop(sample_csv(6))
        world.effects.on_effect = CrashOnce(2, phase, frozenset({"vendor.submit"}))
        run = world.execute(request)
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []


def test_what_was_never_sent_is_never_lost(list_world: World) -> None:
    run = list_world.planned(sample_csv(2))
    list_world.effects.on_effect = CrashOnce(1, Phase.AFTER, frozenset({"table.transact"}))
    with pytest.raises(Crash):
        list_world.submit(LaneState(run.run_id, 0))
    (chunk,) = list_world.store.chunks.in_flight(CONNECTION, run.run_id)
    assert lost_from(chunk) == float("inf")
