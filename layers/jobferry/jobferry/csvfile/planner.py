"""Rows → chunks and rejects: what would be sent in which job, and what would not.

A plan is cut at boundaries. Chunks depend on nothing but the rows after the boundary before
them, so planning can stop at any boundary, be forgotten, and go on from there with the same
result. Time and the size of a read never matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import sub
from zlib import crc32

from jobferry.csvfile.chunk_cutter import ChunkCutter
from jobferry.csvfile.duplicate_keys import Repeat, SeenKeys
from jobferry.csvfile.plan_items import NO_RULES, ChunkLimits, PlanItem, Rules, Superseded, Weigh
from jobferry.csvfile.reader import RowBlock
from jobferry.csvfile.rejected_share import RejectedShare
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.row_scale import RowScale, json_size
from jobferry.domain.error_codes import Problem, RejectCode
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import OnDuplicate


def plan(
    blocks: Iterable[RowBlock],
    mapping: RowMapping,
    limits: ChunkLimits,
    seen: SeenKeys | None,
    *,
    next_chunk: int = 0,
    cut_after: int | None = None,
    weigh: Weigh | None = None,
    rules: Rules = NO_RULES,
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
    scale = RowScale(mapping, limits, weigh or json_size)
    cutter = ChunkCutter(scale, limits, next_chunk, cut_after, rules.group_of, mapping)
    rejected = RejectedShare(rules.max_rejected)
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
    scale = RowScale(mapping, limits, weigh or json_size)
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


def judged(block: RowBlock, mapping: RowMapping, scale: RowScale) -> dict[int, RejectedRow]:
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
    return RejectedRow(row, OutcomeStatus.REJECTED, problem.shown_code, problem.reason)


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
