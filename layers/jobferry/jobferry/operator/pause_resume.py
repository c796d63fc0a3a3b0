"""Pause and resume: a run that waits for a person's yes, with nothing in flight and no slot taken.

A pause is set by whoever sees the reason: CloseRun after a trial, SettleJob when too many rows fail
alike. Lanes then send nothing more and see their jobs through; CloseRun lets the run rest, and its
execution ends, since one that waits would be in the way and cost money. Going on takes another
execution (`open_run.resume_run`).
"""

from __future__ import annotations

from collections.abc import Callable

from jobferry.deps import Deps
from jobferry.domain.chunk import Pool
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Pause, Run
from jobferry.reporting.formatting import counted, listed, number

TRIAL = "trial"

Start = Callable[[str, str], None]
"""(run id, ARN of the execution that ended): start one that goes on with the run."""


def rest(run: Run, pool: Pool, deps: Deps) -> bool:
    """Let a run of which nothing is in flight rest, if it is paused or its trial is over.

    Returns:
        Whether it rests. Otherwise lanes go on, if need be with the chunks after the trial: those
        of a run that was stopped, to be skipped.
    """
    trial_over = not pool.left
    if run.stop is not None:
        if trial_over:
            deps.store.chunks.offer_rest(run)
        return False
    if run.pause is None and trial_over:
        if deps.store.runs.pause(run.run_id, _verdict_asked(run, deps.now())):
            deps.emit(RunsPaused=1)
    elif run.pause is None:
        return False
    if not deps.store.runs.rest(run.run_id, deps.now()):
        return False
    # Other runs of the connection may have its share meanwhile.
    deps.store.limits.delete_demand(run.connection, run.run_id)
    deps.log("run rests", run_id=run.run_id)
    return True


def resume(run: Run, deps: Deps, start: Start, *, by: str | None = None) -> Run:
    """End a run's pause, and have it go on. Repeating it changes nothing.

    A run whose jobs are still seen through by its execution goes on with that one.

    Args:
        by: who says yes; None: nobody knows.

    Returns:
        The run as it is now.
    """
    runs, chunks = deps.store.runs, deps.store.chunks
    if run.pause is not None:
        if run.suspended and not chunks.pool(run.run_id).left:
            chunks.offer_rest(run)
        runs.resume(run, by=by)
    return continue_run(run.run_id, deps, start)


def continue_run(run_id: str, deps: Deps, start: Start) -> Run:
    """Start an execution for a run that rests and should not: it was resumed, or stopped."""
    run = deps.store.runs.must_get(run_id)
    if run.suspended and not run.paused:
        start(run_id, run.execution)
    return run


def _verdict_asked(run: Run, now: float) -> Pause:
    """The pause after a trial, which says how it went."""
    sent = (OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)
    went = [f"{number(n)} {s.value}" for s in sent if (n := run.outcomes.get(s, 0))]
    left = run.rows - run.settled_rows
    return Pause(
        TRIAL,
        f"The trial of {counted(run.processed, 'row')} is over: {listed(went)}. "
        f"{counted(left, 'more row')} can be sent.",
        now,
    )
