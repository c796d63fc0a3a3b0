"""Which text encoding a file has, from its first bytes; and which files are no text at all."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from jobferry.csvfile.problems import FileRefused, RefusalCode

UTF_8 = "utf-8"
UTF_16_LE = "utf-16-le"
UTF_16_BE = "utf-16-be"
CP1252 = "cp1252"

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


def detect_encoding(sample: bytes, *, said: str | None) -> Detected:
    """The encoding of the text that starts with `sample`.

    A byte order mark always wins: it is never there by accident. Then what the profile says,
    then UTF-16 when every other byte is NUL, then UTF-8. Whether the bytes really are UTF-8 is
    found out by decoding them.

    Raises FileRefused for workbooks, archives, web pages, other binaries and unknown encodings.
    """
    encoding = _known(said) if said else None
    _refuse_foreign(sample)
    for mark, marked in _MARKS:
        if sample.startswith(mark):
            return Detected(marked, len(mark))
    if encoding in (UTF_16_LE, UTF_16_BE):
        return Detected(encoding, 0)
    unmarked = _unmarked(sample)
    return Detected(encoding if encoding and unmarked == UTF_8 else unmarked, 0)


def is_text_codec(name: str) -> bool:
    """Whether Python knows a text encoding of this name."""
    try:
        return bool("a".encode(name)) and codecs.lookup(name)._is_text_encoding
    except (LookupError, UnicodeError, ValueError, TypeError):
        return False


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
    try:
        name = codecs.lookup(said).name
    except LookupError:
        name = said
    if name in ("utf-8", "utf-8-sig"):
        return UTF_8
    if name in ("utf-16", UTF_16_LE):
        return UTF_16_LE
    if name in (UTF_16_BE, CP1252):
        return name
    raise FileRefused(
        RefusalCode.UNKNOWN_ENCODING,
        "The profile names an encoding that cannot be used. "
        "Choose utf-8, utf-16-le, utf-16-be or cp1252, or leave it out.",
    )


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
