"""What every command is given: the global options, and the stack, opened when first needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import click

from jobferry_cli.stack import STACK_VARIABLE, Stack, choose_stack, open_stack

JSON_OPTION = "--json"

F = TypeVar("F", bound=Callable[..., Any])


def _connect(name: str | None) -> Stack:
    return open_stack(choose_stack(name, os.environ))


@dataclass
class App:
    """One invocation of the command.

    Attributes:
        connect: opens the stack that `--stack` names; None: find it out
        sleep: waits, in seconds
        monotonic: seconds of a clock that only goes forward
    """

    as_json: bool = False
    stack_name: str | None = None
    connect: Callable[[str | None], Stack] = _connect
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    @cached_property
    def stack(self) -> Stack:
        return self.connect(self.stack_name)


pass_app = click.make_pass_decorator(App, ensure=True)


def _note_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(App).as_json = True


def _note_stack(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        context.ensure_object(App).stack_name = value


def global_options(command: F) -> F:
    """`--json` and `--stack`, which may stand before a command's name or after it."""
    as_json = click.option(
        JSON_OPTION,
        is_flag=True,
        expose_value=False,
        callback=_note_json,
        help="Data for scripts on stdout, and nothing else there.",
    )
    stack = click.option(
        "--stack",
        metavar="NAME",
        expose_value=False,
        callback=_note_stack,
        help=f"The CloudFormation stack (or {STACK_VARIABLE}).",
    )
    return stack(as_json(command))
