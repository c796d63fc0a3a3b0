"""What goes where: data for scripts and prose for people on stdout, all the rest on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED_WIDTH = 1_000
"""Columns of a table that is not shown on a terminal: nothing is folded there."""


def put_json(document: Mapping[str, Any]) -> None:
    """One document on one line of stdout, so that several of them are JSON lines.

    ASCII only: no locale can break it, and no character of a vendor's text steers a terminal.
    """
    click.echo(json.dumps(document, separators=(", ", ": ")))


def put_text(text: str) -> None:
    """Prose for people on stdout. Never used with `--json`."""
    click.echo(text)


def note(text: str) -> None:
    """Prose on stderr, which scripts do not read."""
    click.echo(text, err=True)


def put_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people on stdout."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PIPED_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console.print(table)


def printable(text: str) -> str:
    """Foreign text on one line of a terminal, without characters that steer it."""
    return "".join(character if character.isprintable() else " " for character in text)
