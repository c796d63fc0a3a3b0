"""`jobferry run`: send the rows of a file to the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from jobferry.domain.commands import command
from jobferry.steps.open_run import PRIORITIES
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import follow
from jobferry_cli.output import note, note_warnings, put_json, put_text
from jobferry_cli.profiles import usable_profile
from jobferry_cli.progress import shown_upload
from jobferry_cli.runs import put_ending
from jobferry_cli.source_file import bind
from jobferry_cli.starting import start_file


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", "profile_name", required=True, metavar="P")
@click.option("--wait", is_flag=True, help="Follow the run to its end.")
@click.option("--priority", type=click.Choice(PRIORITIES))
@click.option(
    "--trial",
    type=click.IntRange(min=1),
    metavar="N",
    help="Send the first N rows and wait for `jobferry resume`.",
)
@global_options
@pass_app
def run(
    app: App,
    file: Path,
    profile_name: str,
    wait: bool,
    priority: str | None,
    trial: int | None,
) -> ExitCode:
    """Upload a CSV and send its rows.

    Prints the run's id, or with --wait how it ended.
    """
    stack = app.stack
    usable = usable_profile(stack, profile_name)
    dialect, _ = bind(file, usable, stack.settings)
    note_warnings(usable.warnings(dialect.header))
    try:
        with file.open("rb") as body, shown_upload(file.stat().st_size) as sent:
            run_id = start_file(
                stack, body, profile_name, file.name, priority=priority, trial=trial, sent=sent
            )
    except OSError as error:
        raise CommandError(
            f"{file} cannot be uploaded: {error}.",
            next_command=command("run", file, "--profile", profile_name),
            code=ExitCode.SERVICE,
        ) from None
    return put_started(app, {"run_id": run_id}, wait=wait)


def put_started(app: App, document: Mapping[str, Any], *, wait: bool) -> ExitCode:
    """Print the run that was started, or follow it and print how it ended.

    Args:
        document: what scripts read of it, `run_id` among others.
    """
    run_id = document["run_id"]
    if wait:
        note(f"Run {run_id}")
        return put_ending(app, follow(app, run_id, started=True))
    if app.as_json:
        put_json(document)
    else:
        put_text(run_id)
        note(f"Next:  {command('watch', run_id)}")
    return ExitCode.OK
