"""Which chunks of its run's pool a lane may claim now: all, or what ramp and order let pass."""

from __future__ import annotations

from dataclasses import replace

from jobferry.domain.chunk import ChunkState, Pool
from jobferry.lane.session import LaneSession
from jobferry.scheduler import ramp
from jobferry.settlement.circuit_breaker import tripped_by
from jobferry.settlement.pause_run import BREAKER, failed_with, pause_run

EXAMPLE_CHARACTERS = 160
"""Of the vendor's words in the reason for a pause: what to do next must find room, too."""

EXAMPLE_ROWS = 2_000
"""Rows among which an example is looked for."""


def open_pool(work: LaneSession) -> Pool:
    """The pool as far as this lane may claim from it now; `work.left` is what is left in all.

    Pauses the run where the ramp finds that it must not go on.
    """
    pool = _read(work)
    in_order = work.context.profile.in_order
    if work.ramping and not work.sends_in_ramp:
        return _nothing_of(pool)
    step = work.ramping and ramp.is_step(pool.cursor)
    if not in_order and not step:
        return _ramped(work, pool, judged=False)
    if not _all_settled(work):
        return _nothing_of(pool) if in_order else _ramped(work, pool, judged=False)
    # Rows that go again are in the pool before their chunk is no longer in flight.
    pool = _read(work)
    waits = bool(pool.released or pool.again)
    if waits and in_order:
        return _first_of(work, pool)
    pool = _ramped(work, pool, judged=step and not waits and _passes(work))
    return replace(pool, end=min(pool.end, pool.cursor + 1)) if in_order else pool


def _ramped(work: LaneSession, pool: Pool, *, judged: bool) -> Pool:
    """The pool as far as the ramp opens it."""
    until = ramp.sent_until(pool.cursor, judged=judged) if work.ramping else None
    if until is None:
        work.ramping = False
        return pool
    return replace(pool, end=min(pool.end, until))


def _nothing_of(pool: Pool) -> Pool:
    return Pool(pool.cursor, pool.cursor, frozenset(), made=pool.made)


def _first_of(work: LaneSession, pool: Pool) -> Pool:
    """Of the chunks that go again, the one whose rows come first in the file: all others wait.

    Halves of halves are numbered in another order than their rows.
    """
    waiting = work.deps.store.chunks.get(work.run.run_id, sorted(pool.released | pool.again))
    first = {min(waiting, key=lambda chunk: chunk.spans[0].first_row).number}
    return replace(pool, end=pool.cursor, released=pool.released & first, again=pool.again & first)


def _read(work: LaneSession) -> Pool:
    pool = work.deps.store.chunks.pool(work.run.run_id)
    work.left = pool.left
    return pool


def _all_settled(work: LaneSession) -> bool:
    """Whether nothing of the run is in flight any more, whoever has it."""
    if work.in_state(ChunkState.CLAIMED, ChunkState.SUBMITTED):
        return False
    run = work.run
    return not work.deps.store.chunks.in_flight(run.connection, run.run_id)


def _passes(work: LaneSession) -> bool:
    """Judge the run by its first rows: whether more of them may be sent."""
    runs, breaker = work.deps.store.runs, work.context.profile.breaker
    run = work.run = runs.must_get(work.run.run_id)
    if run.pause is None and breaker is not None:
        judge = ramp.breaker_for(breaker)
        trip = tripped_by(judge, run.fresh_failures, run.fresh_processed)
        if trip is not None:
            rows = work.deps.store.rows.between(run.run_id, 1, min(run.rows, EXAMPLE_ROWS))
            reason = (
                f"{trip.failed:,} of the first {trip.processed:,} rows failed, which is more than "
                f"{judge.share:.0%}: {failed_with(trip, rows)[:EXAMPLE_CHARACTERS]}. "
                f"Of the file's {run.rows:,} rows no others were sent: `jobferry resume` sends "
                "them all the same, `jobferry abort` ends the run."
            )
            pause_run(run.run_id, BREAKER, reason, work.deps, error=trip.code, failed=trip.failed)
            run = work.run = runs.must_get(run.run_id)
    if run.paused:
        work.left = 0
    return not run.paused
