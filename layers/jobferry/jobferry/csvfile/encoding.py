"""Which text encoding a file has, from its first bytes; and which files are no text at all."""

from __future__ import annotations

import codecs
from enum import Enum
from functools import cache
from typing import NamedTuple

from jobferry.domain.error_codes import FileRefused, RefusalCode

UTF_8 = "utf-8"
UTF_16_LE = "utf-16-le"
UTF_16_BE = "utf-16-be"

_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, UTF_16_LE),
    (codecs.BOM_UTF16_BE, UTF_16_BE),
)
_SAVE_AS = 'In the spreadsheet choose "Save as" and the file type "CSV UTF-8", and use that file.'
_WORKBOOK = (
    RefusalCode.EXCEL_WORKBOOK,
    f"This is a spreadsheet workbook, not a CSV file. {_SAVE_AS}",
)
_ARCHIVE = (
    RefusalCode.ARCHIVE,
    "This is a compressed archive, not a CSV file. Unpack it and use the CSV file inside.",
)
_BINARY = (
    RefusalCode.BINARY_FILE,
    f"This is not a text file, so it cannot be a CSV file. {_SAVE_AS}",
)
_WEB_PAGE = (
    RefusalCode.WEB_PAGE,
    "This is a web page or XML, not a CSV file, whatever its name says. "
    "Open it in a spreadsheet, save it as CSV UTF-8, and use that file.",
)
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _WORKBOOK),
    (b"\x1f\x8b", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"%PDF-", _BINARY),
    (b"SQLite format 3", _BINARY),
    (b"PAR1", _BINARY),
    (codecs.BOM_UTF32_LE, _BINARY),
    (codecs.BOM_UTF32_BE, _BINARY),
)
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_WORKBOOK_PARTS = (b"[Content_Types].xml", b"xl/", b"opendocument.spreadsheet", b"Index/Document")
_MARKUP = (b"<!doctype", b"<html", b"<table", b"<?xml", b"<workbook")

_OFTEN = 0.3
"""Share of NULs in every other byte from which on text is UTF-16: half of ordinary text is more."""
_RARELY = 0.02
"""Share of control bytes that damaged text may have; above it the file is no text."""
_TOLERATED = 8
"""Control bytes that even a tiny file may have: they cost a row each, not the file."""
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r\f\v\x1a\x1b\x00"))


class Detected(NamedTuple):
    """An encoding, and the bytes of the mark that stands before the text."""

    encoding: str
    mark_bytes: int


class Kind(Enum):
    """How an encoding can be cut into lines."""

    UTF = "utf"
    """Text and bytes determine each other: the size of a line is that of its text, encoded."""
    SINGLE = "single"
    """One byte a character."""
    MULTI = "multi"
    """ASCII and longer characters, none of which holds the byte of a line break."""


def detect_encoding(sample: bytes, *, said: str | None) -> Detected:
    """The encoding of the text that starts with `sample`.

    A byte order mark always wins: it is never there by accident. Then UTF-16 when every other byte
    is NUL, then UTF-8 where bytes beyond ASCII form it throughout, which other text does not by
    accident; then what the profile says, then UTF-8. Whether the bytes really are UTF-8 is found
    out by decoding them.

    Raises FileRefused for workbooks, archives, web pages, other binaries and unknown encodings.
    """
    encoding = _known(said) if said else None
    _refuse_foreign(sample)
    for mark, marked in _MARKS:
        if sample.startswith(mark):
            return Detected(marked, len(mark))
    if encoding is not None and not is_like_ascii(encoding):
        return Detected(encoding, 0)
    unmarked = _unmarked(sample)
    if encoding is None or unmarked != UTF_8 or (not sample.isascii() and is_utf_8(sample)):
        return Detected(unmarked, 0)
    return Detected(encoding, 0)


def is_utf_8(data: bytes) -> bool:
    """Whether bytes are UTF-8; they may end inside a character."""
    try:
        codecs.getincrementaldecoder(UTF_8)().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def kind_of(encoding: str) -> Kind:
    """How an encoding that `detect_encoding` has found can be cut into lines."""
    return _kind(encoding) or Kind.UTF


