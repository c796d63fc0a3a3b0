"""Open: claim a run once, pin the version of its file, check profile and connection.

The identity of a run is the version of its file: S3 and EventBridge deliver events more
than once, people drop files while a schedule fires, and the CLI starts what its own upload has
started already. All of these make one run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from jobferry.binding.newest_file import (
    NoFileError,
    newest_below,
    of_file,
    of_nothing,
    sent_before,
)
from jobferry.binding.profile_fit import ProfileError, check_against
from jobferry.csvfile.bounds import file_too_large
from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.domain.inbox import is_folder, shown, why_refused
from jobferry.domain.profile import Profile
from jobferry.domain.routes import OpenRoute
from jobferry.domain.run import Pause, Run, RunStatus, Source
from jobferry.domain.run_event import opened_event
from jobferry.domain.run_request import IGNORE, RunRequest
from jobferry.domain.who import claimed
from jobferry.reporting.run_metrics import rows_per_job
from jobferry.settlement.retention import kept_seconds
from jobferry.store.objects import DeniedError, Head, ObjectMissingError
from jobferry.vendors.connections import max_jobs
from jobferry.vendors.operation import Operation, most_records
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import VendorRegistry

PRIORITIES = ("lowest", "low", "medium", "high", "highest", "immediate")

# User metadata of an uploaded object that sets options of its run.
PRIORITY_OPTION = "jobferry-priority"
ORIGIN_OPTION = "jobferry-origin"
TRIAL_OPTION = "jobferry-trial"
BY_OPTION = "jobferry-by"
"""Who the uploader says to be."""

SAME_CONTENT = "same_content"
"""Why a run is paused from the beginning: another one has sent the very same bytes."""

DENIED_SECONDS = 3_600.0
DENIED_INBOX_SECONDS = 20 * 3_600.0
"""For so long S3 may refuse to show a file before its run fails: one of our own inbox was dropped
there, so that a right is missing; another's bucket may never be ours to read."""

OPENS_WITHIN = 2 * 86_400.0
"""Seconds within which a run is opened whose content was noted: its execution, or a sweep, does."""

MOST_ROWS = 10**12
"""More than any file has."""


def run_id_of(request: RunRequest, version_id: str) -> str:
    """The run's name: the profile, and a digest of all that makes the run this one."""
    identity = "\n".join(
        (request.profile, request.bucket, request.key, version_id, request.firing or "")
    )
    return f"{request.profile}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def open_run(
    request: RunRequest, execution: str, deps: Deps, started_at: float | None = None
) -> dict[str, Any]:
    """Claim the run for this execution.

    Args:
        execution: ARN of the execution that asks.
        started_at: when it began (epoch seconds); None: nobody knows.

    Returns:
        run_id and state: `open`, with the `event` to announce; `duplicate` (another execution
        runs it); or `unusable` (it exists, is failed, and says why). State `ignored` alone: the
        upload is no file, but stands for a folder.

    Raises:
        DeniedError: S3 does not let us see the file, which may pass.
    """
    problem: str | None = None
    if request.newest:
        request, problem = _newest(request, execution, deps, started_at)
        if problem is not None and request.nothing_new == IGNORE:
            deps.log("nothing new below a prefix")
            return {"state": OpenRoute.IGNORED}
    head = None if problem is not None else _head(request, deps, started_at)
    if head is not None and is_folder(request.key, head.source.size):
        return {"state": OpenRoute.IGNORED}
    run = _new_run(request, head, execution, deps)
    reason = problem or file_problem(request, head, deps.settings.max_file_bytes)
    if reason is not None or head is None:
        return _claim(_failed(run, reason), deps)
    stored = _stored(request.profile, deps)
    setup = checked(request.profile, head, stored, deps.vendors)
    if not isinstance(setup, Setup):
        return _claim(_failed(run, setup), deps)
    return _claim(_planned(run, head, setup, deps), deps)


class Stored(NamedTuple):
    """What the table has for a file: nothing, a profile, or a profile and its connection.

    Attributes:
        profile: revision and document.
        connection: the one that the document names.
    """

    profile: tuple[int, Mapping[str, Any]] | None = None
    connection: Connection | None = None


class Setup(NamedTuple):
    """Profile, connection and vendor of a run, which fit together.

    Attributes:
        trial: rows to send before a person says yes; None: all.
    """

    profile: Profile
    connection: Connection
    vendor: Vendor
    operation: Operation
    trial: int | None


def file_problem(request: RunRequest, head: Head | None, most_bytes: int) -> str | None:
    """Why a file cannot become a run, whatever its profile says; None when it can.

    Args:
        head: None: it is not there, or may not be read.
    """
    if head is None:
        return (
            f"There is no file s3://{request.bucket}/{request.key} that Jobferry may read. "
            "Files are read from the stack's inbox bucket."
        )
    problem = request.problem or why_refused(request.profile, request.key)
    if problem is None and head.source.size > most_bytes:
        return file_too_large(head.source.size, most_bytes).message
    return problem


