"""The one gate for what a vendor answers: text, numbers, depth and ids made safe once.

An answer is data of somebody else, and may hold anything. What passes here can be stored, encoded
as UTF-8 and JSON, and compared, whoever wrote it. A value that cannot be made safe becomes null
where it stands, so that one bad value costs no other value, row or job of the same answer:

- lone surrogates and NUL in texts and keys become U+FFFD
- NaN, infinities and whole numbers beyond 64 bits become null
- what is nested deeper than `MAX_DEPTH` becomes null

Only what is no JSON at all (HTML, plain text, cut off) is no document.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64
"""Levels of objects and lists; documented answers have less than ten."""

LARGEST = 2**63 - 1
"""The largest whole number: that of 64 bits with a sign, which every store and language holds."""

LONGEST_ID = 255
"""Characters of an id; the longest that a vendor documents."""

LONGEST_ID_BYTES = 900
"""The same in UTF-8, so that id and code together stay below 1 KB."""

LONGEST_TEXT = 500
"""Characters of an error text."""

LONGEST_WORD = 100
"""Characters of a status word."""

LONGEST_HEADER = 4_096
"""Characters of one header's value."""

LONGEST_WARNING = 250
"""Characters of a warning."""

MOST_WARNINGS = 5
"""Warnings of one answer; more of them tell nothing new."""

_WARNING_HEADERS = ("x-zendesk-api-warn", "warning")
"""Where a vendor says what it left out of a request that it took."""

VENDOR_ERROR = "vendor_error"
"""The code of an error whose own code is none."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_SUSPICIOUS = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)|\d{19}")
"""What JSON must hold for a text or a whole number of it to be unsafe."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_WARNING = re.compile(r'([0-9]{3}) [^ ,"]+ "((?:[^"\\]|\\.)*+)"')
"""code, who warns, text (RFC 9110, 5.5 of its forerunner RFC 7234)."""
_OF_CACHES = frozenset({"110", "111", "112", "113", "214"})
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


def json_document(body: bytes) -> Any:
    """The document in a body, made safe; None where there is none."""
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        return _document(text.removeprefix("\ufeff"))
    except (ValueError, LookupError, RecursionError):
        return None


def _document(text: str) -> Any:
    suspicious = _SUSPICIOUS.search(text) is not None
    try:
        document = _parsed(text, suspicious=suspicious)
    except RecursionError:
        document = _parsed(_cut_at_depth(text), suspicious=suspicious)
    return made_safe(document) if suspicious or not _is_shallow(document) else document


def _parsed(text: str, *, suspicious: bool) -> Any:
    return json.loads(
        text,
        parse_constant=_nothing,
        parse_float=_number,
        # Only where it is needed: being asked for each number takes longer than all the rest.
        parse_int=_short_enough if suspicious else None,
    )


def _nothing(_text: str) -> None:
    return None


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _short_enough(text: str) -> int | None:
    # A longer text is never turned into a number: Python refuses it above 4,300 digits.
    return int(text) if len(text) < 25 else None


def _cut_at_depth(text: str) -> str:
    """JSON whose levels below `MAX_DEPTH` are replaced by null, for what no parser can nest."""
    kept: list[str] = []
    depth, end = 0, 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[end : token.start()] + "null")
        elif sign in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                end = token.end()
    if depth > MAX_DEPTH:
        return ""
    return "".join([*kept, text[end:]])


def _is_shallow(document: Any) -> bool:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return True
        level = [
            inner
            for each in level
            for inner in (each.values() if type(each) is dict else each)
            if type(inner) is dict or type(inner) is list
        ]
    return not level


def made_safe(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A value of JSON with everything unsafe in it replaced."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, dict | list):
        if depth == 0:
            return None
        if isinstance(value, list):
            return [made_safe(inner, depth - 1) for inner in value]
        return {safe_text(str(k)): made_safe(inner, depth - 1) for k, inner in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -LARGEST - 1 <= value <= LARGEST else None
    return value


def safe_text(text: str) -> str:
    """A text that can be encoded and stored; what cannot be part of one becomes U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    # Halves of a pair that stand side by side are a character after all.
    whole_pairs = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNSAFE.sub("\ufffd", whole_pairs)


def clipped(text: str, longest: int = LONGEST_TEXT) -> str:
    """A safe text of at most so many characters."""
    safe = safe_text(text[: longest + 1])
    return safe if len(safe) <= longest else safe[: longest - 1] + "…"


def word(value: object) -> str:
    """A status word; empty where there is none."""
    return clipped(value, LONGEST_WORD) if isinstance(value, str) else ""


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by their names in small letters."""
    return {
        clipped(str(name), LONGEST_ID).lower(): clipped(str(value), LONGEST_HEADER)
        for name, value in headers.items()
    }


def warnings_said(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What an answer warns of in its headers: each text once, on one line, and few of them.

    Args:
        headers: by their names in small letters.
    """
    texts = []
    for name in _WARNING_HEADERS:
        said = headers.get(name, "")
        parts = _WARNING.findall(said) if name == "warning" else []
        texts += [text for code, text in parts if code not in _OF_CACHES] if parts else [said]
    lines = (clipped(" ".join(text.split()), LONGEST_WARNING) for text in texts)
    return tuple(dict.fromkeys(filter(None, lines)))[:MOST_WARNINGS]


def usable_id(value: object) -> str | None:
    """An id as text: a printable text that is not blank, or a positive whole number; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if 0 < value <= LARGEST else None
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        return None
    short = len(value) <= LONGEST_ID and len(value.encode()) <= LONGEST_ID_BYTES
    return value if short else None


def whole(value: object) -> int | None:
    """A count or a place: a whole number from 0, never a boolean; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= LARGEST else None


def whole_in_text(value: object) -> int | None:
    """The same, also where it stands in a text, as in XML."""
    if isinstance(value, str):
        return int(value) if _DIGITS.fullmatch(value) else None
    return whole(value)


def plain(value: object) -> str:
    """A single value as text; empty for objects, lists and null."""
    if isinstance(value, str):
        return safe_text(value)
    return str(value) if isinstance(value, int | float) else ""


def error_said(code: object, text: str, *, without: str, otherwise: str) -> tuple[str, str]:
    """(code, text) of an error in a vendor's words, as logs and the table may hold them.

    A code is one word. Anything else that stands where a code should becomes part of the text,
    under the code `vendor_error`: what people wrote belongs into no log.

    Args:
        without: the code where the vendor names none.
        otherwise: the text where the vendor says none.
    """
    named = plain(code).strip()
    if _CODE.fullmatch(named):
        return named, clipped(text.strip() or otherwise)
    if not named:
        return without, clipped(text.strip() or otherwise)
    words = text if named in text else ": ".join(filter(None, (named, text.strip())))
    return VENDOR_ERROR, clipped(words)
