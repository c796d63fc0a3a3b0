"""The command `jobferry`: its commands by name, and what becomes of their failures."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from jobferry_cli.app import global_options
from jobferry_cli.connections import connection
from jobferry_cli.control import abort, delete, priority, problems, resume
from jobferry_cli.errors import AWS_ERRORS, ExitCode, explain
from jobferry_cli.operations import operations
from jobferry_cli.outcomes import results, rows
from jobferry_cli.planning import plan
from jobferry_cli.profiles import profile
from jobferry_cli.repeating import rerun, retry
from jobferry_cli.resolving import resolve
from jobferry_cli.runs import runs, status, watch
from jobferry_cli.schedules import schedule
from jobferry_cli.sending import run
from jobferry_cli.undo import undo

_LOCAL = "local"


class _Jobferry(click.Group):
    """Turns failures into sentences and exit codes, and loads the local stack when asked for."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.UsageError as error:
            error.show()
            sys.exit(ExitCode.INPUT)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except AWS_ERRORS as error:
            explained = explain(error)
            explained.show()
            sys.exit(explained.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted.", err=True)
            sys.exit(ExitCode.INTERRUPTED)
        sys.exit(code if isinstance(code, int) else ExitCode.OK)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), _LOCAL})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == _LOCAL:
            # Deploying and the emulator's processes: nothing that another command needs.
            group: click.Command = importlib.import_module("jobferry_cli.local").local
            return group
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Jobferry, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jobferry")
@global_options
def cli() -> None:
    """Carry the rows of a CSV through a vendor's bulk jobs, with one outcome for every row."""


for command in (
    abort,
    connection,
    delete,
    operations,
    plan,
    priority,
    problems,
    profile,
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
    watch,
):
    cli.add_command(command)


def main() -> None:
    """The entry point."""
    cli()
