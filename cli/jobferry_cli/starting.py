"""Start a run of a file, for every surface: upload it, and have its execution begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from jobferry.domain.run_request import RunRequest
from jobferry.steps.open_run import run_id_of
from jobferry_cli.errors import AWS_ERRORS, explain
from jobferry_cli.stack import Stack


def start_file(
    stack: Stack,
    body: BinaryIO,
    profile: str,
    name: str,
    *,
    priority: str | None = None,
    trial: int | None = None,
    sent: Callable[[int], None] = lambda _: None,
) -> str:
    """Upload a file and start its run; returns the run's id.

    Args:
        name: of the file, as people know it.
        priority: None: as the profile's connection has it.
        trial: rows to send before the run waits for a yes.
        sent: called with the number of bytes of each part that has arrived.
    """
    request = stack.inbox.upload(
        body,
        profile,
        name,
        priority=priority,
        trial=trial,
        by=stack.caller.name,
        sent=sent,
    )
    run_id = run_id_of(request, request.version_id or "null")
    # The upload alone starts the run too; whichever comes second finds that it exists.
    start_run(stack, run_id, request)
    return run_id


def start_run(stack: Stack, run_id: str, request: RunRequest) -> None:
    """Start the run of a file that is in its bucket.

    Raises:
        CommandError: AWS does not; it names the run, which the file alone may have started.
    """
    try:
        stack.executions.start(run_id, request)
    except AWS_ERRORS as error:
        raise explain(error).of_run(run_id) from None
