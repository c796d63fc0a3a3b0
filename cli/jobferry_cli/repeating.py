"""`jobferry retry` and `jobferry rerun`: rows of a run once more, as a run of their own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from botocore.exceptions import ClientError

from jobferry.binding.column_binding import bind_columns
from jobferry.binding.run_binding import operation_of
from jobferry.domain.commands import command
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.inbox import COPYING, copy_names
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.operator.rerun import (
    Copied,
    LeftOut,
    OutcomesMissingError,
    ReadsOtherwiseError,
    Repeat,
    RowFilter,
    check_copy,
    copy_rows,
    rerun_of,
    retry_of,
)
from jobferry.reporting.formatting import counted, listed
from jobferry.steps.open_run import PRIORITIES, run_id_of
from jobferry.store.objects import SourceError
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import closed_run, follow
from jobferry_cli.output import confirm, note
from jobferry_cli.profiles import UsableProfile, usable_profile
from jobferry_cli.progress import shown_upload
from jobferry_cli.resolving import start_resolve
from jobferry_cli.resources import UploadedBeforeError
from jobferry_cli.sending import put_started

F = TypeVar("F", bound=Callable[..., Any])

_MISSING = frozenset({"NoSuchVersion", "NoSuchKey", "404"})


def _repeat_options(command: F) -> F:
    """What `retry` and `rerun` have in common."""
    again = click.option("--again", is_flag=True, help="Even if that was done before.")
    wait = click.option("--wait", is_flag=True, help="Follow the new run to its end.")
    priority = click.option(
        "--priority", type=click.Choice(PRIORITIES), help="Of the new run; as the old one's."
    )
    return again(wait(priority(command)))


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--unknown",
    is_flag=True,
    help="Also rows that may have been carried out; they are looked up first.",
)
@click.option("--rejected", is_flag=True, help="Also rows that were not sent, for a new profile.")
@click.option("--yes", is_flag=True, help="Do not ask whether rows may be done twice.")
@_repeat_options
@global_options
@pass_app
def retry(
    app: App,
    run_id: str,
    unknown: bool,
    rejected: bool,
    yes: bool,
    again: bool,
    wait: bool,
    priority: str | None,
) -> ExitCode:
    """Send the rows of a run that failed once more, and no others."""
    run = closed_run(app, run_id, "retried")
    wanted = {
        OutcomeStatus.FAILED: True,
        OutcomeStatus.UNKNOWN: unknown,
        OutcomeStatus.REJECTED: rejected,
    }
    statuses = [status for status, asked in wanted.items() if asked]
    usable = usable_profile(app.stack, run.profile)
    repeatable = _repeatable(run, usable)
    if unknown and run.outcomes.get(OutcomeStatus.UNKNOWN):
        run = _looked_up(app, run)
        if not yes and not repeatable:
            _confirm_twice(run, usable, rejected=rejected)
    if not any(run.outcomes.get(status) for status in statuses):
        raise CommandError(
            f"Run {run_id} has no {' or '.join(statuses)} rows; there is nothing to retry.",
            next_command=command("status", run_id),
        )
    repeat = retry_of(run, statuses)
    once = not (again or repeatable)
    return _repeat(app, run, usable, repeat, once=once, wait=wait, priority=priority)


def _looked_up(app: App, run: Run) -> Run:
    """The run after its unknown rows were looked up once more."""
    note(f"Looking up {counted(run.outcomes[OutcomeStatus.UNKNOWN], 'unknown row')} first.")
    if start_resolve(app, run).closed_at is None:
        follow(app, run.run_id)
    now = app.stack.deps.store.runs.must_get(run.run_id)
    for warning in now.warnings:
        note(warning)
    return now


def _confirm_twice(run: Run, usable: UsableProfile, *, rejected: bool) -> None:
    """Ask whether rows may be done twice that may have been carried out.

    Raises:
        CommandError: nobody can be asked.
        click.Abort: the answer is no.
    """
    unknown = run.outcomes.get(OutcomeStatus.UNKNOWN, 0)
    if not unknown:
        return
    harm = (
        f"{counted(unknown, 'row')} of run {run.run_id} may have been carried out, and "
        f"{usable.operation.name} would do them twice."
    )
    if not sys.stdin.isatty():
        more = ["--rejected"] if rejected else []
        raise CommandError(
            f"{harm} The vendor could not tell; look them up there "
            f"({command('rows', run.run_id, '--status', 'unknown')}), or say yes to that.",
            next_command=command("retry", run.run_id, "--unknown", *more, "--yes"),
            error_code="would_repeat",
        )
    confirm(f"{harm} Send them all the same?")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--repeat-succeeded", is_flag=True, help="Also rows that would be done twice.")
@_repeat_options
@global_options
@pass_app
def rerun(
    app: App, run_id: str, repeat_succeeded: bool, again: bool, wait: bool, priority: str | None
) -> ExitCode:
    """Carry the file of a run once more.

    Rows that succeeded or may have are left out where doing them twice would do harm.
    """
    run = closed_run(app, run_id, "sent again")
    usable = usable_profile(app.stack, run.profile)
    twice = _repeatable(run, usable) or repeat_succeeded
    repeat = rerun_of(run, repeatable=twice)
    once = not (again or twice)
    return _repeat(app, run, usable, repeat, once=once, wait=wait, priority=priority)


def _repeatable(run: Run, usable: UsableProfile) -> bool:
    """Whether sending rows of the run twice does no harm."""
    operation = operation_of(run, usable.profile, usable.vendor)
    return operation is not None and operation.repeatable


def _repeat(
    app: App,
    run: Run,
    usable: UsableProfile,
    repeat: Repeat,
    *,
    once: bool,
    wait: bool,
    priority: str | None,
) -> ExitCode:
    document: dict[str, Any] = {"origin": run.run_id}
    request = _earlier(app, run, repeat) if once else None
    if request is None:
        try:
            request, copied = _uploaded(
                app, run, repeat, usable, priority or run.priority, once=once
            )
            document["left_out"] = _told(copied, usable)
        except UploadedBeforeError:
            # By somebody who has typed the same a moment before: one run carries them.
            note("These rows are being sent again already, by this very run.")
            request = app.stack.inbox.current(run.profile, repeat.name)
    run_id = run_id_of(request, request.version_id or "null")
    app.stack.executions.start(run_id, request)
    return put_started(app, {"run_id": run_id, **document}, wait=wait)


def _earlier(app: App, run: Run, repeat: Repeat) -> RunRequest | None:
    """The upload that has sent just these rows again before; asked for twice, it happens once.

    Raises:
        CommandError: other rows of the run have been sent again, and these may be among them.
    """
    kind = repeat.name.split("/")[0]
    uploads = {
        name: request
        for verb in COPYING
        for name, request in app.stack.inbox.uploads(
            run.profile, copy_names(verb, run.run_id)
        ).items()
    }
    found = uploads.get(repeat.name)
    if found is not None:
        note("These rows have been sent again before, by this very run. Once more: --again")
        return found
    if not uploads:
        return None
    other = next(iter(uploads.values()))
    earlier = run_id_of(other, other.version_id or "null")
    raise CommandError(
        f"Rows of {run.run_id} have been sent again before, by the run {earlier}, and some "
        "would be done twice. With --again they are sent all the same.",
        next_command=command(kind, earlier),
    )


def _uploaded(
    app: App,
    run: Run,
    repeat: Repeat,
    usable: UsableProfile,
    priority: str,
    *,
    once: bool,
) -> tuple[RunRequest, Copied]:
    """The new file in the inbox, and what of the old one it holds.

    Raises:
        UploadedBeforeError: it must be there once only, and is there.
    """
    try:
        if repeat.row_filter is None:
            request = app.stack.inbox.copy(
                run.source,
                run.profile,
                repeat.name,
                priority=priority,
                origin=run.run_id,
                by=app.stack.caller.name,
                once=once,
            )
            return request, Copied(run.rows)
        return _uploaded_rows(app, run, repeat, repeat.row_filter, usable, priority, once=once)
    except FileRefused as refusal:
        raise _unfit(
            run,
            f"The file of run {run.run_id} does not fit the profile {run.profile} as it is now. "
            f"{refusal.message}",
        ) from None
    except ReadsOtherwiseError:
        raise _unfit(
            run,
            f"The rows alone would be read in another way than in the file of run {run.run_id}. "
            f"Say `encoding` and `delimiter` in the profile {run.profile}.",
        ) from None
    except (OutcomesMissingError, SourceError):
        raise _gone(run) from None
    except ClientError as error:
        if error.response["Error"].get("Code") not in _MISSING:
            raise
        raise _gone(run) from None


def _uploaded_rows(
    app: App,
    run: Run,
    repeat: Repeat,
    row_filter: RowFilter,
    usable: UsableProfile,
    priority: str,
    *,
    once: bool,
) -> tuple[RunRequest, Copied]:
    """A file of some of the run's rows, in the inbox."""
    with tempfile.TemporaryFile() as file:
        copied = copy_rows(run, row_filter, file, app.stack.deps)
        if not copied.rows:
            raise CommandError(
                f"No row of run {run.run_id} can be retried.{_reasons(copied.left_out)}",
                next_command=command("results", run.run_id, "--out", f"results/{run.run_id}"),
            )
        size = file.tell()
        header = check_copy(run, usable.profile, file).header
        bind_columns(usable.profile, usable.operation, usable.vendor, header)
        with shown_upload(size) as sent:
            request = app.stack.inbox.upload(
                file,
                run.profile,
                repeat.name,
                priority=priority,
                origin=run.run_id,
                by=app.stack.caller.name,
                once=once,
                sent=sent,
            )
    return request, copied


