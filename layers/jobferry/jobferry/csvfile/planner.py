"""Rows → chunks and rejects: what would be sent in which job, and what would not.

A plan is cut at boundaries. Chunks depend on nothing but the rows after the boundary before
them, so planning can stop at any boundary, be forgotten, and go on from there with the same
result. Time and the size of a read never matter.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import sub
from typing import NamedTuple
from zlib import crc32

from jobferry.csvfile.duplicate_keys import Repeat, SeenKeys
from jobferry.csvfile.mapping import RowMapping
from jobferry.csvfile.reader import RawRow, RowBlock
from jobferry.domain.chunk import Span
from jobferry.domain.error_codes import FileRefused, Problem, RefusalCode, RejectCode
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import OnDuplicate
from jobferry.domain.types import JsonObject

Weigh = Callable[[JsonObject], int]
"""A record → the bytes that it takes in the request body, without the comma after it."""

_MOST_BYTES_PER_BYTE = 6
"""A control character is one byte in the file and six in JSON; everything else grows less."""
FIRST_ROWS = 1_000
ROWS_JUDGED = 10_000
"""Rows of which too many may be rejected: the first ones, then any."""

GroupOf = Callable[[JsonObject], object]
"""A record → what all records of one request must have in common."""


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


@dataclass(frozen=True, slots=True)
class Rules:
    """What else decides which rows are sent, and with which others.

    on_duplicate  what becomes of rows whose key an earlier one has
    superseded    rows whose key a later one has, where the last one counts
    max_rejected  share of rejected rows beyond which the file is refused; 1: never
    group_of      what all records of a job must have in common; None: nothing
    """

    on_duplicate: OnDuplicate | None = None
    superseded: Superseded | None = None
    max_rejected: float = 1.0
    group_of: GroupOf | None = None


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


PlanItem = ChunkSpec | Boundary | RejectedRow


def plan(
    blocks: Iterable[RowBlock],
    mapping: RowMapping,
    limits: ChunkLimits,
    seen: SeenKeys | None,
    *,
    next_chunk: int = 0,
    cut_after: int | None = None,
    weigh: Weigh | None = None,
    rules: Rules = Rules(),
) -> Iterator[PlanItem]:
    """Check the rows and cut them into chunks.

    Args:
        blocks: from the start of the data, or from where a boundary ends.
        seen: complete up to that place; None to let repeats pass.
        next_chunk: number of the next chunk: one more than the last before that place.
        cut_after: good rows from that place on after which a chunk ends, however few it has.
        weigh: asked only when a cheap upper bound does not fit; JSON without blanks by default.
        rules: what else decides which rows are sent, and with which others.

    Yields in file order. All rejects of rows up to a boundary come before it, so what came before
    a boundary is a complete plan of the file up to `end_row`. When there are rows, the last item
    is a ChunkSpec or a Boundary whose `end_row` is the number of rows in the file.

    Raises:
        FileRefused: too many rows are rejected.
    """
    scale = _Scale(mapping, limits, weigh or json_size)
    cutter = _Cutter(scale, limits, next_chunk, cut_after, rules.group_of, mapping)
    rejected = _RejectedShare(rules.max_rejected)
    for block in blocks:
        if not block.cells:
            continue
        bad = judged(block, mapping, scale)
        if seen is not None and mapping.key_name is not None:
            _skip_repeats(block, bad, mapping, seen, rules.on_duplicate)
        elif rules.superseded is not None:
            _skip_superseded(block, bad, mapping, rules.superseded)
        rejected.note(block, bad)
        yield from cutter.take(block, bad)
    yield from cutter.end()


def superseded_rows(
    blocks: Iterable[RowBlock],
    mapping: RowMapping,
    limits: ChunkLimits,
    seen: SeenKeys,
    weigh: Weigh | None = None,
) -> Superseded:
    """The good rows of a whole file whose key a later good row has."""
    scale = _Scale(mapping, limits, weigh or json_size)
    found = Superseded()
    latest: dict[int, int] = {}
    for block in blocks:
        if not block.cells:
            continue
        rows, keys, contents = _keys(block, judged(block, mapping, scale), mapping)
        for row, repeat in seen.add(rows, keys, contents).items():
            found.add(latest.get(repeat.row, repeat.row))
            latest[repeat.row] = row
    return found


class Superseded:
    """A set of row numbers, a bit for each row.

    bits: what `bits` of another one were.
    """

    def __init__(self, bits: bytes = b"") -> None:
        self.bits = bytearray(bits)

    def add(self, row: int) -> None:
        if row >> 3 >= len(self.bits):
            self.bits.extend(bytes((row >> 3) + 1 - len(self.bits)))
        self.bits[row >> 3] |= 1 << (row & 7)

    def __contains__(self, row: int) -> bool:
        return row >> 3 < len(self.bits) and bool(self.bits[row >> 3] & 1 << (row & 7))


def json_size(record: JsonObject) -> int:
    """Bytes of the record as compact JSON in UTF-8."""
    return len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())


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
        self.surely_fits = (self.most_of_one - mapping.fixed_bytes) // _MOST_BYTES_PER_BYTE

    def at_most(self, rows: int, length: int) -> int:
        """Bytes of so many rows, which take so many in the file, at the most."""
        return self._fixed * rows + _MOST_BYTES_PER_BYTE * length

    def outweighs_all(self, row: RawRow) -> int | None:
        """The bytes of the row's record if no request can carry it even alone."""
        if row.length <= self.surely_fits:
            return None
        size = self.exactly(row.cells) - self._added
        return size if size > self.most_of_one else None

    def exactly(self, cells: list[str]) -> int:
        return self._added + self._weigh(self._mapping.record(cells))


