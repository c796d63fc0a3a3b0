"""A plan is made of blocks of rows; here it is made once more, one row after the other.

The second way is short, slow and plain: each row read in a block of its own, asked of `check`, its
key looked up in a dictionary, its record weighed. Whatever the file holds, both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.dialect import Dialect, detect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.plan_items import Boundary, ChunkLimits, ChunkSpec, PlanItem, Rules
from jobferry.csvfile.planner import plan, superseded_rows
from jobferry.csvfile.reader import RawRow, RowBlock, read_blocks, read_rows
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.row_scale import json_size
from jobferry.domain.chunk import Span
from jobferry.domain.error_codes import FileRefused, RejectCode
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import Column, ColumnType, Empty, OnDuplicate, Profile
from tests.unit.csvfile.samples import small_limits

HEADER = ("Ref", "Name", "Level", "Due", "Mail", "Count")
USUAL = ("r1", "Ann", "high", "2026-03-31", "a@x.com", "7")

CELLS = st.sampled_from(
    (
        *("", " ", "\t", "\xa0", "\u200b", "NULL", "n/a", "x", "X", "\xe9", "\u0153uvre", "a\0b"),
        *("4.9E+11", "007", "1.5", " 7 ", "-5", "'=1+1", "high", " HIGH", "lowest", "2026-02-30"),
        *("31.03.2026", "2026-03-31", "a@x.com", "a@x", "two\nlines", "two\r\nlines", 'a "q" b'),
        *("[cut by jobferry] 9 bytes", "long " * 12, '"' * 9, "a,b;c\td"),
    )
)
REFS = st.sampled_from(("r1", "r2", "R1", " r1 ", "r\xe9", "r3", "\u200br3", "", "4.9E+11"))
RAW = st.sampled_from(
    (
        *("", "   ", ",,,,,", ",".join(HEADER), "Ref, name,Level,Due,Mail,Count", "r9,only two"),
        *('r8,"open,high,,a@x.com,1', 'r8,"a"b,high,,a@x.com,1', 'r8, "a",high,,a@x.com,1'),
        *("r8,a,high,,a@x.com,1,,", "r8,a,high,,a@x.com,1,more", "r8,st\rray,high,,a@x.com,1"),
    )
)
"""Lines that are no proper row of the file, and some that look so."""


@st.composite
def rows(draw: st.DrawFn) -> str:
    """A row as it stands in the file: usual but for some cells, or odd as a whole."""
    if draw(st.integers(0, 7)) == 0:
        return draw(RAW)
    cells = [draw(REFS), *USUAL[1:]]
    for index in draw(st.lists(st.integers(1, len(HEADER) - 1), max_size=2)):
        cells[index] = draw(CELLS)
    return ",".join(map(_quoted, cells))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set('",\r\n') else cell


files = st.builds(
    lambda lines, newline, ended: newline.join([",".join(HEADER), *lines]) + newline * ended,
    st.integers(0, 40).flatmap(lambda most: st.lists(rows(), min_size=most // 2, max_size=most)),
    st.sampled_from(("\n", "\r\n", "\r")),
    st.booleans(),
)
result_files = files.map(lambda text: text.replace("Count", "jobferry_status", 1))
"""Files that came back from a spreadsheet."""

profiles = st.builds(
    lambda keyed, nulls, trim, empty: Profile(
        "p",
        "c",
        "o",
        columns={
            "Ref": Column("external_id", optional=not keyed),
            "Name": Column("name", optional=True),
            "Level": Column("priority", optional=True, enum=("high", "low")),
            "Due": Column("due", ColumnType.DATE, optional=True),
            "Mail": Column("email", ColumnType.EMAIL, empty=empty),
        },
        row_key="Ref" if keyed else None,
        null_values=nulls,
        trim=trim,
    ),
    st.booleans(),
    st.sampled_from([(), ("NULL",)]),
    st.booleans(),
    st.sampled_from(Empty),
)
limits = st.builds(
    ChunkLimits,
    max_records=st.integers(1, 12),
    max_bytes=st.sampled_from((150, 400, 100_000)),
    max_rows_spanned=st.integers(1, 20),
    body_overhead=st.just(10),
    record_overhead=st.sampled_from((0, 7)),
    max_record_bytes=st.sampled_from((None, 120)),
)
encodings = st.sampled_from((None, "utf-16", "utf-8-sig", "cp1252"))
duplicates = st.sampled_from((None, *OnDuplicate))


@dataclass
class Case:
    """A file and how it is to be planned."""

    data: bytes
    dialect: Dialect
    mapping: RowMapping
    limits: ChunkLimits
    rules: Rules
    keyed: bool
    cut_after: int | None

    def blocks(self) -> Iterator[RowBlock]:
        stream = BytesIO(self.data[self.dialect.data_offset :])
        return read_blocks(stream, self.dialect, offset=self.dialect.data_offset, row=0)

    def planned(self, path: Path) -> list[PlanItem]:
        """The plan as the product makes it."""
        rules, seen = self.rules, None
        if self.keyed and rules.on_duplicate is OnDuplicate.LAST:
            with SeenKeys(path, slots=64, first_slots=4) as seen:
                superseded = superseded_rows(self.blocks(), self.mapping, self.limits, seen)
            rules = Rules(rules.on_duplicate, superseded, group_of=rules.group_of)
            return list(self._items(None, rules))
        with SeenKeys(path, slots=64, first_slots=4) as seen:
            return list(self._items(seen if self.keyed else None, rules))

    def _items(self, seen: SeenKeys | None, rules: Rules) -> Iterator[PlanItem]:
        return plan(
            self.blocks(), self.mapping, self.limits, seen, cut_after=self.cut_after, rules=rules
        )

    def row_by_row(self) -> list[PlanItem]:
        """The same, one row after the other."""
        with small_limits(block=1):
            stream = BytesIO(self.data[self.dialect.data_offset :])
            read = list(read_rows(stream, self.dialect, offset=self.dialect.data_offset, row=0))
        bad = {row.number: reject for row in read if (reject := self._reject(row)) is not None}
        if self.keyed:
            self._leave_out_repeats([row for row in read if row.number not in bad], bad)
        cutter = PlainCutter(self)
        return [item for row in read for item in cutter.take(row, bad.get(row.number))] + [
            *cutter.end()
        ]

    def size(self, row: RawRow) -> int:
        return json_size(self.mapping.record(row.cells))

    def _reject(self, row: RawRow) -> RejectedRow | None:
        problem = row.problem or self.mapping.check(row.cells)
        if problem is not None:
            return RejectedRow(
                row.number, OutcomeStatus.REJECTED, problem.shown_code, problem.reason
            )
        limits = self.limits
        most = limits.max_bytes - limits.body_overhead - limits.record_overhead - 1
        most = min(most, limits.max_record_bytes or most)
        if self.size(row) <= most:
            return None
        return RejectedRow(
            row.number,
            OutcomeStatus.REJECTED,
            RejectCode.ROW_TOO_LARGE,
            f"The row takes {self.size(row):,} bytes when it is sent, and the vendor takes at "
            f"most {most:,} for a row. Shorten its cells.",
        )

    def _leave_out_repeats(self, good: Sequence[RawRow], bad: dict[int, RejectedRow]) -> None:
        policy = self.rules.on_duplicate
        met: dict[str, RawRow] = {}
        for row in good:
            key = self.mapping.key(row.cells)
            other = met.get(key)
            if other is None:
                met[key] = row
            elif policy is OnDuplicate.LAST:
                met[key] = row
                bad[other.number] = RejectedRow(
                    other.number,
                    OutcomeStatus.SKIPPED,
                    RejectCode.DUPLICATE_ROW_KEY,
                    "Ref: a row further down has the same key, and the last one counts.",
                )
            else:
                bad[row.number] = self._repeat(row, other)

    def _repeat(self, row: RawRow, first: RawRow) -> RejectedRow:
        same = all(row.cells[at] == first.cells[at] for at in self.mapping.compared)
        policy = self.rules.on_duplicate
        how = "repeats" if same else "has the key of"
        more = "" if same else " Its other cells differ from that row's."
        return RejectedRow(
            row.number,
            OutcomeStatus.REJECTED if policy is OnDuplicate.REJECT else OutcomeStatus.SKIPPED,
            RejectCode.DUPLICATE_ROW_KEY if same else RejectCode.CONFLICTING_ROW_KEY,
            f"Ref: {how} row {first.number}, which is the one that counts.{more}",
            unclear=policy is None and not same,
        )


@dataclass
class PlainCutter:
    """Fills chunk after chunk by the true weight of each row."""

    case: Case
    chunk: list[RawRow] = field(default_factory=list)
    weight: int = 0
    group: object = None
    number: int = 0
    start: int = 0
    end_offset: int = 0
    end_row: int = 0

    def __post_init__(self) -> None:
        self.left = self.case.cut_after

    def take(self, row: RawRow, reject: RejectedRow | None) -> Iterator[PlanItem]:
        if reject is not None:
            yield reject
        else:
            yield from self._good(row)
        self.end_row, self.end_offset = row.number, row.offset + row.length
        limits = self.case.limits
        trial_ends = self.left == 0 and bool(self.chunk)
        spanned = row.number - self.start >= limits.max_rows_spanned
        if trial_ends:
            self.left = None
        if trial_ends or spanned or len(self.chunk) == limits.max_records:
            yield self._closed() if self.chunk else Boundary(self.end_offset, self.end_row)
            self.start = row.number

    def end(self) -> Iterator[PlanItem]:
        if self.chunk:
            yield self._closed()
        elif self.end_row > self.start:
            yield Boundary(self.end_offset, self.end_row)

    def _good(self, row: RawRow) -> Iterator[PlanItem]:
        limits, group_of = self.case.limits, self.case.rules.group_of
        group = group_of(self.case.mapping.record(row.cells)) if group_of else None
        weight = self.case.size(row) + limits.record_overhead + 1
        full = limits.body_overhead + self.weight + weight > limits.max_bytes
        if self.left is not None:
            self.left -= 1
        if self.chunk and (full or group != self.group):
            yield self._closed()
            self.start = self.end_row
        self.chunk.append(row)
        self.weight += weight
        self.group = group

    def _closed(self) -> ChunkSpec:
        spans: list[Span] = []
        for row in self.chunk:
            last = spans[-1] if spans else None
            if last is not None and last.first_row + last.rows == row.number:
                length = row.offset + row.length - last.offset
                spans[-1] = Span(last.offset, length, last.first_row, last.rows + 1)
            else:
                spans.append(Span(row.offset, row.length, row.number, 1))
        closed = ChunkSpec(
            self.number, tuple(spans), len(self.chunk), self.end_offset, self.end_row
        )
        self.chunk, self.weight = [], 0
        self.number += 1
        return closed


@given(
    st.one_of(files, result_files),
    profiles,
    limits,
    encodings,
    duplicates,
    st.sampled_from((None, None, 1, 5)),
    st.booleans(),
    st.sampled_from((40, 200, 256 * 1024)),
)
def test_a_plan_of_blocks_is_the_plan_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    profile: Profile,
    limits: ChunkLimits,
    encoding: str | None,
    on_duplicate: OnDuplicate | None,
    cut_after: int | None,
    grouped: bool,
    block: int,
) -> None:
    data = text.encode(encoding or "utf-8", "replace")
    said = encoding if encoding == "cp1252" else None
    try:
        dialect = detect(data, whole=True, encoding=said)
        mapping = compile_mapping(profile, dialect.header, required=(("name", "email"),))
    except FileRefused:
        return
    rules = Rules(on_duplicate, group_of=(lambda r: r.get("priority")) if grouped else None)
    keyed = profile.row_key is not None
    case = Case(data, dialect, mapping, limits, rules, keyed, cut_after)
    expected = planned_or_refused(case.row_by_row)
    path = tmp_path_factory.mktemp("seen") / "seen.keys"
    with small_limits(block=block):
        assert planned_or_refused(lambda: case.planned(path)) == expected


def planned_or_refused(way: Callable[[], list[PlanItem]]) -> list[PlanItem] | str:
    """A plan, or the code with which the file is refused."""
    try:
        return way()
    except FileRefused as refused:
        return refused.code
