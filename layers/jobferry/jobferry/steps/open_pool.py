"""Which chunks of its run's pool a lane may claim now: all, or those that the ramp lets pass."""

from __future__ import annotations

from dataclasses import replace

from jobferry import ramp
from jobferry.breaker import tripped_by
from jobferry.ledger.chunks import Pool
from jobferry.model import ChunkState
from jobferry.steps.lane_work import LaneWork
from jobferry.steps.trip_breaker import BREAKER, failed_with, pause_run

EXAMPLE_CHARACTERS = 160
"""Of the vendor's words in the reason for a pause: what to do next must find room, too."""

EXAMPLE_ROWS = 2_000
"""Rows among which an example is looked for."""


def open_pool(work: LaneWork) -> Pool:
    """The pool as far as this lane may claim from it now; `work.left` is what is left in all.

    Pauses the run where the ramp finds that it must not go on.
    """
    pool = _read(work)
    if not work.ramping:
        return pool
    if not work.sends_in_ramp:
        return Pool(pool.cursor, pool.cursor, frozenset())
    judged = False
    if ramp.is_step(pool.cursor) and _may_be_settled(work, pool):
        # Rows that go again are in the pool before their chunk is no longer in flight.
        pool = _read(work)
        judged = _all_settled(pool) and _passes(work)
    until = ramp.sent_until(pool.cursor, judged=judged)
    if until is None:
        work.ramping = False
        return pool
    return replace(pool, end=min(pool.end, until))


def _read(work: LaneWork) -> Pool:
    pool = work.deps.ledger.chunks.pool(work.run.run_id)
    work.left = pool.left
    return pool


def _all_settled(pool: Pool) -> bool:
    """Whether nothing of what was sent goes again."""
    return not pool.returned and not pool.again


def _may_be_settled(work: LaneWork, pool: Pool) -> bool:
    """Whether nothing of the run is in flight any more, whoever has it."""
    if not _all_settled(pool) or work.in_state(ChunkState.CLAIMED, ChunkState.SUBMITTED):
        return False
    run = work.run
    return not work.deps.ledger.chunks.in_flight(run.connection, run.run_id)


def _passes(work: LaneWork) -> bool:
    """Judge the run by its first rows: whether more of them may be sent."""
    runs, breaker = work.deps.ledger.runs, work.context.profile.breaker
    run = work.run = runs.must_get(work.run.run_id)
    if run.pause is None and breaker is not None:
        judge = ramp.breaker_for(breaker)
        trip = tripped_by(judge, run.fresh_failures, run.fresh_carried)
        if trip is not None:
            rows = work.deps.ledger.rows.between(run.run_id, 1, min(run.rows, EXAMPLE_ROWS))
            reason = (
                f"{trip.failed:,} of the first {trip.carried:,} rows failed, which is more than "
                f"{judge.share:.0%}: {failed_with(trip, rows)[:EXAMPLE_CHARACTERS]}. "
                f"Of the file's {run.rows:,} rows no others were sent: `jobferry resume` sends "
                "them all the same, `jobferry abort` ends the run."
            )
            pause_run(run.run_id, BREAKER, reason, work.deps, error=trip.code, failed=trip.failed)
            run = work.run = runs.must_get(run.run_id)
    if run.paused:
        work.left = 0
    return not run.paused
