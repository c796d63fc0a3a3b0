"""Markup that cannot be broken by what it shows.

The page shows cells of customers' files and words of vendors. `tag` escapes every text that is
not `Html`, so nothing foreign becomes markup by oversight; and text that would be a formula when
pasted into a spreadsheet is defused as in the result files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from jobferry.csvfile.formula_injection import defuse
from jobferry.domain.commands import Command
from jobferry.reporting.formatting import counted, visible

MAX_TEXT = 300
"""Characters of one foreign text that are shown."""


class Html(str):
    """Text that is markup already; any other text is escaped where it enters an element."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float) -> Html:
    """An element. `class_` is the attribute class, `stroke_width` is stroke-width."""
    return Html(f"<{name}{_attributes(attributes)}>{join(*children)}</{name}>")


def void(name: str, /, **attributes: str | float) -> Html:
    """An element that cannot have content."""
    return Html(f"<{name}{_attributes(attributes)}>")


def _attributes(attributes: Mapping[str, str | float]) -> str:
    return "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
    )


def join(*parts: str) -> Html:
    """Parts side by side, without an element around them."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts))


def _escaped(text: str) -> str:
    return escape(visible(text))


def foreign(text: str) -> Html:
    """Text of a customer or a vendor: shortened, defused, and kept to its own direction."""
    shown = tag("bdi", defuse(text[:MAX_TEXT]))
    left = len(text) - MAX_TEXT
    if left <= 0:
        return shown
    more = f" … and {counted(left, 'more character')}"
    return join(shown, tag("span", more, class_="quiet"))


def command_line(command: Command) -> Html:
    """A command line to type."""
    return tag("code", command, class_="command")


def prose(text: str) -> Html:
    """A sentence of ours, in which what stands in backticks is code."""
    parts = text.split("`")
    return join(*(tag("code", part) if at % 2 else part for at, part in enumerate(parts)))


def table(
    caption: str,
    rows: Iterable[Sequence[str]],
    *,
    heads: Sequence[str] = (),
    total: Sequence[str] = (),
) -> Html:
    """A table whose first column names the row; the other columns are figures."""
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    foot = tag("tfoot", _table_row(total))
    return tag(
        "table",
        tag("caption", caption),
        head if heads else "",
        tag("tbody", *map(_table_row, rows)),
        foot if total else "",
    )


def _table_row(cells: Sequence[str]) -> Html:
    return tag(
        "tr",
        *(tag("td", text) if at else tag("th", text, scope="row") for at, text in enumerate(cells)),
    )


def moment(when: datetime) -> Html:
    """An aware time, in UTC."""
    at = when.astimezone(UTC)
    return tag("time", f"{at:%Y-%m-%d %H:%M:%S} UTC", datetime=at.isoformat(timespec="seconds"))
