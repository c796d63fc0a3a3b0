"""`jobferry results`: the files of a closed run."""

from __future__ import annotations

from pathlib import Path

import click
from botocore.exceptions import ClientError

from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.reporting.result_files import result_key
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.following import found_run, not_over
from jobferry_cli.output import put_json, put_text
from jobferry_cli.report_links import give_link
from jobferry_cli.stack import Stack

REPORT = "report.html"


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
