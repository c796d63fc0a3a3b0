from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.chunk_cutter import MOST_SPANS
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.plan_items import Boundary, ChunkLimits, ChunkSpec, PlanItem, Rules
from jobferry.csvfile.planner import superseded_rows
from jobferry.csvfile.reader import read_blocks
from jobferry.csvfile.records import SourceChanged, read_records
from jobferry.csvfile.row_scale import json_size
from jobferry.domain.chunk import Span
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import Column, ColumnType, OnDuplicate
from tests.unit.csvfile.samples import (
    GENEROUS,
    csv_text,
    mapping_for,
    messy_files,
    planned,
    profile,
    read,
    small_limits,
    tables,
)

COLUMNS = {"A": Column("a"), "B": Column("b.c", optional=True)}
limits = st.builds(
    ChunkLimits,
    max_records=st.integers(1, 6),
    max_bytes=st.integers(40, 200),
    max_rows_spanned=st.integers(1, 8),
    body_overhead=st.just(10),
)


def chunks_of(items: list[PlanItem]) -> list[ChunkSpec]:
    return [item for item in items if isinstance(item, ChunkSpec)]


def rejects_of(items: list[PlanItem]) -> list[RejectedRow]:
    return [item for item in items if isinstance(item, RejectedRow)]


def rows_of(chunk: ChunkSpec) -> list[int]:
    return [
        row
        for span in chunk.spans
        for row in range(span.first_row, span.first_row + span.rows)
    ]  # fmt: skip


@given(messy_files, limits)
def test_every_row_is_in_one_chunk_or_rejected(data: bytes, limits: ChunkLimits) -> None:
    dialect, rows = read(data)
    items = planned(data, mapping_for(dialect, columns=COLUMNS), dialect, limits=limits)
    places = [reject.row for reject in rejects_of(items)]
    for number, chunk in enumerate(chunks_of(items)):
        assert chunk.number == number
        assert 0 < chunk.rows <= limits.max_records
        assert len(rows_of(chunk)) == chunk.rows
        places += rows_of(chunk)
    assert sorted(places) == [row.number for row in rows]
    if rows:
        last = items[-1]
        assert not isinstance(last, RejectedRow)
        assert last.end_row == len(rows)
        assert not data[last.end_offset :].translate(None, b', "\r\n')


@given(messy_files, limits)
def test_spans_and_gaps_are_the_file(data: bytes, limits: ChunkLimits) -> None:
    dialect, rows = read(data)
    items = planned(data, mapping_for(dialect, columns=COLUMNS), dialect, limits=limits)
    bad = {reject.row for reject in rejects_of(items)}
    covered = bytearray(len(data))
    for chunk in chunks_of(items):
        for span in chunk.spans:
            assert not any(covered[span.offset : span.offset + span.length])
            covered[span.offset : span.offset + span.length] = b"x" * span.length
            assert span.offset + span.length <= chunk.end_offset
    for row in rows:
        used = covered[row.offset : row.offset + row.length]
        assert bytes(used) == (b"\0" if row.number in bad else b"x") * row.length


@given(messy_files, limits)
def test_spans_read_back_as_the_same_records(data: bytes, limits: ChunkLimits) -> None:
    dialect, rows = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    cells = {row.number: row.cells for row in rows}
    for chunk in chunks_of(planned(data, mapping, dialect, limits=limits)):
        start = chunk.spans[0].offset
        end = chunk.spans[-1].offset + chunk.spans[-1].length
        records = read_records(data[start:end], start, chunk.spans, dialect, mapping)
        assert records == [(row, mapping.record(cells[row])) for row in rows_of(chunk)]
        body = sum(json_size(record) + 1 for _, record in records) + limits.body_overhead
        assert body <= limits.max_bytes


@given(messy_files, limits, st.integers(1, 12))
def test_a_chunk_ends_after_so_many_good_rows(
    data: bytes, limits: ChunkLimits, wanted: int
) -> None:
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    whole = planned(data, mapping, dialect, limits=limits)
    cut = planned(data, mapping, dialect, limits=limits, cut_after=wanted)
    good = [row for chunk in chunks_of(whole) for row in rows_of(chunk)]
    assert [row for chunk in chunks_of(cut) for row in rows_of(chunk)] == good
    ends = list(accumulate(chunk.rows for chunk in chunks_of(cut)))
    assert wanted in ends or wanted > len(good)
    # Nobody can tell from the plan after the cut that there was one.
    at = next((n for n, end in enumerate(ends) if end == wanted), None)
    if at is not None:
        place = chunks_of(cut)[at]
        assert cut[cut.index(place) + 1 :] == planned(
            data,
            mapping,
            dialect,
            limits=limits,
            offset=place.end_offset,
            row=place.end_row,
            next_chunk=place.number + 1,
        )
    assert rejects_of(cut) == rejects_of(whole)


