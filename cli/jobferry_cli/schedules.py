"""`jobferry schedule`: run a file of the inbox bucket at set times."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

import click
from botocore.exceptions import ClientError

from jobferry.domain.commands import command, other_command
from jobferry.domain.names import NAME
from jobferry.domain.run_request import RunRequest
from jobferry.domain.timestamps import timestamp
from jobferry.runtime.triggers import TriggerError, split_source
from jobferry.steps.open_run import run_id_of
from jobferry.store.objects import ObjectMissingError
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.output import note, put_json, put_table, put_text
from jobferry_cli.profiles import usable_profile
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


def schedule_document(found: Schedule) -> dict[str, Any]:
    """A schedule as scripts read it."""
    return {
        "name": found.name,
        "expression": found.expression,
        "timezone": found.timezone,
        "profile": found.profile,
        "source": found.source,
        "every_time": found.every_time,
        "enabled": found.enabled,
    }


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
@click.option("--source", required=True, metavar="s3://BUCKET/KEY", help="In the inbox bucket.")
@click.option("--every-time", is_flag=True, help="Even if the file has not changed.")
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
    every_time: bool,
) -> None:
    """Create or change a schedule."""
    expression = _expression(cron, rate)
    stack = app.stack
    usable_profile(stack, profile_name)
    bucket, key = _source(stack, source)
    made = Schedule(name, expression, timezone, profile_name, source, every_time)
    try:
        _schedules(stack).put(made)
    except ClientError as error:
        if error.response["Error"].get("Code") != "ValidationException":
            raise
        said = error.response["Error"].get("Message", "")
        raise CommandError(
            f"EventBridge Scheduler does not take {expression} in {timezone}. {said}",
            next_command=_HELP,
        ) from None
    try:
        stack.deps.objects.head(bucket, key, None)
    except ObjectMissingError:
        note(f"There is no file {source} yet; until it is there, every run of it fails.")
    if app.as_json:
        put_json(schedule_document(made))
        return
    put_text(
        f"Schedule {name} runs {source} by {expression}, {timezone}.",
        f"Try it now: {command('schedule', 'run-now', name)}",
    )


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
    if app.as_json:
        for each in found:
            put_json(schedule_document(each))
        return
    if not found:
        put_text("There are no schedules.", f"Make one: {_HELP}")
        return
    put_table(
        ("NAME", "WHEN", "TIME ZONE", "PROFILE", "SOURCE"),
        [(s.name, s.expression, s.timezone, s.profile, s.source) for s in found],
    )


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
        note(f"{found.source} has not changed since the run {run_id} sent it.")
    start_run(stack, run_id, request)
    return put_started(app, {"run_id": run_id, "name": name}, wait=wait)
