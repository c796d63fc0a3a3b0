"""Good rows → chunks, each within what one job may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jobferry.csvfile.plan_items import Boundary, ChunkLimits, ChunkSpec, GroupOf, PlanItem
from jobferry.csvfile.reader import RawRow, RowBlock
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.row_scale import RowScale
from jobferry.domain.chunk import Span
from jobferry.domain.outcome import RejectedRow


class ChunkCutter:
    """Cuts good rows into chunks."""

    def __init__(
        self,
        scale: RowScale,
        limits: ChunkLimits,
        number: int,
        cut_after: int | None,
        group_of: GroupOf | None,
        mapping: RowMapping,
    ) -> None:
        self._scale = scale
        self._limits = limits
        self._number = number
        self._left_to_cut = cut_after
        self._group_of = group_of
        self._mapping = mapping
        self._group: object = None
        self._chunk = _OpenChunk(scale)
        self._start = -1
        self._end_row = self._end_offset = -1

    def take(self, block: RowBlock, bad: Mapping[int, RejectedRow]) -> Iterator[PlanItem]:
        """Take the rows of a block."""
        if self._start < 0:
            self._start = block.first - 1
        place, count = 0, len(block.cells)
        stops = [*sorted(bad), count]
        for stop in stops:
            while place < stop:
                taken = self._together(block, place, stop)
                if not taken:
                    yield from self._one(block, place)
                    taken = 1
                place += taken
                yield from self._cut(block, place)
            if stop < count:
                yield bad[stop]
                place += 1
                yield from self._cut(block, place)

    def end(self) -> Iterator[PlanItem]:
        """The last chunk, or the boundary at the end of the file."""
        if self._chunk.rows:
            yield self._closed()
        elif self._end_row > self._start:
            yield Boundary(self._end_offset, self._end_row)

    def _together(self, block: RowBlock, place: int, stop: int) -> int:
        """Take as many of these good rows as surely fit into the chunk; returns how many."""
        if self._group_of is not None:
            return 0
        number = block.first + place
        limits = self._limits
        count = min(
            stop - place,
            limits.max_records - self._chunk.rows,
            limits.max_rows_spanned - (number - 1 - self._start),
            stop if self._left_to_cut is None else self._left_to_cut,
        )
        if count < 1 or not self._chunk.take_many(block, place, count):
            return 0
        if self._left_to_cut is not None:
            self._left_to_cut -= count
        return count

    def _one(self, block: RowBlock, place: int) -> Iterator[PlanItem]:
        """Take a good row; the chunk before it ends where it does not fit in."""
        row = block.row(place)
        if self._left_to_cut is not None:
            self._left_to_cut -= 1
        group = self._group_of(self._mapping.record(row.cells)) if self._group_of else None
        fits = not self._chunk.rows or group == self._group
        if not (fits and self._chunk.take(row)):
            yield self._closed()
            self._start = self._end_row
            self._chunk.take(row)
        self._group = group

    def _cut(self, block: RowBlock, place: int) -> Iterator[PlanItem]:
        """End the chunk after the row before `place` of a block, if it is full."""
        self._end_row = block.first + place - 1
        self._end_offset = block.ends[place - 1]
        limits, rows = self._limits, self._chunk.rows
        cut = self._left_to_cut == 0 and rows > 0
        if cut:
            self._left_to_cut = None
        spanned = self._end_row - self._start
        if cut or rows == limits.max_records or spanned >= limits.max_rows_spanned:
            yield self._closed() if rows else Boundary(self._end_offset, self._end_row)
            self._start = self._end_row

    def _closed(self) -> ChunkSpec:
        closed = self._chunk.closed(self._number, self._end_offset, self._end_row)
        self._number += 1
        self._chunk = _OpenChunk(self._scale)
        return closed


MOST_SPANS = 1_000
"""Spans of one chunk, some 40 KB as they are kept: an item of the table holds 400 KB, a transaction
of fifty chunks 4 MB. Where every second row is rejected, a chunk holds no more rows than that."""


class _OpenChunk:
    """The chunk that rows are being added to."""

    def __init__(self, scale: RowScale) -> None:
        self._scale = scale
        self._weighed = scale.body_overhead
        self._estimated = 0
        self._unweighed: list[list[str]] = []
        self._spans: list[Span] = []
        self._first_row = self._offset = self._last_row = self._end = 0
        self.rows = 0

    def take(self, row: RawRow) -> bool:
        """Add a good row if it fits. The first always does: it was judged by itself."""
        if self._is_in_too_many_parts(row.number):
            return False
        most = self._scale.at_most(1, row.length)
        end = row.offset + row.length
        limit = self._scale.max_bytes
        if self.rows and self._weighed + self._estimated + most > limit:
            self._weighed += sum(map(self._scale.exactly, self._unweighed))
            self._estimated = 0
            self._unweighed.clear()
            if self._weighed + most > limit:
                exact = self._scale.exactly(row.cells)
                if self._weighed + exact > limit:
                    return False
                self._weighed += exact
                self._extend(row.number, row.offset, end)
                return True
        self._estimated += most
        self._unweighed.append(row.cells)
        self._extend(row.number, row.offset, end)
        return True

    def closed(self, number: int, end_offset: int, end_row: int) -> ChunkSpec:
        self._end_span()
        return ChunkSpec(number, tuple(self._spans), self.rows, end_offset, end_row)

    def take_many(self, block: RowBlock, place: int, count: int) -> bool:
        """Add good rows of a block if all of them surely fit."""
        if self._is_in_too_many_parts(block.first + place):
            return False
        start, end = block.starts[place], block.ends[place + count - 1]
        most = self._scale.at_most(count, end - start)
        if self._weighed + self._estimated + most > self._scale.max_bytes:
            return False
        self._estimated += most
        self._unweighed += block.cells[place : place + count]
        self._extend(block.first + place, start, end, count)
        return True

    def _is_in_too_many_parts(self, number: int) -> bool:
        """Whether a row would begin a span more than a chunk may have."""
        return self._begins_a_span(number) and self.rows > 0 and len(self._spans) >= MOST_SPANS - 1

    def _begins_a_span(self, number: int) -> bool:
        return number != self._last_row + 1 or not self.rows

    def _extend(self, number: int, start: int, end: int, count: int = 1) -> None:
        if self._begins_a_span(number):
            self._end_span()
            self._first_row = number
            self._offset = start
        self._last_row = number + count - 1
        self._end = end
        self.rows += count

    def _end_span(self) -> None:
        if self.rows:
            rows = self._last_row - self._first_row + 1
            length = self._end - self._offset
            self._spans.append(Span(self._offset, length, self._first_row, rows))
