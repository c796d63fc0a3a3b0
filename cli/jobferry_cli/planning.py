"""`jobferry plan`: what would be sent, and every row that would not; sends nothing."""

from __future__ import annotations

from pathlib import Path

import click

from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.output import note, put_json, put_text, shows_people
from jobferry_cli.plan_document import document_of, planned
from jobferry_cli.plan_files import targets_of, write_files
from jobferry_cli.plan_text import lines
from jobferry_cli.profiles import usable_profile


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", "profile_name", required=True, metavar="P")
@click.option(
    "--out",
    metavar="PATH",
    help="Write FILE.html (a page), FILE.csv (the rows that would not be sent), or both to DIR/.",
)
@click.option("--all", "every_row", is_flag=True, help="Print every bad row on a terminal, too.")
@global_options
@pass_app
def plan(app: App, file: Path, profile_name: str, out: str | None, every_row: bool) -> None:
    """Show what would be sent, without sending it.

    Lists every bad row with its reason, the first records beside their rows, what cannot be undone,
    who may be notified, and a forecast of jobs, requests, time and cost.
    """
    targets = None if out is None else targets_of(out, file, profile_name)
    usable = usable_profile(app.stack, profile_name)
    plan_of_file = planned(file, usable, app.stack)
    document = document_of(file, plan_of_file, usable, app.stack)
    if targets is not None:
        write_files(
            targets,
            document,
            file,
            plan_of_file.dialect,
            plan_of_file.bad_rows,
            app.stack.settings,
        )
        document["out"] = [str(path) for path in targets.paths]
    if app.as_json:
        put_json(document)
    else:
        put_text(*lines(document, every_row=every_row or not shows_people()))
    for path in targets.paths if targets is not None else ():
        note(f"Written: {path}")
