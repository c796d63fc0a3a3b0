"""`jobferry resolve`: have the vendor asked once more about unknown rows. Sends no row."""

from __future__ import annotations

from typing import Any

import click

from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.resolve_run import ask_resolve
from jobferry.reporting.formatting import counted
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import follow, found_run, not_over
from jobferry_cli.output import note, put_json, put_text


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--wait", is_flag=True, help="Follow the run until its files are written anew.")
@global_options
@pass_app
def resolve(app: App, run_id: str, wait: bool) -> ExitCode:
    """Re-poll abandoned jobs to settle unknown rows.

    The run is opened again, asks the vendor within its requests, and writes new files.
    """
    run = found_run(app, run_id)
    if not _asked_before(run):
        _check(run)
    before = run
    run = start_resolve(app, run)
    if wait:
        follow(app, run_id)
        run = app.stack.deps.store.runs.must_get(run_id)
    document = _document(before, run)
    if app.as_json:
        put_json(document)
    else:
        put_text(_text(document))
        for warning in run.warnings:
            note(warning)
    unknown = bool(document["unknown"]) and run.closed_at is not None
    steps = [command("rows", run_id, "--status", "unknown")] if unknown else []
    follow_up = "watch" if run.closed_at is None else "status"
    note(*(f"Next:  {each}" for each in (*steps, command(follow_up, run_id))))
    if run.closed_at is None:
        return ExitCode.OK
    return ExitCode.ROWS_UNKNOWN if document["unknown"] else ExitCode.OK


def start_resolve(app: App, run: Run) -> Run:
    """Note the request on a run, and have an execution work on it.

    Raises:
        CommandError: the run's connection is gone.
    """
    try:
        stack = app.stack
        return ask_resolve(run, stack.deps, stack.executions.go_on, by=stack.caller.name)
    except LookupError as error:
        raise CommandError(
            f"The vendor cannot be asked about run {run.run_id}: {error.args[0]}.",
            next_command=command("connection", "list"),
        ) from None


def _asked_before(run: Run) -> bool:
    """Whether a resolve was asked for; its execution may have died, so that it is asked again."""
    return run.closed_at is None and run.resolving is not None and not run.resolving.done


def _check(run: Run) -> None:
    if run.closed_at is None:
        raise not_over(run, "only then can it be resolved")
    if not run.outcomes.get(OutcomeStatus.UNKNOWN):
        raise CommandError(
            f"Run {run.run_id} has no unknown rows.", next_command=command("status", run.run_id)
        )


def _document(before: Run, run: Run) -> dict[str, Any]:
    """What came of it so far, as scripts read it."""
    changed = {
        status.value: n - before.outcomes.get(status, 0)
        for status, n in run.outcomes.items()
        if status is not OutcomeStatus.UNKNOWN and n > before.outcomes.get(status, 0)
    }
    so_far = run.resolving
    return {
        "run_id": run.run_id,
        "resolving": run.closed_at is None,
        "jobs": so_far.jobs if so_far else 0,
        "ended": so_far.ended if so_far else 0,
        "resolved": changed,
        "unknown": run.outcomes.get(OutcomeStatus.UNKNOWN, 0),
    }


def _text(document: dict[str, Any]) -> str:
    run_id, unknown = document["run_id"], counted(document["unknown"], "row")
    if document["resolving"]:
        return f"Run {run_id} asks the vendor about {unknown}, and writes its files anew."
    return (
        f"{counted(sum(document['resolved'].values()), 'row')} of run {run_id} decided now, "
        f"{unknown} still unknown. {counted(document['ended'], 'job')} of {document['jobs']} "
        "could be read."
    )
