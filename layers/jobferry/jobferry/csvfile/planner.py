"""Rows → chunks and rejects: what would be sent in which job, and what would not.

A plan is cut at boundaries. Chunks depend on nothing but the rows after the boundary before
them, so planning can stop at any boundary, be forgotten, and go on from there with the same
result. Time and the size of a read never matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from jobferry.csvfile.mapping import RowMapping
from jobferry.csvfile.problems import RejectCode
from jobferry.csvfile.reader import RawRow
from jobferry.csvfile.seen import SeenKeys
from jobferry.model import JsonObject, OutcomeStatus, Reject, Span

Weigh = Callable[[JsonObject], int]
"""A record → the bytes that it takes in the request body, without the comma after it."""

_MOST_BYTES_PER_BYTE = 6
"""A control character is one byte in the file and six in JSON; everything else grows less."""
_KEYS_AT_ONCE = 2_048
_BYTES_AT_ONCE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """How much one job may carry.

    max_records       records in one request
    max_bytes         bytes of one request body
    max_rows_spanned  rows of the file from one boundary to the next, bad ones included
    body_overhead     bytes of a body without its records: `{"tickets":[]}`
    record_overhead   bytes that the request adds to each record
    max_record_bytes  bytes of one record by itself, if the vendor bounds them
    """

    max_records: int
    max_bytes: int
    max_rows_spanned: int = 1_000
    body_overhead: int = 0
    record_overhead: int = 0
    max_record_bytes: int | None = None


class ChunkSpec(NamedTuple):
    """The good rows of one job. Its end is a boundary.

    number      from 0 on, without gaps
    spans       where the rows lie; they touch only when rows between them are bad
    rows        how many they are
    end_offset  byte after the last row looked at
    end_row     number of that row
    """

    number: int
    spans: tuple[Span, ...]
    rows: int
    end_offset: int
    end_row: int


class Boundary(NamedTuple):
    """A place to resume from where no chunk ends: after many bad rows, or at the end of the file.

    Fields as in ChunkSpec.
    """

    end_offset: int
    end_row: int


PlanItem = ChunkSpec | Boundary | Reject


def plan(
    rows: Iterator[RawRow],
    mapping: RowMapping,
    limits: ChunkLimits,
    seen: SeenKeys | None,
    *,
    next_chunk: int = 0,
    cut_after: int | None = None,
    weigh: Weigh | None = None,
) -> Iterator[PlanItem]:
    """Check the rows and cut them into chunks.

    rows        from the start of the data, or from where a boundary ends
    seen        complete up to that place; None to let repeats pass
    next_chunk  number of the next chunk: one more than the last before that place
    cut_after   good rows from that place on after which a chunk ends, however few it has
    weigh       asked only when a cheap upper bound does not fit; JSON without blanks by default

    Yields in file order. All rejects of rows up to a boundary come before it, so what came before
    a boundary is a complete plan of the file up to `end_row`. When there are rows, the last item
    is a ChunkSpec or a Boundary whose `end_row` is the number of rows in the file.
    """
    scale = _Scale(mapping, limits, weigh or json_size)
    judged: Iterator[_Judged] = ((row, _judged(row, mapping, scale)) for row in rows)
    if seen is not None and mapping.key_name is not None:
        judged = _without_repeats(judged, mapping, mapping.key_name, seen)
    chunk = _OpenChunk(scale)
    number = next_chunk
    good = 0
    start = end_row = end_offset = -1
    for row, reject in judged:
        if start < 0:
            start = row.number - 1
        cut = False
        if reject is not None:
            yield reject
        else:
            good += 1
            cut = good == cut_after
            if not chunk.take(row):
                yield chunk.closed(number, end_offset, end_row)
                number += 1
                start = end_row
                chunk = _OpenChunk(scale)
                chunk.take(row)
        end_row = row.number
        end_offset = row.offset + row.length
        if cut or chunk.rows == limits.max_records or end_row - start >= limits.max_rows_spanned:
            if chunk.rows:
                yield chunk.closed(number, end_offset, end_row)
                number += 1
                chunk = _OpenChunk(scale)
            else:
                yield Boundary(end_offset, end_row)
            start = end_row
    if chunk.rows:
        yield chunk.closed(number, end_offset, end_row)
    elif end_row > start:
        yield Boundary(end_offset, end_row)


def json_size(record: JsonObject) -> int:
    """Bytes of the record as compact JSON in UTF-8."""
    return len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())


_Judged = tuple[RawRow, Reject | None]


class _Scale:
    """Weighs rows as they will be sent, comma included."""

    def __init__(self, mapping: RowMapping, limits: ChunkLimits, weigh: Weigh) -> None:
        self._mapping = mapping
        self._weigh = weigh
        self._added = limits.record_overhead + len(",")
        self._fixed = mapping.fixed_bytes + self._added
        self.body_overhead = limits.body_overhead
        self.max_bytes = limits.max_bytes
        room = limits.max_bytes - limits.body_overhead - self._added
        of_one = limits.max_record_bytes
        self.most_of_one = room if of_one is None else min(room, of_one)
        self._surely_fits = (self.most_of_one - mapping.fixed_bytes) // _MOST_BYTES_PER_BYTE

    def at_most(self, row: RawRow) -> int:
        return self._fixed + _MOST_BYTES_PER_BYTE * row.length

    def outweighs_all(self, row: RawRow) -> int | None:
        """The bytes of the row's record if no request can carry it even alone."""
        if row.length <= self._surely_fits:
            return None
        size = self.exactly(row.cells) - self._added
        return size if size > self.most_of_one else None

    def exactly(self, cells: list[str]) -> int:
        return self._added + self._weigh(self._mapping.record(cells))


