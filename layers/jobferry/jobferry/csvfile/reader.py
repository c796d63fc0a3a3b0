"""Physical lines → numbered rows, streamed, each with its exact place in the file.

One `csv.reader` runs over the lines of a block. How many lines it has taken for a record gives
the record's bytes, so there is no second parser that could disagree with the first. A record
that the block cuts off waits for the next block; one that cannot be read costs a single row.

A quote that is never closed would swallow the file. So when a record outgrows ROW_LIMIT or meets
the end of the file, and each line that it took looks like a row, only its first physical line is
the bad row, and reading goes on with the next line; otherwise all its lines are one bad row, since
they may be part of a cell. Whether a row is good depends on the bytes from its start on, never on
what was read before: any row's end is a place to resume from.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter, sub
from typing import TYPE_CHECKING, NamedTuple

from jobferry.csvfile.blanks import ENDS, stripped
from jobferry.csvfile.dialect import Dialect, unwrapped
from jobferry.csvfile.encoding import two_encodings, wrong_bytes
from jobferry.csvfile.lines import (
    CTRL_Z,
    KEPT_OF_LONG_LINE,
    LINE_LIMIT,
    ByteStream,
    LineBlock,
    WrongBytes,
    read_lines,
)
from jobferry.csvfile.unreadable_rows import cut_cells, legible, unclosed_over, unreadable
from jobferry.domain.error_codes import Problem, RejectCode, column_letters

if TYPE_CHECKING:
    import _csv

CELL_LIMIT = 128 * 1024
"""Bytes of one cell, as UTF-8."""
ROW_LIMIT = LINE_LIMIT
"""Bytes of one row in the file."""

_MOST_GROWTH = 3
"""Bytes that one byte of the file can become in UTF-8."""
_NEVER_CLOSED = ("unexpected end", "field larger")
"""What csv says where a quotation mark is not closed before the file, or what a row may take, ends.
"""


class RawRow(NamedTuple):
    """One row of the file.

    Attributes:
        number: from 1 in file order; blank lines have none
        offset, length: its bytes in the file, newline included
        cells: as many as the header has names; of a row with a problem whatever could be read, to
            show it to a person
        problem: why it cannot be used, None when it can
    """

    number: int
    offset: int
    length: int
    cells: list[str]
    problem: Problem | None


@dataclass(slots=True)
class RowBlock:
    """Consecutive rows, as `RawRow` has them one by one.

    Attributes:
        first: number of the first one
        cells: of each row
        starts: offset of each row in the file
        ends: byte after each row
        problems: why a row cannot be used, by its place in the block
        ascii: no cell holds anything but ASCII
    """

    first: int
    ascii: bool
    cells: list[list[str]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    problems: dict[int, Problem] = field(default_factory=dict)

    def add(self, start: int, end: int, cells: list[str], problem: Problem | None) -> None:
        if problem is not None:
            self.problems[len(self.cells)] = problem
        self.cells.append(cells)
        self.starts.append(start)
        self.ends.append(end)

    def row(self, place: int) -> RawRow:
        start = self.starts[place]
        length = self.ends[place] - start
        return RawRow(
            self.first + place, start, length, self.cells[place], self.problems.get(place)
        )


def read_rows(stream: ByteStream, dialect: Dialect, *, offset: int, row: int) -> Iterator[RawRow]:
    """The rows of `stream`, which holds the file from byte `offset` on.

    Args:
        offset: where a row begins: `dialect.data_offset`, or the end of any row
        row: number of the last row before `offset`; 0 at the start

    Raises FileRefused when there are bytes that are not of the encoding, or when quotes match so
    badly that the file makes no sense.
    """
    for block in read_blocks(stream, dialect, offset=offset, row=row):
        for place in range(len(block.cells)):
            yield block.row(place)


def read_blocks(
    stream: ByteStream, dialect: Dialect, *, offset: int, row: int
) -> Iterator[RowBlock]:
    """The same rows, many at a time."""
    # csv knows this limit for the whole process only, and its default would hide the row limit.
    csv.field_size_limit(max(ROW_LIMIT, csv.field_size_limit()))
    reader = _RowReader(dialect, offset=offset, row=row)
    try:
        for lines in read_lines(stream, dialect.encoding, dialect.newline):
            yield reader.rows(lines)
    except WrongBytes as error:
        where = f"in row {reader.number + 1:,} or soon after"
        refusal = two_encodings if error.two_encodings else wrong_bytes
        raise refusal(dialect.encoding, where) from error


class _RowReader:
    """Makes rows of lines, and keeps the lines of a record that is not complete.

    Attributes:
        number: of the last row made
    """

    def __init__(self, dialect: Dialect, *, offset: int, row: int) -> None:
        self.number = row
        self._dialect = dialect
        self._offset = offset
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._plain = True
        self._quoted = False
        self._ascii = True
        delimiter = re.escape(dialect.delimiter)
        self._blank_before_quote = re.compile(rf'(?:^|{delimiter})[ \t\xa0]+"')

    def rows(self, block: LineBlock) -> RowBlock:
        """The rows that the block completes; with the last block, all that are left."""
        plain = self._plain and self._is_plain(block)
        self._quoted = self._quoted or block.quoted
        is_ascii = self._ascii and block.ascii
        made = RowBlock(self.number + 1, is_ascii)
        texts, sizes = self._texts, self._sizes
        texts += block.texts
        sizes += block.sizes
        # Line i lies at starts[i] to starts[i + 1].
        starts = list(accumulate(sizes, initial=self._offset))
        first = 0
        while first < len(texts):
            found, lines, failure = self._records(first)
            ends = [starts[first + taken] for taken in lines]
            begins = [starts[first], *ends]
            taken = self._take(made, found, begins, [first + n for n in (0, *lines)], plain=plain)
            line = first
            if taken:
                first += lines[taken - 1]
            if first == len(texts):
                break
            if taken < len(found):
                failure, after = None, line + lines[taken]
            else:
                after = line + self._consumed
            if (
                after == len(texts)
                and not block.last
                and starts[after] - starts[first] <= ROW_LIMIT
            ):
                break
            # The row ends with the line that outgrows the limit, however far a block lets csv see.
            full = bisect_right(starts, starts[first] + ROW_LIMIT, first + 1)
            if full < after:
                failure, after = None, full
            count, cells, problem = self._broken(failure, first, after, starts)
            made.add(starts[first], starts[first + count], cells, problem)
            first += count
        self._offset = starts[first]
        self.number += len(made.cells)
        self._plain, self._ascii = (plain, is_ascii) if first < len(texts) else (True, True)
        self._quoted = self._quoted and first < len(texts)
        del texts[:first], sizes[:first]
        return made

    def _is_plain(self, block: LineBlock) -> bool:
        if block.plain:
            return True
        return not any(map(self._is_odd, block.texts))

    def _is_odd(self, text: str) -> bool:
        """Whether a row may hold what csv reads and nobody means."""
        return "\0" in text or CTRL_Z in text or self._blank_before_quote.search(text) is not None

    def _records(self, first: int) -> tuple[list[list[str]], Sequence[int], csv.Error | None]:
        """What csv makes of the lines from `first` on: records, and how many lines it had taken
        after each of them; why it gave up."""
        found: list[list[str]] = []
        if not self._quoted:
            # Without a quotation mark each line is a record; where one is broken, count.
            with suppress(csv.Error):
                found = list(self._csv(first))
                self._consumed = len(found)
                return found, range(1, len(found) + 1), None
        lines: list[int] = []
        failure = None
        records = self._csv(first)
        try:
            for record in records:
                found.append(record)
                lines.append(records.line_num)
        except csv.Error as error:
            failure = error
        self._consumed = records.line_num
        return found, lines, failure

    def _csv(self, first: int) -> _csv.Reader:
        texts, dialect = self._texts, self._dialect
        return csv.reader(
            map(texts.__getitem__, range(first, len(texts))),
            delimiter=dialect.delimiter,
            skipinitialspace=dialect.skips_blanks,
            strict=True,
        )

    def _take(
        self,
        made: RowBlock,
        found: list[list[str]],
        begins: list[int],
        lines: list[int],
        *,
        plain: bool,
    ) -> int:
        """Make rows of records, up to one that is too long; returns how many were taken.

        Args:
            begins, lines: where each record starts in the file and among the lines, and the last
                ends.
        """
        columns = self._dialect.columns
        # None of its cells can be too large.
        small = CELL_LIMIT // _MOST_GROWTH
        if plain and _are_good(found, begins, columns, small, ascii_only=made.ascii):
            made.cells += found
            made.starts += begins[:-1]
            made.ends += begins[1:]
            return len(found)
        for place, record in enumerate(found):
            start, end = begins[place], begins[place + 1]
            if end - start > ROW_LIMIT:
                return place
            text = "" if plain else "".join(self._texts[lines[place] : lines[place + 1]])
            usual = len(record) == columns and end - start <= small and not self._is_odd(text)
            if usual and record[0].strip(ENDS):
                made.add(start, end, record, None)
                continue
            if _is_no_row(record):
                continue
            cells, problem = _fitted(record, self._dialect)
            made.add(start, end, cells, problem or self._blank_quote(cells, text))
        return len(found)

    def _blank_quote(self, cells: list[str], text: str) -> Problem | None:
        """Whether a blank keeps a quotation mark from opening a cell of this row.

        Args:
            text: the row as it stands in the file.
        """
        if self._blank_before_quote.search(text):
            for index, cell in enumerate(cells):
                if _QUOTED_AFTER_BLANK.match(cell):
                    return Problem(
                        RejectCode.BLANK_BEFORE_QUOTE,
                        f"{_name(self._dialect, index)}: a blank stands before the quotation mark "
                        "that opens the cell. Remove the blank.",
                    )
        return None

    def _broken(
        self, failure: csv.Error | None, first: int, after: int, starts: Sequence[int]
    ) -> tuple[int, list[str], Problem]:
        """The bad row that starts at line `first`: how many lines it has, its cells, what is wrong.

        csv gave up on it before line `after`.
        """
        sizes, texts = self._sizes[first:after], self._texts[first:after]
        taken, problem = unreadable(failure, sizes, ROW_LIMIT)
        unclosed = problem.code is RejectCode.UNCLOSED_QUOTE
        if unclosed and not self._are_rows(failure, texts[1:]):
            taken = len(texts)
            problem = unclosed_over(taken)
        text = "".join(texts[:taken])
        size = starts[first + taken] - starts[first]
        if size > KEPT_OF_LONG_LINE and (size > ROW_LIMIT or taken > 1):
            return (
                taken,
                cut_cells(legible(text[:KEPT_OF_LONG_LINE], self._dialect), size),
                problem,
            )
        return taken, legible(text, self._dialect), problem

    def _are_rows(self, failure: csv.Error | None, lines: Sequence[str]) -> bool:
        """Whether the lines below a quotation mark that opens a cell are rows for sure.

        They are where the mark is never closed (else they are part of its cell), and each of them
        has as many cells as a row has.
        """
        if failure is not None and not any(words in str(failure) for words in _NEVER_CLOSED):
            return False
        delimiter, columns = self._dialect.delimiter, self._dialect.columns
        return columns > 1 and all(
            '"' not in line and (line.count(delimiter) == columns - 1 or line.isspace())
            for line in lines
        )


def _are_good(
    found: list[list[str]], begins: list[int], columns: int, small: int, *, ascii_only: bool
) -> bool:
    """Whether all records are good rows, as far as one pass over the block shows."""
    if set(map(len, found)) != {columns}:
        return False
    if max(map(sub, begins[1:], begins), default=0) > small:
        return False
    # A row of blanks has a blank first cell.
    return all(stripped(map(itemgetter(0), found), ascii_only=ascii_only))


def _is_no_row(record: list[str]) -> bool:
    """Whether a record is a line of blanks, or the Ctrl-Z that ends a file of DOS."""
    return not any(cell.strip(_NOTHING) for cell in record)


_NOTHING = ENDS + CTRL_Z


def _fitted(cells: list[str], dialect: Dialect) -> tuple[list[str], Problem | None]:
    """Cells of a record that could be read, brought to the header's width, and what is wrong."""
    columns = dialect.columns
    if columns > 1:
        cells = unwrapped(cells, dialect.delimiter)
    count = len(cells)
    surplus = cells[columns:]
    too_many = any(map(str.strip, surplus)) or (dialect.width and count > dialect.width)
    if too_many or (count < columns and not dialect.pads):
        return cells, Problem(
            RejectCode.WRONG_CELL_COUNT,
            f"The row has {count:,} {'cell' if count == 1 else 'cells'}, the header has "
            f"{columns:,}. Check for a missing or extra delimiter; a cell that contains the "
            "delimiter or a line break must stand in quotation marks.",
        )
    cells = [*cells[:columns], *[""] * (columns - count)]
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


_QUOTED_AFTER_BLANK = re.compile(r'[ \t\xa0]+".*"[ \t\xa0]*\Z', re.DOTALL)


def _name(dialect: Dialect, index: int) -> str:
    return dialect.header[index] or f"Column {column_letters(index)}"