@given(messy_files, limits)
def test_resuming_at_any_boundary_gives_the_same_plan(data: bytes, limits: ChunkLimits) -> None:
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    items = planned(data, mapping, dialect, limits=limits)
    next_chunk = 0
    for index, item in enumerate(items):
        if isinstance(item, RejectedRow):
            continue
        next_chunk += isinstance(item, ChunkSpec)
        rest = planned(
            data,
            mapping,
            dialect,
            limits=limits,
            offset=item.end_offset,
            row=item.end_row,
            next_chunk=next_chunk,
        )
        assert rest == items[index + 1 :]


@given(table=tables(), keys=st.lists(st.sampled_from("abc"), max_size=12), limits=limits)
def test_resuming_with_seen_keys_gives_the_same_plan(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    keys: list[str],
    limits: ChunkLimits,
) -> None:
    data = csv_text([["A", "B"], *([key, str(n)] for n, key in enumerate(keys))]).encode()
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS, row_key="A")
    path = tmp_path_factory.mktemp("seen") / "seen.keys"
    with SeenKeys(path) as seen:
        items = planned(data, mapping, dialect, limits=limits, seen=seen)
        seen.save(len(keys))
    next_chunk = sum(isinstance(item, ChunkSpec) for item in items)
    for index in reversed(range(len(items))):
        item = items[index]
        if isinstance(item, RejectedRow):
            continue
        with SeenKeys(path, complete_to=item.end_row) as seen:
            rest = planned(
                data,
                mapping,
                dialect,
                limits=limits,
                seen=seen,
                offset=item.end_offset,
                row=item.end_row,
                next_chunk=next_chunk,
            )
            seen.save(len(keys))
        assert rest == items[index + 1 :]
        next_chunk -= isinstance(item, ChunkSpec)
    assert sum(chunk.rows for chunk in chunks_of(items)) == len(set(keys))


@given(st.lists(st.sampled_from(["1,2", "x,y,z", ",2", '3,"4', "5,6"]), max_size=20), st.data())
def test_bad_rows_do_not_renumber_others(rows: list[str], data: st.DataObject) -> None:
    _, before = read("\n".join(["A,B", *rows]).encode())
    # Rows with an open quote may pair up with each other; alone they cost one row as any other.
    if not rows or '3,"4' in rows:
        return
    place = data.draw(st.integers(0, len(rows) - 1))
    changed = [*rows[:place], '9,"open', *rows[place + 1 :]]
    _, after = read("\n".join(["A,B", *changed]).encode())
    if any(row.count(",") != 1 for row in changed[place:]):
        return  # what is below may be part of the cell
    assert [row.number for row in after] == [row.number for row in before]
    assert [row for row in after if row.number - 1 < place] == before[:place]
    assert [row.cells for row in after[place + 1 :]] == [row.cells for row in before[place + 1 :]]


def test_good_rows_on_both_sides_of_a_bad_one() -> None:
    data = b"A,B\n1,2\n\n3,4\n,,bad\n5,6\n"
    dialect, _ = read(data)
    items = planned(data, mapping_for(dialect, columns=COLUMNS), dialect)
    reject, chunk = items
    assert isinstance(reject, RejectedRow)
    assert (reject.row, reject.status, reject.code) == (3, "rejected", "wrong_cell_count")
    assert chunk == ChunkSpec(0, (Span(4, 9, 1, 2), Span(19, 4, 4, 1)), 3, 23, 4)


def test_chunks_end_at_the_record_limit() -> None:
    data = b"A,B\n" + b"1,2\n" * 250
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    chunks = chunks_of(planned(data, mapping, dialect))
    assert [(chunk.number, chunk.rows) for chunk in chunks] == [(0, 100), (1, 100), (2, 50)]
    assert chunks[0].end_offset == chunks[1].spans[0].offset


@pytest.mark.parametrize("every", [2, 3])
def test_a_chunk_has_a_bounded_number_of_spans(every: int) -> None:
    """Each rejected row between good ones begins another span; items of the table are bounded."""
    rows = ["x,1" if n % every else ",1" for n in range(1, 12_001)]
    data = "\n".join(["A,B", *rows, ""]).encode()
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    most = ChunkLimits(max_records=100_000, max_bytes=10**9, max_rows_spanned=10**9)
    chunks = chunks_of(planned(data, mapping, dialect, limits=most))

    good = [n for n in range(1, 12_001) if n % every]
    assert [row for chunk in chunks for row in rows_of(chunk)] == good
    assert len(chunks) > 1
    assert {len(chunk.spans) for chunk in chunks[:-1]} == {MOST_SPANS}


