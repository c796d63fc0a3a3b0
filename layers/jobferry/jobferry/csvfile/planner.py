"""Rows → chunks and rejects: what would be sent in which job, and what would not.

A plan is cut at boundaries. Chunks depend on nothing but the rows after the boundary before
them, so planning can stop at any boundary, be forgotten, and go on from there with the same
result. Time and the size of a read never matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jobferry.csvfile.chunk_cutter import ChunkCutter
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.judged_block import JudgedBlock
from jobferry.csvfile.plan_items import NO_RULES, ChunkLimits, PlanItem, Rules, Superseded, Weigh
from jobferry.csvfile.reader import RowBlock
from jobferry.csvfile.rejected_share import RejectedShare
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.row_scale import RowScale, json_size
from jobferry.domain.outcome import RejectedRow


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
        bad = _left_out(JudgedBlock(block, mapping, scale), seen, rules)
        rejected.note(block, bad)
        yield from cutter.take(block, bad)
    yield from cutter.end()


def _left_out(
    judged: JudgedBlock, seen: SeenKeys | None, rules: Rules
) -> Mapping[int, RejectedRow]:
    """The rows of a block that are not sent, by their places."""
    if seen is not None:
        judged.leave_out_repeats(seen, rules.on_duplicate)
    elif rules.superseded is not None:
        judged.leave_out_superseded(rules.superseded)
    return judged.bad


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
        for row, repeat in JudgedBlock(block, mapping, scale).repeats(seen).items():
            found.add(latest.get(repeat.row, repeat.row))
            latest[repeat.row] = row
    return found
