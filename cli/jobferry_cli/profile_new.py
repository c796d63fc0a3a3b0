"""`jobferry profile new`: a profile drafted from a file, ready to be completed and put."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import yaml

from jobferry.binding.profile_document import validate
from jobferry.binding.profile_fit import ProfileError
from jobferry.domain.commands import Command, command, other_command
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.names import is_name
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.validation import validate as validate_vendor
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.output import (
    ask,
    confirm,
    is_terminal,
    note,
    note_warnings,
    put_json,
    put_text,
)
from jobferry_cli.profile_draft import (
    Draft,
    FileSample,
    draft_profile,
    profile_yaml,
    read_sample,
)

_SUFFIXES = (".yaml", ".yml", ".json")


@click.command("new")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--operation", required=True, metavar="OP", help="As `jobferry operations` has it.")
@click.option(
    "--vendor",
    metavar="V",
    help="Only where several have the operation, or it is one of your own (name or FILE.yaml).",
)
@click.option("--connection", metavar="C", help="Name of the connection that it is for.")
@click.option("--name", metavar="NAME", help="Of the profile; from a file's name if not given.")
@click.option("--timezone", metavar="TZ", help="Of times that name none, such as Europe/Oslo.")
@click.option(
    "--constant",
    "constants",
    multiple=True,
    metavar="FIELD=VALUE",
    help="The same in every record; may be given several times.",
)
@click.option("--encoding", metavar="CODEC", help="Of a file that is no UTF-8.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.yaml")
@global_options
@pass_app
def new(
    app: App,
    file: Path,
    operation: str,
    vendor: str | None,
    connection: str | None,
    name: str | None,
    timezone: str | None,
    constants: Sequence[str],
    encoding: str | None,
    out: Path | None,
) -> None:
    """Draft a profile from a file's header and first rows.

    What is unclear stands as a comment. Asks only on a terminal, and needs no stack.
    """
    typed = _Typed(file, operation, vendor, out)
    if connection is not None and not is_name(connection):
        raise CommandError(
            f"{connection!r} is no name of a connection: letters, digits, - and _.",
            next_command=command("connection", "list"),
        )
    found_vendor, found = find_operation(_vendors(app, vendor), typed)
    sample = _sample(encoding, typed)
    fixed = _constants(constants, typed)
    answers = {} if timezone is None else {"timezone": timezone}
    asks = is_terminal() and not app.as_json

    def drafted() -> Draft:
        return draft_profile(
            sample,
            found_vendor,
            found,
            name=name or (file if out is None else out).name.split(".")[0],
            connection=connection,
            constants=fixed,
            answers=answers,
        )

    draft = drafted()
    while asks and (open_questions := [q for q in draft.questions if q.key not in answers]):
        question = open_questions[0]
        answers[question.key] = ask(question.text, question.choices, question.default)
        draft = drafted()
    _must_be_valid(draft, typed)
    text = profile_yaml(draft, file.name)
    if out is not None:
        _write(out, text, typed, asks=asks)
    _show(app, draft, text, out)


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed, so that it can be shown again with what was meant."""

    file: Path
    operation: str
    vendor: str | None
    out: Path | None

    def again(self, **changes: object) -> Command:
        """The command with some of it changed: `operation`, `vendor`, `out`."""
        said = {
            "operation": self.operation,
            "vendor": self.vendor,
            "out": self.out,
            **changes,
        }
        options = (word for key, value in said.items() if value for word in (f"--{key}", value))
        return command("profile", "new", self.file, *options)


def find_operation(vendors: Sequence[Vendor], typed: _Typed) -> tuple[Vendor, Operation]:
    """The vendor and its operation that a name means.

    Raises:
        CommandError: none has it, or several have.
    """
    name = typed.operation
    found = [(each, operation) for each in vendors if (operation := each.operation(name))]
    if len(found) > 1:
        named = ", ".join(vendor.name for vendor, _ in found)
        raise CommandError(
            f"Several vendors have the operation {name}: {named}. Say which with --vendor.",
            next_command=typed.again(vendor=found[0][0].name),
        )
    if found and _PLACEHOLDER not in name:
        return found[0]
    raise _no_operation(vendors, typed)


_PLACEHOLDER = "<"


def _no_operation(vendors: Sequence[Vendor], typed: _Typed) -> CommandError:
    name = typed.operation
    names = [each for vendor in vendors for each in vendor.operations]
    by_shape = {_without_key(each): each for each in names}
    near = get_close_matches(name, names, 1, _NEAR) or [
        by_shape[each] for each in get_close_matches(_without_key(name), by_shape, 1, _NEAR)
    ]
    if near and _PLACEHOLDER in near[0]:
        return CommandError(
            f"There is no operation {name!r}. Write {near[0]} with the key of your custom object "
            "for <key>, as in custom_objects.vehicle.create.",
            next_command=typed.again(operation=near[0].replace("<key>", "KEY")),
        )
    of = f"{vendors[0].title} has" if len(vendors) == 1 else "There is"
    if near:
        return CommandError(
            f"{of} no operation {name!r}. Did you mean {near[0]}?",
            next_command=typed.again(operation=near[0]),
        )
    return CommandError(
        f"{of} no operation {name!r}. If a vendor of your own has it, name that with --vendor.",
        next_command=command("operations", *([typed.vendor] if typed.vendor else [])),
    )


