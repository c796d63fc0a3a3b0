"""Blanks and characters that nobody sees, which stand at the ends of cells by accident.

Spreadsheets, web pages and mail programs leave them behind: no-break spaces, zero-width spaces,
marks of the writing direction. At the ends of a key, a number or a name they mean nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from operator import methodcaller

_SPACES = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What `str.isspace` says yes to."""

INVISIBLE = (
    "\xad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Characters without width: joiners, direction marks, soft hyphens, byte order marks."""

ENDS = _SPACES + INVISIBLE
"""What `str.strip` takes from the ends of a cell."""

_INVISIBLE = frozenset(INVISIBLE)


def is_blank(cell: str) -> bool:
    """Whether there is nothing to be seen in a cell."""
    return not cell.strip(ENDS)


def stripped(cells: Iterable[str], *, ascii_only: bool) -> Iterator[str]:
    """Cells without the blanks at their ends.

    Args:
        ascii_only: they hold nothing but ASCII, of which `strip` takes the same, and sooner.
    """
    return map(str.strip if ascii_only else _strip, cells)


_strip = methodcaller("strip", ENDS)


def invisible_in(text: str) -> str | None:
    """The Unicode name of the first character without width in a text."""
    if text.isascii():
        return None
    for character in text:
        if character in _INVISIBLE or unicodedata.category(character) == "Cf":
            return unicodedata.name(character, f"U+{ord(character):04X}").lower()
    return None
