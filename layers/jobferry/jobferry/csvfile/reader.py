"""Physical lines → numbered rows, streamed, each with its exact place in the file.

One `csv.reader` runs over the lines of a block. How many lines it has taken for a record gives
the record's bytes, so there is no second parser that could disagree with the first. A record
that the block cuts off waits for the next block; one that cannot be read costs a single row.

A quote that is never closed would swallow the file. So when a record ends in an error further
down, outgrows ROW_LIMIT or meets the end of the file, only its first physical line is the bad
row, and reading goes on with the next line. Whether a row is good depends on the bytes from its
start on, never on what was read before: any row's end is a place to resume from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.encoding import wrong_bytes
from jobferry.csvfile.lines import (
    KEPT_OF_LONG_LINE,
    LINE_LIMIT,
    ByteStream,
    LineBlock,
    WrongBytes,
    read_lines,
)
from jobferry.csvfile.problems import (
    FileRefused,
    Problem,
    RefusalCode,
    RejectCode,
    column_letters,
)

CELL_LIMIT = 128 * 1024
"""Bytes of one cell, as UTF-8."""
ROW_LIMIT = LINE_LIMIT
"""Bytes of one row in the file."""

_MOST_GROWTH = 3
"""Bytes that one byte of the file can become in UTF-8."""
_RUNAWAY_BYTES = 64 * 1024
_RUNAWAY_LIMIT = 200
"""Records that ran away over _RUNAWAY_BYTES: each is read again from its second line, so a file
full of them would take hours."""


class RawRow(NamedTuple):
    """One row of the file.

    number          from 1 in file order; blank lines have none
    offset, length  its bytes in the file, newline included
    cells           as many as the header has names; of a row with a problem whatever could be
                    read, to show it to a person
    problem         why it cannot be used, None when it can
    """

    number: int
    offset: int
    length: int
    cells: list[str]
    problem: Problem | None


def read_rows(stream: ByteStream, dialect: Dialect, *, offset: int, row: int) -> Iterator[RawRow]:
    """The rows of `stream`, which holds the file from byte `offset` on.

    offset  where a row begins: `dialect.data_offset`, or the end of any row
    row     number of the last row before `offset`; 0 at the start

    Raises FileRefused when there are bytes that are not of the encoding, or when quotes match so
    badly that the file makes no sense.
    """
    # csv knows this limit for the whole process only, and its default would hide the row limit.
    csv.field_size_limit(max(ROW_LIMIT, csv.field_size_limit()))
    reader = _RowReader(dialect, offset=offset, row=row)
    try:
        for block in read_lines(stream, dialect.encoding, dialect.newline):
            yield from reader.rows(block)
    except WrongBytes as error:
        where = f"in row {reader.number + 1:,} or soon after"
        raise wrong_bytes(dialect.encoding, where) from error


class _RowReader:
    """Makes rows of lines, and keeps the lines of a record that is not complete.

    number  of the last row made
    """

    def __init__(self, dialect: Dialect, *, offset: int, row: int) -> None:
        self.number = row
        self._dialect = dialect
        self._offset = offset
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._runaways = 0

    def rows(self, block: LineBlock) -> Iterator[RawRow]:
        """The rows that the block completes; with the last block, all that are left."""
        columns, small = self._dialect.columns, CELL_LIMIT // _MOST_GROWTH
        texts, sizes = self._texts, self._sizes
        plain = columns > 1 and not block.nul and not any("\0" in text for text in texts)
        texts += block.texts
        sizes += block.sizes
        # Line i lies at starts[i] to starts[i + 1].
        starts = list(accumulate(sizes, initial=self._offset))
        first = 0
        while first < len(texts):
            origin = first
            records = csv.reader(
                map(texts.__getitem__, range(origin, len(texts))),
                delimiter=self._dialect.delimiter,
                strict=True,
            )
            failure: csv.Error | None = None
            try:
                for found in records:
                    after = origin + records.line_num
                    length = starts[after] - starts[first]
                    if plain and length <= small and len(found) == columns:
                        cells, problem = found, None
                    elif length > ROW_LIMIT:
                        break
                    elif len(found) < 2 and (not found or texts[first].isspace()):
                        first = after
                        continue
                    else:
                        cells, problem = _fitted(found, self._dialect)
                    self.number += 1
                    yield RawRow(self.number, starts[first], length, cells, problem)
                    first = after
            except csv.Error as error:
                failure = error
            if first == len(texts):
                break
            after = origin + records.line_num
            if (
                after == len(texts)
                and not block.last
                and starts[after] - starts[first] <= ROW_LIMIT
            ):
                break
            taken, cells, problem = self._broken(failure, first, after)
            self.number += 1
            length = starts[first + taken] - starts[first]
            yield RawRow(self.number, starts[first], length, cells, problem)
            first += taken
        self._offset = starts[first]
        del texts[:first], sizes[:first]

    def _broken(
        self, failure: csv.Error | None, first: int, after: int
    ) -> tuple[int, list[str], Problem]:
        """The bad row that starts at line `first`: how many lines it has, its cells, what is wrong.

        csv gave up on it before line `after`.
        """
        sizes = self._sizes[first:after]
        taken, problem = _unreadable(failure, sizes)
        if problem.code is RejectCode.UNCLOSED_QUOTE and sum(sizes) > _RUNAWAY_BYTES:
            self._runaways += 1
            if self._runaways > _RUNAWAY_LIMIT:
                raise _unmatched_quotes()
        text = "".join(self._texts[first : first + taken])
        if sizes[0] > ROW_LIMIT:
            text = text[:KEPT_OF_LONG_LINE]
        return taken, _legible(text, self._dialect.delimiter), problem


def _fitted(cells: list[str], dialect: Dialect) -> tuple[list[str], Problem | None]:
    """Cells of a record that could be read, cut to the header's width, and what is wrong."""
    count, columns = len(cells), dialect.columns
    if count < columns or any(cell.strip() for cell in cells[columns:]):
        return cells, Problem(
            RejectCode.WRONG_CELL_COUNT,
            f"The row has {count:,} {'cell' if count == 1 else 'cells'}, the header has "
            f"{columns:,}. Check for a missing or extra delimiter; a cell that contains the "
            "delimiter or a line break must stand in quotation marks.",
        )
    cells = cells[:columns]
    for index, cell in enumerate(cells):
        if "\0" in cell:
            return cells, Problem(
                RejectCode.NUL_CHARACTER,
                f"{_name(dialect, index)}: contains an invisible NUL character. "
                "Type the cell anew.",
            )
        if len(cell.encode()) > CELL_LIMIT:
            return cells, Problem(
                RejectCode.CELL_TOO_LARGE,
                f"{_name(dialect, index)}: the cell is larger than {CELL_LIMIT // 1024} KB. "
                "Shorten it.",
            )
    return cells, None