_NEAR = 0.6


def _without_key(name: str) -> str:
    """`custom_objects.car.create` → `custom_objects.create`."""
    parts = name.split(".")
    return f"{parts[0]}.{parts[-1]}"


def _vendors(app: App, name: str | None) -> list[Vendor]:
    """The vendors to look among. The stack is asked only for one that has no package."""
    if name is None:
        return BUILT_IN.built_in()
    path = Path(name)
    if path.suffix.lower() in _SUFFIXES and path.is_file():
        try:
            return [vendor_from(validate_vendor(yaml.safe_load(path.read_text("utf-8"))))]
        except (ValueError, LookupError, TypeError, OSError, yaml.YAMLError) as error:
            raise CommandError(
                f"{path} is no document of a vendor: {error}",
                next_command=command("vendor", "check", path),
            ) from None
    if BUILT_IN.is_built_in(name):
        return [BUILT_IN.named(name)]
    near = get_close_matches(name, [each.name for each in BUILT_IN.built_in()], 1, _NEAR)
    if near:
        raise CommandError(
            f"There is no vendor {name!r}. Did you mean {near[0]}?",
            next_command=command("operations", near[0]),
        )
    try:
        return [app.stack.deps.vendors.named(name)]
    except LookupError as error:
        raise CommandError(str(error.args[0]), next_command=command("vendor", "list")) from None


def _sample(encoding: str | None, typed: _Typed) -> FileSample:
    try:
        return read_sample(typed.file, encoding=encoding)
    except FileRefused as refusal:
        raise CommandError(
            f"{typed.file} cannot be used. {refusal.message}",
            next_command=typed.again(),
            error_code=refusal.code,
        ) from None
    except OSError as error:
        raise CommandError(
            f"{typed.file} cannot be read: {error.strerror}.",
            next_command=other_command("ls", "-l", typed.file),
        ) from None


def _constants(said: Sequence[str], typed: _Typed) -> dict[str, Any]:
    """`FIELD=VALUE` as constants; a value is YAML, so that `[a, b]` is a list and `7` a number."""
    found: dict[str, Any] = {}
    for each in said:
        field, equals, value = each.partition("=")
        if not equals or not field.strip():
            raise CommandError(
                f"--constant {each!r} is no FIELD=VALUE.",
                next_command=command("operations", *([typed.vendor] if typed.vendor else [])),
            )
        found[field.strip()] = _constant(value)
    return found


def _constant(text: str) -> Any:
    """What a value says in YAML; the text itself where that is nothing that a record may hold."""
    try:
        value = yaml.safe_load(text)
        json.dumps(value, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return text
    return value


def _must_be_valid(draft: Draft, typed: _Typed) -> None:
    """Raise CommandError where what was said here, or at a question, cannot be used."""
    try:
        validate(draft.document())
    except ProfileError as error:
        raise CommandError(
            "The profile cannot be made so:", details=error.problems, next_command=typed.again()
        ) from None


def _write(out: Path, text: str, typed: _Typed, *, asks: bool) -> None:
    if out.exists():
        if not asks:
            raise CommandError(
                f"{out} is there already, and is not overwritten.",
                next_command=typed.again(out=_free(out)),
                error_code="file_exists",
            )
        confirm(f"{out} is there already. Overwrite it?")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{out} cannot be written: {error.strerror}.",
            next_command=other_command("ls", "-ld", out.parent),
        ) from None


def _free(out: Path) -> Path:
    """A name beside a file that is there."""
    number = 2
    while (free := out.with_name(f"{out.stem}-{number}{out.suffix}")).exists():
        number += 1
    return free


def _show(app: App, draft: Draft, text: str, out: Path | None) -> None:
    doubts = draft.doubts()
    if app.as_json:
        put_json(
            {
                "profile": draft.document(),
                "yaml": text,
                "doubts": doubts,
                "out": None if out is None else str(out),
            }
        )
    elif out is None:
        put_text(*text.rstrip("\n").split("\n"))
    else:
        sent = sum(each.entry is not None for each in draft.columns)
        put_text(f"{out} is written: {sent} of {len(draft.columns)} columns have a field.")
    note_warnings(
        f"{draft.operation} needs {' or '.join(names)}, which nothing fills: `profile put` refuses "
        "it until you say where it comes from."
        for names in draft.missing
    )
    if doubts:
        note(f"Check what stands behind `# ?`: {len(doubts)} in all.")
    if draft.connection is None:
        note(f"Next:  {command('connection', 'list')}")
    else:
        note(f"Next:  {command('profile', 'put', out or 'FILE.yaml')}")
