"""`jobferry connection`: the vendor accounts that rows are carried to."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import click

from jobferry.connections import max_jobs as jobs_allowed
from jobferry.ledger.config import Connection
from jobferry.ledger.limits import Limits
from jobferry.profiles import NAME
from jobferry.steps.control_jobs import VendorUnavailableError
from jobferry.vendors import vendor_named
from jobferry.vendors.base import Ambiguous, Refused, Throttled, ThrottleReason, Vendor
from jobferry.vendors.credentials import CredentialsError, parse_credentials
from jobferry.vendors.http import BaseUrlError, check_base_url
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.output import put_json, put_table, put_text
from jobferry_cli.stack import Stack
from jobferry_cli.vendor_calls import vendor_reached


@click.group()
def connection() -> None:
    """Vendor accounts: address, credentials and limits."""


def connection_document(found: Connection) -> dict[str, Any]:
    """A connection as scripts read it; its credentials are never part of it."""
    return {
        "name": found.name,
        "vendor": found.vendor,
        "base_url": found.base_url,
        "max_jobs": found.max_jobs,
        "requests_per_minute": found.requests_per_minute,
        "share": found.share,
    }


def known_connection(stack: Stack, name: str) -> Connection:
    """The connection of this name.

    Raises:
        CommandError: there is none.
    """
    found = stack.deps.ledger.config.connection(name)
    if found is None:
        raise CommandError(
            f"There is no connection {name!r}.", next_command="jobferry connection list"
        )
    return found


def _vendor(name: str) -> Vendor:
    try:
        return vendor_named(name)
    except LookupError as error:
        raise CommandError(str(error.args[0]), next_command="jobferry operations") from None


def _checked_name(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise click.BadParameter(
            "use up to 48 letters, digits, - and _, beginning with a letter or a digit"
        )
    return value


def _checked_share(_: click.Context, __: click.Parameter, value: float) -> float:
    if math.isnan(value):
        raise click.BadParameter("must be a number above 0 and up to 1")
    return value


@connection.command()
@click.argument("name", callback=_checked_name)
@click.option("--vendor", required=True, help="As `jobferry operations` lists them.")
@click.option("--base-url", required=True, help="The site's root: https://acme.zendesk.com")
@click.option(
    "--credentials",
    "credentials_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help='A JSON object such as {"email": …, "token": …}.',
)
@click.option("--max-jobs", type=click.IntRange(min=1), help="Jobs in flight, all runs together.")
@click.option(
    "--requests-per-minute", type=click.IntRange(min=1), help="The account's request limit."
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    callback=_checked_share,
    help="The part of that limit that Jobferry may use.",
)
@global_options
@pass_app
def put(
    app: App,
    name: str,
    vendor: str,
    base_url: str,
    credentials_file: Path,
    max_jobs: int | None,
    requests_per_minute: int | None,
    share: float,
) -> None:
    """Make a connection, or change it. The credentials go into Secrets Manager."""
    chosen = _vendor(vendor)
    stack = app.stack
    try:
        text = credentials_file.read_text(encoding="utf-8")
        credentials = parse_credentials(text, chosen.credential_forms)
        root = check_base_url(
            base_url.rstrip("/").removesuffix(chosen.base_path),
            allow_loopback_http=stack.settings.allow_loopback_http,
        )
    except (CredentialsError, BaseUrlError) as error:
        raise CommandError(str(error), next_command="jobferry connection put --help") from None
    except (OSError, UnicodeDecodeError):
        raise CommandError(
            f"{credentials_file} cannot be read as a text file.",
            next_command="jobferry connection put --help",
        ) from None
    made = Connection(
        name=name,
        vendor=chosen.name,
        base_url=root,
        max_jobs=max_jobs,
        requests_per_minute=requests_per_minute,
        share=share,
    )
    # The secret first: a connection that is listed has its credentials.
    stack.secrets.put(name, credentials)
    stack.deps.ledger.config.put_connection(made)
    stack.deps.ledger.limits.ensure(name, jobs_allowed(made, chosen))
    if app.as_json:
        put_json(connection_document(made))
        return
    put_text(f"Connection {name} is ready.\nTest it: jobferry connection test {name}")


@connection.command(name="list")
@global_options
@pass_app
def list_connections(app: App) -> None:
    """All connections."""
    config = app.stack.deps.ledger.config
    found = [each for name in config.connection_names() if (each := config.connection(name))]
    if app.as_json:
        for each in found:
            put_json(connection_document(each))
        return
    if not found:
        put_text("There are no connections.\nMake one: jobferry connection put --help")
        return
    put_table(
        ("NAME", "VENDOR", "BASE URL"), [(each.name, each.vendor, each.base_url) for each in found]
    )


@connection.command()
@click.argument("name")
@global_options
@pass_app
def show(app: App, name: str) -> None:
    """One connection, without its credentials."""
    found = known_connection(app.stack, name)
    if app.as_json:
        put_json(connection_document(found))
        return
    vendor = _vendor(found.vendor)
    limits = app.stack.deps.ledger.limits.get(name)
    rate = found.requests_per_minute
    put_text(
        f"{found.name}: {vendor.title} at {found.base_url}\n"
        f"Jobs      {_in_flight(limits, jobs_allowed(found, vendor))}\n"
        f"Requests  {'as many as the vendor takes' if rate is None else f'{rate} a minute'}"
        f", of which Jobferry may use {found.share:.0%}"
    )


def _in_flight(limits: Limits, most: int) -> str:
    """Jobs under way: more than there may be have not been looked at since they ended."""
    ended = limits.in_flight - most
    seen = f"{min(limits.in_flight, most)} in flight, at most {most}"
    return f"{seen}; {ended} more have ended and wait for a look" if ended > 0 else seen


@connection.command()
@click.argument("name")
@global_options
@pass_app
def test(app: App, name: str) -> ExitCode:
    """Make one harmless authenticated request. Exit code 2 when the vendor does not welcome us."""
    known_connection(app.stack, name)
    reason = _refusal(app.stack, name)
    if app.as_json:
        put_json({"name": name, "ok": reason is None, "reason": reason})
    if reason is not None:
        raise CommandError(
            f"Connection {name} does not work. {reason}",
            next_command=f"jobferry connection show {name}",
            code=ExitCode.SERVICE,
        )
    if not app.as_json:
        put_text(f"Connection {name} works.")
    return ExitCode.OK


def _refusal(stack: Stack, name: str) -> str | None:
    """Why the vendor does not welcome us; None when it does."""
    try:
        with vendor_reached():
            answer = stack.deps.connections.link(name).client.test()
    except VendorUnavailableError as error:
        return str(error)
    match answer:
        case None:
            return None
        case Refused():
            return answer.message
        case Throttled(reason=ThrottleReason.CREDENTIALS):
            return "Its credentials cannot be read from Secrets Manager; put the connection again."
        case Throttled(retry_after=None):
            return "The vendor cannot be reached, or it asks for patience. Check the base URL."
        case Throttled():
            return f"The vendor asks to come back in {answer.retry_after:.0f} seconds."
        case Ambiguous():
            return f"No usable answer: {answer.reason}."


@connection.command()
@click.argument("name")
@global_options
@pass_app
def delete(app: App, name: str) -> None:
    """Give up a connection and its credentials. Refused while a profile or a run needs it."""
    stack = app.stack
    known_connection(stack, name)
    ledger = stack.deps.ledger
    running = next(ledger.chunks.pointers(name), None)
    if running is not None:
        raise CommandError(
            f"Run {running[0]} has jobs in flight on the connection {name}.",
            next_command=f"jobferry watch {running[0]}",
        )
    for profile_name in ledger.config.profile_names():
        found = ledger.config.profile(profile_name)
        if found is not None and found[1]["connection"] == name:
            raise CommandError(
                f"The profile {profile_name} uses the connection {name}.",
                next_command=f"jobferry profile delete {profile_name}",
            )
    ledger.config.delete_connection(name)
    stack.secrets.delete(name)
    if app.as_json:
        put_json({"name": name, "deleted": True})
        return
    put_text(f"Connection {name} is deleted.")
