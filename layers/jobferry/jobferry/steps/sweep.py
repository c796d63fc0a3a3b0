"""Sweep: find runs that no execution works on any more, and start one.

Lanes recover their own lost submissions. What is left for the sweep are runs whose execution
ended without closing them: it starts an execution that goes on with the run, and where a person had
ended it, to its proper end and no further. Results that nobody reads are counted, so that an alarm
goes off hours before the vendor forgets them. Slots need no returning, since a slot is taken and
given back with its chunk; but a version before may have left a pointer of a closed run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

from jobferry.deps import Deps
from jobferry.domain.inbox import INBOX, is_folder, profile_of
from jobferry.domain.run import ABORTED, Run, StopReason
from jobferry.domain.run_request import RunRequest
from jobferry.settlement.expiring_results import results_at_risk
from jobferry.settlement.retention import is_due, prolong
from jobferry.steps.open_run import run_id_of
from jobferry.store.objects import Version

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

RUNS_PART, CONNECTIONS_PART = 0.6, 0.8
"""Parts of a sweep's time after which it goes on to connections, and from there to files."""

FILES_AT_ONCE = 10_000
"""Versions of uploads that one sweep looks at; the next one goes on with those after them."""

FILED_AT_ONCE = 20_000
"""Runs that one sweep may have to put into the right partition of the index."""

INDEX_LAG = 3_600.0
"""An index shows after this time, at the very latest, what was written."""


def sweep(
    deps: Deps,
    status_of: StatusOf,
    restart: Restart,
    open_file: Open,
    deadline: float = float("inf"),
) -> dict[str, Any]:
    """Look at open runs, at connections, and at files of the last days, as many as time allows.

    Each goes on where the sweep before had to stop, so that all have their turn.

    Args:
        deadline: epoch seconds after which nothing else is begun.

    Returns:
        How many open runs it checked, how many were started again, and how many files had no
        run.

    Raises:
        Exception: what kept it from recovering one of them, when all others are done.
    """
    return _Sweep(deps, deadline).work(status_of, restart, open_file)


