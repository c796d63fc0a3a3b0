"""The one place that writes to a terminal: data for scripts, prose for people, and no commands.

Names of files and runs, cells, keys and a vendor's words are written by strangers, and a terminal
applies what it is sent. So whatever is shown passes `printable`, line by line: a text cannot steer
the terminal, nor begin a line of its own. `tests/unit/cli/test_printing.py` holds the other modules
to that.

stdout is for data and for prose that was asked for, stderr for all the rest.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import click
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

Part = tuple[str, str]
"""A text and its style, as rich names it; "" for none."""

Lines = Callable[[int, bool], Sequence[Sequence[Part]]]
"""Lines for a terminal of so many columns, which may know ASCII alone."""

_PIPED_WIDTH = 1_000
"""Columns of a table that is not shown on a terminal: nothing is folded there."""

_JOINERS = "\u200c\u200d"
"""Invisible, but part of how Persian, Indic scripts and emoji are written; they steer nothing."""


def put_json(document: Mapping[str, Any]) -> None:
    """One document on one line of stdout, so that several of them are JSON lines.

    ASCII only: no locale can break it, and no character of a vendor's text steers a terminal.
    """
    click.echo(json.dumps(document, separators=(", ", ": ")))


def put_text(*lines: str) -> None:
    """Prose for people on stdout, each text on one line. Never used with `--json`."""
    _write(lines, None, err=False)


def put_source(text: str) -> None:
    """A program of ours on stdout, as it is."""
    click.echo(text)


def note(*lines: str, file: IO[Any] | None = None) -> None:
    """Prose on stderr (or in `file`), which scripts do not read; each text on one line."""
    _write(lines, file, err=file is None)


def note_warnings(warnings: Iterable[str]) -> None:
    """Say on stderr what is no failure, but what somebody should know."""
    for warning in warnings:
        note(f"Warning: {warning}")


def put_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people on stdout."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PIPED_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        # What a line is about can be copied from it.
        table.add_column(column, overflow="fold", no_wrap=position == 0)
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console.print(table)


def confirm(question: str) -> None:
    """Ask on stderr for a yes.

    Raises:
        click.Abort: the answer is no.
    """
    click.confirm(printable(question), abort=True, err=True)


def shows_people() -> bool:
    """Whether stdout is a terminal, on which a long list helps nobody."""
    return sys.stdout.isatty()


def can_ask() -> bool:
    """Whether somebody can answer: stdin is a terminal."""
    return sys.stdin.isatty()


def is_terminal() -> bool:
    """Whether somebody can answer, and sees what is asked: stderr is a terminal, too."""
    return can_ask() and sys.stderr.isatty()


def ask(question: str, choices: Sequence[str] = (), default: str | None = None) -> str:
    """Ask on stderr for a text, or for one of several; empty: nothing was said.

    Raises:
        click.Abort: Ctrl-C, or the end of the input.
    """
    answer = click.prompt(
        printable(question),
        default=default or "",
        type=click.Choice([printable(each) for each in choices]) if choices else None,
        show_default=bool(default),
        err=True,
    )
    return str(answer).strip()


@contextmanager
def live_block() -> Iterator[Callable[[Lines], None] | None]:
    """A few lines on stderr that are written anew: what to call with how they look.

    None where that is no terminal, or one that cannot go back.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield None
        return
    with Live(console=console, refresh_per_second=4, vertical_overflow="visible") as live:
        yield lambda lines: live.update(_Block(lines), refresh=True)


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that are laid out for the width that the terminal has at the moment."""

    lines: Lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines(options.max_width, options.ascii_only):
            text = Text(no_wrap=True, overflow="ellipsis")
            for part, style in line:
                text.append(printable(part), style)
            yield text


def progress_bar(*columns: ProgressColumn, transient: bool = False) -> Progress | None:
    """A bar on stderr, whose texts are `printable` before.

    None where that is no terminal, or one that cannot go back.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    return Progress(*columns, console=console, transient=transient)


def printable(text: str) -> str:
    """Foreign text on one line of a terminal: what steers it, or is not seen, made visible.

    ESC becomes ␛, a line break ␊, U+202E (which turns the reading direction) ⟨U+202E⟩.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    if character == "\t" or unicodedata.category(character) == "Zs":
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    return f"⟨U+{code:04X}⟩"


def _write(lines: Iterable[str], file: IO[Any] | None, *, err: bool) -> None:
    click.echo("\n".join(map(printable, lines)), file=file, err=err)
