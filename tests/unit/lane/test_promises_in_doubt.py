"""Chunks that may have been applied before, and what else only a wrong line would break."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobferry.domain.chunk import (
    Chunk,
    ChunkOutcome,
    ChunkState,
    JobEnd,
    PlannedChunk,
    Pool,
    RetryChunk,
    Span,
)
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.row_verdict import when_stopped
from jobferry.domain.run import StopReason
from jobferry.lane.state import LaneState
from jobferry.scheduler.settings import USUAL
from jobferry.settlement.retry_chunks import Remainder, bundled
from jobferry.steps.settle_job import settle_job
from jobferry.store.chunks import Chunks
from virtual.effects import Phase
from virtual.vendor import UPSERT, Behaviour, Reply
from virtual.world import CONNECTION, World, sample_csv

UNKNOWN, FAILED, SKIPPED = OutcomeStatus.UNKNOWN, OutcomeStatus.FAILED, OutcomeStatus.SKIPPED
HALT = StopReason("aborted", "Stopped by hand.")


def doubtful(world: World) -> LaneState:
    """A chunk in the pool that may have been applied, by a request that nobody remembers."""
    world.put_profile({"operation": UPSERT})
    run = world.planned(sample_csv(2))
    chunks, now = world.store.chunks, world.clock.now()
    (chunk,) = chunks.claim(
        run,
        0,
        world.store.runs.planned_chunks(run.run_id, 1, 1),
        chunks.pool(run.run_id),
        now,
        max_jobs=3,
    ) or [None]
    assert chunk is not None
    sent = chunks.begin_sending(chunk, "token", "digest", now)
    assert sent is not None
    assert chunks.release(CONNECTION, sent, maybe_applied=True)
    return LaneState(run.run_id, 0)


@pytest.mark.parametrize("http_status", [None, 400, 413, 422])
def test_a_doubtful_chunk_that_is_refused_is_unknown_and_not_halved(
    world: World, http_status: int | None
) -> None:
    state = doubtful(world)
    world.account.will_reply(Reply(Behaviour.REFUSE, http_status=http_status))
    world.submit(state)
    (chunk,) = world.store.chunks.get(state.run_id, [1])
    assert (chunk.state, chunk.bisect) == (ChunkState.FINISHED, False)
    assert chunk.verdict is not None
    status, code, text = chunk.verdict
    assert (status, code) == (UNKNOWN, "refused")
    assert text.startswith("Sent before without a clear answer")


class TestStopped:
    CHUNK = Chunk("run", 1, 0, ChunkState.CLAIMED, (Span(0, 9, 1, 2),))

    def test_what_was_never_sent_is_skipped(self) -> None:
        assert when_stopped(self.CHUNK, HALT) == (SKIPPED, HALT.code, HALT.reason)

    def test_what_failed_before_is_failed(self) -> None:
        failed = replace(self.CHUNK, attempt=1, last=("DatabaseConflict", "Collision"))
        assert when_stopped(failed, HALT) == (FAILED, "DatabaseConflict", "Collision")

    def test_what_was_halved_and_never_sent_itself_is_skipped(self) -> None:
        half = replace(self.CHUNK, attempt=0, last=("refused", "One row is bad."))
        assert when_stopped(half, HALT) == (SKIPPED, HALT.code, HALT.reason)

    @pytest.mark.parametrize("last", [None, ("vendor_unavailable", "No answer.")])
    def test_what_may_have_been_done_is_unknown(self, last: tuple[str, str] | None) -> None:
        doubtful = replace(self.CHUNK, attempt=1, maybe_applied=True, last=last)
        status, code, text = when_stopped(doubtful, HALT)
        assert (status, code) == (UNKNOWN, HALT.code)
        assert HALT.reason in text


class TestLateIntent:
    """Others take a submission for lost some time after its intent."""

    @staticmethod
    def submitted(world: World, seconds: float) -> LaneState:
        run = world.planned(sample_csv(2))
        writes: list[str] = []

        def slow(kind: str, phase: Phase) -> None:
            (chunk,) = world.store.chunks.get(run.run_id, [1]) or [None]
            if chunk is not None and chunk.sending_at is not None and not writes:
                writes.append(kind)
                world.clock.pass_time(seconds)

        world.effects.on_effect = slow
        state = world.submit(LaneState(run.run_id, 0))
        assert writes
        world.effects.on_effect = lambda _kind, _phase: None
        return state

    def test_nothing_leaves_when_the_intent_took_too_long(self, list_world: World) -> None:
        state = self.submitted(list_world, USUAL.intent_seconds + 0.1)
        assert list_world.account.submissions == []
        (chunk,) = list_world.store.chunks.get(state.run_id, [1])
        assert (chunk.state, chunk.sending_at, chunk.attempt) == (ChunkState.CLAIMED, None, 0)
        list_world.submit(state)
        assert len(list_world.account.submissions) == 1

    def test_it_leaves_when_the_intent_was_written_in_time(self, list_world: World) -> None:
        self.submitted(list_world, USUAL.intent_seconds)
        assert len(list_world.account.submissions) == 1


def waiting(number: int, *, maybe_applied: bool) -> Remainder:
    span = Span(100 * number, 50, 10 * number, 1)
    chunk = Chunk("run", number, 0, ChunkState.FINISHED, (span._replace(length=500, rows=10),))
    return Remainder(
        ChunkOutcome(chunk, ()), [RetryChunk((span,), 1, maybe_applied, 0.0, ("code", "text"))]
    )


def test_doubtful_and_certain_rows_never_go_together() -> None:
    every = [waiting(number, maybe_applied=number % 2 == 0) for number in range(1, 9)]
    bundles = bundled(every, 100)
    assert sorted(len(bundle) for bundle in bundles) == [4, 4]
    assert all(len({one.part.maybe_applied for one in bundle}) == 1 for bundle in bundles)


@pytest.mark.parametrize(("code", "attempts"), [("vendor_unavailable", 2), ("refused", 1)])
def test_an_attempt_counts_for_halves_if_it_was_lost(
    world: World, code: str, attempts: int
) -> None:
    """What was refused as a whole was not done, and only one of its rows may be to blame."""
    state = doubtful(world)
    chunks, now = world.store.chunks, world.clock.now()
    run = world.run(state.run_id)
    (kept,) = chunks.get(run.run_id, [1])
    offered = [PlannedChunk(1, kept.spans)]
    (chunk,) = chunks.claim(run, 0, offered, chunks.pool(run.run_id), now + 1, max_jobs=3) or [None]
    assert chunk is not None
    sent = chunks.begin_sending(chunk, "token", "digest", now + 1)
    assert sent is not None
    assert sent.attempt == 2
    job_end = JobEnd(1, verdict=(UNKNOWN, code, "No."), bisect=True)
    assert chunks.finish(CONNECTION, [sent], [job_end], now + 2) == [1]
    settle_job(run.run_id, [1], world.task_deps())
    bisected_rows = [chunk for chunk in chunks.all(run.run_id) if chunk.number > 1]
    assert [(half.rows, half.attempt, half.maybe_applied) for half in bisected_rows] == [
        (1, attempts, True)
    ] * 2


def test_what_is_settled_while_closing_looks_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is read, the last job is settled by a lane, and then nothing is in flight."""
    state = world.submit(LaneState(world.planned(sample_csv(2)).run_id, 0))
    world.clock.advance(25)
    state = world.poll(state)
    in_flight = Chunks.in_flight

    def settled_first(chunks: Chunks, connection: str, run_id: str) -> list[Chunk]:
        monkeypatch.setattr(Chunks, "in_flight", in_flight)
        world.settle(state)
        return in_flight(chunks, connection, run_id)

    monkeypatch.setattr(Chunks, "in_flight", settled_first)
    assert world.close(state.run_id)["state"] == "closed"
    assert world.problems(state.run_id) == []


def test_a_pool_read_before_is_no_offer_any_more(world: World) -> None:
    """A claim by an old pool takes nothing that is claimed, given back and claimed again."""
    run = world.planned(sample_csv(4))
    chunks, now = world.store.chunks, world.clock.now()
    planned = world.store.runs.planned_chunks(run.run_id, 1, 1)
    fresh = chunks.pool(run.run_id)
    (first,) = chunks.claim(run, 0, planned, fresh, now, max_jobs=3) or ()
    assert chunks.claim(run, 1, planned, fresh, now + 1, max_jobs=3) is None
    assert chunks.release(CONNECTION, first)
    released = chunks.pool(run.run_id)
    assert released.released == {1}
    assert chunks.claim(run, 1, planned, released, now + 2, max_jobs=3) is not None
    for old in (fresh, released, Pool(released.cursor, released.end, frozenset())):
        assert chunks.claim(run, 0, planned, old, now + 3, max_jobs=3) is None
    assert world.store.limits.get(CONNECTION).in_flight == 1
