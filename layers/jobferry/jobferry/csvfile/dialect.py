"""How a CSV file is written: encoding, delimiter, newline and header, found from its start."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice, takewhile

from jobferry.csvfile.blanks import ENDS, is_blank
from jobferry.csvfile.encoding import Kind, detect_encoding, kind_of, wrong_bytes
from jobferry.csvfile.lines import split_lines
from jobferry.domain.error_codes import FileRefused, RefusalCode
from jobferry.domain.types import JsonObject

SAMPLE_BYTES = 256 * 1024
"""What `detect` wants to see of a file: enough for the header and some hundred rows."""
COLUMN_LIMIT = 1_000
DELIMITERS = (",", ";", "\t", "|")

_ROWS_COMPARED = 200
_FEW_ROWS = 20
"""Rows of a sample from which on they show how the program that wrote them writes."""
_NEARLY_ALL = 0.9
_NOW_AND_THEN = 0.05
_BREAKS = re.compile(r"[\r\n]+")
_HINT = re.compile(r'\s*"?sep=(?P<delimiter>[^"\r\n])"?(?P<rest>.*)', re.IGNORECASE | re.DOTALL)
"""Excel's own first line (`sep=;`), which names the delimiter and is no header."""
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar (|)"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What must be known of a file to read it from any record boundary.

    Attributes:
        encoding: Python codec, never one that looks for a byte order mark itself
        delimiter: one character
        newline: what ends a physical line: "\\n" (also for CRLF) or "\\r"
        header: column names, trimmed; nameless columns at the right end are left out
        data_offset: byte where the line after the header starts; counts the byte order mark
        width: cells that a row may have, those beyond the header being blank; 0: any number (in
            plans that were made before this was recorded)
        pads: rows may end early: the cells that are missing are empty
        skips_blanks: blanks after a delimiter are no part of the cell
    """

    encoding: str
    delimiter: str
    newline: str
    header: tuple[str, ...]
    data_offset: int
    width: int = 0
    pads: bool = False
    skips_blanks: bool = False

    @property
    def columns(self) -> int:
        return len(self.header)

    def reads_like(self, other: Dialect) -> bool:
        """Whether whole rows are read alike; what is forgiven of others may differ."""
        return replace(self, width=0, pads=False) == replace(other, width=0, pads=False)

    def to_json(self) -> JsonObject:
        return asdict(self) | {"header": list(self.header)}

    @classmethod
    def from_json(cls, value: JsonObject) -> Dialect:
        return cls(**(value | {"header": tuple(value["header"])}))


def detect(
    sample: bytes, *, whole: bool, encoding: str | None = None, delimiter: str | None = None
) -> Dialect:
    """The dialect of the file that starts with `sample` (SAMPLE_BYTES, or all of it).

    Args:
        whole: the sample is the entire file
        encoding, delimiter: what the profile says; None to find out

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
    hinted = _hinted(lines[start])
    if hinted is not None:
        start += 1 + _blank_lines(lines[start + 1 :])
    best = _best_view(lines[start:], delimiter, hinted)
    header = _checked(best.header)
    return Dialect(
        encoding=found.encoding,
        delimiter=best.delimiter,
        newline=newline,
        header=header,
        data_offset=found.mark_bytes
        + _bytes_of(lines[: start + best.header_lines], sample, found.mark_bytes, found.encoding),
        width=best.width(len(header)),
        pads=best.pads(len(header)),
        skips_blanks=best.skips_blanks,
    )


@dataclass(frozen=True, slots=True)
class _View:
    """The start of the file as it looks with one delimiter.

    Attributes:
        header: its names; of a line that stands in quotation marks as a whole, what is in them
            header_width  cells of the header line
    """

    delimiter: str
    skips_blanks: bool
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

    def width(self, columns: int) -> int:
        """Cells that rows may have: as many as the header line, or as nearly all rows.

        Blank cells beyond the header are a program's habit only where nearly all rows have them;
        one row that has them holds a delimiter that belongs to a cell. Such a cell mostly shows
        itself by the blank that follows the delimiter.
        """
        most = max(columns, len(self.header))
        widths = Counter(len(row) for row in self.rows)
        if not widths:
            return most
        common, times = widths.most_common(1)[0]
        wide = [row for row in self.rows if len(row) == common]
        habit = (
            common > most
            and len(wide) > 1
            and times >= _NEARLY_ALL * len(self.rows)
            and not any(_filled(row[columns:]) for row in wide)
            and not any(cell[:1] == " " and cell.strip() for row in wide for cell in row)
        )
        return common if habit else most

    def pads(self, columns: int) -> bool:
        """Whether a row with fewer cells than the header lacks empty ones at its end.

        Where the rows of a file are whole, one that is not lacks a delimiter, and its cells have
        moved to the left.
        """
        if len(self.rows) < _FEW_ROWS:
            return True
        short = sum(len(row) < columns for row in self.rows)
        return short >= _NOW_AND_THEN * len(self.rows)


