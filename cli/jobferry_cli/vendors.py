"""`jobferry vendor`: vendors that are documents, kept in the stack without a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import yaml

from jobferry.domain.commands import Command, command
from jobferry.domain.types import JsonObject
from jobferry.vendors.credentials import CredentialsError, parse_credentials
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.check import Step, VendorCheck, sample_record
from jobferry.vendors.declarative.validation import DocumentError, validate
from jobferry.vendors.http.addresses import Reach, networks_of
from jobferry.vendors.http.client import BaseUrlError
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.output import put_json, put_table, put_text
from jobferry_cli.stack import Stack
from jobferry_cli.written_document import read_document, with_lines

_HELP = command("vendor", "--help")
_FROM_HERE = Reach(
    loopback=True, networks=networks_of("10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7")
)
"""Where `check` may send requests: it runs on the caller's own machine."""


@click.group()
@global_options
def vendor() -> None:
    """Vendors as documents: put one, and connections may name it."""


_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@vendor.command()
@_file
@global_options
@pass_app
def put(app: App, file: Path) -> None:
    """Check a vendor's document (YAML or JSON) and keep it. Changes make a new revision.

    A change holds for runs in progress, too, within a minute.
    """
    document = _checked(file)
    name = document["name"]
    if BUILT_IN.is_built_in(name):
        raise CommandError(
            f"{name} is a vendor that Jobferry has already; give the document another name.",
            next_command=command("operations", name),
        )
    stack = app.stack
    _keep_operations(stack, vendor_from(document))
    config = stack.deps.store.config
    latest = config.vendor(name)
    if latest is not None and latest[1] == document:
        revision = latest[0]
    else:
        revision = config.put_vendor(name, document, by=stack.caller.name)
    if app.as_json:
        put_json({**document, "revision": revision})
        return
    put_text(
        f"Vendor {name} is ready, revision {revision}.",
        f"What it can do: {command('operations', name)}",
        f"Connect to it: {command('connection', 'put', 'NAME', '--vendor', name)} "
        "--base-url URL --credentials FILE.json",
    )


@vendor.command(name="list")
@global_options
@pass_app
def list_vendors(app: App) -> None:
    """The vendors that are documents."""
    config = app.stack.deps.store.config
    found = [each for name in config.vendor_names() if (each := config.vendor(name))]
    if app.as_json:
        for revision, document in found:
            put_json({**document, "revision": revision})
        return
    if not found:
        put_text("No vendor is a document.", "Put one: jobferry vendor put FILE.yaml")
        return
    put_table(
        ("NAME", "TITLE", "OPERATIONS", "REVISION"),
        [(d["name"], d["title"], ", ".join(d["operations"]), revision) for revision, d in found],
    )


@vendor.command()
@click.argument("name")
@global_options
@pass_app
def show(app: App, name: str) -> None:
    """One vendor's document, its latest revision."""
    config = app.stack.deps.store.config
    revision, document = _known(app.stack, name)
    by = config.vendor_by(name, revision)
    if app.as_json:
        put_json({**document, "revision": revision, "by": by})
        return
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    put_by = "" if by is None else f", put by {by}"
    put_text(f"# revision {revision}{put_by}", *text.rstrip().split("\n"))


@vendor.command()
@click.argument("name")
@global_options
@pass_app
def delete(app: App, name: str) -> None:
    """Take a vendor away. Refused while a connection names it."""
    _known(app.stack, name)
    config = app.stack.deps.store.config
    for connection_name in _connections_of(app.stack, name):
        raise CommandError(
            f"The connection {connection_name} uses the vendor {name}.",
            next_command=command("connection", "delete", connection_name),
        )
    config.delete_vendor(name)
    if app.as_json:
        put_json({"name": name, "deleted": True})
        return
    put_text(f"Vendor {name} is deleted.")


@vendor.command()
@_file
@click.option("--base-url", help="Try the document at this address: one real job is sent.")
@click.option(
    "--credentials",
    "credentials_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help='A JSON object, as the document asks for: {"bearer": …}, {"api_key": …} …',
)
@click.option("--operation", "operation_name", help="What is sent; the first one if not given.")
@click.option(
    "--record",
    "record_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help="The record that is sent: a JSON object. Without it the required fields are filled.",
)
@global_options
@pass_app
def check(
    app: App,
    file: Path,
    base_url: str | None,
    credentials_file: Path | None,
    operation_name: str | None,
    record_file: Path | None,
) -> ExitCode:
    """Check a vendor's document, and with an address try it. Needs no stack.

    With --base-url and --credentials one job with one record is sent and polled for a minute, and
    what each path of the document found is shown. The record is a real one: use a test account.
    """
    document = _checked(file)
    described = vendor_from(document)
    if (base_url is None) != (credentials_file is None):
        raise click.UsageError("--base-url and --credentials are given together, or neither.")
    if base_url is None or credentials_file is None:
        return _put_valid(app, described)
    operation = _operation(described, operation_name)
    record = sample_record(operation) if record_file is None else _record(record_file)
    try:
        text = credentials_file.read_text(encoding="utf-8")
        played = VendorCheck(
            document,
            base_url,
            parse_credentials(text, described.credential_forms),
            reach=_FROM_HERE,
            sleep=app.sleep,
            monotonic=app.monotonic,
        )
    except (CredentialsError, BaseUrlError) as error:
        raise CommandError(str(error), next_command=command("vendor", "check", "--help")) from None
    except (OSError, UnicodeDecodeError):
        raise _unreadable(credentials_file) from None
    words = ["--base-url", base_url, "--credentials", str(credentials_file)]
    words += [] if operation_name is None else ["--operation", operation_name]
    words += [] if record_file is None else ["--record", str(record_file)]
    _play(app, played, operation, record, command("vendor", "check", str(file), *words))
    return ExitCode.OK


