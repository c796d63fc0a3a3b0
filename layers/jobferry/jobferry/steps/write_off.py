"""Write off what can no longer be carried: the run's connection, profile or operation is gone.

`jobferry connection delete` refuses while a profile or a job needs the connection, so this is for
what happens around it: a run that rested, a table that was edited, a vendor that was taken out.
Rows that are settled stay as they are, rows that were never sent are `skipped`, and what was under
way is `unknown`, since nobody can ask. So the sum holds, and the run is closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobferry.ledger.chunks import CLAIM_BATCH, Chunk, Ending, Pool, Tally
from jobferry.ledger.runs import Halt, PlannedChunk, Run
from jobferry.model import ChunkState, Outcome, OutcomeStatus
from jobferry.steps.context import load_context
from jobferry.steps.deps import Deps
from jobferry.steps.fill_slots import verdict_when_stopped

CONNECTION_GONE = "connection_gone"

_LANE = 0
"""Chunks are claimed for a lane; none is at work any more."""

_ASKED_NO_MORE = (
    OutcomeStatus.UNKNOWN,
    CONNECTION_GONE,
    "The row was sent, and then the run's connection was deleted, so that the vendor cannot be "
    "asked; look the record up there.",
)


def out_of_reach(run: Run, deps: Deps) -> str | None:
    """Why nothing of a run can be sent or read any more; None while it can."""
    try:
        load_context(run, deps)
    except LookupError as error:
        return f"The run cannot go on: {error.args[0]}."
    return None


def write_off(run: Run, reason: str, deps: Deps, deadline: float) -> bool:
    """Give the rows that have no outcome their last one. Repeating it is harmless.

    Args:
        deadline: epoch seconds at which to put the work aside.

    Returns:
        Whether it is done.
    """
    ledger = deps.ledger
    ledger.runs.halt(run.run_id, Halt(CONNECTION_GONE, reason))
    run = ledger.runs.must_get(run.run_id)
    ledger.chunks.open_pool(run)
    ledger.chunks.offer_rest(run)
    deps.warn("run written off", run_id=run.run_id, connection=run.connection)
    _settle(run, ledger.chunks.in_flight(run.connection, run.run_id), deps)
    while (pool := ledger.chunks.pool(run.run_id)).left:
        if deps.now() >= deadline:
            return False
        offered = _offered(run, pool, deps)
        claimed = ledger.chunks.claim(run, _LANE, offered, pool, deps.now(), max_jobs=None)
        _settle(run, claimed or (), deps)
    return True


def _offered(run: Run, pool: Pool, deps: Deps) -> list[PlannedChunk]:
    """The next chunks of the pool, whether their time has come or not."""
    known = sorted(pool.returned | pool.again)[:CLAIM_BATCH]
    offered = [PlannedChunk(c.number, c.spans) for c in deps.ledger.chunks.get(run.run_id, known)]
    fresh = min(CLAIM_BATCH - len(offered), pool.end - pool.cursor)
    if fresh > 0:
        offered += deps.ledger.runs.planned_chunks(run.run_id, pool.cursor, fresh)
    return offered


def _settle(run: Run, chunks: Sequence[Chunk], deps: Deps) -> None:
    """Finish chunks, free their slots, and count their rows."""
    ledger, now = deps.ledger, deps.now()
    under_way = [chunk for chunk in chunks if chunk.state is not ChunkState.FINISHED]
    endings = [Ending(chunk.number, verdict=_verdict(run, chunk)) for chunk in under_way]
    ledger.chunks.finish(run.connection, under_way, endings, now)
    numbers = [chunk.number for chunk in chunks]
    tallies = []
    for chunk in ledger.chunks.get(run.run_id, numbers):
        if chunk.state is ChunkState.FINISHED:
            status, code, text = chunk.verdict or _ASKED_NO_MORE
            outcomes = [
                Outcome(row, status, None, code, text, chunk.job_id, chunk.attempt)
                for row in chunk.row_numbers()
            ]
            if status is OutcomeStatus.SKIPPED:
                ledger.rows.put(run.run_id, outcomes, run.expires_at)
            elif not ledger.rows.put_unless_settled(chunk, outcomes, run.expires_at):
                continue
            tallies.append(Tally(chunk, Counter({status: chunk.rows})))
    ledger.chunks.settle(run.connection, run.run_id, tallies, now)


def _verdict(run: Run, chunk: Chunk) -> tuple[OutcomeStatus, str, str]:
    """What the rows of a chunk are that nobody carries on."""
    sent = chunk.sending_at is not None or chunk.state is ChunkState.SUBMITTED
    if sent or run.halt is None:
        return _ASKED_NO_MORE
    return verdict_when_stopped(chunk, run.halt)
