"""`jobferry report`: the report of a run as of now, as a page in a file."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from jobferry.domain.commands import command
from jobferry.operator.report import report_page
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.following import found_run
from jobferry_cli.output import note, put_json, put_text
from jobferry_cli.report_links import give_link


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--out",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="RUN.html by default.",
)
@click.option("--open", "shown", is_flag=True, help="Open it in the browser.")
@click.option("--link", is_flag=True, help="Print an address that opens without an AWS account.")
@global_options
@pass_app
def report(app: App, run_id: str, file: Path | None, shown: bool, link: bool) -> None:
    """Write the report of a run as of now.

    A run that is open or paused has one, too.
    """
    run = found_run(app, run_id)
    if link:
        give_link(app.stack.report_links, run, app.stack.deps, as_json=app.as_json)
        return
    file = file or Path(f"{run_id}.html")
    page = report_page(run, app.stack.deps)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{file} cannot be written: {error.strerror}.",
            next_command=command("report", run_id, "--out", f"{run_id}.html"),
        ) from None
    url = file.resolve().as_uri()
    if app.as_json:
        put_json({"run_id": run_id, "status": run.phase.value, "out": str(file), "url": url})
    else:
        put_text(str(file), url)
    if shown and not webbrowser.open(url):
        note(f"No browser could be opened. The report is at {url}")
