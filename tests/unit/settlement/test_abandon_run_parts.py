"""Writing off, one invocation at a time: what is decided, and by which reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, JobEnd, Pool, RetryChunk
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.row_verdict import ABORTED_BY_FORCE, CONNECTION_GONE
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.settlement import abandon_run as module
from jobferry.settlement.abandon_run import abandon_run, give_up_plan, why_abandoned
from jobferry.steps.open_run import open_run
from jobferry.store.chunks import Chunks
from jobferry.store.table import BusyTableError
from virtual.world import CONNECTION, World, sample_csv

SKIPPED, UNKNOWN, FAILED = OutcomeStatus.SKIPPED, OutcomeStatus.UNKNOWN, OutcomeStatus.FAILED
HALT = StopReason("ops", "Now.")


def claim(world: World, run: Run, count: int) -> list[Chunk]:
    pool, now = world.store.chunks.pool(run.run_id), world.clock.now()
    planned = world.store.runs.planned_chunks(run.run_id, pool.cursor, count)
    claimed = world.store.chunks.claim(run, 0, planned, pool, now, max_jobs=99)
    assert claimed is not None
    return claimed


def kept(world: World, chunk: Chunk) -> Chunk:
    (found,) = world.store.chunks.get(chunk.run_id, [chunk.number])
    return found


def written(world: World, run: Run, seconds: float = 60.0) -> bool:
    run = world.run(run.run_id)
    return abandon_run(run, "It is gone.", world.deps, world.clock.now() + seconds)


def said(world: World, run: Run) -> list[tuple[OutcomeStatus, str | None]]:
    return [(o.status, o.error_code) for _, o in sorted(world.outcomes(run.run_id).items())]


@pytest.mark.parametrize(
    ("stop", "forced", "reason"),
    [
        (HALT, True, "Now."),
        (None, True, "The run was ended by force."),
        (HALT, False, None),
    ],
)
def test_why_it_is_written_off(
    world: World, *, stop: StopReason | None, forced: bool, reason: str | None
) -> None:
    run = replace(world.planned(sample_csv(2)), stop=stop, forced=forced)
    assert why_abandoned(run, world.deps) == reason


@pytest.mark.parametrize(
    ("forced", "done", "failed", "given_up"),
    [
        (True, False, False, True),
        (False, False, False, False),
        (True, True, False, False),
        (True, False, True, False),
    ],
)
def test_a_plan_that_is_given_up(
    world: World, *, forced: bool, done: bool, failed: bool, given_up: bool
) -> None:
    opened = open_run(world.drop("Name,Ref\nx,r1\n,\n"), "arn:1", world.deps)
    if done:
        world.plan(opened["run_id"])
    run = replace(world.run(opened["run_id"]), forced=forced, stop=HALT)
    if failed:
        run = replace(run, status=RunStatus.FAILED)
    plan = replace(run.plan, row=2, done=done)
    run = replace(run, plan=plan)
    with (
        mock.patch.object(type(world.store.rows), "purge") as purge,
        mock.patch.object(type(world.store.runs), "fail") as fail,
    ):
        give_up_plan(run, world.deps)
    assert (purge.call_count, fail.call_count) == (int(given_up), int(given_up))
    if given_up:
        purge.assert_called_once_with(run.run_id, 2)
        fail.assert_called_once_with(run.run_id, "Ended by force before it was planned. Now.")


@pytest.mark.parametrize(("forced", "code"), [(False, CONNECTION_GONE), (True, ABORTED_BY_FORCE)])
def test_what_was_sent_is_unknown_and_the_rest_skipped(
    world: World, *, forced: bool, code: str
) -> None:
    run = world.planned(sample_csv(8))
    _, lost, job = claim(world, run, 3)
    now, chunks = world.clock.now(), world.store.chunks
    assert chunks.begin_sending(lost, "t2", "d", now)
    sent = chunks.begin_sending(job, "t3", "d", now)
    assert sent is not None
    assert chunks.note_submitted(CONNECTION, sent, "job-3", now)
    if forced:
        world.store.runs.force(run.run_id, HALT)
    assert written(world, run)
    skipped = (SKIPPED, "ops" if forced else CONNECTION_GONE)
    assert said(world, run) == [skipped] * 2 + [(UNKNOWN, code)] * 4 + [skipped] * 2
    text = world.outcomes(run.run_id)[3].error or ""
    assert ("by force" in text, "deleted" in text) == (forced, not forced)
    assert world.store.limits.get(CONNECTION).in_flight == 0
    assert sum(world.run(run.run_id).outcomes.values()) == 8


def test_chunks_that_were_given_back_or_go_again_are_skipped_too(world: World) -> None:
    run = world.planned(sample_csv(8))
    back, again = claim(world, run, 2)
    chunks, now = world.store.chunks, world.clock.now()
    chunks.release(CONNECTION, back)
    chunks.finish(CONNECTION, [again], [JobEnd(2, verdict=(FAILED, "a", "A."))], now)
    part = RetryChunk(again.spans, 0, False, now + 9_999.0, ("a", "A."))
    pool = chunks.pool(run.run_id)
    assert chunks.split(run, [ChunkOutcome(kept(world, again), ())], [part], pool, now)
    with mock.patch.object(module, "CLAIM_BATCH", 3):
        assert written(world, run)
    assert said(world, run) == [(SKIPPED, CONNECTION_GONE)] * 8


def test_no_more_are_claimed_at_once_than_fit(world: World) -> None:
    run = world.planned(sample_csv(12))
    (back,) = claim(world, run, 1)
    world.store.chunks.release(CONNECTION, back)
    original, claims = Chunks.claim, []

    def note(chunks: Chunks, *args: Any, **options: Any) -> Any:
        claims.append([c.number for c in args[2]])
        return original(chunks, *args, **options)

    with (
        mock.patch.object(module, "CLAIM_BATCH", 3),
        mock.patch.object(Chunks, "claim", note),
    ):
        assert written(world, run)
    assert claims == [[1, 2, 3], [4, 5, 6]]


def test_a_trial_offers_no_chunk_beyond_the_pool(world: World) -> None:
    run = world.planned(sample_csv(12))
    offered = module._offered(run, Pool(2, 4, frozenset()), world.deps)
    assert [c.number for c in offered] == [2, 3]


def test_what_a_trial_has_kept_back_is_skipped(world: World) -> None:
    request = world.drop(sample_csv(12), options={"jobferry-trial": "2"})
    opened = open_run(request, "arn:1", world.deps)
    world.plan(opened["run_id"])
    run = world.run(opened["run_id"])
    assert world.store.chunks.pool(run.run_id).left < 6
    assert written(world, run)
    assert said(world, run) == [(SKIPPED, CONNECTION_GONE)] * 12


def test_a_pool_that_nobody_had_opened_is_opened(world: World) -> None:
    run = world.planned(sample_csv(4))
    world.store.chunks._table.delete_many([(f"RUN#{run.run_id}", "POOL")])
    assert written(world, run)
    assert said(world, run) == [(SKIPPED, CONNECTION_GONE)] * 4


def test_a_claim_that_another_makes_is_made_again(world: World) -> None:
    run = world.planned(sample_csv(4))
    original, refused = Chunks.claim, iter([None])

    def contended(*args: Any, **options: Any) -> Any:
        return next(refused, 1) and original(*args, **options)

    with mock.patch.object(Chunks, "claim", contended):
        assert written(world, run)
    assert said(world, run) == [(SKIPPED, CONNECTION_GONE)] * 4


class TestForced:
    def finished(self, world: World) -> tuple[Run, Chunk]:
        run = world.planned(sample_csv(2))
        (chunk,) = claim(world, run, 1)
        now, chunks = world.clock.now(), world.store.chunks
        sent = chunks.begin_sending(chunk, "t", "d", now)
        assert sent is not None
        assert chunks.note_submitted(CONNECTION, sent, "job-1", now)
        job = kept(world, chunk)
        chunks.finish(CONNECTION, [job], [JobEnd(1, evidence="nowhere")], now)
        world.store.runs.force(run.run_id, HALT)
        return run, chunk

    def test_results_that_were_read_decide(self, world: World) -> None:
        run, chunk = self.finished(world)
        assert written(world, run)
        assert said(world, run) == [(UNKNOWN, "evidence_missing")] * 2
        assert kept(world, chunk).state is ChunkState.SETTLED

    def test_without_force_they_are_unknown(self, world: World) -> None:
        run, _ = self.finished(world)
        run = replace(world.run(run.run_id), forced=False)
        with (
            mock.patch.object(type(world.store.runs), "must_get", return_value=run),
            mock.patch.object(module, "settle_chunks") as settle,
        ):
            assert abandon_run(run, "Gone.", world.deps, world.clock.now() + 60.0)
        settle.assert_not_called()
        assert said(world, run) == [(UNKNOWN, CONNECTION_GONE)] * 2

    def test_what_cannot_be_settled_ends_all_the_same(self, world: World) -> None:
        run, chunk = self.finished(world)
        with mock.patch.object(module, "settle_chunks", side_effect=RuntimeError):
            assert written(world, run)
        assert said(world, run) == [(UNKNOWN, ABORTED_BY_FORCE)] * 2
        assert kept(world, chunk).state is ChunkState.SETTLED

    def test_a_busy_table_is_no_reason_to_end_without_results(self, world: World) -> None:
        run, _ = self.finished(world)
        with (
            mock.patch.object(module, "settle_chunks", side_effect=BusyTableError("busy")),
            pytest.raises(BusyTableError),
        ):
            written(world, run)
        assert said(world, run) == []

    def test_rows_that_another_settles_meanwhile_stay(self, world: World) -> None:
        run, _ = self.finished(world)
        rows = type(world.store.rows)
        with (
            mock.patch.object(module, "settle_chunks", side_effect=RuntimeError),
            mock.patch.object(rows, "put_copies_unless_settled", return_value=False),
            mock.patch.object(Chunks, "settle") as settle,
        ):
            module._settle(
                world.run(run.run_id),
                world.store.chunks.in_flight(CONNECTION, run.run_id),
                world.deps,
            )
        assert settle.call_args.args[1] == []

    def test_what_a_run_without_a_reason_leaves_is_unknown(self, world: World) -> None:
        run = replace(world.planned(sample_csv(2)), stop=None, forced=True)
        (chunk,) = claim(world, run, 1)
        module._settle(run, [chunk], world.deps)
        assert said(world, run) == [(UNKNOWN, ABORTED_BY_FORCE)] * 2