def checked(name: str, head: Head, stored: Stored, vendors: VendorRegistry) -> Setup | str:
    """What a run of this file and profile works with, or why there can be none.

    Args:
        name: of the profile.
    """
    if stored.profile is None:
        return f"There is no profile {name!r}. Make it with: jobferry profile put FILE.yaml"
    revision, document = stored.profile
    try:
        profile = Profile.from_document(document, revision)
    except (AttributeError, KeyError, TypeError, ValueError):
        return (
            f"Profile {name!r} cannot be read as it is stored. "
            "Store it again with: jobferry profile put FILE.yaml"
        )
    connection = stored.connection
    if connection is None:
        return (
            f"Profile {profile.name!r} names the connection {profile.connection!r}, which is not "
            f"there. Make it with: jobferry connection put {profile.connection} …"
        )
    try:
        vendor = vendors.named(connection.vendor)
    except LookupError as error:
        return f"Connection {connection.name!r} cannot be used. {error.args[0]}"
    try:
        operation = check_against(profile, vendor)
    except ProfileError as error:
        return f"Profile {profile.name!r} cannot be used. {error}"
    trial = _trial(head.options)
    if trial is not None and trial < 1:
        return f"The file's metadata {TRIAL_OPTION} must be a whole number above 0."
    return Setup(profile, connection, vendor, operation, trial)


def _newest(
    request: RunRequest, execution: str, deps: Deps, started_at: float | None
) -> tuple[RunRequest, str | None]:
    """The request of the newest file below a prefix; or of none, and why.

    Raises:
        DeniedError: S3 does not let us see them, and a missing right may still be given.
    """
    if request.problem is not None:
        return of_nothing(request, execution), request.problem
    where = f"s3://{request.bucket}/{request.key}"
    try:
        file = newest_below(request.bucket, request.key, deps.objects)
    except NoFileError as error:
        return of_nothing(request, execution), str(error)
    except DeniedError:
        _bear_refusal(request, deps, started_at)
        why = f"What lies below {where} may not be listed. Files are read from the inbox bucket."
        return of_nothing(request, execution), why
    found = of_file(request, file)
    head = _head(found, deps, started_at)
    if head is None:
        return found, None
    run_id = run_id_of(found, head.source.version_id)
    earlier = deps.store.runs.get(run_id)
    deleted = earlier is None and deps.store.runs.is_deleted(run_id)
    asked_at = deps.now() if started_at is None else started_at
    if not deleted and (earlier is None or not sent_before(found, earlier, execution, asked_at)):
        return replace(found, version_id=head.source.version_id), None
    unusable = earlier is not None and earlier.status is RunStatus.FAILED
    became = (
        f"could not be used (run {run_id})" if unusable else f"the run {run_id} has sent already"
    )
    return of_nothing(request, execution), (
        f"There is no new file below {where}: the newest is {file.key}, which {became}. "
        "Whatever makes the file has not put a new one there."
    )


def _head(request: RunRequest, deps: Deps, started_at: float | None) -> Head | None:
    """The file's version, size and metadata; None: it is not there, or may not be read.

    Raises:
        DeniedError: S3 does not let us see it, and a missing right may still be given.
    """
    try:
        return deps.objects.head(request.bucket, request.key, request.version_id)
    except ObjectMissingError:
        return None
    except DeniedError:
        _bear_refusal(request, deps, started_at)
        return None


def _bear_refusal(request: RunRequest, deps: Deps, started_at: float | None) -> None:
    """Wait for a right that may still be given; after that the run fails.

    Raises:
        DeniedError: it may be given yet.
    """
    ours = request.bucket == deps.settings.inbox_bucket
    bearable = DENIED_INBOX_SECONDS if ours else DENIED_SECONDS
    if started_at is None or deps.now() < started_at + bearable:
        raise DeniedError(f"s3://{request.bucket}/{request.key}")


def _stored(profile: str, deps: Deps) -> Stored:
    """What the table has of a profile and its connection."""
    found = deps.store.config.profile(profile)
    document = found[1] if found is not None else None
    name = document.get("connection") if isinstance(document, Mapping) else None
    return Stored(found, deps.store.config.connection(name) if isinstance(name, str) else None)


def _planned(run: Run, head: Head, setup: Setup, deps: Deps) -> Run:
    """The run with what it was opened with; paused where its content was sent before."""
    profile, connection, vendor = setup.profile, setup.connection, setup.vendor
    deps.store.limits.ensure(connection.name, max_jobs(connection, vendor))
    operation = setup.operation
    most = most_records(profile, operation)
    planned = replace(
        run,
        revision=profile.revision,
        connection=connection.name,
        operation=profile.operation,
        row_items=profile.row_items is not None,
        job_rows=rows_per_job(connection, vendor, operation, most, deps.store),
        trial=setup.trial,
        vendor=connection.vendor,
        base_url=connection.base_url,
    )
    if not operation.repeatable and head.content:
        return _asking(planned, head.content, deps)
    return planned


