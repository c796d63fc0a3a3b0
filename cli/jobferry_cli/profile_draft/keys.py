"""Which column distinguishes the rows: the `row_key` of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobferry.vendors.operation import Operation

_PEOPLES_KEYS = ("email", "name", "phone")
"""Fields that name a record to people, if not to the vendor."""


@dataclass(frozen=True, slots=True)
class RowKey:
    """What a draft says of the `row_key`.

    Attributes:
        header: of its column; None: none is proposed
        note: what somebody should know
        alternatives: headers that may do
    """

    header: str | None = None
    note: str | None = None
    alternatives: tuple[str, ...] = ()


def row_key_of(
    operation: Operation,
    columns: Sequence[tuple[str, str, Sequence[str]]],
    empty_words: Sequence[str] = (),
) -> RowKey:
    """The column that names the record of a row, if it is unique in the sample.

    Args:
        columns: header, field and cells (also empty ones) of each mapped column.
        empty_words: cells that count as empty.
    """
    by_field = {field: (header, cells) for header, field, cells in columns}
    naming = (*_names(operation), "external_id", "id", *operation.identified_by)
    repeated = None
    for field in dict.fromkeys(naming):
        if field not in by_field:
            continue
        header, cells = by_field[field]
        if _unique(cells, empty_words):
            return RowKey(header)
        repeated = repeated or header
    others = tuple(
        header
        for header, field, cells in columns
        if field in _PEOPLES_KEYS and len(cells) > 1 and _unique(cells, empty_words)
    )
    if repeated is not None:
        return RowKey(
            None,
            f"{repeated} repeats, or is empty in places: with row_key only the first row of each "
            "would be sent",
            (repeated, *(each for each in others if each != repeated)),
        )
    if others:
        return RowKey(
            None,
            "none of the columns names a record; these are unique in the sample: "
            + ", ".join(others[:3]),
            others,
        )
    return RowKey()


def _names(operation: Operation) -> tuple[str, ...]:
    """Fields by which the vendor knows a record, the surest first."""
    if operation.external_id_field:
        return (operation.external_id_field, *operation.match_on)
    return operation.match_on


def _unique(cells: Sequence[str], empty_words: Sequence[str]) -> bool:
    seen = [cell.casefold() for cell in cells]
    whole = bool(seen) and all(seen) and not set(cells) & set(empty_words)
    return whole and len(set(seen)) == len(seen)
