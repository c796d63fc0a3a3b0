"""`jobferry schedule`: run a file of the inbox bucket at set times."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import replace
from typing import Any

import click
from botocore.exceptions import ClientError

from jobferry.binding.newest_file import NoFileError, newest_below
from jobferry.domain.commands import command, other_command
from jobferry.domain.names import NAME
from jobferry.domain.run_request import FAIL, NOTHING_NEW, RunRequest
from jobferry.domain.timestamps import timestamp
from jobferry.runtime.triggers import TriggerError, split_source
from jobferry.steps.open_run import run_id_of
from jobferry.store.objects import ObjectMissingError
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.moments import both_times, local_time
from jobferry_cli.output import note, note_warnings, put_json, put_table, put_text
from jobferry_cli.profiles import usable_profile
from jobferry_cli.schedule_state import doubts, last_runs, schedule_document
from jobferry_cli.scheduler import Schedule, Schedules
from jobferry_cli.sending import put_started
from jobferry_cli.stack import Stack
from jobferry_cli.starting import start_run

_HELP = command("schedule", "put", "--help")
_RATE = re.compile(r"[1-9]\d* (minute|hour|day)s?")
_CRON_FIELDS = 6


@click.group()
@global_options
def schedule() -> None:
    """Manage scheduled runs."""


def _schedules(stack: Stack) -> Schedules:
    if not stack.schedules.group:
        raise CommandError(
            "The stack has no schedule group: it was deployed by an older template.",
            next_command=other_command("sam", "deploy"),
            code=ExitCode.SERVICE,
        )
    return stack.schedules


def _known(stack: Stack, name: str) -> Schedule:
    found = _schedules(stack).get(name)
    if found is None:
        raise CommandError(
            f"There is no schedule {name!r}.", next_command=command("schedule", "list")
        )
    return found


def _checked_name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise click.BadParameter(
            "use up to 48 letters, digits, - and _, beginning with a letter or a digit"
        )
    return value


def _checked_timezone(_: click.Context, __: click.Parameter, value: str) -> str:
    # A machine without a list of time zones leaves it to AWS to say no.
    known = zoneinfo.available_timezones()
    if known and value not in known:
        raise click.BadParameter(f"{value!r} is no time zone such as Europe/Oslo")
    return value


@schedule.command()
@click.argument("name", callback=_checked_name)
@click.option("--cron", metavar="EXPRESSION", help='Such as "0 6 ? * MON-FRI *".')
@click.option("--rate", metavar="EXPRESSION", help='Such as "1 day" or "15 minutes".')
@click.option("--timezone", default="UTC", show_default=True, callback=_checked_timezone)
@click.option("--profile", "profile_name", required=True, metavar="P")
@click.option(
    "--source",
    required=True,
    metavar="s3://BUCKET/KEY",
    help="In the inbox bucket. One that ends with / means the newest file below it.",
)
@click.option("--newest", is_flag=True, help="The newest file whose key begins with --source.")
@click.option(
    "--nothing-new",
    type=click.Choice(NOTHING_NEW),
    help="Where there is no new file: a failed run that says so (fail), or none (ignore).",
)
@click.option("--every-time", is_flag=True, help="Even if the file has not changed.")
@click.option("--strict", is_flag=True, help="Refuse what is only warned of otherwise.")
@global_options
@pass_app
def put(
    app: App,
    name: str,
    cron: str | None,
    rate: str | None,
    timezone: str,
    profile_name: str,
    source: str,
    newest: bool,
    nothing_new: str | None,
    every_time: bool,
    strict: bool,
) -> None:
    """Create or change a schedule. It is enabled then."""
    expression = _expression(cron, rate)
    newest = newest or source.endswith("/")
    if nothing_new is not None and (every_time or not newest):
        raise click.UsageError("--nothing-new is for the newest file below a prefix.")
    stack = app.stack
    usable_profile(stack, profile_name)
    bucket, key = _source(stack, source)
    made = Schedule(
        name,
        expression,
        timezone,
        profile_name,
        source,
        every_time,
        newest=newest,
        nothing_new=nothing_new or FAIL,
        put_at=stack.deps.now(),
    )
    warnings = doubts(stack, made, bucket, key)
    if strict and warnings:
        raise CommandError(
            f"The schedule {name} is not kept, as --strict asks:",
            details=warnings,
            next_command=other_command("aws", "s3", "ls", source),
            error_code="strict",
        )
    _kept(stack, made)
    note_warnings(warnings)
    document = schedule_document(made, stack.deps.now(), None)
    if app.as_json:
        put_json(document | ({"warnings": warnings} if warnings else {}))
        return
    what = f"the newest file below {source}" if newest else source
    put_text(f"Schedule {name} runs {what} by {expression}, {timezone}.")
    if document["next_firing"]:
        put_text(f"It fires next {_when(document['next_firing'], made)}.")
    put_text(f"Try it now: {command('schedule', 'run-now', name)}")


def _kept(stack: Stack, made: Schedule) -> None:
    """Put a schedule.

    Raises:
        CommandError: EventBridge Scheduler does not take it.
    """
    try:
        _schedules(stack).put(made)
    except ClientError as error:
        if error.response["Error"].get("Code") != "ValidationException":
            raise
        said = error.response["Error"].get("Message", "")
        raise CommandError(
            f"EventBridge Scheduler does not take {made.expression} in {made.timezone}. {said}",
            next_command=_HELP,
        ) from None


def _when(at: str, found: Schedule) -> str:
    """A moment as people read it; of a rate nobody but AWS knows the second."""
    about = "about " if found.expression.startswith("rate") else ""
    return f"{about}{both_times(at)}"


def _expression(cron: str | None, rate: str | None) -> str:
    """What EventBridge Scheduler calls it; `cron(…)` and `rate(…)` may be written whole."""
    if (cron is None) == (rate is None):
        raise click.UsageError("Say either --cron or --rate.")
    if cron is not None:
        fields = cron.strip().removeprefix("cron(").removesuffix(")").split()
        if len(fields) != _CRON_FIELDS:
            raise click.BadParameter(
                "six fields are needed: minutes hours day-of-month month day-of-week year, such "
                'as "0 6 ? * MON-FRI *"',
                param_hint="--cron",
            )
        return f"cron({' '.join(fields)})"
    words = " ".join(str(rate).removeprefix("rate(").removesuffix(")").split())
    if not _RATE.fullmatch(words):
        raise click.BadParameter('write it as "1 day" or "15 minutes"', param_hint="--rate")
    return f"rate({words})"


def _source(stack: Stack, source: str) -> tuple[str, str]:
    """(bucket, key) of a source that the stack can read."""
    inbox = stack.settings.inbox_bucket
    try:
        bucket, key = split_source(source)
    except TriggerError as error:
        raise CommandError(str(error), next_command=_HELP) from None
    if bucket != inbox or not key:
        raise CommandError(
            f"Files are read from the stack's inbox bucket alone: s3://{inbox}/….",
            next_command=_HELP,
        )
    return bucket, key


@schedule.command(name="list")
@global_options
@pass_app
def list_schedules(app: App) -> None:
    """List all schedules."""
    found = list(_schedules(app.stack).all())
    runs = last_runs(app.stack, [each.name for each in found]) if found else {}
    now = app.stack.deps.now()
    documents = [schedule_document(each, now, runs.get(each.name)) for each in found]
    if app.as_json:
        for document in documents:
            put_json(document)
        return
    if not found:
        put_text("There are no schedules.", f"Make one: {_HELP}")
        return
    put_table(
        ("NAME", "ON", "NEXT", "LAST", "LAST RUN", "WHEN", "TIME ZONE", "PROFILE", "SOURCE"),
        map(_line, documents),
    )


def _line(document: dict[str, Any]) -> tuple[str, ...]:
    next_, last = document["next_firing"], document["last_firing"]
    return (
        document["name"],
        "yes" if document["enabled"] else "no",
        local_time(next_) if next_ else "-",
        local_time(last) if last else "-",
        document["last_run"] or "-",
        document["expression"],
        document["timezone"],
        document["profile"],
        document["source"] + ("*" if document["newest"] else ""),
    )


@schedule.command()
@click.argument("name")
@global_options
@pass_app
def enable(app: App, name: str) -> None:
    """Let a schedule fire again."""
    _switch(app, name, on=True)


@schedule.command()
@click.argument("name")
@global_options
@pass_app
def disable(app: App, name: str) -> None:
    """Keep a schedule from firing. Runs that it has started go on."""
    _switch(app, name, on=False)


def _switch(app: App, name: str, *, on: bool) -> None:
    stack = app.stack
    found = _known(stack, name)
    _schedules(stack).switch(name, on=on)
    switched = replace(found, enabled=on)
    document = schedule_document(switched, stack.deps.now(), last_runs(stack, [name]).get(name))
    if app.as_json:
        put_json(document)
        return
    if not on:
        put_text(f"Schedule {name} does not fire.", f"Next:  {command('schedule', 'enable', name)}")
        return
    fires = document["next_firing"]
    put_text(f"Schedule {name} fires{f' next {_when(fires, switched)}' if fires else ''}.")


@schedule.command()
@click.argument("name")
@global_options
@pass_app
def delete(app: App, name: str) -> None:
    """Delete a schedule. Runs that it has started go on."""
    _known(app.stack, name)
    _schedules(app.stack).delete(name)
    if app.as_json:
        put_json({"name": name, "deleted": True})
        return
    put_text(f"Schedule {name} is deleted.")


@schedule.command(name="run-now")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Follow the run to its end.")
@global_options
@pass_app
def run_now(app: App, name: str, wait: bool) -> ExitCode:
    """Start the run that the schedule would start now."""
    stack = app.stack
    found = _known(stack, name)
    bucket, key = _source(stack, found.source)
    if found.newest:
        key = _newest_key(stack, found, bucket, key)
    try:
        version = stack.deps.objects.head(bucket, key, None).source.version_id
    except ObjectMissingError:
        raise CommandError(
            f"There is no file {found.source}.",
            next_command=other_command("aws", "s3", "cp", "FILE.csv", found.source),
        ) from None
    firing = timestamp(stack.deps.now()) if found.every_time else None
    by = stack.caller.name
    request = RunRequest(found.profile, bucket, key, version, firing, by=by)
    run_id = run_id_of(request, version)
    if stack.deps.store.runs.get(run_id) is not None:
        note(f"s3://{bucket}/{key} has not changed since the run {run_id} sent it.")
    start_run(stack, run_id, request)
    return put_started(app, {"run_id": run_id, "name": name}, wait=wait)


def _newest_key(stack: Stack, found: Schedule, bucket: str, prefix: str) -> str:
    """The key of the file that the schedule would send now.

    Raises:
        CommandError: there is none.
    """
    try:
        newest = newest_below(bucket, prefix, stack.deps.objects)
    except NoFileError as error:
        raise CommandError(
            str(error), next_command=other_command("aws", "s3", "ls", found.source)
        ) from None
    note(f"The newest file is s3://{bucket}/{newest.key}, of {timestamp(newest.stored_at)}.")
    return newest.key
