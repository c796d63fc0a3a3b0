"""What an operator can do to an open run: stop it, change its priority, see what it waits for.

What the vendor lets us do to jobs is declared in its capabilities; the rest happens on our side.
What concerns a run's jobs is a request, noted on the run, that its lanes apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.domain.run import ABORTED, Run, StopReason
from jobferry.lane.request_meter import keep_throttle
from jobferry.operator.vendor_requests import vendor_session
from jobferry.vendors.answers import (
    Ambiguous,
    JobProblem,
    JobReading,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.protocol import JobControl

DELETED_AT_ONCE = 20
"""Jobs whose records are removed together. Where one is gone already they go one by one, which few
requests a minute must be enough for."""


@dataclass(frozen=True, slots=True)
class WaitingProblem:
    """A problem at the vendor, and the rows of ours that wait for it: (run id, row, job id)."""

    connection: str
    problem: JobProblem
    rows: tuple[tuple[str, int, str], ...]


class RunOpenError(Exception):
    """The run is on its way, and what was asked for takes a closed one."""


def abort_run(
    run: Run, reason: str, deps: Deps, *, cleanup: bool = True, by: str | None = None
) -> bool:
    """Send nothing more of a run, and have its lanes ask the vendor to end its jobs where it can.

    No vendor is asked here: see `carry_wishes`. Jobs that cannot be ended are seen through, and
    rows never sent become `skipped`. A run that rests in a pause takes an execution for that:
    `pausing.continue_run`.

    Args:
        cleanup: false leaves the vendor's jobs alone.
        by: who asks for it; None: nobody knows.

    Returns:
        Whether it is being stopped; false when it is over.
    """
    if deps.store.runs.abort(run.run_id, StopReason(ABORTED, reason), end_jobs=cleanup, by=by):
        deps.log("run aborted", run_id=run.run_id, cleanup=cleanup)
        return True
    return False


def force_run(
    run: Run,
    reason: str,
    deps: Deps,
    start: Callable[[str, str], None],
    *,
    by: str | None = None,
) -> bool:
    """Have a run closed with what is known of it, whatever stands in the way of its lanes.

    Rows in flight become `unknown`, rows never sent `skipped` (`abandon_run`). Repeating it
    changes nothing.

    Args:
        start: (run id, ARN of the execution that runs it): start one that closes the run.
        by: who asks for it; None: nobody knows.

    Returns:
        Whether it is being closed; false when it is over.
    """
    if not deps.store.runs.force(run.run_id, StopReason(ABORTED, reason), by=by):
        return False
    deps.warn("run ended by force", run_id=run.run_id)
    start(run.run_id, run.execution)
    return True


def change_priority(run: Run, priority: str, deps: Deps, *, by: str | None = None) -> bool:
    """Keep a run's priority, and have its lanes set it on the jobs of vendors that take one.

    Args:
        by: who asks for it; None: nobody knows.

    Returns:
        False when the run is over.
    """
    return deps.store.runs.prioritise(run.run_id, priority, deps.now(), by=by)


def waiting_jobs(run: Run, deps: Deps) -> Sequence[JobReading]:
    """The jobs of an open run that wait for somebody to act, where the vendor reports it; live.

    Raises:
        VendorUnavailableError: the vendor could not be asked.
    """
    if run.closed_at is not None or not run.connection:
        return ()
    capabilities = deps.connections.link(run.connection).vendor.capabilities
    job_ids = [str(chunk.job_id) for chunk in _jobs(run, deps)] if capabilities.problems else []
    if not job_ids:
        return ()
    with vendor_session(run.connection, deps) as asked:
        answer = asked.linked.client.poll(job_ids)
        if not answer.readings:
            reason = answer.refused or answer.throttled or Ambiguous(answer.problem or "No answer")
            raise asked.no(reason)
        if answer.throttled is not None:
            keep_throttle(asked.linked, answer.throttled, deps)
    readings = (answer.readings.get(job_id) for job_id in job_ids)
    return [reading for reading in readings if reading and reading.waiting_for]


def delete_jobs(run: Run, deps: Deps) -> int | None:
    """Remove the vendor's records of a closed run's jobs. Repeating it changes nothing.

    Returns:
        How many jobs the run had; None when the vendor keeps its records.

    Raises:
        VendorUnavailableError: the vendor could not be asked, or refused. Some records may be gone;
            the same again goes on with the rest.
    """
    if not deps.connections.link(run.connection).vendor.capabilities.delete:
        return None
    chunks = deps.store.chunks.all(run.run_id)
    job_ids = [chunk.job_id for chunk in chunks if chunk.job_id is not None]
    for start in range(0, len(job_ids), DELETED_AT_ONCE):
        _delete(run.connection, job_ids[start : start + DELETED_AT_ONCE], deps)
    return len(job_ids)


def _delete(connection: str, job_ids: Sequence[str], deps: Deps) -> None:
    """Remove records of jobs; where only the minute's requests are used up, a little later."""
    with vendor_session(connection, deps) as asked:
        control = cast("JobControl", asked.linked.client)
        while (reason := control.delete(job_ids)) is not None:
            denied = asked.meter.denied
            out_of_requests = reason == Throttled(ThrottleReason.BUDGET)
            if not out_of_requests or not denied or denied.reason is not ThrottleReason.BUDGET:
                raise asked.no(reason)
            deps.sleep(max(1.0, denied.until - deps.now()))


def list_problems(run: Run | None, deps: Deps) -> Iterator[WaitingProblem]:
    """What jobs wait for at the vendors that report it: of one run, or of every connection.

    Raises:
        VendorUnavailableError: a vendor could not be asked.
    """
    names = [run.connection] if run is not None else deps.store.config.connection_names()
    for name in names:
        yield from problems_of(name, run, deps)


def problems_of(connection: str, run: Run | None, deps: Deps) -> list[WaitingProblem]:
    """What jobs of one connection wait for: those of a run, or all of them.

    Raises:
        VendorUnavailableError: the vendor could not be asked.
    """
    if not deps.connections.link(connection).vendor.capabilities.problems:
        return []
    with vendor_session(connection, deps) as asked:
        answer = cast("JobControl", asked.linked.client).problems()
        if isinstance(answer, Refused | Throttled | Ambiguous):
            raise asked.no(answer)
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
    """Job id → its rows, for everything in flight on a connection."""
    chunks = deps.store.chunks
    found: dict[str, list[tuple[str, int]]] = {}
    for run_id in chunks.runs_in_flight(connection):
        for chunk in chunks.in_flight(connection, run_id):
            if chunk.job_id is not None:
                found[chunk.job_id] = [(run_id, row) for row in chunk.row_numbers()]
    return found


def _jobs(run: Run, deps: Deps) -> Iterator[Chunk]:
    for chunk in deps.store.chunks.in_flight(run.connection, run.run_id):
        if chunk.state is ChunkState.SUBMITTED:
            yield chunk