def test_chunks_are_filled_by_true_weight_and_not_by_the_estimate() -> None:
    data = b"A,B\n" + b"%s,\n" % (b"x" * 990) * 100
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    tight = ChunkLimits(max_records=100, max_bytes=20_000)
    assert [c.rows for c in chunks_of(planned(data, mapping, dialect, limits=tight))] == [20] * 5


def test_a_row_that_no_request_can_carry() -> None:
    data = b'A,B\n1,2\n"%s",2\n3,4\n' % (b'""' * 50)
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    items = planned(data, mapping, dialect, limits=ChunkLimits(10, max_bytes=100))
    (reject,) = rejects_of(items)
    assert (reject.row, reject.code) == (2, "row_too_large")
    assert [rows_of(chunk) for chunk in chunks_of(items)] == [[1, 3]]


@pytest.mark.parametrize(("most", "rejected"), [(None, []), (21, []), (20, [2]), (12, [2, 3])])
def test_a_record_may_be_bounded_by_itself(most: int | None, rejected: list[int]) -> None:
    data = b"A\n1\n1234567890123\n12345\n"
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns={"A": Column("a")})
    bounds = ChunkLimits(10, max_bytes=1_000, body_overhead=10, max_record_bytes=most)
    items = planned(data, mapping, dialect, limits=bounds)
    assert [reject.row for reject in rejects_of(items)] == rejected
    assert all(f"at most {most} for a row" in reject.reason for reject in rejects_of(items))
    assert sum(chunk.rows for chunk in chunks_of(items)) == 3 - len(rejected)


def test_many_bad_rows_have_boundaries_too() -> None:
    data = b"A,B\n" + b",,b\n" * 25
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    items = planned(data, mapping, dialect, limits=ChunkLimits(5, 1000, max_rows_spanned=10))
    boundaries = [item for item in items if isinstance(item, Boundary)]
    assert boundaries == [Boundary(44, 10), Boundary(84, 20), Boundary(104, 25)]


def test_a_header_only_file_is_an_empty_plan() -> None:
    dialect, _ = read(b"A,B\n")
    assert planned(b"A,B\n", mapping_for(dialect, columns=COLUMNS), dialect) == []


def test_repeats_are_skipped_and_only_good_rows_count(tmp_path: Path) -> None:
    data = b"B,A\n,k\n1,\nx,k\ny,K\nx, k\nz,k\n"
    dialect, _ = read(data)
    columns = {"A": Column("a"), "B": Column("b")}
    mapping = mapping_for(dialect, columns=columns, row_key="A")
    with SeenKeys(tmp_path / "seen.keys") as seen:
        items = planned(data, mapping, dialect, seen=seen)
    assert [(r.row, r.status, r.code) for r in rejects_of(items)] == [
        (1, OutcomeStatus.REJECTED, "missing_value"),
        (2, OutcomeStatus.REJECTED, "missing_row_key"),
        (5, OutcomeStatus.SKIPPED, "duplicate_row_key"),
        (6, OutcomeStatus.SKIPPED, "conflicting_row_key"),
    ]
    assert [reject.unclear for reject in rejects_of(items)] == [False, False, False, True]
    assert "row 3" in rejects_of(items)[2].reason


@pytest.mark.parametrize("kind", [ColumnType.STRING, ColumnType.INTEGER])
def test_a_row_key_that_counts_as_empty_is_none(tmp_path: Path, kind: ColumnType) -> None:
    data = b"A,B\n1,x\nNULL,y\n NULL,z\n2,x\n"
    dialect, _ = read(data)
    columns = {"A": Column("n", kind, optional=True), "B": Column("b")}
    keyed = replace(profile(columns, row_key="A"), null_values=("NULL",))
    mapping = compile_mapping(keyed, dialect.header)
    with SeenKeys(tmp_path / "seen.keys") as seen:
        items = planned(data, mapping, dialect, seen=seen)
    assert [(r.row, r.code) for r in rejects_of(items)] == [
        (2, "missing_row_key"),
        (3, "missing_row_key"),
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("first", {2: ("skipped", "duplicate_row_key"), 3: ("skipped", "conflicting_row_key")}),
        ("reject", {2: ("rejected", "duplicate_row_key"), 3: ("rejected", "conflicting_row_key")}),
    ],
)
def test_what_becomes_of_repeats(
    tmp_path: Path, policy: str, expected: dict[int, tuple[str, str]]
) -> None:
    data = b'A,B\n1002,x\n01002,x\n" 1002",y\n'
    dialect, _ = read(data)
    columns = {"A": Column("id", ColumnType.INTEGER), "B": Column("b")}
    mapping = mapping_for(dialect, columns=columns, row_key="A")
    rules = Rules(on_duplicate=OnDuplicate(policy))
    with SeenKeys(tmp_path / "seen.keys") as seen:
        items = planned(data, mapping, dialect, seen=seen, rules=rules)
    assert {r.row: (r.status, r.code) for r in rejects_of(items)} == expected


