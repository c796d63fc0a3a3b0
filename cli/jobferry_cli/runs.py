"""`jobferry runs`, `status`, `watch`, `abort`: runs and how far they are."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from jobferry.ledger.runs import Run
from jobferry.model import OutcomeStatus, RunStatus
from jobferry.report.figures import duration, number
from jobferry.steps.control_jobs import (
    VendorUnavailableError,
    abort_run,
    change_priority,
    list_problems,
)
from jobferry.steps.lane import timestamp
from jobferry.steps.open_run import PRIORITIES
from jobferry.steps.show_run import run_document, run_summary
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import exit_code_of, follow, found_run
from jobferry_cli.output import note, put_json, put_table, put_text
from jobferry_cli.status_text import next_commands, status_text

DEFAULT_RUNS = 20
REASON_CHARACTERS = 300


def listed_document(cursor: str, run: Run) -> dict[str, Any]:
    """A run in a list: what its own item says. Jobs and requests take `jobferry status`."""
    return {**run_summary(run), "cursor": cursor}


@click.command()
@click.option("--status", "wanted", type=click.Choice([s.value for s in RunStatus]))
@click.option("--profile", metavar="P")
@click.option("--limit", type=click.IntRange(min=1), default=DEFAULT_RUNS, show_default=True)
@click.option(
    "--after", metavar="CURSOR", help="Go on after this run, as an earlier list named it."
)
@global_options
@pass_app
def runs(app: App, wanted: str | None, profile: str | None, limit: int, after: str | None) -> None:
    """Runs, newest first."""
    filtered = wanted is not None or profile is not None
    newest = app.stack.deps.ledger.runs.newest(before=after, limit=None if filtered else limit + 1)
    found = list(islice(_matching(newest, wanted, profile), limit + 1))
    more, found = len(found) > limit, found[:limit]
    if app.as_json:
        for cursor, run in found:
            put_json(listed_document(cursor, run))
        return
    if not found:
        put_text("There are no such runs.\nStart one: jobferry run FILE.csv --profile P")
        return
    put_table(
        ("RUN", "STATUS", "ROWS", "NOT WELL", "STARTED", "TOOK"), map(_line, (r for _, r in found))
    )
    if more:
        note(f"Next:  jobferry runs --limit {limit} --after {shlex.quote(found[-1][0])}")


def _matching(
    newest: Iterator[tuple[str, Run]], status: str | None, profile: str | None
) -> Iterator[tuple[str, Run]]:
    for cursor, run in newest:
        if status in (None, run.status.value) and profile in (None, run.profile):
            yield cursor, run


def _line(run: Run) -> tuple[str, ...]:
    not_well = (OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN)
    return (
        run.run_id,
        run.status.value,
        number(run.rows),
        number(sum(run.outcomes.get(status, 0) for status in not_well)),
        timestamp(run.started_at),
        "" if run.closed_at is None else duration(run.closed_at - run.started_at),
    )


@click.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@global_options
@pass_app
def status(app: App, run_ids: tuple[str, ...]) -> None:
    """How far runs are, and what became of their rows."""
    for position, run_id in enumerate(run_ids):
        document = run_document(found_run(app, run_id), app.stack.deps)
        if app.as_json:
            put_json(document)
        else:
            put_text(("\n" if position else "") + status_text(document))


@click.command()
@click.argument("run_id", metavar="RUN")
@global_options
@pass_app
def watch(app: App, run_id: str) -> ExitCode:
    """Follow a run to its end. Exit code 3 when rows failed, 4 when some are unknown."""
    return put_ending(app, follow(app, run_id))


def put_ending(app: App, document: dict[str, Any]) -> ExitCode:
    """Print what became of a closed run; returns the exit code that says the same."""
    if app.as_json:
        put_json(document)
        for command in next_commands(document):
            note(f"Next:  {command}")
    else:
        put_text(status_text(document))
    return exit_code_of(document)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="Stopped by an operator.", show_default=True)
@click.option("--no-cleanup", is_flag=True, help="Leave the vendor's jobs alone.")
@global_options
@pass_app
def abort(app: App, run_id: str, reason: str, no_cleanup: bool) -> None:
    """Send nothing more of a run, and end the vendor's jobs where it can be asked to.

    Jobs that cannot be ended are seen through.
    """
    run = found_run(app, run_id)
    if run.closed_at is not None and run.status is not RunStatus.ABORTED:
        raise CommandError(
            f"Run {run_id} is over ({run.status.value}); there is nothing left to stop.",
            next_command=f"jobferry status {run_id}",
        )
    if run.closed_at is None:
        deps = app.stack.deps
        abort_run(run, reason[:REASON_CHARACTERS], deps, cleanup=not no_cleanup)
        run = deps.ledger.runs.must_get(run_id)
    document = run_document(run, app.stack.deps)
    if app.as_json:
        put_json(document)
        return
    put_text(
        f"Run {run_id} sends nothing more; what the vendor has already is seen through.\n"
        f"Next:  {next_commands(document)[0]}"
    )


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("level", metavar="LEVEL", type=click.Choice(PRIORITIES))
@global_options
@pass_app
def priority(app: App, run_id: str, level: str) -> None:
    """Change the priority of a run: lowest, low, medium, high, highest, immediate."""
    run = found_run(app, run_id)
    told = change_priority(run, level, app.stack.deps)
    if app.as_json:
        put_json({"run_id": run_id, "priority": level, "jobs": told})
    else:
        put_text(f"Run {run_id} has priority {level}; {told} jobs at the vendor were told.")


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@global_options
@pass_app
def problems(app: App, run_id: str | None) -> int:
    """What jobs wait for at the vendor until somebody acts: of one run, or of all."""
    run = None if run_id is None else found_run(app, run_id)
    try:
        found = list(list_problems(run, app.stack.deps))
    except VendorUnavailableError as error:
        raise CommandError(
            f"The vendor did not tell its problems: {error}",
            next_command="jobferry connection list",
            code=ExitCode.SERVICE,
        ) from None
    for each in found:
        document = {
            "connection": each.connection,
            "problem_id": each.problem.problem_id,
            "kind": each.problem.kind,
            "details": dict(each.problem.details),
            "rows": [{"run_id": r, "row": row, "job_id": job} for r, row, job in each.rows],
        }
        if app.as_json:
            put_json(document)
        else:
            rows = ", ".join(f"{r} row {row} ({job})" for r, row, job in each.rows)
            put_text(f"{each.connection}: {each.problem.kind} ({each.problem.problem_id}): {rows}")
    if not found and not app.as_json:
        put_text("No job waits for anybody.")
    return ExitCode.OK
