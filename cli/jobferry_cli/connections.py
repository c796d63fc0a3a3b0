"""`jobferry connection`: the vendor accounts that rows are sent to."""

from __future__ import annotations

import math
import re
from pathlib import Path

import click

from jobferry.binding.profile_warnings import too_many_jobs
from jobferry.domain.commands import command
from jobferry.domain.connection import Connection
from jobferry.domain.names import NAME
from jobferry.operator.vendor_requests import VendorUnavailableError, vendor_session
from jobferry.vendors.connections import max_jobs as jobs_allowed
from jobferry.vendors.credentials import CredentialsError, parse_credentials
from jobferry.vendors.http.client import BaseUrlError, check_base_url
from jobferry.vendors.protocol import Vendor
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.connection_state import (
    connection_document,
    connection_lines,
    connection_state,
    keep_address,
)
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.output import note_warnings, put_json, put_table, put_text
from jobferry_cli.stack import Stack
from jobferry_cli.vendor_calls import vendor_reached


@click.group()
@global_options
def connection() -> None:
    """Manage vendor accounts: address, credentials, limits."""


def known_connection(stack: Stack, name: str) -> Connection:
    """The connection of this name.

    Raises:
        CommandError: there is none.
    """
    found = stack.deps.store.config.connection(name)
    if found is None:
        raise CommandError(
            f"There is no connection {name!r}.", next_command=command("connection", "list")
        )
    return found


def _vendor(stack: Stack, name: str) -> Vendor:
    try:
        return stack.deps.vendors.named(name)
    except LookupError as error:
        raise CommandError(str(error.args[0]), next_command=command("operations")) from None


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
    stack = app.stack
    chosen = _vendor(stack, vendor)
    try:
        text = credentials_file.read_text(encoding="utf-8")
        credentials = parse_credentials(text, chosen.credential_forms)
        root = check_base_url(
            base_url.rstrip("/").removesuffix(chosen.base_path),
            stack.settings.reach,
        )
    except (CredentialsError, BaseUrlError) as error:
        raise CommandError(
            str(error), next_command=command("connection", "put", "--help")
        ) from None
    except (OSError, UnicodeDecodeError):
        raise CommandError(
            f"{credentials_file} cannot be read as a text file.",
            next_command=command("connection", "put", "--help"),
        ) from None
    made = Connection(
        name=name,
        vendor=chosen.name,
        base_url=root,
        max_jobs=max_jobs,
        requests_per_minute=requests_per_minute,
        share=share,
        by=stack.caller.name,
    )
    keep_address(stack, made)
    # The secret first: a connection that is listed has its credentials.
    stack.secrets.put(name, credentials, made.base_url)
    stack.deps.store.config.put_connection(made)
    stack.deps.store.limits.ensure(name, jobs_allowed(made, chosen))
    if (warning := too_many_jobs(made, chosen)) is not None:
        note_warnings([warning])
    if app.as_json:
        put_json(connection_document(made))
        return
    put_text(f"Connection {name} is ready.", f"Test it: {command('connection', 'test', name)}")


@connection.command(name="list")
@global_options
@pass_app
def list_connections(app: App) -> None:
    """List all connections."""
    config = app.stack.deps.store.config
    found = [each for name in config.connection_names() if (each := config.connection(name))]
    if app.as_json:
        for each in found:
            put_json(connection_document(each))
        return
    if not found:
        put_text("There are no connections.", "Make one: jobferry connection put --help")
        return
    put_table(
        ("NAME", "VENDOR", "BASE URL"), [(each.name, each.vendor, each.base_url) for each in found]
    )


@connection.command()
@click.argument("name")
@global_options
@pass_app
def show(app: App, name: str) -> None:
    """Show a connection: its limits, and what it waits for."""
    found = known_connection(app.stack, name)
    if app.as_json:
        put_json(connection_state(app.stack, found))
    else:
        put_text(*connection_lines(app.stack, found, _vendor(app.stack, found.vendor)))


@connection.command()
@click.argument("name")
@global_options
@pass_app
def test(app: App, name: str) -> ExitCode:
    """Make one authenticated request that changes nothing.

    Exit code 2: the vendor refuses it.
    """
    known_connection(app.stack, name)
    reason = _refusal(app.stack, name)
    document = {"name": name, "ok": reason is None, "reason": reason}
    if reason is not None:
        raise CommandError(
            f"Connection {name} does not work. {reason}",
            next_command=command("connection", "show", name),
            code=ExitCode.SERVICE,
            document=document,
        )
    if app.as_json:
        put_json(document)
    else:
        put_text(f"Connection {name} works.")
    return ExitCode.OK


def _refusal(stack: Stack, name: str) -> str | None:
    """Why the vendor refuses us; None when it does not."""
    try:
        with vendor_reached(), vendor_session(name, stack.deps) as asked:
            answer = asked.linked.client.test()
            return None if answer is None else str(asked.no(answer))
    except VendorUnavailableError as error:
        return str(error)


@connection.command()
@click.argument("name")
@global_options
@pass_app
def unblock(app: App, name: str) -> None:
    """End every wait that the vendor has asked for.

    Requests go out again at once.

    For a wait that makes no sense. A vendor that meant it asks for it once more.
    """
    stack = app.stack
    known_connection(stack, name)
    stack.deps.store.limits.unblock(name)
    if app.as_json:
        put_json(connection_state(stack, known_connection(stack, name)))
        return
    put_text(
        f"Connection {name} waits for nothing.",
        f"Test it: {command('connection', 'test', name)}",
    )


@connection.command()
@click.argument("name")
@global_options
@pass_app
def delete(app: App, name: str) -> None:
    """Delete a connection and its credentials. Refused while a profile or a run needs it."""
    stack = app.stack
    known_connection(stack, name)
    store = stack.deps.store
    running = store.chunks.runs_in_flight(name)
    if running:
        raise CommandError(
            f"Run {running[0]} has jobs in flight on the connection {name}.",
            next_command=command("watch", running[0]),
        )
    for profile_name in store.config.profile_names():
        found = store.config.profile(profile_name)
        if found is not None and found[1]["connection"] == name:
            raise CommandError(
                f"The profile {profile_name} uses the connection {name}.",
                next_command=command("profile", "delete", profile_name),
            )
    store.config.delete_connection(name)
    stack.secrets.delete(name)
    if app.as_json:
        put_json({"name": name, "deleted": True})
        return
    put_text(f"Connection {name} is deleted.")