@given(st.lists(st.sampled_from(["a,1", "a,2", "b,1", "c,1", ",1"]), max_size=30))
def test_the_last_of_several_rows_counts_where_the_profile_says_so(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    data = "\n".join(["A,B", *rows]).encode()
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS, row_key="A")
    blocks = read_blocks(BytesIO(data[4:]), dialect, offset=4, row=0)
    path = tmp_path_factory.mktemp("seen") / "seen.keys"
    with SeenKeys(path) as seen:
        superseded = superseded_rows(blocks, mapping, GENEROUS, seen)
    items = planned(data, mapping, dialect, rules=Rules(superseded=superseded))
    sent = [rows[row - 1] for chunk in chunks_of(items) for row in rows_of(chunk)]
    last = {row[0]: row for row in rows if row[0] != ","}
    assert sorted(sent) == sorted(last.values())
    skipped = [reject for reject in rejects_of(items) if reject.status == "skipped"]
    assert len(sent) + len(skipped) == sum(row[0] != "," for row in rows)


@pytest.mark.parametrize(
    ("bad", "rows", "refused"),
    [
        (range(901), 1_000, True),
        (range(900), 1_000, False),
        (range(999), 999, False),
        (range(2_000, 11_500), 20_000, False),
        (range(10_000, 19_500), 20_000, True),
    ],
)
def test_a_file_most_rows_of_which_are_rejected_is_refused(
    bad: range, rows: int, *, refused: bool
) -> None:
    data = b"A,B\n" + b"".join(b",2\n" if n in bad else b"1,2\n" for n in range(rows))
    dialect, _ = read(data[:400])
    mapping = mapping_for(dialect, columns=COLUMNS)
    rules = Rules(max_rejected=0.9)
    if not refused:
        assert len(rejects_of(planned(data, mapping, dialect, rules=rules))) == len(bad)
        return
    with pytest.raises(FileRefused, match="missing_value") as caught:
        planned(data, mapping, dialect, rules=rules)
    assert caught.value.code == "too_many_rejected"
    assert len(rejects_of(planned(data, mapping, dialect))) == len(bad)


def test_rows_that_no_request_takes_together_are_parted() -> None:
    data = b"A,B\n" + b"1,x\n" * 3 + b"2,y\n" * 2 + b"3,x\n"
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    rules = Rules(group_of=lambda record: record["b"]["c"])
    items = planned(data, mapping, dialect, rules=rules)
    assert [chunk.rows for chunk in chunks_of(items)] == [3, 2, 1]


def test_repeats_are_found_across_batches(tmp_path: Path) -> None:
    rows = 5_000
    data = b"A,B\n" + b"".join(b"%d,x\n" % (n % 4_000) for n in range(rows))
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS, row_key="A")
    with SeenKeys(tmp_path / "seen.keys") as seen:
        items = planned(data, mapping, dialect, seen=seen)
    assert [reject.row for reject in rejects_of(items)] == list(range(4_001, 5_001))


def test_rows_that_are_not_as_planned_are_not_sent() -> None:
    data = b"A,B\n1,2\n3,4\n"
    dialect, _ = read(data)
    mapping = mapping_for(dialect, columns=COLUMNS)
    for changed in (b"1,2\n3,4,5", b"1,2\n\n\n\n\n", b"1,2\n3,", b"1,2\n,44\n"):
        with pytest.raises(SourceChanged):
            read_records(changed, 4, [Span(4, 8, 1, 2)], dialect, mapping)


def test_planning_reads_no_more_than_it_needs() -> None:
    data = b"A,B\n" + b"1,2\n" * 100_000
    dialect, _ = read(data[:4])

    class Counted:
        taken = 0

        def read(self, size: int, /) -> bytes:
            start = 4 + self.taken
            self.taken += size
            return data[start : start + size]

    source = Counted()
    with small_limits(block=1024):
        next(read_blocks(source, dialect, offset=4, row=0))
    assert source.taken == 1024
