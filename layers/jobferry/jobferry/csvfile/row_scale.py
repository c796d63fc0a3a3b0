"""How many bytes rows take when they are sent: a cheap bound first, the exact size if need be."""

from __future__ import annotations

import json

from jobferry.csvfile.plan_items import ChunkLimits, Weigh
from jobferry.csvfile.reader import RawRow
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.domain.types import JsonObject

_MOST_BYTES_PER_BYTE = 6
"""A control character is one byte in the file and six in JSON; everything else grows less."""


def json_size(record: JsonObject) -> int:
    """Bytes of the record as compact JSON in UTF-8."""
    return len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())


class RowScale:
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
