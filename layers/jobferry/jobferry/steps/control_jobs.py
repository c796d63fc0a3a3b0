"""What an operator can do to a run under way: stop it, change its priority, see what it waits for.

What the vendor lets us do to jobs is declared in its capabilities; the rest happens on our side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from jobferry.connections import Linked
from jobferry.ledger.chunks import Chunk
from jobferry.ledger.runs import Halt, Run
from jobferry.model import ChunkState
from jobferry.steps.deps import Deps
from jobferry.vendors.base import Ambiguous, JobControl, JobProblem, Refused, Throttled

ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class WaitingProblem:
    """A problem at the vendor, and the rows of ours that wait for it: (run id, row, job id)."""

    connection: str
    problem: JobProblem
    rows: tuple[tuple[str, int, str], ...]


class VendorUnavailableError(Exception):
    """The vendor did not answer, or refused; the message says what it said."""


def abort_run(run: Run, reason: str, deps: Deps, *, cleanup: bool = True) -> int:
    """Send nothing more of a run, and ask the vendor to end its jobs where it can.

    Jobs that cannot be stopped are seen through, and rows never sent become `skipped`.

    Returns:
        How many jobs the vendor was asked to end.
    """
    deps.ledger.runs.halt(run.run_id, Halt(ABORTED, reason))
    linked = deps.connections.link(run.connection)
    if not cleanup or not linked.vendor.capabilities.abort:
        return 0
    control = cast("JobControl", linked.client)
    asked = 0
    for chunk in _jobs(run, deps):
        told = control.abort(str(chunk.job_id), reason=reason, cleanup=True)
        asked += told is None
    return asked


def change_priority(run: Run, priority: str, deps: Deps) -> int:
    """Keep a run's priority, and tell the vendor's jobs where it can be told.

    Returns:
        How many jobs were told.
    """
    deps.ledger.runs.prioritise(run.run_id, priority)
    linked = deps.connections.link(run.connection)
    if run.closed_at is not None or not linked.vendor.capabilities.priority:
        return 0
    control = cast("JobControl", linked.client)
    level = priority.upper()
    return sum(control.set_priority(str(chunk.job_id), level) is None for chunk in _jobs(run, deps))


def list_problems(run: Run | None, deps: Deps) -> Iterator[WaitingProblem]:
    """What jobs wait for at the vendors that tell: of one run, or of every connection.

    Raises:
        VendorUnavailableError: a vendor could not be asked.
    """
    names = [run.connection] if run is not None else deps.ledger.config.connection_names()
    for name in names:
        linked = deps.connections.link(name)
        if linked.vendor.capabilities.problems:
            yield from _problems(linked, run, deps)


def _problems(linked: Linked, run: Run | None, deps: Deps) -> Iterator[WaitingProblem]:
    answer = cast("JobControl", linked.client).problems()
    match answer:
        case Refused(message=words) | Ambiguous(reason=words):
            raise VendorUnavailableError(words)
        case Throttled():
            raise VendorUnavailableError("it asks for patience, or cannot be reached")
    ours = _rows_by_job(linked.connection.name, deps)
    for problem in answer:
        rows = tuple(
            (run_id, row, job_id)
            for job_id in problem.jobs
            for run_id, row in ours.get(job_id, ())
            if run is None or run_id == run.run_id
        )
        if rows or run is None:
            yield WaitingProblem(linked.connection.name, problem, rows)


def _rows_by_job(connection: str, deps: Deps) -> dict[str, list[tuple[str, int]]]:
    """Job id → the rows that it carries, for everything in flight on a connection."""
    chunks = deps.ledger.chunks
    found: dict[str, list[tuple[str, int]]] = {}
    for run_id in dict.fromkeys(run_id for run_id, _, _ in chunks.pointers(connection)):
        for chunk in chunks.in_flight(connection, run_id):
            if chunk.job_id is not None:
                found[chunk.job_id] = [(run_id, row) for row in chunk.row_numbers()]
    return found


def _jobs(run: Run, deps: Deps) -> Iterator[Chunk]:
    for chunk in deps.ledger.chunks.in_flight(run.connection, run.run_id):
        if chunk.state is ChunkState.SUBMITTED:
            yield chunk
