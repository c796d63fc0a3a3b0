"""What an operator can do to a run under way: stop it, change its priority, see what it waits for.

What the vendor lets us do to jobs is declared in its capabilities; the rest happens on our side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from jobferry.ledger.chunks import Chunk
from jobferry.ledger.runs import Halt, Run
from jobferry.model import ChunkState
from jobferry.steps.deps import Deps
from jobferry.vendors.base import (
    Ambiguous,
    JobControl,
    JobProblem,
    JobReading,
    Refused,
    Throttled,
)

ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class WaitingProblem:
    """A problem at the vendor, and the rows of ours that wait for it: (run id, row, job id)."""

    connection: str
    problem: JobProblem
    rows: tuple[tuple[str, int, str], ...]


class VendorUnavailableError(Exception):
    """The vendor did not answer, or refused; the message says what it said."""


class RunOpenError(Exception):
    """The run is on its way, and what was asked for takes a closed one."""


def abort_run(run: Run, reason: str, deps: Deps, *, cleanup: bool = True) -> int:
    """Send nothing more of a run, and ask the vendor to end its jobs where it can.

    Jobs that cannot be stopped are seen through, and rows never sent become `skipped`. A run that
    rests in a pause takes an execution for that: `pausing.carry_on`.

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
    word = linked.vendor.capabilities.priority_word(priority)
    return sum(control.set_priority(str(chunk.job_id), word) is None for chunk in _jobs(run, deps))


def waiting_jobs(run: Run, deps: Deps) -> Sequence[JobReading]:
    """The jobs of an open run that wait for somebody to act, where the vendor tells; live.

    Raises:
        VendorUnavailableError: the vendor could not be asked.
    """
    if run.closed_at is not None or not run.connection:
        return ()
    linked = deps.connections.link(run.connection)
    job_ids = [str(chunk.job_id) for chunk in _jobs(run, deps)]
    if not job_ids or not linked.vendor.capabilities.problems:
        return ()
    answer = linked.client.poll(job_ids)
    if not answer.readings:
        told = answer.refused or answer.throttled or Ambiguous(answer.problem or "no answer")
        raise VendorUnavailableError(in_words(told))
    readings = (answer.readings.get(job_id) for job_id in job_ids)
    return [reading for reading in readings if reading and reading.waiting_for]


def delete_jobs(run: Run, deps: Deps) -> int | None:
    """Remove the vendor's records of a closed run's jobs. Repeating it is harmless.

    Returns:
        How many jobs the run had; None when the vendor keeps its records.

    Raises:
        VendorUnavailableError: the vendor could not be asked, or refused.
    """
    linked = deps.connections.link(run.connection)
    if not linked.vendor.capabilities.delete:
        return None
    chunks = deps.ledger.chunks.all(run.run_id)
    job_ids = [chunk.job_id for chunk in chunks if chunk.job_id is not None]
    told = cast("JobControl", linked.client).delete(job_ids) if job_ids else None
    if told is not None:
        raise VendorUnavailableError(in_words(told))
    return len(job_ids)


def in_words(told: Refused | Throttled | Ambiguous) -> str:
    """What kept a vendor from doing as asked, as part of a sentence."""
    match told:
        case Refused(message=words) | Ambiguous(reason=words):
            return words
        case Throttled():
            return "it asks for patience, or cannot be reached"


def list_problems(run: Run | None, deps: Deps) -> Iterator[WaitingProblem]:
    """What jobs wait for at the vendors that tell: of one run, or of every connection.

    Raises:
        VendorUnavailableError: a vendor could not be asked.
    """
    names = [run.connection] if run is not None else deps.ledger.config.connection_names()
    for name in names:
        yield from problems_of(name, run, deps)


def problems_of(connection: str, run: Run | None, deps: Deps) -> list[WaitingProblem]:
    """What jobs of one connection wait for: those of a run, or all of them.

    Raises:
        VendorUnavailableError: the vendor could not be asked.
    """
    linked = deps.connections.link(connection)
    if not linked.vendor.capabilities.problems:
        return []
    answer = cast("JobControl", linked.client).problems()
    if isinstance(answer, Refused | Throttled | Ambiguous):
        raise VendorUnavailableError(in_words(answer))
    ours = _rows_by_job(connection, deps)
    found = []
    for problem in answer:
        rows = tuple(
            (run_id, row, job_id)
            for job_id in problem.jobs
            for run_id, row in ours.get(job_id, ())
            if run is None or run_id == run.run_id
        )
        if rows or run is None:
            found.append(WaitingProblem(connection, problem, rows))
    return found


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
