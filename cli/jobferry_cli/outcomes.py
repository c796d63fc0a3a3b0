"""`jobferry rows` and `jobferry results`: what became of every row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click
from botocore.exceptions import ClientError

from jobferry.domain.commands import command
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.status import row_document
from jobferry.reporting.formatting import number
from jobferry.reporting.result_files import result_key
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.following import found_run, not_over
from jobferry_cli.output import note, put_json, put_text
from jobferry_cli.report_links import give_link
from jobferry_cli.stack import Stack

ROWS_FOR_PEOPLE = 100
"""Outcomes printed when nobody said how many; scripts are given all of them."""

REPORT = "report.html"
_INDEXED = frozenset({OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN})


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--status", "wanted", type=click.Choice([s.value for s in OutcomeStatus]))
@click.option("--row", type=click.IntRange(min=1), help="One row, numbered from 1.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"At most so many; all with --json, else {ROWS_FOR_PEOPLE}.",
)
@global_options
@pass_app
def rows(app: App, run_id: str, wanted: str | None, row: int | None, limit: int | None) -> None:
    """List the outcomes of rows, in the order of the file."""
    run = found_run(app, run_id)
    status = None if wanted is None else OutcomeStatus(wanted)
    found = _outcomes(app.stack, run, status) if row is None else _one(app.stack, run, row)
    if app.as_json:
        for outcome in islice(found, limit):
            put_json(row_document(outcome))
        return
    limit = limit or ROWS_FOR_PEOPLE
    shown = 0
    for outcome in islice(found, limit):
        put_text(_line(outcome))
        shown += 1
    if not shown:
        put_text(f"Run {run_id} has no such rows.", f"Next:  {command('status', run_id)}")
    elif next(found, None) is not None:
        asked = [] if wanted is None else ["--status", wanted]
        note("There are more.", f"Next:  {command('rows', run_id, *asked, '--limit', limit * 10)}")


def _outcomes(stack: Stack, run: Run, status: OutcomeStatus | None) -> Iterator[Outcome]:
    kept = stack.deps.store.rows
    if status in _INDEXED:
        found = kept.for_a_person(run.run_id, run.rows)
    else:
        found = kept.between(run.run_id, 1, run.rows)
    return (outcome for outcome in found if status in (None, outcome.status))


def _one(stack: Stack, run: Run, row: int) -> Iterator[Outcome]:
    found = stack.deps.store.rows.get(run.run_id, row)
    if found is None:
        beyond = run.plan.done and row > run.rows
        raise CommandError(
            f"Run {run.run_id} has {number(run.rows)} rows; there is no row {number(row)}."
            if beyond
            else f"Row {number(row)} of run {run.run_id} has no outcome yet.",
            next_command=command("status", run.run_id),
        )
    return iter([found])


def _line(outcome: Outcome) -> str:
    parts = [f"row {outcome.row:>8}  {outcome.status:<9}"]
    if outcome.vendor_id is not None:
        parts.append(f"id {outcome.vendor_id}")
    if outcome.error_code is not None or outcome.error is not None:
        parts.append(": ".join(filter(None, (outcome.error_code, outcome.error))))
    if outcome.job_id is not None:
        parts.append(f"(job {outcome.job_id}, attempt {outcome.attempts})")
    return "  ".join(parts)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Made when it is not there.",
)
@click.option("--link", is_flag=True, help="Print an address of the report instead.")
@global_options
@pass_app
def results(app: App, run_id: str, folder: Path | None, link: bool) -> None:
    """Fetch the result files and the report of a closed run."""
    if folder is None and not link:
        raise click.UsageError("Missing option '--out'.")
    run = found_run(app, run_id)
    if link or folder is None:
        give_link(app.stack.report_links, run, app.stack.deps, as_json=app.as_json)
        return
    if run.closed_at is None:
        raise not_over(run, "its result files come at the end")
    # A file that could not be used has no rows, and the report says why.
    tables = [] if run.status is RunStatus.FAILED else [f"{s.value}.csv" for s in OutcomeStatus]
    names = [*tables, REPORT]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            _fetch(app.stack, run_id, name, folder)
    except OSError as error:
        raise CommandError(
            f"{folder} cannot be written: {error.strerror}.",
            next_command=command("results", run_id, "--out", f"results/{run_id}"),
        ) from None
    if app.as_json:
        put_json({"run_id": run_id, "out": str(folder), "files": names})
        return
    for name in names:
        put_text(str(folder / name))


def _fetch(stack: Stack, run_id: str, name: str, folder: Path) -> None:
    """One file, which appears under its name when it is whole."""
    part = folder / f".{name}.part"
    try:
        stack.deps.objects.get_file(result_key(run_id, name), part)
        part.replace(folder / name)
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("NoSuchKey", "404"):
            raise
        raise CommandError(
            f"{name} of run {run_id} is not in the archive; files are kept for "
            f"{stack.settings.retention_days} days.",
            next_command=command("rows", run_id),
        ) from None
    finally:
        part.unlink(missing_ok=True)
