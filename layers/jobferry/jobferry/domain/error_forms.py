"""The form of an error text: what is left of it when the parts that differ from row to row are
masked. Pure.

`Email: ann@example.com is not properly formatted` and the same of another address are one kind of
error. The form only tells kinds apart: people are shown a whole text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MOST_CHARACTERS = 1_000
"""Of a text that are looked at; what differs later makes no kind of its own."""

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "‘": "’", "`": "`", "'": "'"}
_QUOTED = re.compile(
    r"(?<!\w)(?:"
    + "|".join(
        f"{re.escape(a)}[^{re.escape(a + b)}]{{0,500}}[{re.escape(b)}]" for a, b in _QUOTES.items()
    )
    + r")(?!\w)"
)
_MASKS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s<>\"'“”«»]+", re.IGNORECASE), "<url>"),
    (
        re.compile(r"[^\s@<>()\[\]\"',;:“”«»]+@[^\s@<>()\[\]\"',;“”«»]*[^\s@<>()\[\]\"',;.“”«»]"),
        "<address>",
    ),
    (_QUOTED, "<quoted>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    # A word with digits in it names one thing: V3-9f12ab, R-1001, person7, 2026-01-31T09:30:00Z.
    (re.compile(r"\b[\w.:/-]*\d(?:[\w.:/-]*\w)?\b"), lambda found: _numbered(found[0])),
    # Lists of numbers are as long as they are.
    (re.compile(r"<n>(?:[,.]? ?(?:and |or )?<n>)+"), "<n>"),
)


def form_of(text: str) -> str:
    """The text with numbers, addresses, ids and quoted parts masked, and blanks made alike.

    Two texts of one form say the same of different things.
    """
    form = text[:MOST_CHARACTERS]
    for pattern, mask in _MASKS:
        form = pattern.sub(mask, form)
    return " ".join(form.split())


def _numbered(word: str) -> str:
    return "<n>" if word.strip(".:/-").replace(".", "").isdigit() else "<id>"
