"""Sweep: find runs that no execution works on any more, and start one.

Lanes recover their own lost submissions. What is left for the sweep are runs whose execution
ended without closing them: it starts an execution that goes on with the run, and where a person had
ended it, to its proper end and no further. Results that nobody reads are counted, so that an alarm
goes off hours before the vendor forgets them. Slots need no returning, since a slot is taken and
given back with its chunk; but a version before may have left a pointer of a closed run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jobferry.deps import Deps
from jobferry.domain.inbox import INBOX, is_folder, profile_of
from jobferry.domain.run import Run, StopReason
from jobferry.domain.run_request import RunRequest
from jobferry.operator.job_control import ABORTED
from jobferry.settlement.expiring_results import results_at_risk
from jobferry.settlement.retention import prolong
from jobferry.steps.open_run import run_id_of

SETTLED_SECONDS = 60.0
"""A run younger than this has an execution that is just being started."""

RUNNING = "RUNNING"

STOPPED = {"ABORTED": "The run's execution was stopped in Step Functions."}
"""Status of an execution after which nothing more is sent → the reason, in words. One that took
longer than an execution may gets a new one."""

INBOX_SECONDS = 3 * 86_400.0
"""Files that were dropped within this time get a run, if they have none."""

INBOX_YOUNG = 1_800.0
"""A file younger than this has an event on its way that opens its run."""

StatusOf = Callable[[str], str | None]
"""The status of the execution of this ARN, in the words of Step Functions; None: it is gone."""

Restart = Callable[[str, str], None]
"""(run id, ARN of the execution that died): start one that goes on with the run."""

Open = Callable[[RunRequest], None]
"""Start an execution for a file that has no run."""


def sweep(
    deps: Deps,
    status_of: StatusOf,
    restart: Restart,
    open_file: Open,
    deadline: float = float("inf"),
) -> dict[str, Any]:
    """Look at all open runs, connections, and files of the last days, once.

    Args:
        deadline: epoch seconds after which no other run is checked; the next sweep begins anew.

    Returns:
        How many runs were open, how many were started again, and how many files had no run.

    Raises:
        Exception: what kept it from recovering one of them, when all others are done.
    """
    open_runs = restarted = 0
    troubles: list[Exception] = []
    for run in _open_runs(deps):
        if deps.now() >= deadline:
            deps.warn("sweep is out of time", open_runs=open_runs, before=run.started_at)
            break
        open_runs += 1
        try:
            restarted += _continued(run, deps, status_of, restart)
            prolong(run, deps, deadline)
        except Exception as error:  # noqa: BLE001 - the others must not wait for this one
            deps.warn("sweep passed over a run", run_id=run.run_id, error=type(error).__name__)
            troubles.append(error)
    for name in deps.store.config.connection_names():
        try:
            _forget_strays(name, deps)
            _recount(name, deps)
            at_risk = results_at_risk(name, deps)
        except Exception as error:  # noqa: BLE001 - nor these for each other
            deps.warn("sweep passed over a connection", connection=name, error=type(error).__name__)
            troubles.append(error)
            continue
        if at_risk:
            deps.warn("results at risk", connection=name, jobs=at_risk)
            deps.emit(ResultsAtRisk=at_risk)
    opened = 0
    try:
        opened = _open_files(deps, open_file, deadline)
    except Exception as error:  # noqa: BLE001 - raised at the end, like the others
        deps.warn("sweep passed over the inbox", error=type(error).__name__)
        troubles.append(error)
    if restarted or opened:
        deps.emit(CarriedOn=restarted + opened)
    deps.log("swept", open_runs=open_runs, restarted=restarted, opened=opened)
    if troubles:
        raise troubles[0]
    return {"open_runs": open_runs, "restarted": restarted, "opened": opened}


def _open_files(deps: Deps, open_file: Open, deadline: float) -> int:
    """Open what was dropped within the last days and has no run: its event, or the execution that
    this started, was lost."""
    now, bucket = deps.now(), deps.settings.inbox_bucket
    opened = 0
    for version in deps.objects.versions(bucket, INBOX):
        if deps.now() >= deadline:
            break
        age = now - version.stored_at
        young_or_old = not INBOX_YOUNG < age < INBOX_SECONDS
        if young_or_old or is_folder(version.key, version.size):
            continue
        profile = profile_of(version.key)
        request = RunRequest(profile, bucket, version.key, version.version_id)
        run_id = run_id_of(request, version.version_id)
        if deps.store.runs.get(run_id) is None and not deps.store.runs.is_deleted(run_id):
            deps.warn("file without a run", run_id=run_id, age=round(age))
            open_file(request)
            opened += 1
    return opened


def _recount(connection: str, deps: Deps) -> None:
    """Set the slots of a connection right where they are not as many as chunks that hold one.

    Chunks and slots change in one transaction, so that they only differ after somebody has edited
    the table or restored it. They cannot be read at once: two counts must find the same difference.
    """
    limits, chunks = deps.store.limits, deps.store.chunks
    before = limits.get(connection).in_flight
    held = chunks.holders(connection)
    if limits.get(connection).in_flight != before:
        return
    known = limits.miscount(connection)
    if held == before:
        if known is not None:
            limits.forget_miscount(connection)
    elif known != (before, held):
        limits.note_miscount(connection, before, held)
    elif limits.set_in_flight(connection, before, held):
        deps.warn("slots recounted", connection=connection, were=before, held=held)


def _continued(run: Run, deps: Deps, status_of: StatusOf, restart: Restart) -> bool:
    """Whether an execution was started for an open run, as no execution works on it."""
    if not _may_be_dead(run, deps):
        return False
    status = status_of(run.execution)
    if status == RUNNING:
        return False
    deps.warn("run without an execution", run_id=run.run_id, status=status)
    if status in STOPPED:
        # Before it goes on: jobs in flight are polled to their end, and no other is sent.
        deps.store.runs.stop(run.run_id, StopReason(ABORTED, STOPPED[status]))
    restart(run.run_id, run.execution)
    return True


def _open_runs(deps: Deps) -> Iterator[Run]:
    """All runs that are not closed, newest first."""
    for _, listed in deps.store.runs.newest():
        if listed.closed_at is None:
            # The index lags; decide on what the run itself says.
            run = deps.store.runs.get(listed.run_id)
            if run is not None and run.closed_at is None:
                yield run


def _forget_strays(connection: str, deps: Deps) -> None:
    """Remove the claims that a function which was far behind has left of runs that are closed:
    with them the connection would count as in use."""
    store = deps.store
    for run_id in store.chunks.runs_in_flight(connection):
        run = store.runs.get(run_id)
        if run is None or run.closed_at is not None:
            store.chunks.forget_all(connection, run_id)


def _may_be_dead(run: Run, deps: Deps) -> bool:
    if run.suspended and run.paused:
        return False  # until an operator says how it goes on
    return deps.now() > run.started_at + SETTLED_SECONDS
