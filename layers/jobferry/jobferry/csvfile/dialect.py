"""How a CSV file is written: encoding, delimiter, newline and header, found from its start."""

from __future__ import annotations

import codecs
import csv
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice, takewhile

from jobferry.csvfile.encoding import detect_encoding, wrong_bytes
from jobferry.csvfile.lines import split_lines
from jobferry.csvfile.problems import FileRefused, RefusalCode
from jobferry.model import JsonObject

SAMPLE_BYTES = 256 * 1024
"""What `detect` wants to see of a file: enough for the header and some hundred rows."""
COLUMN_LIMIT = 1_000
DELIMITERS = (",", ";", "\t", "|")

_ROWS_COMPARED = 50
_BREAKS = re.compile(r"[\r\n]+")
_HINT = "sep="
"""Excel's own first line (`sep=;`), which names the delimiter and is no header."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What must be known of a file to read it from any record boundary.

    encoding     Python codec, never one that looks for a byte order mark itself
    delimiter    one character
    newline      what ends a physical line: "\\n" (also for CRLF) or "\\r"
    header       column names, trimmed; nameless columns at the right end are left out
    data_offset  byte where the line after the header starts; counts the byte order mark
    """

    encoding: str
    delimiter: str
    newline: str
    header: tuple[str, ...]
    data_offset: int

    @property
    def columns(self) -> int:
        return len(self.header)

    def to_json(self) -> JsonObject:
        return asdict(self) | {"header": list(self.header)}

    @classmethod
    def from_json(cls, value: JsonObject) -> Dialect:
        return cls(**(value | {"header": tuple(value["header"])}))


def detect(
    sample: bytes, *, whole: bool, encoding: str | None = None, delimiter: str | None = None
) -> Dialect:
    """The dialect of the file that starts with `sample` (SAMPLE_BYTES, or all of it).

    whole      the sample is the entire file
    encoding, delimiter  what the profile says; None to find out

    Raises FileRefused when there is no usable header, or the file is no text.
    """
    found = detect_encoding(sample, said=encoding)
    text = _decode(sample[found.mark_bytes :], found.encoding, whole=whole)
    newline = _newline(text)
    lines, rest = split_lines(text, newline)
    if whole and rest:
        lines.append(rest)
    start = _blank_lines(lines)
    if start == len(lines):
        if not whole and rest.strip():
            raise _unreadable_header()
        raise FileRefused(
            RefusalCode.EMPTY_FILE,
            "The file is empty. The first line must be the header, with a row below it for each "
            "record.",
        )
    candidates = (_usable(delimiter),) if delimiter else DELIMITERS
    hint = lines[start].strip("\r\n")
    if hint.lower().startswith(_HINT) and len(hint) == len(_HINT) + 1:
        candidates = (_usable(hint[-1]),)
        start += 1 + _blank_lines(lines[start + 1 :])
    views = [view for each in candidates if (view := _view(lines[start:], each)) is not None]
    if not views:
        raise _unreadable_header()
    best = max(views, key=_View.likelihood)
    # `|` parts the items of lists far more often than columns.
    doubtful = [view for view in views if view.delimiter != "|" or view is best]
    if best.names == 1 and any(view.title_above_table() for view in doubtful):
        raise FileRefused(
            RefusalCode.TEXT_BEFORE_HEADER,
            "There is text above the header. Delete the lines above it, so that the header with "
            "the column names is the first line of the file.",
        )
    return Dialect(
        encoding=found.encoding,
        delimiter=best.delimiter,
        newline=newline,
        header=_checked(best.header),
        data_offset=found.mark_bytes
        + len("".join(lines[: start + best.header_lines]).encode(found.encoding)),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """The start of the file as it looks with one delimiter."""

    delimiter: str
    header: list[str]
    header_lines: int
    rows: list[list[str]]

    @property
    def names(self) -> int:
        return _filled(self.header)

    def likelihood(self) -> tuple[bool, float, int]:
        """Orders views: one that splits the header, then one that its rows fit, then the finer."""
        width = len(self.header)
        if width == 1:
            return (False, 0.0, 1)
        fitting = sum(len(row) == width for row in self.rows)
        share = fitting / len(self.rows) if self.rows else 0.0
        return (True, share, width)

    def title_above_table(self) -> bool:
        """A lone text stands where the header should be, above rows of several cells."""
        if self.names != 1 or len(self.rows) < 2:
            return False
        return sum(_filled(row) > 1 for row in self.rows) > len(self.rows) / 2


def _decode(data: bytes, encoding: str, *, whole: bool) -> str:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(data, final=whole)
    except UnicodeDecodeError as error:
        readable = data[: error.start].decode(encoding)
        line = readable.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        raise wrong_bytes(encoding, f"in line {line:,}") from error


def _newline(text: str) -> str:
    """What ends lines: the first break outside quotes tells, as `\\r` alone is an old Mac's."""
    for breaks in _BREAKS.finditer(text):
        if text.count('"', 0, breaks.start()) % 2 == 0:
            return "\n" if "\n" in breaks.group() else "\r"
    return "\n"


def _blank_lines(lines: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda line: not line.strip(), lines))


def _usable(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"\r\n ':
        raise FileRefused(
            RefusalCode.UNKNOWN_DELIMITER,
            "The delimiter must be one character such as a comma, semicolon, tab or |. "
            "Mend it in the profile or in the first line of the file, or leave it out.",
        )
    return delimiter


def _view(lines: list[str], delimiter: str) -> _View | None:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader)
    except csv.Error:
        return None
    header_lines = reader.line_num
    rows: list[list[str]] = []
    # The sample may end inside a record, and bad rows are the reader's business, not ours.
    with suppress(csv.Error):
        rows.extend(islice(filter(_filled, reader), _ROWS_COMPARED))
    return _View(delimiter, header, header_lines, rows)


def _filled(cells: list[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def _checked(header: list[str]) -> tuple[str, ...]:
    names = [name.strip().strip("\ufeff").strip() for name in header]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise FileRefused(
            RefusalCode.NO_HEADER,
            "The first line holds no column names. Make the header the first line of the file.",
        )
    if len(names) > COLUMN_LIMIT:
        raise FileRefused(
            RefusalCode.TOO_MANY_COLUMNS,
            f"The file has {len(names):,} columns; at most {COLUMN_LIMIT:,} can be used. "
            "Delete the columns that are not needed.",
        )
    return tuple(names)


def _unreadable_header() -> FileRefused:
    return FileRefused(
        RefusalCode.UNREADABLE_HEADER,
        "The header cannot be read: it is very long, or a quotation mark in it is not closed. "
        "The first line must hold the column names only.",
    )