def _unfit(run: Run, message: str) -> CommandError:
    return CommandError(message, next_command=command("profile", "show", run.profile))


def _gone(run: Run) -> CommandError:
    return CommandError(
        f"The file or the outcomes of run {run.run_id} are no longer kept.",
        next_command=command("results", run.run_id, "--out", f"results/{run.run_id}"),
    )


_WHY = {
    LeftOut.SUCCEEDED: "succeeded",
    LeftOut.UNKNOWN: "may have been carried out",
    LeftOut.REPEATS: "repeat another row",
    LeftOut.UNREADABLE: "cannot be read and must be mended by hand",
}


def _told(copied: Copied, usable: UsableProfile) -> int:
    """Say on stderr what stays behind and why; returns how many rows that are."""
    reasons = _reasons(copied.left_out)
    if reasons:
        twice = copied.left_out.keys() & {LeftOut.SUCCEEDED, LeftOut.UNKNOWN}
        harm = f" {usable.operation.name} would do them twice (--repeat-succeeded)."
        note(f"{counted(copied.rows, 'row')} sent again.{reasons}{harm if twice else ''}")
    return sum(n for why, n in copied.left_out.items() if why in _WHY)


def _reasons(left_out: Mapping[LeftOut, int]) -> str:
    parts = [f"{left_out[why]} that {words}" for why, words in _WHY.items() if left_out.get(why)]
    return f" Left out: {listed(parts)}." if parts else ""
