"""Rows of a file that change the same record: what comes of them depends on their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.reader import RowBlock
from jobferry.csvfile.row_mapping import RowMapping, RowRejected


def rows_that_share_records(
    blocks: Iterable[RowBlock],
    mapping: RowMapping,
    named_by: Sequence[str],
    seen: SeenKeys,
    without: frozenset[int],
) -> int:
    """How many rows change a record that another row changes, too.

    Args:
        blocks: of the whole file.
        named_by: fields any of which says which record a row means, the first that is filled.
        seen: empty.
        without: numbers of rows that are not sent.
    """
    repeats = 0
    firsts: set[int] = set()
    for block in blocks:
        rows: list[int] = []
        names: list[str] = []
        for place in range(len(block.cells)):
            row = block.first + place
            if row in without or place in block.problems:
                continue
            name = _name(mapping, block.cells[place], named_by)
            if name:
                rows.append(row)
                names.append(name)
        found = seen.add(rows, names, [0] * len(rows))
        repeats += len(found)
        firsts.update(repeat.row for repeat in found.values())
    return repeats + len(firsts)


def _name(mapping: RowMapping, cells: Sequence[str], named_by: Sequence[str]) -> str:
    """The record that a row means; empty where it names none."""
    try:
        record = mapping.record(cells)
    except RowRejected:
        return ""
    for field in named_by:
        value = record.get(field)
        if value not in (None, ""):
            return f"{field}:{value}"
    return ""