def judged(block: RowBlock, mapping: RowMapping, scale: _Scale) -> dict[int, RejectedRow]:
    """The rows of a block that cannot be sent, by their place in it."""
    bad = {
        place: _reject(block.first + place, problem) for place, problem in block.problems.items()
    }
    places: Sequence[int] = range(len(block.cells))
    cells = block.cells
    if bad:
        places = [place for place in places if place not in bad]
        cells = [cells[place] for place in places]
    if not cells:
        return bad
    for number in mapping.suspects(list(zip(*cells, strict=True)), ascii_only=block.ascii):
        problem = mapping.check(cells[number])
        if problem is not None:
            bad[places[number]] = _reject(block.first + places[number], problem)
    if max(map(sub, block.ends, block.starts)) > scale.surely_fits:
        for place in places:
            if place not in bad and (size := scale.outweighs_all(block.row(place))) is not None:
                bad[place] = _too_large(block.first + place, size, scale.most_of_one)
    return bad


def _reject(row: int, problem: Problem) -> RejectedRow:
    return RejectedRow(row, OutcomeStatus.REJECTED, problem.told_code, problem.reason)


def _too_large(row: int, size: int, most: int) -> RejectedRow:
    return RejectedRow(
        row,
        OutcomeStatus.REJECTED,
        RejectCode.ROW_TOO_LARGE,
        f"The row takes {size:,} bytes when it is sent, and the vendor takes at most {most:,} for "
        "a row. Shorten its cells.",
    )


def _keys(
    block: RowBlock, bad: Mapping[int, RejectedRow], mapping: RowMapping
) -> tuple[Sequence[int], list[str], list[int]]:
    """Of the good rows of a block: numbers, keys, and checksums of the other cells."""
    rows: Sequence[int] = range(block.first, block.first + len(block.cells))
    cells = block.cells
    if bad:
        places = [place for place in range(len(cells)) if place not in bad]
        rows = [block.first + place for place in places]
        cells = [cells[place] for place in places]
    if not cells:
        return (), [], []
    columns = list(zip(*cells, strict=True))
    others = [columns[index] for index in mapping.compared]
    contents = (
        [crc32(text.encode()) for text in map("\x1f".join, zip(*others, strict=True))]
        if others
        else [0] * len(cells)
    )
    return rows, mapping.keys(columns), contents


