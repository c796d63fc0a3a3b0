"""Write off what can no longer be carried, or what an operator has ended by force.

`jobferry connection delete` refuses while a profile or a job needs the connection, so the first is
for what happens around it: a run that rested, a table that was edited, a vendor that was taken out.
The second (`jobferry abort --force`) is for whatever keeps lanes from ending: it needs neither the
vendor nor a secret, and results that were read already decide their rows where they can.
Rows that are settled stay as they are, rows that were never sent are `skipped`, and what was under
way is `unknown`, since nobody can ask. So the sum holds, and the run is closed.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.binding.run_binding import cannot_go_on, load_context
from jobferry.deps import Deps
from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, JobEnd, PlannedChunk, Pool
from jobferry.domain.outcome import Outcome
from jobferry.domain.row_verdict import CONNECTION_GONE, ENDED_BY_FORCE, NOBODY_CAN_ASK
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.settlement.outcomes import settle_chunks
from jobferry.store.chunk_moves import CLAIM_BATCH
from jobferry.store.outcome_blocks import fitted
from jobferry.store.rows import with_own_items
from jobferry.store.table import BusyTableError

_LANE = 0
"""Chunks are claimed for a lane; none is at work any more."""


def why_unreachable(run: Run, deps: Deps) -> str | None:
    """Why nothing of a run can be sent or read any more; None while it can."""
    try:
        load_context(run, deps)
    except LookupError as error:
        return cannot_go_on(error)
    return None


def why_abandoned(run: Run, deps: Deps) -> str | None:
    """Why nothing of a run is carried any more; None while lanes may carry it."""
    if run.forced:
        return run.stop.reason if run.stop else "The run was ended by force."
    return why_unreachable(run, deps)


def give_up_plan(run: Run, deps: Deps) -> None:
    """Fail a run that is ended by force and not planned: nothing of it was ever sent.

    No planner gets further once it is forced (`Runs.checkpoint`).
    """
    if not run.forced or run.plan.done or run.status is RunStatus.FAILED:
        return
    deps.store.rows.purge(run.run_id, run.plan.row)
    reason = run.stop.reason if run.stop else ""
    deps.store.runs.fail(run.run_id, f"Ended by force before it was planned. {reason}".strip())


def abandon_run(run: Run, reason: str, deps: Deps, deadline: float) -> bool:
    """Give the rows that have no outcome their last one. Repeating it is harmless.

    Args:
        reason: why nothing more is sent, where the run is not being stopped already.
        deadline: epoch seconds at which to put the work aside; a part of it is done all the same,
            so that whoever is called often enough comes to an end.

    Returns:
        Whether it is done.
    """
    store = deps.store
    store.runs.stop(run.run_id, StopReason(CONNECTION_GONE, reason))
    run = store.runs.must_get(run.run_id)
    store.chunks.open_pool(run)
    store.chunks.offer_rest(run)
    deps.warn("run written off", run_id=run.run_id, connection=run.connection, forced=run.forced)
    in_flight = store.chunks.in_flight(run.connection, run.run_id)
    begun = False
    for start in range(0, len(in_flight), CLAIM_BATCH):
        if begun and deps.now() >= deadline:
            return False
        begun = True
        _settle(run, in_flight[start : start + CLAIM_BATCH], deps)
    while (pool := store.chunks.pool(run.run_id)).left:
        if begun and deps.now() >= deadline:
            return False
        begun = True
        offered = _offered(run, pool, deps)
        claimed = store.chunks.claim(run, _LANE, offered, pool, deps.now(), max_jobs=None)
        _settle(run, claimed or (), deps)
    return True


def _offered(run: Run, pool: Pool, deps: Deps) -> list[PlannedChunk]:
    """The next chunks of the pool, whether their time has come or not."""
    known = sorted(pool.released | pool.again)[:CLAIM_BATCH]
    offered = [PlannedChunk(c.number, c.spans) for c in deps.store.chunks.get(run.run_id, known)]
    fresh = min(CLAIM_BATCH - len(offered), pool.end - pool.cursor)
    if fresh > 0:
        offered += deps.store.runs.planned_chunks(run.run_id, pool.cursor, fresh)
    return offered


def _settle(run: Run, chunks: Sequence[Chunk], deps: Deps) -> None:
    """Finish chunks, free their slots, and count their rows."""
    store, now = deps.store, deps.now()
    if run.forced:
        chunks = _not_settled_as_usual(run, chunks, deps)
    gone = ENDED_BY_FORCE if run.forced else NOBODY_CAN_ASK
    under_way = [chunk for chunk in chunks if chunk.state is not ChunkState.FINISHED]
    job_ends = [
        JobEnd(chunk.number, verdict=row_verdict.when_abandoned(chunk, run.stop, forced=run.forced))
        for chunk in under_way
    ]
    store.chunks.finish(run.connection, under_way, job_ends, now)
    numbers = [chunk.number for chunk in chunks]
    chunk_outcomes = []
    for chunk in store.chunks.get(run.run_id, numbers):
        if chunk.state is ChunkState.FINISHED:
            status, code, text = chunk.verdict or gone
            outcomes = [
                Outcome(row, status, None, code, text, chunk.job_id, chunk.attempt)
                for row in chunk.row_numbers()
            ]
            copies = with_own_items(outcomes, row_items=run.row_items)
            if store.rows.put_copies_unless_settled(chunk, copies, run.expires_at):
                chunk_outcomes.append(ChunkOutcome(chunk, fitted(outcomes)))
    store.chunks.settle(run, chunk_outcomes, now)


def _not_settled_as_usual(run: Run, chunks: Sequence[Chunk], deps: Deps) -> list[Chunk]:
    """Settle by their results what is finished; returns the chunks for which that does not work."""
    left: list[Chunk] = []
    for chunk in chunks:
        if chunk.state is not ChunkState.FINISHED:
            left.append(chunk)
            continue
        try:
            settled = settle_chunks(run, [chunk.number], deps, dict)
            if settled.unreadable is not None:
                left.append(chunk)
        except BusyTableError:
            raise  # rows may be written already: the step is repeated
        except Exception as error:  # noqa: BLE001 - what keeps it from ending must not keep this
            deps.warn("chunk not settled", chunk=chunk.number, error=type(error).__name__)
            left.append(chunk)
    return left
