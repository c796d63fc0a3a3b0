"""Wrong usage, as click finds it, in the form of every other failure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import click

from jobferry.domain.commands import Command, command, other_command
from jobferry_cli.errors import CommandError
from jobferry_cli.output import note

_NO_COMMAND = re.compile(r"No such command '(.*)'\.", re.DOTALL)


def misused(error: click.ClickException, words: Sequence[str]) -> CommandError:
    """A usage that click refuses, with what was meant, as far as that can be seen.

    Args:
        words: what was typed after `jobferry`.
    """
    text, next_command = error.format_message(), _help(error)
    slip = _slip(error)
    if slip is not None:
        wrong, meant = slip
        if "Did you mean" not in text:
            text = f"{text} Did you mean {' or '.join(meant)}?"
        if len(meant) == 1:
            next_command = _instead(words, wrong, meant[0]) or next_command
    return CommandError(text, next_command=next_command, error_code="usage")


def note_misuse(error: click.ClickException) -> None:
    """How the command is used, before the error itself."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        usage = context.get_usage().split("\n")
        note(*usage, f"Try '{context.command_path} --help' for help.", "")


def _help(error: click.ClickException) -> Command:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "jobferry"
    return other_command(*path.split(), "--help")


def _slip(error: click.ClickException) -> tuple[str, list[str]] | None:
    """The word that is none, and those that were likely meant."""
    if isinstance(error, click.NoSuchOption):
        options = _options(error.ctx) if error.ctx else []
        return _near(error.option_name, options)
    context = error.ctx if isinstance(error, click.UsageError) else None
    found = _NO_COMMAND.fullmatch(error.message)
    if found is None or context is None or not isinstance(context.command, click.Group):
        return None
    return _near(found[1], context.command.list_commands(context))


def _options(context: click.Context) -> list[str]:
    names = [name for each in context.command.get_params(context) for name in each.opts]
    return [name for name in names if name.startswith("--")]


def _near(word: str, known: Sequence[str]) -> tuple[str, list[str]] | None:
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    # One that is much nearer than the other is what was meant.
    if len(near) > 1 and _likeness(word, near[0]) - _likeness(word, near[1]) > 0.1:
        near = near[:1]
    return (word, near) if near else None


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _instead(words: Sequence[str], wrong: str, meant: str) -> Command | None:
    """The command that was typed, with the right word; None where it is not among the words."""
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == wrong:
            right = meant + equals + value
            return command(*words[:position], right, *words[position + 1 :])
    return None
