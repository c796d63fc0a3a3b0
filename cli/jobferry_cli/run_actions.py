"""What people do to a run, for every surface: stop it, let it go on, change its priority."""

from __future__ import annotations

from jobferry.domain.chunk import ChunkState
from jobferry.domain.commands import command
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.job_control import abort_run, change_priority, force_run
from jobferry.operator.pause_resume import continue_run
from jobferry.operator.pause_resume import resume as resume_run
from jobferry.vendors.protocol import Vendor
from jobferry_cli.errors import CommandError
from jobferry_cli.stack import Stack

REASON_CHARACTERS = 300
"""Of the reason for a stop, at the most."""


def stop_run(
    stack: Stack, run: Run, reason: str, *, cleanup: bool = True, force: bool = False
) -> Run:
    """Send nothing more of a run; asked twice, it happens once. Returns the run as it is now.

    Args:
        cleanup: the vendor is asked to end its jobs, where it can.
        force: close it with what is known, whatever keeps it from ending.

    Raises:
        CommandError: it has ended otherwise.
    """
    if run.closed_at is not None and run.status is not RunStatus.ABORTED:
        raise CommandError(
            f"Run {run.run_id} is over ({run.status.value}); there is nothing left to stop.",
            next_command=command("status", run.run_id),
        )
    if run.closed_at is not None:
        return run
    why, by = reason[:REASON_CHARACTERS], stack.caller.name
    if force:
        force_run(run, why, stack.deps, stack.executions.go_on, by=by)
    else:
        abort_run(run, why, stack.deps, cleanup=cleanup, by=by)
    return continue_run(run.run_id, stack.deps, stack.executions.go_on)


def go_on(stack: Stack, run: Run) -> bool:
    """Let a paused run go on; returns whether it was paused.

    Raises:
        CommandError: it has ended, or is being stopped.
    """
    if run.closed_at is not None or run.stop is not None:
        over = "is being stopped" if run.closed_at is None else f"is over ({run.status.value})"
        raise CommandError(
            f"Run {run.run_id} {over}; it cannot go on.",
            next_command=command("status", run.run_id),
        )
    resume_run(run, stack.deps, stack.executions.go_on, by=stack.caller.name)
    return run.pause is not None


def prioritise(stack: Stack, run: Run, level: str) -> int:
    """Give a run another priority; returns how many of its jobs in flight will get it too.

    Raises:
        CommandError: it has ended.
    """
    if not change_priority(run, level, stack.deps, by=stack.caller.name):
        raise CommandError(
            f"Run {run.run_id} is over ({run.status.value}); its priority changes nothing.",
            next_command=command("status", run.run_id),
        )
    vendor = vendor_of(stack, run)
    if vendor is None or not vendor.capabilities.priority:
        return 0
    in_flight = stack.deps.store.chunks.in_flight(run.connection, run.run_id)
    return sum(chunk.state is ChunkState.SUBMITTED for chunk in in_flight)


def vendor_of(stack: Stack, run: Run) -> Vendor | None:
    """The vendor of a run; None when its connection is gone, or it never had one."""
    found = stack.deps.store.config.connection(run.connection) if run.connection else None
    try:
        return None if found is None else stack.deps.vendors.named(found.vendor)
    except LookupError:
        return None  # its document was deleted