def is_text_codec(name: str) -> bool:
    """Whether files in an encoding of this name can be read."""
    return _kind(name) is not None


@cache
def is_like_ascii(encoding: str) -> bool:
    """Whether ASCII text has the same bytes in this encoding."""
    return bytes(range(128)).decode("ascii").encode(encoding, "replace") == bytes(range(128))


@cache
def _kind(encoding: str) -> Kind | None:
    """How an encoding can be cut into lines; None: it cannot, or it is none of text."""
    name = _codec_name(encoding)
    if name is None or name in _STATEFUL:
        return None
    if name.startswith(("utf-8", "utf-16", "utf-32")):
        return Kind.UTF
    if all(_characters_of(bytes([byte]), name) in (None, 1) for byte in range(256)):
        return Kind.SINGLE
    return Kind.MULTI if is_like_ascii(name) else None


_STATEFUL = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7"})
"""Codecs of Python that are no encodings of files, or whose bytes mean what came before them."""


def _codec_name(encoding: str) -> str | None:
    try:
        if isinstance("".encode(encoding), bytes):
            return codecs.lookup(encoding).name
    except (LookupError, UnicodeError, ValueError):
        pass
    return None


def _characters_of(data: bytes, name: str) -> int | None:
    try:
        return len(codecs.getincrementaldecoder(name)().decode(data))
    except UnicodeError:
        return None


def two_encodings(encoding: str, where: str) -> FileRefused:
    """The refusal for a file some lines of which are UTF-8, and others are not."""
    return FileRefused(
        RefusalCode.TWO_ENCODINGS,
        f"The file is read as {encoding.upper()}, as the profile says, but the text {where} is "
        "UTF-8. If all of the file is UTF-8, take `encoding` out of the profile; else the file was "
        f"put together from two: save both anew and join them. {_SAVE_AS}",
    )


def wrong_bytes(encoding: str, where: str) -> FileRefused:
    """The refusal for bytes that `encoding` cannot have; `where` reads like "in row 7"."""
    name = encoding.upper().replace("-LE", "").replace("-BE", "")
    hint = (
        " If the file is from an older Windows program, set `encoding: cp1252` in the profile."
        if encoding == UTF_8
        else ""
    )
    return FileRefused(
        RefusalCode.WRONG_ENCODING,
        f"The file is not {name} text throughout: there are bytes {where} that are no characters. "
        f"{_SAVE_AS}{hint}",
    )


def _known(said: str) -> str:
    name = _codec_name(said)
    if name is None or _kind(said) is None:
        raise FileRefused(
            RefusalCode.UNKNOWN_ENCODING,
            "The profile names an encoding that cannot be used. Choose one that Python knows, such "
            "as cp1252, gbk or shift_jis, or leave it out for UTF-8 and UTF-16.",
        )
    return _FORMS.get(name, name)


_FORMS = {"utf-8-sig": UTF_8, "utf-16": UTF_16_LE, "utf-32": "utf-32-le"}
"""Encodings that look for a byte order mark, and what they are without one."""


def _refuse_foreign(sample: bytes) -> None:
    if sample.startswith(_ZIP_SIGNATURES):
        workbook = any(part in sample for part in _WORKBOOK_PARTS)
        raise FileRefused(*(_WORKBOOK if workbook else _ARCHIVE))
    for signature, refusal in _SIGNATURES:
        if sample.startswith(signature):
            raise FileRefused(*refusal)
    start = sample[:64].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith(_MARKUP):
        raise FileRefused(*_WEB_PAGE)


def _unmarked(sample: bytes) -> str:
    pairs = max(len(sample) // 2, 1)
    even, odd = sample[0::2].count(0) / pairs, sample[1::2].count(0) / pairs
    if odd >= _OFTEN and even <= _RARELY:
        return UTF_16_LE
    if even >= _OFTEN and odd <= _RARELY:
        return UTF_16_BE
    controls = len(sample) - len(sample.translate(None, _CONTROLS)) + sample.count(0)
    if controls > _TOLERATED + _RARELY * len(sample):
        raise FileRefused(*_BINARY)
    return UTF_8
