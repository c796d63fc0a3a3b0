"""`jobferry retry` and `jobferry rerun`: rows of a run once more, as a run of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.rerun import Repeat, rerun_of, retry_of
from jobferry.reporting.formatting import counted
from jobferry.steps.open_run import PRIORITIES
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import closed_run, follow
from jobferry_cli.output import can_ask, confirm, note
from jobferry_cli.profiles import UsableProfile, usable_profile
from jobferry_cli.progress import shown_upload
from jobferry_cli.repeats import repeatable_run, send_again
from jobferry_cli.resolving import start_resolve
from jobferry_cli.sending import put_started

F = TypeVar("F", bound=Callable[..., Any])


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
    help="Also rows that may have been applied; they are looked up first.",
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
    """Re-send only the failed rows."""
    run = closed_run(app, run_id, "retried")
    wanted = {
        OutcomeStatus.FAILED: True,
        OutcomeStatus.UNKNOWN: unknown,
        OutcomeStatus.REJECTED: rejected,
    }
    statuses = [status for status, asked in wanted.items() if asked]
    usable = usable_profile(app.stack, run.profile)
    repeatable = repeatable_run(run, usable)
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
    """The run after its unknown rows were looked up again."""
    note(f"Looking up {counted(run.outcomes[OutcomeStatus.UNKNOWN], 'unknown row')} first.")
    if start_resolve(app, run).closed_at is None:
        follow(app, run.run_id)
    now = app.stack.deps.store.runs.must_get(run.run_id)
    for warning in now.warnings:
        note(warning)
    return now


def _confirm_twice(run: Run, usable: UsableProfile, *, rejected: bool) -> None:
    """Ask whether rows may be sent again that may have been applied.

    Raises:
        CommandError: nobody can be asked.
        click.Abort: the answer is no.
    """
    unknown = run.outcomes.get(OutcomeStatus.UNKNOWN, 0)
    if not unknown:
        return
    doubt = (
        f"{counted(unknown, 'row')} of run {run.run_id} may have been applied, and "
        f"{usable.operation.name} would do them twice."
    )
    if not can_ask():
        more = ["--rejected"] if rejected else []
        raise CommandError(
            f"{doubt} The vendor does not know; look them up there "
            f"({command('rows', run.run_id, '--status', 'unknown')}), or say yes to that.",
            next_command=command("retry", run.run_id, "--unknown", *more, "--yes"),
            error_code="would_repeat",
        )
    confirm(f"{doubt} Send them all the same?")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--repeat-succeeded", is_flag=True, help="Also rows that would be done twice.")
@_repeat_options
@global_options
@pass_app
def rerun(
    app: App, run_id: str, repeat_succeeded: bool, again: bool, wait: bool, priority: str | None
) -> ExitCode:
    """Run the whole file again.

    Rows that succeeded or may have are left out where the operation is not repeatable.
    """
    run = closed_run(app, run_id, "sent again")
    usable = usable_profile(app.stack, run.profile)
    twice = repeatable_run(run, usable) or repeat_succeeded
    repeat = rerun_of(run, repeatable=twice)
    once = not (again or twice)
    return _repeat(app, run, usable, repeat, once=once, wait=wait, priority=priority)


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
    repeated = send_again(
        app.stack, run, usable, repeat, once=once, priority=priority, shown=shown_upload
    )
    for text in repeated.notes:
        note(text)
    # Of rows that were sent again before nobody counts anew what was left out: null.
    document: dict[str, Any] = {"origin": run.run_id, "left_out": repeated.left_out}
    return put_started(app, {"run_id": repeated.run_id, **document}, wait=wait)
