"""Numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Sequence


def number(value: int) -> str:
    """1,234,567."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def compact(value: float) -> str:
    """A figure short enough for an axis: 1,500,000 → 1.5 M."""
    for size, letter in ((1_000_000, " M"), (1_000, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def share(part: int, whole: int) -> str:
    """A percentage that says 0 % only for nothing and 100 % only for everything."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def dollars(amount: float) -> str:
    """Two digits after the point, or as many as a small amount needs to be seen."""
    if amount >= 0.01 or amount <= 0:
        return f"${amount:,.2f}"
    return "< $0.0001" if amount < 0.0001 else f"${amount:.4f}"


def duration(seconds: float) -> str:
    """The two largest units that say something: `2 h 14 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    total = round(seconds)
    minutes, rest = divmod(total, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


# C0 and C1 controls (not tab and newline), characters that turn the reading direction, and
# lone surrogates: a text with these is misleading, steers a terminal, or cannot be encoded at all.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Foreign text whose characters that act, and are not seen, are shown instead: ESC as ␛."""
    return text if text.isprintable() else _UNSHOWABLE.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"
