"""Steps where something outside is wrong: slots miscounted, answers unusable, a file that is gone.

Each was found by changing the line: no other test noticed.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from jobferry.binding.run_binding import load_context
from jobferry.domain.chunk import Attempt, Chunk, ChunkState, Span
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import StopReason
from jobferry.lane.recovery import LateJob, search_earlier
from jobferry.lane.state import LaneState
from jobferry.steps.settle_job import settle_job
from jobferry.store import keys
from jobferry.store.objects import SourceError
from jobferry.store.operations import Update
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.lost_submission import NO_JOBS
from virtual.world import CONNECTION, World, sample_csv

UNKNOWN, FAILED, SUCCEEDED = OutcomeStatus.UNKNOWN, OutcomeStatus.FAILED, OutcomeStatus.SUCCEEDED

pytestmark = pytest.mark.usefixtures("settled_later")


def slots(world: World) -> int:
    return world.store.limits.get(CONNECTION).in_flight


class TestRecount:
    @pytest.fixture
    def under_way(self, world: World) -> LaneState:
        return world.submit(LaneState(world.planned(sample_csv(4)).run_id, 0))

    @staticmethod
    def miscounted(world: World, slots: int) -> None:
        edited = Update(keys.connection(CONNECTION), keys.LIMITS, assign={"in_flight": slots})
        world.table.write(edited)

    @pytest.mark.parametrize("wrong", [0, 1, 3, 30])
    def test_two_counts_alike_set_the_slots_right(
        self, world: World, under_way: LaneState, wrong: int
    ) -> None:
        held = slots(world)
        assert held == 2
        self.miscounted(world, wrong)
        world.sweep()
        assert slots(world) == wrong
        world.sweep()
        assert slots(world) == held
        assert "slots recounted" in world.warnings()
        assert world.store.limits.miscount(CONNECTION) is None

    def test_what_has_passed_is_forgotten(self, world: World, under_way: LaneState) -> None:
        held = slots(world)
        self.miscounted(world, 9)
        world.sweep()
        self.miscounted(world, held)
        world.sweep()
        self.miscounted(world, 9)
        world.sweep()
        assert slots(world) == 9

    def test_another_difference_is_counted_anew(self, world: World, under_way: LaneState) -> None:
        for wrong in (9, 8, 7):
            self.miscounted(world, wrong)
            world.sweep()
            assert slots(world) == wrong

    def test_right_slots_stay(self, world: World, under_way: LaneState) -> None:
        for _ in range(3):
            world.sweep()
        assert slots(world) == 2
        assert "slots recounted" not in world.warnings()


def ended(world: World, result: RecordResult | None) -> LaneState:
    world.account.result_of = lambda _record: result
    state = world.submit(LaneState(world.planned(sample_csv(2)).run_id, 0))
    world.clock.advance(25)
    return world.poll(state)


@pytest.mark.parametrize("results", ["abc", None, 7, [["odd"]] * 2])
def test_an_answer_that_fits_no_rows_makes_them_unknown(world: World, results: object) -> None:
    state = ended(world, RecordResult(SUCCEEDED))
    (key,) = world.objects.keys("evidence/")
    kept = json.loads(world.objects.get(key))
    for job in kept["jobs"].values():
        job["results"] = results
    world.objects.put_json(key, kept)
    settle_job(state.run_id, [1], world.task_deps())
    outcomes = world.outcomes(state.run_id)
    assert [(o.status, o.error_code) for o in outcomes.values()] == [
        (UNKNOWN, "answer_unusable")
    ] * 2
    assert world.run(state.run_id).outcomes[UNKNOWN] == 2


@pytest.mark.parametrize(
    ("code", "status"), [("DatabaseConflict", FAILED), ("InternalServerError", UNKNOWN)]
)
def test_rows_that_cannot_be_read_again_have_had_their_last_attempt(
    world: World, code: str, status: OutcomeStatus
) -> None:
    state = ended(world, RecordResult(FAILED, code=code, text="Try again."))
    run = world.run(state.run_id)
    world.objects.lose(run.source)
    # Only rows that would be sent again need the file; it is waited for a while.
    for _ in range(2 if status is FAILED else 0):
        with pytest.raises(SourceError):
            settle_job(run.run_id, [1], world.task_deps())
        world.clock.advance(31.0)
    settle_job(run.run_id, [1], world.task_deps())
    assert [(o.status, o.error_code) for o in world.outcomes(run.run_id).values()] == [
        (status, code)
    ] * 2
    (chunk,) = world.store.chunks.all(run.run_id)
    assert chunk.state is ChunkState.SETTLED
    assert world.run(run.run_id).outcomes[status] == 2


class TestSearchEarlier:
    EARLIER = (
        Attempt("first", 1_000.0, 1_050.0, (Span(9, 9, 1, 1),)),
        Attempt("second", 2_000.0, 2_050.0, (Span(9, 18, 1, 2),)),
    )

    def searched(self, world: World, *answers: Found) -> tuple[Chunk, LateJob]:
        state = world.submit(LaneState(world.planned(sample_csv(2)).run_id, 0))
        (kept,) = world.store.chunks.get(state.run_id, [1])
        whole = kept.spans
        first = (whole[0]._replace(length=whole[0].length // 2, rows=1),)
        chunk = replace(
            kept,
            earlier=(
                self.EARLIER[0]._replace(spans=first),
                self.EARLIER[1]._replace(spans=whole),
            ),
        )
        world.account.will_find(*answers)
        context = load_context(world.run(state.run_id), world.deps)
        linked = world.deps.connections.link(CONNECTION)
        return chunk, search_earlier(chunk, context, linked, world.deps, lambda _chunk: NO_JOBS)

    def test_each_is_looked_for_as_it_was_sent(self, world: World) -> None:
        absent = Found(FoundState.ABSENT, requests=1)
        _, late = self.searched(world, absent, absent)
        assert late == LateJob(None, 2)
        lost = [asked for _, asked in world.account.searches]
        assert [(a.token, a.sent_at, a.lost_at, len(a.records)) for a in lost] == [
            ("first", 1_000.0, 1_050.0, 1),
            ("second", 2_000.0, 2_050.0, 2),
        ]

    def test_the_first_that_shows_itself_is_told(self, world: World) -> None:
        _, late = self.searched(world, Found(FoundState.FOUND, "job-9", requests=1))
        assert late == LateJob("job-9", 1)
        assert len(world.account.searches) == 1

    def test_its_own_job_is_no_late_one(self, world: World) -> None:
        own = Found(FoundState.FOUND, "job-1", requests=1)
        chunk, late = self.searched(world, own, own)
        assert chunk.job_id == "job-1"
        assert late == LateJob(None, 2)


class TestWrittenOff:
    """The connection is gone: what was sent nobody can ask about, what was not is skipped."""

    @pytest.mark.parametrize("stopped", [False, True])
    @pytest.mark.parametrize("sent", ["not", "without a job", "with a job"])
    def test_what_becomes_of_a_chunk(self, world: World, sent: str, stopped: bool) -> None:
        run = world.planned(sample_csv(2))
        chunks, now = world.store.chunks, world.clock.now()
        planned = world.store.runs.planned_chunks(run.run_id, 1, 1)
        (chunk,) = chunks.claim(run, 0, planned, chunks.pool(run.run_id), now, max_jobs=3) or [None]
        assert chunk is not None
        if sent != "not":
            chunk = chunks.begin_sending(chunk, "token", "digest", now)
            assert chunk is not None
        if sent == "with a job":
            assert chunks.note_submitted(CONNECTION, chunk, "job-1", now)
        if stopped:
            world.store.runs.stop(run.run_id, StopReason("aborted", "Stopped by hand."))
        world.store.config.delete_connection(CONNECTION)
        world.deps = world.fresh_deps()
        assert world.close(run.run_id)["state"] == "closed"
        wanted = (OutcomeStatus.SKIPPED if sent == "not" else UNKNOWN,)
        assert {(o.status,) for o in world.outcomes(run.run_id).values()} == {wanted}
        assert world.problems(run.run_id) == []
