"""A connection that was pointed to another account than the one that a run was opened for.

Jobs of the run are at the old account, and records that were made there are not at the new one: a
lost submission would be proven absent at the wrong place. So the run is paused until the connection
leads to its account again, or somebody ends it.
"""

from __future__ import annotations

from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.domain.run import Pause, Run

CONNECTION_CHANGED = "connection_changed"


def account_moved(run: Run, connection: Connection) -> bool:
    """Whether the connection leads to another account than the run's."""
    opened_for = (run.vendor, run.base_url)
    return bool(run.vendor) and opened_for != (connection.vendor, connection.base_url)


def pause_moved_account(run: Run, connection: Connection, deps: Deps) -> None:
    """Pause the run, and raise the alarm once."""
    reason = (
        f"The run was opened for {run.vendor} at {run.base_url}; the connection {run.connection} "
        f"leads to {connection.vendor} at {connection.base_url} now. Set it back and resume the "
        "run, or end the run with: jobferry abort --force"
    )
    if deps.store.runs.pause(run.run_id, Pause(CONNECTION_CHANGED, reason, deps.now())):
        deps.warn("run paused", run_id=run.run_id, code=CONNECTION_CHANGED)
        deps.emit(RunsPaused=1)