def _skip_repeats(
    block: RowBlock,
    bad: dict[int, RejectedRow],
    mapping: RowMapping,
    seen: SeenKeys,
    policy: OnDuplicate | None,
) -> None:
    """Leave out good rows whose key an earlier good row has."""
    rows, keys, contents = _keys(block, bad, mapping)
    for row, repeat in seen.add(rows, keys, contents).items():
        bad[row - block.first] = _repeat(row, repeat, mapping.key_name or "", policy)


def _repeat(row: int, repeat: Repeat, key_name: str, policy: OnDuplicate | None) -> RejectedRow:
    code = RejectCode.DUPLICATE_ROW_KEY if repeat.same else RejectCode.CONFLICTING_ROW_KEY
    what = "repeats" if repeat.same else "has the key of"
    other = "" if repeat.same else " Its other cells differ from that row's."
    return RejectedRow(
        row,
        OutcomeStatus.REJECTED if policy is OnDuplicate.REJECT else OutcomeStatus.SKIPPED,
        code,
        f"{key_name}: {what} row {repeat.row}, which is the one that counts.{other}",
        unclear=policy is None and not repeat.same,
    )


def _skip_superseded(
    block: RowBlock, bad: dict[int, RejectedRow], mapping: RowMapping, superseded: Superseded
) -> None:
    for place in range(len(block.cells)):
        row = block.first + place
        if place not in bad and row in superseded:
            bad[place] = RejectedRow(
                row,
                OutcomeStatus.SKIPPED,
                RejectCode.DUPLICATE_ROW_KEY,
                f"{mapping.key_name}: a row further down has the same key, and the last one "
                "counts.",
            )


class _RejectedShare:
    """Stops a plan when most rows are rejected: of the first thousand, then of any ten thousand
    (rows 1 to 10,000, and so on). Where planning goes on in the middle of such a part, only whole
    ones are judged."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._from: int | None = None
        self._rejected: Counter[str] = Counter()

    def note(self, block: RowBlock, bad: Mapping[int, RejectedRow]) -> None:
        if self._most >= 1.0:
            return
        place, count = 0, len(block.cells)
        ordered = sorted(bad)
        while place < count:
            row = block.first + place
            part_end = FIRST_ROWS if row <= FIRST_ROWS else -(-row // ROWS_JUDGED) * ROWS_JUDGED
            begins = row in (1, FIRST_ROWS + 1) or row % ROWS_JUDGED == 1
            if begins:
                self._from, self._rejected = row, Counter()
            taken = min(count, part_end + 1 - block.first)
            self._rejected.update(
                bad[each].code
                for each in ordered[bisect_left(ordered, place) : bisect_left(ordered, taken)]
                if bad[each].status is OutcomeStatus.REJECTED
            )
            if block.first + taken - 1 == part_end and self._from is not None:
                self._judge(part_end + 1 - self._from, part_end)
            place = taken

    def _judge(self, rows: int, last: int) -> None:
        rejected = self._rejected.total()
        if rejected <= self._most * rows:
            return
        reasons = ", ".join(f"{code} ({n:,})" for code, n in self._rejected.most_common(3))
        where = f"the first {rows:,}" if last == FIRST_ROWS else f"the {rows:,} rows up to {last:,}"
        raise FileRefused(
            RefusalCode.TOO_MANY_REJECTED,
            f"{rejected:,} of {where} rows cannot be sent, so the file was not planned any "
            f"further: {reasons}. Check that it is the right file for this profile. If it is, set "
            "max_rejected: 1 in the profile.",
        )


class _Cutter:
    """Cuts good rows into chunks."""

    def __init__(
        self,
        scale: _Scale,
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
