"""Which chunks of its run's pool a lane may claim now: all, or what ramp and order let pass."""

from __future__ import annotations

from dataclasses import replace

from jobferry.domain.chunk import PlannedChunk, Pool
from jobferry.lane.session import LaneSession
from jobferry.scheduler import ramp
from jobferry.scheduler.snapshot import NEVER, Offer
from jobferry.settlement.circuit_breaker import tripped_by
from jobferry.settlement.pause_run import BREAKER, failed_with, pause_run

EXAMPLE_CHARACTERS = 160
"""Of the vendor's words in the reason for a pause: what to do next must find room, too."""

EXAMPLE_ROWS = 2_000
"""Rows among which an example is looked for."""


def read_offer(session: LaneSession) -> Pool:
    """Read what the lane may claim now; `session.pace.offer` says how much that is.

    Pauses the run where the ramp finds that it must not go on.
    """
    pool = open_pool(session)
    due = len(_due(session, pool))
    now = session.deps.now()
    waiting = (session.retry_from.get(n, now) for n in pool.again)
    session.pace.offer = Offer(
        claimable=pool.left - len(pool.again) + due,
        more_at=min((at for at in waiting if at > now), default=NEVER),
        held=pool.left - len(pool.again) + due == 0 and pool.left < session.left,
    )
    session.pace.pool = pool
    return pool


def offered(session: LaneSession, pool: Pool, count: int) -> list[PlannedChunk]:
    """The next `count` chunks of the pool: retried rows first, so that few of them ever wait."""
    runs, chunks = session.deps.store.runs, session.deps.store.chunks
    run_id = session.run.run_id
    known = (sorted(pool.released) + _due(session, pool))[:count]
    found = [PlannedChunk(c.number, c.spans) for c in chunks.get(run_id, known)]
    fresh = min(count - len(found), pool.end - pool.cursor)
    if fresh > 0:
        found += runs.planned_chunks(run_id, pool.cursor, fresh)
    return found


def open_pool(session: LaneSession) -> Pool:
    """The pool as far as this lane may claim from it now; `session.left` is what is left in all."""
    pool = _read(session)
    in_order = session.context.profile.in_order
    if session.ramping and session.state.lane > 0:
        return _nothing_of(pool)
    step = session.ramping and ramp.is_step(pool.cursor)
    if not in_order and not step:
        return _ramped(session, pool, judged=False)
    if not _all_settled(session):
        return _nothing_of(pool) if in_order else _ramped(session, pool, judged=False)
    # Retried rows are in the pool before their chunk is no longer in flight.
    pool = _read(session)
    waits = bool(pool.released or pool.again)
    if waits and in_order:
        return _first_of(session, pool)
    pool = _ramped(session, pool, judged=step and not waits and _passes(session))
    return replace(pool, end=min(pool.end, pool.cursor + 1)) if in_order else pool


def _due(session: LaneSession, pool: Pool) -> list[int]:
    """Chunks of retried rows whose backoff is over; those of a stopped run at once, to be
    skipped."""
    new = sorted(pool.again - session.retry_from.keys())[: session.settings.claim_batch]
    for chunk in session.deps.store.chunks.get(session.run.run_id, new):
        session.retry_from[chunk.number] = chunk.not_before
    now = session.deps.now() if session.run.stop is None else NEVER
    return sorted(n for n in pool.again if session.retry_from.get(n, NEVER) <= now)


def _ramped(session: LaneSession, pool: Pool, *, judged: bool) -> Pool:
    """The pool as far as the ramp opens it."""
    until = ramp.sent_until(pool.cursor, judged=judged) if session.ramping else None
    if until is None:
        session.ramping = False
        return pool
    return replace(pool, end=min(pool.end, until))


def _nothing_of(pool: Pool) -> Pool:
    return Pool(pool.cursor, pool.cursor, frozenset(), made=pool.made)


def _first_of(session: LaneSession, pool: Pool) -> Pool:
    """Of the chunks of retried rows, the one whose rows come first in the file: all others wait.

    Parts of a bisected chunk are numbered in another order than their rows.
    """
    numbers = sorted(pool.released | pool.again)
    waiting = session.deps.store.chunks.get(session.run.run_id, numbers)
    first = {min(waiting, key=lambda chunk: chunk.spans[0].first_row).number}
    return replace(pool, end=pool.cursor, released=pool.released & first, again=pool.again & first)


def _read(session: LaneSession) -> Pool:
    pool = session.deps.store.chunks.pool(session.run.run_id)
    session.left = pool.left
    return pool


def _all_settled(session: LaneSession) -> bool:
    """Whether nothing of the run is in flight any more, whoever has it."""
    if session.chunks.holding_slots:
        return False
    run = session.run
    return not session.deps.store.chunks.in_flight(run.connection, run.run_id)


def _passes(session: LaneSession) -> bool:
    """Judge the run by its first rows: whether more of them may be sent."""
    runs, breaker = session.deps.store.runs, session.context.profile.breaker
    run = session.run = runs.must_get(session.run.run_id)
    if run.pause is None and breaker is not None:
        judge = ramp.breaker_for(breaker)
        trip = tripped_by(judge, run.fresh_failures, run.fresh_processed)
        if trip is not None:
            rows = session.deps.store.rows.between(run.run_id, 1, min(run.rows, EXAMPLE_ROWS))
            reason = (
                f"{trip.failed:,} of the first {trip.processed:,} rows failed, which is more than "
                f"{judge.share:.0%}: {failed_with(trip, rows)[:EXAMPLE_CHARACTERS]}. "
                f"Of the file's {run.rows:,} rows no others were sent: `jobferry resume` sends "
                "them all the same, `jobferry abort` ends the run."
            )
            deps = session.deps
            pause_run(run.run_id, BREAKER, reason, deps, error=trip.code, failed=trip.failed)
            run = session.run = runs.must_get(run.run_id)
    if run.paused:
        session.left = 0
    return not run.paused
