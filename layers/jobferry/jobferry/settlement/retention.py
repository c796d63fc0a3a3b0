"""Nothing of an open run expires: what is written of it is kept for longer while it is open.

Rows, chunks and plan get their end when they are written, as writing all of them once more at the
close would double their cost. That of rows and plan is later than the retention by a part of it,
and that of chunks is `CHUNK_SECONDS` away; a run that is open for longer than that part, or half of
these, has all its items prolonged, by the sweep. So from the close on rows are kept for the
retention at the least.
"""

from __future__ import annotations

from jobferry.deps import Deps
from jobferry.domain.run import Run
from jobferry.store.chunk_items import CHUNK_SECONDS

ROWS_AT_ONCE = 5_000
"""Rows between two checks of the time."""


def kept_seconds(retention: int) -> int:
    """For how long what is written of an open run is kept, from when it was opened."""
    return retention + retention // 4


def is_due(run: Run, retention: int, now: float) -> bool:
    """Whether an open run's items would soon be kept for less than the retention, or expire."""
    written_at = run.expires_at - kept_seconds(retention)
    return run.expires_at > 0 and now > written_at + min(retention // 4, CHUNK_SECONDS // 2)


def prolong(run: Run, deps: Deps, deadline: float) -> bool:
    """Keep everything of an open run for longer, if that is due. Repeating it is harmless.

    What is noted last is that it is done: an interrupted one begins anew, and passes over what it
    has done already.

    Returns:
        False when the time is up before it is done.
    """
    retention = deps.store.retention
    if not is_due(run, retention, deps.now()):
        return True
    expires_at = int(deps.now()) + kept_seconds(retention)
    deps.store.runs.prolong_items(run, expires_at, deps.now())
    for first in range(1, run.plan.row + 1, ROWS_AT_ONCE):
        if deps.now() >= deadline:
            return False
        last = min(run.plan.row, first + ROWS_AT_ONCE - 1)
        deps.store.rows.prolong(run.run_id, first, last, expires_at)
    deps.store.runs.prolong(run, expires_at)
    # What was written meanwhile still had the end of before.
    deps.store.runs.prolong_items(run, expires_at, deps.now())
    deps.log("run is kept for longer", run_id=run.run_id, rows=run.plan.row)
    return True