class _Sweep:
    """One sweep: it notes how far it is after each of its parts.

    Args:
        deadline: epoch seconds.
    """

    def __init__(self, deps: Deps, deadline: float) -> None:
        self._deps = deps
        self._began_at, self._deadline = deps.now(), deadline
        self._progress = deps.store.sweep.get()
        self._troubles: list[Exception] = []

    def work(self, status_of: StatusOf, restart: Restart, open_file: Open) -> dict[str, Any]:
        """All of it, as `sweep` says."""
        self._file_runs()
        open_runs, restarted = self._check_runs(status_of, restart)
        self._check_connections()
        opened = self._open_files(open_file)
        if restarted or opened:
            self._deps.emit(CarriedOn=restarted + opened)
        self._deps.log("swept", open_runs=open_runs, restarted=restarted, opened=opened)
        if self._troubles:
            raise self._troubles[0]
        return {"open_runs": open_runs, "restarted": restarted, "opened": opened}

    def _out_of_time(self, part: float = 1.0) -> bool:
        """Whether so much of the sweep's time is over."""
        return self._deps.now() >= self._moment(part)

    def _moment(self, part: float) -> float:
        """When so much of the sweep's time is over (epoch seconds)."""
        if self._deadline == float("inf"):
            return self._deadline
        return self._began_at + part * (self._deadline - self._began_at)

    def _note(self, **done: Any) -> None:
        """Note how far the sweep is, if that has changed."""
        progress = replace(self._progress, **done)
        if progress != self._progress:
            self._deps.store.sweep.put(progress)
            self._progress = progress

    @contextmanager
    def _guarded(self, what: str, **names: str) -> Iterator[None]:
        """Keep an error for the end: the others must not wait for this one."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised at the end
            self._deps.warn(f"sweep passed over {what}", **names, error=type(error).__name__)
            self._troubles.append(error)

    def _file_runs(self) -> None:
        """Put runs that an older version has opened among the open ones.

        Every run that was begun is looked at once, and those of the last hour once more; there is
        nothing else to be done where all were opened by this version.
        """
        runs = self._deps.store.runs
        with self._guarded("the index of runs"):
            for number, run in enumerate(runs.filed_as_closed(self._progress.filed_from)):
                if number >= FILED_AT_ONCE or self._out_of_time():
                    self._note(filed_from=run.started_at)
                    return
                if run.closed_at is None and runs.file_open(run.run_id):
                    self._deps.log("run filed as open", run_id=run.run_id)
            self._note(filed_from=max(0.0, self._began_at - INDEX_LAG))

    def _check_runs(self, status_of: StatusOf, restart: Restart) -> tuple[int, int]:
        """Returns: how many open runs were checked, and how many were started again."""
        deps, last = self._deps, self._progress.run
        open_runs = restarted = 0
        for cursor, run in _open_runs(deps, last):
            if self._out_of_time(RUNS_PART):
                deps.warn("sweep is out of time", open_runs=open_runs, before=run.started_at)
                self._note(run=last)
                return open_runs, restarted
            last = cursor
            open_runs += 1
            with self._guarded("a run", run_id=run.run_id):
                restarted += _continued(run, deps, status_of, restart)
                if is_due(run, deps.store.retention, deps.now()):
                    # It may take longer than there is time: the next sweep begins with others.
                    self._note(run=cursor)
                    prolong(run, deps, self._moment(RUNS_PART))
        self._note(run="")
        return open_runs, restarted

    def _check_connections(self) -> None:
        deps, last = self._deps, self._progress.connection
        names = sorted(deps.store.config.connection_names())
        for name in [*(n for n in names if n > last), *(n for n in names if n <= last)]:
            if self._out_of_time(CONNECTIONS_PART):
                deps.warn("sweep is out of time", connection=name)
                self._note(connection=last)
                return
            last = name
            with self._guarded("a connection", connection=name):
                _forget_strays(name, deps)
                _recount(name, deps)
                at_risk = results_at_risk(name, deps)
                if at_risk:
                    deps.warn("results at risk", connection=name, jobs=at_risk)
                    deps.emit(ResultsAtRisk=at_risk)
        self._note(connection="")

    def _open_files(self, open_file: Open) -> int:
        """Open what was dropped within the last days and has no run: its event, or the execution
        that this started, was lost."""
        deps, opened = self._deps, 0
        bucket, last = deps.settings.inbox_bucket, self._progress.file
        with self._guarded("the inbox"):
            done = last
            for number, version in enumerate(deps.objects.versions(bucket, INBOX, after=last)):
                if version.key != last:
                    # What is listed goes on after a key: all its versions belong together.
                    done, last = last, version.key
                    if number >= FILES_AT_ONCE:
                        self._note(file=done)
                        return opened
                if self._out_of_time():
                    self._note(file=done)
                    return opened
                opened += _opened(version, deps, open_file)
            self._note(file="")
        return opened


def _opened(version: Version, deps: Deps, open_file: Open) -> bool:
    """Whether an execution was started for an upload, as it had no run."""
    age = deps.now() - version.stored_at
    young_or_old = not INBOX_YOUNG < age < INBOX_SECONDS
    if young_or_old or is_folder(version.key, version.size):
        return False
    profile = profile_of(version.key)
    request = RunRequest(profile, deps.settings.inbox_bucket, version.key, version.version_id)
    run_id = run_id_of(request, version.version_id)
    if deps.store.runs.get(run_id) is not None or deps.store.runs.is_deleted(run_id):
        return False
    deps.warn("file without a run", run_id=run_id, age=round(age))
    open_file(request)
    return True


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


def _open_runs(deps: Deps, last: str) -> Iterator[tuple[str, Run]]:
    """(cursor, run) of all open runs, oldest first, beginning after the cursor `last`."""
    runs = deps.store.runs
    parts = [runs.oldest_open(after=last or None)]
    if last:
        parts.append(runs.oldest_open(until=last))
    for cursor, listed in chain(*parts):
        # The index lags; decide on what the run itself says.
        run = runs.get(listed.run_id)
        if run is not None and run.closed_at is None:
            yield cursor, run
        elif run is not None:
            runs.file_closed(run.run_id)


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
