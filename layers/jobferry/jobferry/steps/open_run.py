"""Open: claim a run once, pin the version of its file, check profile and connection.

The identity of a run is the file version it carries: S3 and EventBridge deliver events more
than once, people drop files while a schedule fires, and the CLI starts what its own upload has
started already. All of these make one run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobferry.binding.profile_fit import ProfileError, check_against
from jobferry.csvfile.bounds import file_too_large
from jobferry.deps import Deps
from jobferry.domain.inbox import is_folder, shown, why_refused
from jobferry.domain.profile import Profile
from jobferry.domain.routes import OpenRoute
from jobferry.domain.run import Pause, Run, RunStatus, Source
from jobferry.domain.run_request import RunRequest
from jobferry.domain.who import claimed
from jobferry.reporting.run_metrics import rows_per_job
from jobferry.settlement.retention import kept_seconds
from jobferry.store.objects import DeniedError, Head, ObjectMissingError
from jobferry.vendors.connections import max_jobs
from jobferry.vendors.operation import most_records

PRIORITIES = ("lowest", "low", "medium", "high", "highest", "immediate")

# User metadata of an uploaded object that sets options of its run.
PRIORITY_OPTION = "jobferry-priority"
ORIGIN_OPTION = "jobferry-origin"
TRIAL_OPTION = "jobferry-trial"
BY_OPTION = "jobferry-by"
"""Who the uploader says to be."""

SAME_CONTENT = "same_content"
"""Why a run is paused from the beginning: another one has carried the very same bytes."""

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
        run_id and state: `open`; `duplicate` (another execution carries it); or `unusable` (it
        exists, is failed, and says why). State `ignored` alone: the upload is no file, but stands
        for a folder.

    Raises:
        DeniedError: S3 does not let us see the file, which may pass.
    """
    try:
        head = deps.objects.head(request.bucket, request.key, request.version_id)
    except (ObjectMissingError, DeniedError) as error:
        denied = isinstance(error, DeniedError)
        ours = request.bucket == deps.settings.inbox_bucket
        bearable = DENIED_INBOX_SECONDS if ours else DENIED_SECONDS
        if denied and (started_at is None or deps.now() < started_at + bearable):
            raise  # a right that is missing may be given: the step is repeated
        missing = Source(request.bucket, request.key, request.version_id or "null")
        run = _new_run(request, Head(missing, {}), execution, deps)
        return _claim(
            run,
            deps,
            f"There is no file s3://{request.bucket}/{request.key} that Jobferry may read. "
            "Files are read from the stack's inbox bucket.",
        )
    if is_folder(request.key, head.source.size):
        return {"state": OpenRoute.IGNORED}
    run = _new_run(request, head, execution, deps)
    refusal = request.problem or why_refused(request.profile, request.key)
    if refusal is not None:
        return _claim(run, deps, refusal)
    most = deps.settings.max_file_bytes
    if head.source.size > most:
        return _claim(run, deps, file_too_large(head.source.size, most).message)
    found = deps.store.config.profile(request.profile)
    if found is None:
        return _claim(
            run,
            deps,
            f"There is no profile {request.profile!r}. "
            "Make it with: jobferry profile put FILE.yaml",
        )
    revision, document = found
    try:
        profile = Profile.from_document(document, revision)
    except (AttributeError, KeyError, TypeError, ValueError):
        return _claim(
            run,
            deps,
            f"Profile {request.profile!r} cannot be read as it is stored. "
            "Store it again with: jobferry profile put FILE.yaml",
        )
    connection = deps.store.config.connection(profile.connection)
    if connection is None:
        return _claim(
            run,
            deps,
            f"Profile {profile.name!r} names the connection {profile.connection!r}, which is not "
            f"there. Make it with: jobferry connection put {profile.connection} …",
        )
    try:
        vendor = deps.vendors.named(connection.vendor)
    except LookupError as error:
        return _claim(run, deps, f"Connection {connection.name!r} cannot be used. {error.args[0]}")
    try:
        check_against(profile, vendor)
    except ProfileError as error:
        return _claim(run, deps, f"Profile {profile.name!r} cannot be used. {error}")
    deps.store.limits.ensure(connection.name, max_jobs(connection, vendor))
    operation = vendor.operation(profile.operation)
    job_rows = None
    if operation is not None:
        most = most_records(profile, operation)
        job_rows = rows_per_job(connection, vendor, operation, most, deps.store)
    trial = _trial(head.options)
    if trial is not None and trial < 1:
        return _claim(
            run, deps, f"The file's metadata {TRIAL_OPTION} must be a whole number above 0."
        )
    planned = replace(
        run,
        status=RunStatus.PLANNING,
        revision=revision,
        connection=connection.name,
        operation=profile.operation,
        job_rows=job_rows,
        trial=trial,
        vendor=connection.vendor,
        base_url=connection.base_url,
    )
    if operation is not None and not operation.repeatable and head.content:
        planned = _asking(planned, head.content, deps)
    return _claim(planned, deps, None)


