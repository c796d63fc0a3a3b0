"""The command `jobferry`: its commands by name, and what becomes of their failures."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from jobferry_cli.app import JSON_OPTION, global_options
from jobferry_cli.completion import completion
from jobferry_cli.connections import connection
from jobferry_cli.control import abort, delete, priority, problems, resume
from jobferry_cli.costing import cost
from jobferry_cli.doctor import doctor
from jobferry_cli.errors import (
    AWS_ERRORS,
    CommandError,
    ExitCode,
    explain,
    interrupted,
    unexpected,
)
from jobferry_cli.misuse import misused, note_misuse
from jobferry_cli.operations import operations
from jobferry_cli.outcomes import results
from jobferry_cli.output import note, put_json
from jobferry_cli.planning import plan
from jobferry_cli.profile_new import new
from jobferry_cli.profiles import profile
from jobferry_cli.repeating import rerun, retry
from jobferry_cli.reports import report
from jobferry_cli.resolving import resolve
from jobferry_cli.rows import rows
from jobferry_cli.runs import runs, status, watch
from jobferry_cli.schedules import schedule
from jobferry_cli.sending import run
from jobferry_cli.undo import undo
from jobferry_cli.vendors import vendor

_LOADED = {"local": "jobferry_cli.local.commands", "dashboard": "jobferry_cli.dashboard.command"}
"""Commands that bring what no other needs, such as the emulator's processes or a web server."""


class _Jobferry(click.Group):
    """Turns failures into sentences and exit codes, and loads the local stack when asked for."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        words = args[0] if args else kwargs.get("args")
        typed = sys.argv[1:] if words is None else list(words)
        try:
            code = super().main(*args, **kwargs)
        except CommandError as error:
            _end(error, typed)
        except click.ClickException as error:
            note_misuse(error)
            _end(misused(error, typed), typed)
        except AWS_ERRORS as error:
            _end(explain(error), typed)
        except (click.Abort, KeyboardInterrupt):
            _end(interrupted(typed), typed)
        sys.exit(code if isinstance(code, int) else ExitCode.OK)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LOADED})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _LOADED:
            loaded: click.Command = getattr(importlib.import_module(_LOADED[cmd_name]), cmd_name)
            return loaded
        return super().get_command(ctx, cmd_name)


def _end(error: CommandError, words: Sequence[str]) -> NoReturn:
    """Say a failure to people, and with `--json` to scripts as well.

    Args:
        words: what was typed after `jobferry`.
    """
    error.show()
    if JSON_OPTION in words:
        put_json(error.to_json())
    sys.exit(error.exit_code)


@click.group("jobferry", cls=_Jobferry, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jobferry")
@global_options
def cli() -> None:
    """Run CSV files through a vendor's bulk-job API. Every row ends in one outcome."""


for command in (
    abort,
    completion,
    connection,
    cost,
    delete,
    doctor,
    operations,
    plan,
    priority,
    problems,
    profile,
    report,
    rerun,
    resolve,
    results,
    resume,
    retry,
    rows,
    run,
    runs,
    schedule,
    status,
    undo,
    vendor,
    watch,
):
    cli.add_command(command)
profile.add_command(new)


def main() -> None:
    """The entry point. An unexpected error is shown as Python shows it, but steers no terminal."""
    try:
        cli()
    except Exception as error:  # noqa: BLE001 - the last one to hear of it
        note(*traceback.format_exc().rstrip().split("\n"))
        _end(unexpected(error), sys.argv[1:])
