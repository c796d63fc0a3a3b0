"""Sweep: find what nobody carries any more, and see that somebody does.

Lanes look after their own lost submissions. What is left for the sweep are runs whose execution
ended without closing them: it starts an execution that carries the run on. Slots need no
returning, since a slot is taken and given back with its chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobferry.ledger.runs import Run
from jobferry.steps.deps import Deps

RUNS_LOOKED_AT = 500
"""Newest runs whose execution is looked at; older ones are closed or beyond saving."""

SETTLED_SECONDS = 60.0
"""A run younger than this has an execution that is just being started."""

IsRunning = Callable[[str], bool]
"""Whether the execution of this ARN is still running."""

Restart = Callable[[str, str], None]
"""(run id, ARN of the execution that died): start one that carries the run on."""


def sweep(deps: Deps, is_running: IsRunning, restart: Restart) -> dict[str, Any]:
    """Look at the open runs once.

    Returns:
        How many runs were open, and how many were started again.
    """
    open_runs = restarted = 0
    for _, listed in deps.ledger.runs.newest(limit=RUNS_LOOKED_AT):
        if listed.closed_at is not None:
            continue
        # The index lags; decide on what the run itself says.
        run = deps.ledger.runs.get(listed.run_id)
        if run is None or run.closed_at is not None:
            continue
        open_runs += 1
        if _is_dead(run, deps, is_running):
            deps.warn("run without an execution", run_id=run.run_id, execution=run.execution)
            restart(run.run_id, run.execution)
            restarted += 1
    deps.log("swept", open_runs=open_runs, restarted=restarted)
    return {"open_runs": open_runs, "restarted": restarted}


def _is_dead(run: Run, deps: Deps, is_running: IsRunning) -> bool:
    return deps.now() > run.started_at + SETTLED_SECONDS and not is_running(run.execution)
