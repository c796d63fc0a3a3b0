"""`jobferry doctor`: whether a stack is well, and what to do where it is not."""

from __future__ import annotations

import click

from jobferry.domain.commands import command
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import AWS_ERRORS, CommandError, ExitCode, explain
from jobferry_cli.gathering import gather
from jobferry_cli.health import WRONG, Check, all_right, checks, no_stack
from jobferry_cli.output import put_json, put_text


@click.command()
@click.option("--no-vendors", is_flag=True, help="Ask no vendor: a request of each is not spent.")
@global_options
@pass_app
def doctor(app: App, no_vendors: bool) -> ExitCode:
    """Check the stack, your rights, and every connection.

    Each line is ok, warning or wrong. Exit code 2 when something is wrong.
    """
    try:
        found = checks(gather(app.stack, vendors=not no_vendors))
    except CommandError as error:
        found = no_stack(error.message, error.next_command)
    except AWS_ERRORS as error:
        told = explain(error)
        found = no_stack(told.message, told.next_command)
    well = all_right(found)
    document = {"checks": [check.document() for check in found], "ok": well}
    if not app.as_json:
        put_text(*(line for check in found for line in _lines(check)))
    if well:
        if app.as_json:
            put_json(document)
        return ExitCode.OK
    wrong = [check for check in found if check.result == WRONG]
    raise CommandError(
        f"Not everything is right: {', '.join(check.name for check in wrong)}.",
        next_command=next(filter(None, (check.next for check in wrong)), command("runs")),
        code=ExitCode.SERVICE,
        error_code="not_well",
        document=document,
    )


def _lines(check: Check) -> list[str]:
    first = f"{check.result if check.known else 'not known':<9}  {check.text}"
    return [first] if check.next is None else [first, f"           Next:  {check.next}"]
