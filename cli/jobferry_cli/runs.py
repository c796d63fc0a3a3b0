"""`jobferry runs`, `status`, `watch`: runs and how far they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
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
from jobferry_cli.moments import (
    FORMS,
    before_moment,
    both_times,
    checked_moment,
    is_cursor,
    local_time,
    moment,
)
from jobferry_cli.output import note, put_json, put_table, put_text
from jobferry_cli.status_text import status_lines
from jobferry_cli.vendor_calls import vendor_asked

DEFAULT_RUNS = 20

MOST_SEARCHED = 2_000
"""Runs that one command looks at for those that are wanted. It says where to go on."""

_OPEN = frozenset(status.value for status in RunStatus if not status.closed)


def listed_document(cursor: str, run: Run) -> dict[str, Any]:
    """A run in a list: what its own item says. Jobs and requests take `jobferry status`."""
    return {**run_summary(run), "cursor": cursor}


@click.command()
@click.option("--status", "wanted", type=click.Choice([s.value for s in RunStatus]))
@click.option("--profile", metavar="P")
@click.option(
    "--since", metavar="T", callback=checked_moment, help=f"Begun then or later: {FORMS}."
)
@click.option("--until", metavar="T", callback=checked_moment, help="Begun before.")
@click.option("--limit", type=click.IntRange(min=1), default=DEFAULT_RUNS, show_default=True)
@click.option(
    "--after", metavar="CURSOR", help="Go on after this run, as an earlier list named it."
)
@global_options
@pass_app
def runs(
    app: App,
    wanted: str | None,
    profile: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List runs, newest first."""
    asked = _Asked(wanted, profile, since, until)
    if after is not None and not is_cursor(after):
        raise CommandError(
            f"{after!r} is no cursor of a list of runs. Each line of `jobferry runs --json` names "
            "its own.",
            next_command=command("runs", *asked.words(), "--limit", limit),
        )
    page = _page(app, asked, limit, after)
    if app.as_json:
        for cursor, run in page.runs:
            put_json(listed_document(cursor, run))
    elif page.runs:
        put_table(
            ("RUN", "STATUS", "PROFILE", "FILE", "ROWS", "NOT WELL", "STARTED", "UTC", "TOOK"),
            map(_line, (run for _, run in page.runs)),
        )
    elif page.after is None:
        put_text("There are no such runs.", "Start one: jobferry run FILE.csv --profile P")
    if page.after is not None:
        if page.searched:
            note(f"The {number(page.searched)} newest runs were searched, and there are older.")
            if app.as_json:
                put_json({"searched": page.searched, "cursor": page.after})
        if page.searched or not app.as_json:
            go_on = command("runs", *asked.words(), "--limit", limit, "--after", page.after)
            note(f"Next:  {go_on}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which runs are wanted."""

    status: str | None = None
    profile: str | None = None
    since: str | None = None
    until: str | None = None

    def words(self) -> list[str]:
        named = {
            "--status": self.status,
            "--profile": self.profile,
            "--since": self.since,
            "--until": self.until,
        }
        return [word for name, value in named.items() if value for word in (name, value)]

    def wants(self, run: Run) -> bool:
        return self.status in (None, run.phase.value) and self.profile in (None, run.profile)


@dataclass(frozen=True, slots=True)
class _Page:
    """Runs of a list.

    Attributes:
        after: the cursor from which there may be more; None: these are the last
        searched: runs that were looked at before the search was given up; 0: it was not
    """

    runs: list[tuple[str, Run]]
    after: str | None = None
    searched: int = 0


def _page(app: App, asked: _Asked, limit: int, after: str | None) -> _Page:
    now = app.stack.deps.now()
    before = [] if after is None else [after]
    if asked.until is not None:
        before.append(before_moment(moment(asked.until, now)))
    filtered = asked.status is not None or asked.profile is not None
    newest = app.stack.deps.store.runs.newest(
        before=min(before, default=None),
        since=None if asked.since is None else before_moment(moment(asked.since, now)),
        limit=MOST_SEARCHED + 1 if filtered else limit + 1,
        only_open=asked.status in _OPEN,
    )
    found: list[tuple[str, Run]] = []
    last = None
    for looked_at, (cursor, run) in enumerate(newest):
        if len(found) == limit:
            return _Page(found, last)
        if looked_at == MOST_SEARCHED:
            return _Page(found, last, searched=looked_at)
        last = cursor
        if asked.wants(run):
            found.append((cursor, run))
    return _Page(found)


def newest_run(app: App, profile: str | None) -> Run:
    """The run that was begun last.

    Args:
        profile: only runs of this one.

    Raises:
        CommandError: there is none among those that are searched.
    """
    page = _page(app, _Asked(profile=profile), 1, None)
    if not page.runs:
        of = "" if profile is None else f" of the profile {profile}"
        among = f" among the {number(page.searched)} newest" if page.searched else ""
        raise CommandError(f"There is no run{of}{among}.", next_command=command("runs"))
    return page.runs[0][1]


def _line(run: Run) -> tuple[str, ...]:
    not_well = (OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN)
    seconds, began = run_summary(run)["seconds"], timestamp(run.started_at)
    return (
        run.run_id,
        run.phase.value,
        run.profile,
        PurePosixPath(run.source.key).name,
        number(run.rows),
        number(sum(run.outcomes.get(status, 0) for status in not_well)),
        local_time(began),
        began[11:16] + "Z",
        "" if seconds is None else duration(seconds),
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
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--profile", metavar="P", help="Without RUN: the newest run of this profile.")
@global_options
@pass_app
def watch(app: App, run_id: str | None, profile: str | None) -> ExitCode:
    """Follow a run to its end, or until it is paused.

    Without RUN the one that was begun last.

    Exit code 3 when rows failed or it is paused for a reason, 4 when some are unknown.
    """
    if run_id is not None and profile is not None:
        raise click.UsageError("Say either RUN or --profile.")
    if run_id is None:
        run = newest_run(app, profile)
        run_id = run.run_id
        note(f"Run {run_id}, begun {both_times(timestamp(run.started_at))}")
    return put_ending(app, follow(app, run_id))


def put_ending(app: App, document: dict[str, Any]) -> ExitCode:
    """Print what became of a closed or paused run; returns the exit code that says the same."""
    if app.as_json:
        put_json(document)
        note(*(f"Next:  {each}" for each in document["next"]))
    else:
        put_text(*status_lines(document))
    return exit_code_of(document)
