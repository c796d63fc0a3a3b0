"""`jobferry profile`: connection + operation + column mapping + policies, under one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from jobferry.binding.column_binding import bind_columns
from jobferry.binding.profile_document import validate
from jobferry.binding.profile_fit import ProfileError, check_against
from jobferry.binding.profile_warnings import profile_warnings, warnings_of
from jobferry.domain.commands import Command, command
from jobferry.domain.connection import Connection
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.profile import Profile
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.output import note_warnings, put_json, put_table, put_text
from jobferry_cli.stack import Stack
from jobferry_cli.written_document import read_document, with_lines

_HELP = command("profile", "put", "--help")


@click.group()
@global_options
def profile() -> None:
    """Manage profiles: connection, operation, columns, policies."""


@dataclass(frozen=True, slots=True)
class UsableProfile:
    """A profile with all that it names."""

    profile: Profile
    connection: Connection
    vendor: Vendor
    operation: Operation

    @property
    def keeps_records(self) -> bool:
        """Whether what records are is read and kept before they are changed."""
        return self.profile.snapshot and self.operation.readable_in_batches

    def warnings(self, header: Sequence[str] = ()) -> list[str]:
        """What it asks for that the vendor is not known to take, with a file of this header."""
        return warnings_of(self.profile, self.connection, self.vendor, self.operation, header)


def profile_document(revision: int, document: dict[str, Any]) -> dict[str, Any]:
    """A profile as scripts read it."""
    return {**document, "revision": revision}


def known_profile(stack: Stack, name: str) -> tuple[int, dict[str, Any]]:
    """(revision, document) of the profile of this name.

    Raises:
        CommandError: there is none.
    """
    found = stack.deps.store.config.profile(name)
    if found is None:
        raise CommandError(
            f"There is no profile {name!r}.", next_command=command("profile", "list")
        )
    return found


def usable_profile(stack: Stack, name: str) -> UsableProfile:
    """The profile of this name with its connection, vendor and operation.

    Raises:
        CommandError: it is not there, or something that it names is not.
    """
    revision, document = known_profile(stack, name)
    return _bound(stack, Profile.from_document(document, revision))


def _bound(stack: Stack, of: Profile) -> UsableProfile:
    connection = stack.deps.store.config.connection(of.connection)
    if connection is None:
        raise CommandError(
            f"The profile {of.name} names the connection {of.connection!r}, which is not there.",
            next_command=command("connection", "put", of.connection, "--help"),
        )
    fields = command("operations", connection.vendor)
    try:
        vendor = stack.deps.vendors.named(connection.vendor)
        operation = check_against(of, vendor)
        if of.columns is not None:
            # A header that fits is the kindest there can be: what is wrong now always is.
            bind_columns(of, operation, vendor, tuple(of.columns))
    except ProfileError as error:
        raise _unusable(of.name, error.problems, fields) from None
    except (FileRefused, LookupError) as error:
        raise _unusable(of.name, [str(error.args[0])], fields) from None
    return UsableProfile(of, connection, vendor, operation)


def _unusable(name: str, problems: list[str], next_command: Command) -> CommandError:
    return CommandError(
        f"The profile {name} cannot be used:", details=problems, next_command=next_command
    )


@profile.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--strict", is_flag=True, help="Refuse what is only warned of otherwise.")
@global_options
@pass_app
def put(app: App, file: Path, strict: bool) -> None:
    """Check a profile (YAML or JSON) and store it. Changes make a new revision.

    Fields that the operation does not list are warned of: the vendor may ignore them.

    \b
    name: new-tickets
    connection: acme
    operation: tickets.create
    columns:
      Subject: subject
      Body: comment.body
      Priority: {field: priority, enum: [low, normal, high, urgent]}
      Due: {field: due_at, type: datetime, optional: true}
    """
    stack = app.stack
    try:
        document = validate(read_document(file, _HELP))
    except ProfileError as error:
        raise _unusable(str(file), with_lines(file, error.problems), _HELP) from None
    name = document["name"]
    usable = _bound(stack, Profile.from_document(document, 0))
    of_profile = profile_warnings(usable.profile, usable.vendor, usable.operation)
    if strict and of_profile:
        raise CommandError(
            f"The profile {name} is not kept, as --strict asks:",
            details=of_profile,
            next_command=command("operations", usable.vendor.name),
            error_code="strict",
        )
    warnings = usable.warnings()
    latest = stack.deps.store.config.profile(name)
    if latest is not None and latest[1] == document:
        revision = latest[0]
    else:
        by = stack.caller.name
        revision = stack.deps.store.config.put_profile(name, document, by=by)
    note_warnings(warnings)
    if app.as_json:
        put_json(
            profile_document(revision, document) | ({"warnings": warnings} if warnings else {})
        )
        return
    put_text(
        f"Profile {name} is ready, revision {revision}.",
        f"Try it without sending: {command('plan', 'FILE.csv', '--profile', name)}",
        f"Files that are dropped at {stack.inbox.folder(name)} start runs.",
    )


@profile.command(name="list")
@global_options
@pass_app
def list_profiles(app: App) -> None:
    """List all profiles."""
    config = app.stack.deps.store.config
    found = [each for name in config.profile_names() if (each := config.profile(name))]
    if app.as_json:
        for revision, document in found:
            put_json(profile_document(revision, document))
        return
    if not found:
        put_text("There are no profiles.", "Make one: jobferry profile put --help")
        return
    put_table(
        ("NAME", "OPERATION", "CONNECTION", "REVISION"),
        [(d["name"], d["operation"], d["connection"], revision) for revision, d in found],
    )


@profile.command()
@click.argument("name")
@global_options
@pass_app
def show(app: App, name: str) -> None:
    """Show the latest revision of a profile."""
    revision, document = known_profile(app.stack, name)
    by = app.stack.deps.store.config.profile_by(name, revision)
    if app.as_json:
        inbox = app.stack.inbox.folder(name)
        put_json(profile_document(revision, document) | {"by": by, "inbox": inbox})
        return
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    put = "" if by is None else f", put by {by}"
    put_text(
        f"# revision {revision}{put}",
        f"# files dropped at {app.stack.inbox.folder(name)} start runs",
        *text.rstrip().split("\n"),
    )


@profile.command()
@click.argument("name")
@global_options
@pass_app
def delete(app: App, name: str) -> None:
    """Take a profile off the list. Runs in progress go on with their revision."""
    known_profile(app.stack, name)
    app.stack.deps.store.config.delete_profile(name)
    if app.as_json:
        put_json({"name": name, "deleted": True})
        return
    put_text(f"Profile {name} is deleted.")
