"""What a plan is made of, and what bounds it: values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from jobferry.domain.chunk import Span
from jobferry.domain.outcome import RejectedRow
from jobferry.domain.profile import OnDuplicate
from jobferry.domain.types import JsonObject

Weigh = Callable[[JsonObject], int]
"""A record → the bytes that it takes in the request body, without the comma after it."""

GroupOf = Callable[[JsonObject], object]
"""A record → what all records of one request must have in common."""


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """How much one job may hold.

    Attributes:
        max_records: records in one request
        max_bytes: bytes of one request body
        max_rows_spanned: rows of the file from one boundary to the next, bad ones included
        body_overhead: bytes of a body without its records: `{"tickets":[]}`
        record_overhead: bytes that the request adds to each record
        max_record_bytes: bytes of one record by itself, if the vendor bounds them
    """

    max_records: int
    max_bytes: int
    max_rows_spanned: int = 1_000
    body_overhead: int = 0
    record_overhead: int = 0
    max_record_bytes: int | None = None


class ChunkSpec(NamedTuple):
    """The good rows of one job. Its end is a boundary.

    Attributes:
        number: from 0 on, without gaps
        spans: where the rows lie; they touch only when rows between them are bad
        rows: how many they are
        end_offset: byte after the last row read
        end_row: number of that row
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


class Superseded:
    """A set of row numbers, a bit for each row.

    Args:
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

    def among(self, first: int, count: int) -> list[int]:
        """Which of so many rows from `first` on are in the set."""
        if not any(self.bits[first >> 3 : (first + count + 7) >> 3]):
            return []
        return [row for row in range(first, first + count) if row in self]


@dataclass(frozen=True, slots=True)
class Rules:
    """What else decides which rows are sent, and with which others.

    Attributes:
        on_duplicate: what becomes of rows whose key an earlier one has
        superseded: rows whose key a later one has, where the last one counts
        max_rejected: share of rejected rows beyond which the file is refused; 1: never
        group_of: what all records of a job must have in common; None: nothing
    """

    on_duplicate: OnDuplicate | None = None
    superseded: Superseded | None = None
    max_rejected: float = 1.0
    group_of: GroupOf | None = None


NO_RULES = Rules()
