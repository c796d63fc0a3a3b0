"""Cells of a few rows of a run, read from its file by the places that the plan knows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from threading import Event
from typing import NamedTuple

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.reader import read_rows
from jobferry.deps import Deps
from jobferry.domain.chunk import PlannedChunk, Span
from jobferry.domain.error_codes import column_letters
from jobferry.domain.run import Run
from jobferry.store.objects import SourceError
from jobferry.store.plan_pages import CHUNKS_PER_PAGE

Cells = tuple[Sequence[str], Sequence[str]]
"""(header, cells of one row)."""

GAP_BYTES = 8 * 1024 * 1024
"""Of rows that are in no chunk, behind the last row that is in one: what is read of them."""

READERS = 8
"""Parts of the file that are read side by side."""


class Place(NamedTuple):
    """A part of the file that begins with a row and ends with one.

    Attributes:
        offset: of its first byte
        end: byte after it
        first, last: numbers of its rows
    """

    offset: int
    end: int
    first: int
    last: int


@dataclass
class RowPlaces:
    """Where rows of a planned run lie in its file: a few reads of the plan tell it of any row."""

    run: Run
    deps: Deps
    _pages: dict[int, Sequence[PlannedChunk]] = field(default_factory=dict)

    def of(self, row: int) -> Place:
        """The smallest part of the file that is known to hold a row (from 1).

        A row of a chunk lies in its span. Those that are sent in none lie between two spans.
        """
        dialect = self.run.plan.dialect or {}
        offset, first = dialect.get("data_offset", 0), 1
        for span in self._spans_around(row):
            if span.first_row > row:
                return Place(offset, span.offset, first, span.first_row - 1)
            offset, end = span.offset, span.offset + span.length
            after = span.first_row + span.rows
            if row < after:
                return Place(offset, end, span.first_row, after - 1)
            offset, first = end, after
        # Planning has come so far; a file may end with lines that are no rows.
        return Place(offset, self.run.plan.offset, first, self.run.plan.row)

    def _spans_around(self, row: int) -> Iterable[Span]:
        """Spans in order: the last one that begins at the row or before it, and the next."""
        first, last = 0, self._page_count - 1
        while first < last:
            middle = (first + last + 1) // 2
            chunks = self._page(middle)
            if chunks and chunks[0].spans[0].first_row <= row:
                first = middle
            else:
                last = middle - 1
        chunks = [*self._page(first), *self._page(first + 1)[:1]]
        starts = [chunk.spans[0].first_row for chunk in chunks]
        at = max(0, bisect_right(starts, row) - 1)
        return (span for chunk in chunks[at : at + 2] for span in chunk.spans)

    @property
    def _page_count(self) -> int:
        return -(-self.run.plan.chunks // CHUNKS_PER_PAGE)

    def _page(self, number: int) -> Sequence[PlannedChunk]:
        """The chunks of one page of the plan, numbered from 0; none where there is no such page."""
        if not 0 <= number < self._page_count:
            return ()
        if number not in self._pages:
            self._pages[number] = self.deps.store.runs.planned_chunks(
                self.run.run_id, number * CHUNKS_PER_PAGE + 1, CHUNKS_PER_PAGE
            )
        return self._pages[number]


def cells_of(run: Run, rows: Iterable[int], deps: Deps) -> dict[int, Cells]:
    """Header and cells of these rows, as they stand in the file.

    A row is missing where its file is gone or cannot be read, where it has none of this number, and
    where it lies among rows that were not sent and so many that it is far to read (`GAP_BYTES`). Of
    a row that could not be read as it should be, the cells are what could be read of it.

    Args:
        rows: numbers from 1, a page of them: each costs a read of its chunk's part of the file.
    """
    if run.plan.dialect is None:
        return {}
    dialect = Dialect.from_json(dict(run.plan.dialect))
    places = RowPlaces(run, deps)
    wanted: dict[Place, set[int]] = {}
    for row in sorted({row for row in rows if 1 <= row <= run.plan.row}):
        wanted.setdefault(places.of(row), set()).add(row)

    unreadable = Event()

    def read(part: tuple[Place, set[int]]) -> Mapping[int, Cells]:
        if unreadable.is_set():
            return {}
        try:
            return _read_part(run, *part, dialect, deps)
        except SourceError:
            unreadable.set()
            return {}

    parts = deps.parallel_map(read, list(wanted.items()), READERS)
    return {row: cells for part in parts for row, cells in part.items()}


def named_cells(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Cells by the names of their columns; those of a nameless column, or of one more of the same
    name, by the column's letters."""
    named: dict[str, str] = {}
    for place, cell in enumerate(cells):
        name = header[place] if place < len(header) else ""
        letters = f"Column {column_letters(place)}"
        named[letters if not name or name in named else name] = cell
    return named


def _read_part(
    run: Run, place: Place, wanted: set[int], dialect: Dialect, deps: Deps
) -> dict[int, Cells]:
    size = min(place.end - place.offset, GAP_BYTES)
    if size <= 0:
        return {}
    data = BytesIO(deps.objects.read_range(run.file, place.offset, size))
    rows = list(read_rows(data, dialect, offset=place.offset, row=place.first - 1))
    if place.offset + size < place.end:
        rows.pop()  # it may be cut off
    elif not rows or rows[-1].number != place.last:
        return {}  # read by themselves they make other rows
    return {raw.number: (dialect.header, raw.cells) for raw in rows if raw.number in wanted}