def _asking(run: Run, content: str, deps: Deps) -> Run:
    """The run, paused from the beginning where another one has carried the very same bytes.

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
        f"The very same content was carried by the run {first_id} with this profile, and "
        f"{run.operation} would do it twice. Send it all the same: jobferry resume {run.run_id}. "
        f"Do not: jobferry abort {run.run_id}"
    )
    return replace(run, pause=Pause(SAME_CONTENT, reason, deps.now()))


def resume_run(run_id: str, previous: str, execution: str, deps: Deps) -> dict[str, Any]:
    """Carry on a run whose execution ended before it was closed.

    Args:
        previous: the execution that carried it.

    Returns:
        run_id and state: `open` to plan it on, `resumed` to go on with a planned one,
        `duplicate`; or state `refused` and the reason.
    """
    run = deps.store.runs.get(run_id)
    if run is None:
        if deps.store.runs.is_deleted(run_id):
            return {"run_id": run_id, "state": OpenRoute.DUPLICATE}
        return refuse(f"There is no run {shown(run_id)} that could go on.", deps)
    mine = run.execution == execution or deps.store.runs.take_over(run_id, execution, previous)
    if not mine or run.closed_at is not None:
        return {"run_id": run_id, "state": OpenRoute.DUPLICATE}
    to_plan = run.status is RunStatus.PLANNING and not run.forced
    return {"run_id": run_id, "state": OpenRoute.OPEN if to_plan else OpenRoute.RESUMED}


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


def _new_run(request: RunRequest, head: Head, execution: str, deps: Deps) -> Run:
    now = deps.now()
    priority = head.options.get(PRIORITY_OPTION, "medium")
    by = request.by or claimed(head.options.get(BY_OPTION)) or request.uploader
    return Run(
        run_id=run_id_of(request, head.source.version_id),
        status=RunStatus.FAILED,
        profile=request.profile,
        revision=0,
        connection="",
        operation="",
        source=head.source,
        started_at=now,
        priority=priority if priority in PRIORITIES else "medium",
        execution=execution,
        origin=head.options.get(ORIGIN_OPTION),
        by={} if by is None else {"started": by},
        expires_at=int(now) + kept_seconds(deps.store.retention),
    )


def _claim(run: Run, deps: Deps, unusable: str | None) -> dict[str, Any]:
    if unusable is not None:
        run = replace(run, error=unusable)
    state = OpenRoute.OPEN if unusable is None else OpenRoute.UNUSABLE
    if deps.store.runs.is_deleted(run.run_id):
        deps.log("run was deleted", run_id=run.run_id)
        return {"run_id": run.run_id, "state": OpenRoute.DUPLICATE}
    if not deps.store.runs.create(run):
        existing = deps.store.runs.must_get(run.run_id)
        if existing.execution != run.execution:
            deps.log("run exists", run_id=run.run_id, execution=existing.execution)
            return {"run_id": run.run_id, "state": OpenRoute.DUPLICATE}
        state = OpenRoute.UNUSABLE if existing.status is RunStatus.FAILED else OpenRoute.OPEN
    deps.log("run opened", run_id=run.run_id, state=state, size=run.source.size)
    return {"run_id": run.run_id, "state": state}
