"""A poll settles the jobs that it sees ended in the move that notes their end, where nothing of
them needs another look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from unittest import mock

import pytest

from jobferry.binding.run_binding import RunContext
from jobferry.domain.chunk import ChunkState, JobEnd
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import StopReason
from jobferry.domain.trouble import SOURCE_UNREADABLE
from jobferry.domain.types import JsonObject
from jobferry.lane.state import LaneState
from jobferry.store.chunks import Chunks
from jobferry.store.objects import SourceError
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


def submitted(world: World, rows: int = 6) -> LaneState:
    """A lane whose jobs have ended, and that has not polled them yet."""
    state = world.submit(LaneState(world.planned(sample_csv(rows)).run_id, 0))
    world.clock.advance(25)
    return state


def states(world: World, state: LaneState) -> list[ChunkState]:
    return [chunk.state for chunk in world.store.chunks.all(state.run_id)]


def test_every_row_is_counted_and_its_slot_is_free(world: World) -> None:
    state = submitted(world)
    after = world.poll(state)
    assert after.settle == ()
    assert states(world, state) == [ChunkState.SETTLED] * 3
    assert world.run(state.run_id).outcomes[SUCCEEDED] == 6
    assert world.run(state.run_id).jobs_settled == 3
    assert [o.status for o in world.outcomes(state.run_id).values()] == [SUCCEEDED] * 6
    assert world.store.limits.get(CONNECTION).in_flight == 0
    assert list(world.store.chunks.claims(CONNECTION)) == []


def test_what_the_vendor_said_is_kept_first(world: World) -> None:
    state = submitted(world)
    world.poll(state)
    kept = {c.evidence for c in world.store.chunks.all(state.run_id)}
    assert kept == set(world.objects.keys("evidence/"))


def test_failed_rows_are_in_the_index(world: World) -> None:
    world.account.result_of = lambda record: (
        (
            RecordResult(FAILED, code="RecordInvalid", text="Taken")
            if record["ref"] == "r2"
            else None
        )
        or RecordResult(SUCCEEDED, vendor_id="id")
    )
    state = submitted(world)
    world.poll(state)
    assert [o.row for o in world.store.rows.for_a_person(state.run_id, 6)] == [2]


def in_conflict(_record: JsonObject) -> RecordResult:
    return RecordResult(FAILED, code="DatabaseConflict", text="Collision")


def unsaid(_record: JsonObject) -> None:
    return None


@pytest.mark.parametrize(
    ("result", "becomes"),
    [(in_conflict, ChunkState.SPLIT), (unsaid, ChunkState.SETTLED)],
    ids=["goes again", "unknown"],
)
def test_rows_that_need_another_look_take_two_moves_in_the_same_poll(
    world: World, result: Callable[[JsonObject], RecordResult | None], becomes: ChunkState
) -> None:
    world.account.result_of = result
    state = submitted(world)
    with mock.patch.object(Chunks, "finish", autospec=True, side_effect=Chunks.finish) as finish:
        assert world.poll(state).settle == ()
    assert [end.number for end in finish.call_args_list[0].args[3]] == [1, 2, 3]
    assert states(world, state)[:3] == [becomes] * 3


def test_what_cannot_be_settled_yet_is_left_to_settle_jobs(world: World) -> None:
    """The rows go again, and the file cannot be read."""
    world.account.result_of = in_conflict
    state = submitted(world)
    with mock.patch.object(RunContext, "cut", side_effect=SourceError(SOURCE_UNREADABLE)):
        after = world.poll(state)
    assert after.settle == ((1, 2, 3),)
    assert states(world, state)[:3] == [ChunkState.FINISHED] * 3


def test_one_bad_chunk_costs_the_others_nothing(world: World) -> None:
    world.account.result_of = lambda record: (
        in_conflict(record) if record["ref"] == "r1" else RecordResult(SUCCEEDED, vendor_id="id")
    )
    state = submitted(world)
    after = world.poll(state)
    assert after.settle == ()
    assert Counter(states(world, state)[:3]) == {ChunkState.SETTLED: 2, ChunkState.SPLIT: 1}
    assert world.store.limits.get(CONNECTION).in_flight == 0


def test_jobs_of_a_run_that_is_stopped(world: World) -> None:
    state = submitted(world)
    world.store.runs.stop(state.run_id, StopReason("aborted", "Stopped by hand."))
    assert world.poll(state).settle == ()
    assert states(world, state) == [ChunkState.SETTLED] * 3
    assert world.run(state.run_id).outcomes[SUCCEEDED] == 6


@pytest.mark.parametrize("most", [0, 1, 2, 3, 4])
def test_no_more_rows_than_a_poll_may_settle(world: World, most: int) -> None:
    world.schedule_with(rows_settled_at_once=most)
    state = submitted(world, rows=4)
    world.poll(state)
    assert states(world, state).count(ChunkState.SETTLED) == most // 2


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("number", range(1, 5))
def test_a_crash_anywhere_is_mended_by_doing_it_again(
    world: World, number: int, phase: Phase
) -> None:
    state = submitted(world)
    world.effects.on_effect = CrashOnce(number, phase)
    with pytest.raises(Crash):
        world.poll(state)
    after = world.poll(state)
    if after.settle:
        world.settle(after)
    run = world.run(state.run_id)
    assert (run.settled_rows, run.jobs_settled, len(world.outcomes(state.run_id))) == (6, 3, 6)
    assert world.store.limits.get(CONNECTION).in_flight == 0


def test_one_that_another_has_finished_meanwhile_is_left_to_be_settled(world: World) -> None:
    state = submitted(world)
    (first, *_) = world.store.chunks.all(state.run_id)

    def meanwhile(kind: str, phase: Phase) -> None:
        if kind == "table.transact" and phase is Phase.BEFORE:
            world.effects.on_effect = lambda _kind, _phase: None
            end = JobEnd(first.number, evidence="another")
            assert world.store.chunks.finish(CONNECTION, [first], [end], world.clock.now()) == [1]

    world.effects.on_effect = meanwhile
    after = world.poll(state)
    assert after.settle == ((1,),)
    assert states(world, state) == [ChunkState.FINISHED, *[ChunkState.SETTLED] * 2]
    assert world.store.limits.get(CONNECTION).in_flight == 0


def test_a_breaker_sees_what_was_settled_here(world: World) -> None:
    world.put_profile({"breaker": {"share": 0.1, "at_least": 2}})
    world.account.result_of = lambda _: RecordResult(FAILED, code="RecordInvalid", text="Taken")
    state = submitted(world, rows=20)
    world.poll(state)
    run = world.run(state.run_id)
    assert run.pause is not None
    assert run.outcomes[FAILED] < 20