def _asking(run: Run, content: str, deps: Deps) -> Run:
    """The run, paused from the beginning where another one has sent the very same bytes.

    Rows that are sent again on purpose (`retry`, `rerun`) name their origin, and need no yes.
    """
    runs, expires_at = deps.store.runs, run.expires_at
    first_id, noted_at = runs.first_with(run, content, deps.now(), expires_at)
    if first_id == run.run_id or run.origin is not None:
        return run
    first = runs.get(first_id)
    # One that is not there yet is being opened at this moment, or soon will be.
    gone = first is None and (runs.is_deleted(first_id) or deps.now() > noted_at + OPENS_WITHIN)
    if gone or (first is not None and first.closed_at is not None and not first.processed):
        runs.carries_first(run, content, deps.now(), expires_at)
        return run
    reason = (
        f"The very same content was sent by the run {first_id} with this profile, and "
        f"{run.operation} would do it twice. Send it all the same: jobferry resume {run.run_id}. "
        f"Do not: jobferry abort {run.run_id}"
    )
    return replace(run, pause=Pause(SAME_CONTENT, reason, deps.now()))


def resume_run(run_id: str, previous: str, execution: str, deps: Deps) -> dict[str, Any]:
    """Carry on a run whose execution ended before it was closed.

    Args:
        previous: the execution that ran it.

    Returns:
        run_id and state: `open` to plan it on, with the `event` to announce, `resumed` to go on
        with a planned one, `duplicate`; or state `refused` and the reason.
    """
    run = deps.store.runs.get(run_id)
    if run is None:
        if deps.store.runs.is_deleted(run_id):
            return {"run_id": run_id, "state": OpenRoute.DUPLICATE}
        return refuse(f"There is no run {shown(run_id)} that could go on.", deps)
    idle = run.idle_until(deps.now())
    mine = run.execution == execution or deps.store.runs.take_over(
        run_id, execution, previous, idle
    )
    if not mine or run.closed_at is not None:
        return {"run_id": run_id, "state": OpenRoute.DUPLICATE}
    if run.status is RunStatus.PLANNING and not run.forced:
        # Announced once more: the execution before may have died on its way there.
        return {"run_id": run_id, "state": OpenRoute.OPEN, "event": opened_event(run)}
    return {"run_id": run_id, "state": OpenRoute.RESUMED}


def refuse(reason: str, deps: Deps) -> dict[str, Any]:
    """The answer to an input of which no run can be made: its execution fails with this reason."""
    deps.warn("input refused")
    return {"state": OpenRoute.REFUSED, "error": reason}


def _trial(options: Mapping[str, str]) -> int | None:
    """The rows of a trial; 0 when what is asked for cannot be understood."""
    asked = options.get(TRIAL_OPTION)
    if asked is None:
        return None
    return min(int(asked), MOST_ROWS) if asked.isascii() and asked.isdigit() else 0


def _new_run(request: RunRequest, head: Head | None, execution: str, deps: Deps) -> Run:
    """The run as far as its file alone says it.

    Args:
        head: None: the file is not there.
    """
    now = deps.now()
    source = Source(request.bucket, request.key, request.version_id or "null")
    options: Mapping[str, str] = {}
    if head is not None:
        source, options = head.source, head.options
    priority = options.get(PRIORITY_OPTION, "medium")
    by = request.by or claimed(options.get(BY_OPTION)) or request.uploader
    return Run(
        run_id=run_id_of(request, source.version_id),
        status=RunStatus.PLANNING,
        profile=request.profile,
        revision=0,
        connection="",
        operation="",
        source=source,
        started_at=now,
        priority=priority if priority in PRIORITIES else "medium",
        execution=execution,
        origin=options.get(ORIGIN_OPTION),
        by={} if by is None else {"started": by},
        expires_at=int(now) + kept_seconds(deps.store.retention),
    )


def _failed(run: Run, reason: str | None) -> Run:
    return replace(run, status=RunStatus.FAILED, error=reason)


def _claim(run: Run, deps: Deps) -> dict[str, Any]:
    """Create the run, if it is not there yet and was not deleted; answers what becomes of it."""
    runs = deps.store.runs
    if runs.is_deleted(run.run_id):
        deps.log("run was deleted", run_id=run.run_id)
        return {"run_id": run.run_id, "state": OpenRoute.DUPLICATE}
    if not runs.create(run):
        existing = runs.must_get(run.run_id)
        if existing.execution != run.execution:
            deps.log("run exists", run_id=run.run_id, execution=existing.execution)
            return {"run_id": run.run_id, "state": OpenRoute.DUPLICATE}
        run = existing
    state = OpenRoute.UNUSABLE if run.status is RunStatus.FAILED else OpenRoute.OPEN
    deps.log("run opened", run_id=run.run_id, state=state, size=run.source.size)
    if state is OpenRoute.UNUSABLE:
        return {"run_id": run.run_id, "state": state}
    return {"run_id": run.run_id, "state": state, "event": opened_event(run)}
