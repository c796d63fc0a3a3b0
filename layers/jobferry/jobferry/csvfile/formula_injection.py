"""Cells that a spreadsheet would run as a formula, made harmless and brought back.

A result file is opened in a spreadsheet, and its cells were written by strangers. An apostrophe
before a formula makes a spreadsheet show it as text. (OWASP, "CSV Injection".)

A spreadsheet need not part the cells as the file's writer did: in most of Europe Excel reads a
comma file with semicolons, and then a cell begins in the middle of another one, where quotation
marks have no meaning. So an apostrophe also stands before a formula that follows a separator or a
line break inside a cell.
"""

from __future__ import annotations

import re

_FORMULA = r"=+\-@\uff1d\uff0b\uff0d\uff20"
"""What a formula starts with; the last four are = + - @ in full width, which some locales read
alike."""

_SEPARATORS = r";,|\t\r\n"

# Blanks, quotation marks, and characters that nobody sees: controls, soft hyphen, zero width,
# direction marks, fillers, variation selectors, tags, byte order mark. Programs drop them from the
# front of a cell, or may. (Unicode: Default_Ignorable_Code_Point, and what else is of category Cf.)
_PASSED_OVER = (
    r"\s\"'\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f"
    r"\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

_NUMBER = re.compile(r"[\s\"']*+[+\-][0-9]+(?:[.,][0-9]+)?\Z")
"""The rest of a cell that is a plain number to every program: nothing invisible is in it."""

_LEADS = re.compile(rf"'*(?=[\t\r\n])|(?!{_NUMBER.pattern})[{_PASSED_OVER}]*+(?=[{_FORMULA}])")
"""At the start of a cell: OWASP's list, also behind what is passed over."""

_MAY_FOLLOW = re.compile(rf"[{_SEPARATORS}{_PASSED_OVER}][{_FORMULA}]")
"""Quickly seen, and in few cells: without it no formula follows a separator."""

_FOLLOWS = re.compile(rf"([{_SEPARATORS}][{_PASSED_OVER}]*+)(?=([{_FORMULA}])?)")
"""A separator and what is passed over behind it; the second group where a formula follows, or a
number.

What is followed by none is matched too, so that nothing is scanned twice.
"""


def defuse(cell: str) -> str:
    """The cell with an apostrophe wherever a spreadsheet might begin to run it.

    Plain numbers such as -5 or +3.20 stay as they are. What looks defused already gets one more
    apostrophe, so that `undefuse` gives back every text there is.
    """
    inside = _FOLLOWS.sub(_marked, cell) if _MAY_FOLLOW.search(cell) else cell
    return f"'{inside}" if _LEADS.match(inside) else inside


def undefuse(cell: str) -> str:
    """What the cell was before `defuse`."""
    inside = cell[1:] if cell.startswith("'") and _LEADS.match(cell, 1) else cell
    return _FOLLOWS.sub(_unmarked, inside) if _MAY_FOLLOW.search(inside) else inside


def _marked(found: re.Match[str]) -> str:
    return f"{found[1]}'" if _is_formula(found) else found[1]


def _unmarked(found: re.Match[str]) -> str:
    return found[1].removesuffix("'") if _is_formula(found) else found[1]


def _is_formula(found: re.Match[str]) -> bool:
    return found[2] is not None and not _NUMBER.match(found.string, found.start() + len(";"))