class _OpenChunk:
    """The chunk that rows are being added to."""

    def __init__(self, scale: _Scale) -> None:
        self._scale = scale
        self._weighed = scale.body_overhead
        self._estimated = 0
        self._unweighed: list[list[str]] = []
        self._spans: list[Span] = []
        self._first_row = self._offset = self._last_row = self._end = 0
        self.rows = 0

    def take(self, row: RawRow) -> bool:
        """Add a good row if it fits. The first always does: it was judged by itself."""
        most = self._scale.at_most(row)
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
                self._extend(row)
                return True
        self._estimated += most
        self._unweighed.append(row.cells)
        self._extend(row)
        return True

    def closed(self, number: int, end_offset: int, end_row: int) -> ChunkSpec:
        self._end_span()
        return ChunkSpec(number, tuple(self._spans), self.rows, end_offset, end_row)

    def _extend(self, row: RawRow) -> None:
        if row.number != self._last_row + 1 or not self.rows:
            self._end_span()
            self._first_row = row.number
            self._offset = row.offset
        self._last_row = row.number
        self._end = row.offset + row.length
        self.rows += 1

    def _end_span(self) -> None:
        if self.rows:
            rows = self._last_row - self._first_row + 1
            length = self._end - self._offset
            self._spans.append(Span(self._offset, length, self._first_row, rows))


def _judged(row: RawRow, mapping: RowMapping, scale: _Scale) -> Reject | None:
    problem = row.problem or mapping.check(row.cells)
    if problem is not None:
        return Reject(row.number, OutcomeStatus.REJECTED, problem.code, problem.reason)
    if (size := scale.outweighs_all(row)) is not None:
        return Reject(
            row.number,
            OutcomeStatus.REJECTED,
            RejectCode.ROW_TOO_LARGE,
            f"The row takes {size:,} bytes when it is sent, and the vendor takes at most "
            f"{scale.most_of_one:,} for a row. Shorten its cells.",
        )
    return None


def _without_repeats(
    judged: Iterator[_Judged], mapping: RowMapping, key_name: str, seen: SeenKeys
) -> Iterator[_Judged]:
    """Skip good rows whose key an earlier good row has; looked up many at once."""
    batch: list[_Judged] = []
    size = 0
    for item in judged:
        batch.append(item)
        size += item[0].length
        if len(batch) == _KEYS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield from _marked(batch, mapping, key_name, seen)
            batch = []
            size = 0
    yield from _marked(batch, mapping, key_name, seen)


def _marked(
    batch: list[_Judged], mapping: RowMapping, key_name: str, seen: SeenKeys
) -> list[_Judged]:
    repeats = seen.add(
        [(row.number, mapping.key(row.cells)) for row, reject in batch if reject is None]
    )
    if not repeats:
        return batch
    return [
        (row, _repeat(row, repeats[row.number], key_name) if row.number in repeats else reject)
        for row, reject in batch
    ]


def _repeat(row: RawRow, first: int, key_name: str) -> Reject:
    return Reject(
        row.number,
        OutcomeStatus.SKIPPED,
        RejectCode.DUPLICATE_ROW_KEY,
        f"{key_name}: repeats row {first}, which is the one that counts.",
    )
