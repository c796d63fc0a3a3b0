"""Cells that a spreadsheet would run as a formula, made harmless and brought back.

A result file is opened in a spreadsheet, and its cells were written by strangers. A leading
apostrophe makes a spreadsheet show the rest as text. (OWASP, "CSV Injection".)
"""

from __future__ import annotations

import re

_STARTS_FORMULA = r"=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""OWASP's list; the last four are = + - @ in full width, which some locales read alike."""
_PLAIN_NUMBER = r"[+\-][0-9]+(?:[.,][0-9]+)?\Z"
_DANGEROUS = re.compile(rf"'*(?=[{_STARTS_FORMULA}])(?!{_PLAIN_NUMBER})")


def defuse(cell: str) -> str:
    """The cell with an apostrophe before it if a spreadsheet might run it.

    Plain numbers such as -5 or +3.20 stay as they are. Cells that look defused already get one
    more apostrophe, so that `undefuse` gives back every text there is.
    """
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def undefuse(cell: str) -> str:
    """What the cell was before `defuse`."""
    return cell[1:] if cell.startswith("'") and _DANGEROUS.match(cell, 1) else cell
