"""`jobferry runs`, `status`, `watch`: runs and how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click
from botocore.exceptions import ClientError

from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.timestamps import timestamp
from jobferry.operator.job_control import waiting_jobs
from jobferry.operator.status import run_document, run_summary
from jobferry.reporting.formatting import duration, number
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode, explain, is_refusal
from jobferry_cli.following import exit_code_of, follow, found_run
from jobferry_cli.output import note, put_json, put_table, put_text
from jobferry_cli.status_text import status_lines
from jobferry_cli.vendor_calls import vendor_asked

DEFAULT_RUNS = 20


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
    """List runs, newest first."""
    filtered = wanted is not None or profile is not None
    newest = app.stack.deps.store.runs.newest(
        before=after,
        limit=None if filtered else limit + 1,
        only_open=wanted is not None and not RunStatus(wanted).closed,
    )
    found = list(islice(_matching(newest, wanted, profile), limit + 1))
    more, found = len(found) > limit, found[:limit]
    if app.as_json:
        for cursor, run in found:
            put_json(listed_document(cursor, run))
        return
    if not found:
        put_text("There are no such runs.", "Start one: jobferry run FILE.csv --profile P")
        return
    put_table(
        ("RUN", "STATUS", "ROWS", "NOT WELL", "STARTED", "TOOK"), map(_line, (r for _, r in found))
    )
    if more:
        more_runs = command("runs", "--limit", limit, "--after", found[-1][0])
        note(f"Next:  {more_runs}")


def _matching(
    newest: Iterator[tuple[str, Run]], status: str | None, profile: str | None
) -> Iterator[tuple[str, Run]]:
    for cursor, run in newest:
        if status in (None, run.phase.value) and profile in (None, run.profile):
            yield cursor, run


def _line(run: Run) -> tuple[str, ...]:
    not_well = (OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN)
    return (
        run.run_id,
        run.phase.value,
        number(run.rows),
        number(sum(run.outcomes.get(status, 0) for status in not_well)),
        timestamp(run.started_at),
        "" if run.closed_at is None else duration(run.worked(run.closed_at)),
    )


@click.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@global_options
@pass_app
def status(app: App, run_ids: tuple[str, ...]) -> None:
    """Show run status and row counts."""
    for position, run_id in enumerate(run_ids):
        document = _live_document(app, found_run(app, run_id))
        if app.as_json:
            put_json(document)
        else:
            put_text(*([""] if position else []), *status_lines(document))


def _live_document(app: App, run: Run) -> dict[str, Any]:
    """The status document, with what jobs wait for.

    A vendor that is away, or that the caller may not ask, only keeps that back.
    """
    deps = app.stack.deps
    try:
        with vendor_asked(run.connection):
            return run_document(run, deps, waiting_jobs(run, deps))
    except CommandError as error:
        why = error
    except ClientError as error:
        # Whoever may only look has no right to spend a request of the connection.
        if not is_refusal(error):
            raise
        why = explain(error)
    note(f"What jobs wait for is not known. {why.message}", f"Next:  {why.next_command}")
    return run_document(run, deps)


@click.command()
@click.argument("run_id", metavar="RUN")
@global_options
@pass_app
def watch(app: App, run_id: str) -> ExitCode:
    """Follow a run to its end, or until it is paused.

    Exit code 3 when rows failed or it is paused for a reason, 4 when some are unknown.
    """
    return put_ending(app, follow(app, run_id))


def put_ending(app: App, document: dict[str, Any]) -> ExitCode:
    """Print what became of a closed or paused run; returns the exit code that says the same."""
    if app.as_json:
        put_json(document)
        note(*(f"Next:  {each}" for each in document["next"]))
    else:
        put_text(*status_lines(document))
    return exit_code_of(document)