def _best_view(lines: Sequence[str], delimiter: str | None, hinted: str | None) -> _View:
    """The start of the file, read with the delimiter that fits it."""
    candidates = (_usable(delimiter),) if delimiter else DELIMITERS
    if hinted is not None and (of_hint := _view(lines, _usable(hinted))) and of_hint.names > 1:
        candidates = (hinted,)
    views = [view for each in candidates if (view := _view(lines, each)) is not None]
    if not views:
        raise _unreadable_header()
    best = max(views, key=_View.likelihood)
    if delimiter and best.names == 1:
        _refuse_other_delimiter(lines, delimiter)
    # `|` parts the items of lists far more often than columns.
    doubtful = [view for view in views if view.delimiter != "|" or view is best]
    if best.names == 1 and any(view.title_above_table() for view in doubtful):
        raise FileRefused(
            RefusalCode.TEXT_BEFORE_HEADER,
            "There is text above the header. Delete the lines above it, so that the header with "
            "the column names is the first line of the file.",
        )
    return best


def _refuse_other_delimiter(lines: Sequence[str], said: str) -> None:
    others = [view for each in DELIMITERS if each != said and (view := _view(lines, each))]
    best = max(others, key=_View.likelihood, default=None)
    if best is None or best.names == 1 or (best.rows and best.likelihood()[1] <= 0.5):
        return
    raise FileRefused(
        RefusalCode.WRONG_DELIMITER,
        f"The profile says that {_NAMES.get(said, 'another character')} stands between cells, but "
        f"in this file it is {_NAMES[best.delimiter]}. Mend `delimiter` in the profile, or leave "
        "it out: it is found by itself.",
    )


def _hinted(line: str) -> str | None:
    """The delimiter that a `sep=` line names, in whatever form it was saved; None: it is none."""
    match = _HINT.fullmatch(line)
    if match is None or match["rest"].strip(ENDS + "".join(DELIMITERS) + '"'):
        return None
    return match["delimiter"]


def _bytes_of(lines: Sequence[str], sample: bytes, start: int, encoding: str) -> int:
    """How many bytes the first lines of a file take."""
    if kind_of(encoding) is not Kind.MULTI:
        return len("".join(lines).encode(encoding))
    end = start
    for line in lines:
        newline = line[-1:].encode("ascii", "ignore")
        found = sample.find(newline, end) if newline in (b"\n", b"\r") else -1
        end = len(sample) if found < 0 else found + 1
    return end - start


def _decode(data: bytes, encoding: str, *, whole: bool) -> str:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(data, final=whole)
    except UnicodeDecodeError as error:
        readable = data[: error.start].decode(encoding, "replace")
        line = readable.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        raise wrong_bytes(encoding, f"in line {line:,}") from error


def _newline(text: str) -> str:
    """What ends lines: the first break outside quotes decides, as `\\r` alone is an old Mac's."""
    quotes = after = 0
    for breaks in _BREAKS.finditer(text):
        quotes += text.count('"', after, breaks.start())
        after = breaks.start()
        if quotes % 2 == 0:
            return "\n" if "\n" in breaks.group() else "\r"
    return "\n"


def _blank_lines(lines: list[str]) -> int:
    return sum(1 for _ in takewhile(is_blank, lines))


def _usable(delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '"\r\n ':
        raise FileRefused(
            RefusalCode.UNKNOWN_DELIMITER,
            "The delimiter must be one character such as a comma, semicolon, tab or |. "
            "Mend it in the profile or in the first line of the file, or leave it out.",
        )
    return delimiter


def _view(lines: Sequence[str], delimiter: str) -> _View | None:
    plain = _view_of(lines, delimiter, skips_blanks=False)
    quoted = re.compile(rf'(?:^|{re.escape(delimiter)})[ \xa0]+"')
    if not any(' "' in line and quoted.search(line) for line in lines[:_ROWS_COMPARED]):
        return plain
    skipping = _view_of(lines, delimiter, skips_blanks=True)
    if plain is None or skipping is None:
        return plain or skipping
    return skipping if skipping.likelihood()[:2] >= plain.likelihood()[:2] else plain


def _view_of(lines: Sequence[str], delimiter: str, *, skips_blanks: bool) -> _View | None:
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=skips_blanks)
    try:
        header = next(reader)
    except csv.Error:
        return None
    header_lines = reader.line_num
    rows: list[list[str]] = []
    # The sample may end inside a record, and bad rows are the reader's business, not ours.
    with suppress(csv.Error):
        rows.extend(islice(filter(_filled, reader), _ROWS_COMPARED))
    inside = unwrapped(header, delimiter)
    rows_inside = [unwrapped(row, delimiter) for row in rows]
    fitting = sum(len(row) == len(inside) for row in rows_inside)
    if fitting < _NEARLY_ALL * len(rows):
        inside = header
    if len(inside) == 1:
        rows_inside = rows
    return _View(delimiter, skips_blanks, inside, header_lines, rows_inside)


def unwrapped(cells: list[str], delimiter: str) -> list[str]:
    """The cells of a line that stands in quotation marks as a whole; other lines as they are."""
    if len(cells) != 1 or delimiter not in cells[0]:
        return cells
    try:
        return next(csv.reader([cells[0]], delimiter=delimiter, strict=True), cells)
    except csv.Error:
        return cells


def _filled(cells: list[str]) -> int:
    return sum(1 for cell in cells if not is_blank(cell))


def _checked(header: list[str]) -> tuple[str, ...]:
    names = [name.strip().strip("\ufeff").strip() for name in header]
    while names and is_blank(names[-1]):
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