def _unreadable(failure: csv.Error | None, sizes: list[int]) -> tuple[int, Problem]:
    """How many of the lines are one bad row, and why, when csv could not make a row of them.

    failure  csv's own words; None when the record was merely too long
    sizes    bytes of the lines that csv had taken when it gave up
    """
    words = str(failure)
    if sizes[0] > ROW_LIMIT:
        return 1, Problem(
            RejectCode.ROW_TOO_LARGE,
            f"The row is larger than {ROW_LIMIT // 1024:,} KB. Shorten its cells.",
        )
    if "new-line character" in words and sum(sizes) <= ROW_LIMIT:
        return len(sizes), Problem(
            RejectCode.STRAY_LINE_BREAK,
            "The row contains a line break of another kind than the rest of the file, outside "
            "quotation marks. Remove it, or save the file again as CSV UTF-8.",
        )
    if len(sizes) > 1 or "unexpected end" in words:
        return 1, Problem(
            RejectCode.UNCLOSED_QUOTE,
            'A quotation mark (") opens a cell in this line and is not closed properly. '
            'Close it, or write "" for a quotation mark inside a quoted cell.',
        )
    return 1, Problem(
        RejectCode.TEXT_AFTER_QUOTE,
        'Text follows a closing quotation mark ("). '
        'Write "" for a quotation mark inside a quoted cell.',
    )


def _legible(text: str, delimiter: str) -> list[str]:
    """Whatever cells can be made out in a bad row, to show it to a person."""
    text = text.rstrip("\r\n")
    try:
        return next(csv.reader([text.replace("\r", " ")], delimiter=delimiter), [])
    except csv.Error:
        return [text]


def _name(dialect: Dialect, index: int) -> str:
    return dialect.header[index] or f"Column {column_letters(index)}"


def _unmatched_quotes() -> FileRefused:
    return FileRefused(
        RefusalCode.UNMATCHED_QUOTES,
        "Quotation marks open and do not close all over the file, so its rows cannot be told "
        "apart. Save it again as CSV UTF-8 from a spreadsheet.",
    )