def _play(
    app: App, played: VendorCheck, operation: Operation, record: JsonObject, again: Command
) -> None:
    """Play a check, and show each step when it is done.

    Raises:
        CommandError: a step found a problem; `again` is the next command, once that is mended.
    """
    steps: list[Step] = []
    for step in played.steps(operation, record):
        steps.append(step)
        if not app.as_json:
            put_text(*_lines(step))
    failed = next((step for step in steps if step.problem), None)
    document = {
        "ok": failed is None,
        "operation": operation.name,
        "record": record,
        "steps": [_document(step) for step in steps],
    }
    if failed is not None:
        raise CommandError(
            f"The step {failed.name} found a problem. {failed.problem}",
            next_command=again,
            code=ExitCode.SERVICE if failed.vendor else ExitCode.INPUT,
            document=document,
        )
    if app.as_json:
        put_json(document)


def _document(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "did": step.said,
        "requests": list(step.requests),
        "found": dict(step.found),
        "problem": step.problem or None,
    }


def _lines(step: Step) -> list[str]:
    lines = [f"{step.name}: {step.said}", *(f"  {request}" for request in step.requests)]
    for place, found in step.found.items():
        shown = "nothing" if found is None else json.dumps(found, ensure_ascii=False)
        lines.append(f"  {place:<20} {shown if len(shown) <= 200 else shown[:200] + '…'}")
    return [*lines, f"  Problem: {step.problem}"] if step.problem else lines


def _put_valid(app: App, described: Vendor) -> ExitCode:
    if app.as_json:
        put_json({"name": described.name, "ok": True, "operations": list(described.operations)})
    else:
        put_text(
            f"The document of {described.name} is valid: {', '.join(described.operations)}.",
            "Try it at the vendor with --base-url and --credentials, or keep it: "
            "jobferry vendor put FILE.yaml",
        )
    return ExitCode.OK


def _operation(described: Vendor, name: str | None) -> Operation:
    if name is None:
        return next(iter(described.operations.values()))
    found = described.operations.get(name)
    if found is None:
        raise CommandError(
            f"The document has no operation {name!r}: {', '.join(described.operations)}.",
            next_command=command("vendor", "check", "--help"),
        )
    return found


def _checked(file: Path) -> dict[str, Any]:
    """The canonical form of the document in a file.

    Raises:
        CommandError: it cannot be read, or is no vendor's document; with every problem.
    """
    try:
        return validate(read_document(file, _HELP))
    except DocumentError as error:
        raise CommandError(
            f"The document {file} describes no vendor:",
            details=with_lines(file, error.problems),
            next_command=_HELP,
        ) from None


def _record(file: Path) -> JsonObject:
    record = read_document(file, _HELP, json.loads)
    if not isinstance(record, dict):
        raise CommandError(
            f"{file} must hold one JSON object, the record that is sent.",
            next_command=command("vendor", "check", "--help"),
        )
    return record


def _unreadable(file: Path) -> CommandError:
    return CommandError(f"{file} cannot be read as a text file.", next_command=_HELP)


def _known(stack: Stack, name: str) -> tuple[int, dict[str, Any]]:
    """(revision, document) of the vendor of this name.

    Raises:
        CommandError: there is none.
    """
    found = stack.deps.store.config.vendor(name)
    if found is None:
        has = " It is no document: it comes with Jobferry." if BUILT_IN.is_built_in(name) else ""
        raise CommandError(
            f"There is no document of a vendor {name!r}.{has}",
            next_command=command("vendor", "list"),
        )
    return found


def _connections_of(stack: Stack, name: str) -> list[str]:
    config = stack.deps.store.config
    found = (config.connection(each) for each in config.connection_names())
    return [each.name for each in found if each is not None and each.vendor == name]


def _keep_operations(stack: Stack, described: Vendor) -> None:
    """Fail where a profile would lose its operation by a change of the document."""
    connections = set(_connections_of(stack, described.name))
    config = stack.deps.store.config
    for profile_name in config.profile_names():
        found = config.profile(profile_name)
        if found is None or found[1]["connection"] not in connections:
            continue
        if described.operation(found[1]["operation"]) is None:
            raise CommandError(
                f"The profile {profile_name} uses the operation {found[1]['operation']}, which the "
                "document does not have any more.",
                next_command=command("profile", "delete", profile_name),
            )
