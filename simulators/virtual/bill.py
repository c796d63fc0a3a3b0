"""What a simulated deployment uses, counted as AWS bills it, and what that costs.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobferry.domain import prices

WRITE_BYTES = 1024
READ_BYTES = 4096
ITEM_OVERHEAD = 100
"""Bytes that storage counts for each item, and for its copy in each index.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""

INDEXES = (("time_pk", "time_sk"), ("person_pk", "sk"))
"""Keys of the table's indexes (template.yaml). Each holds whole items."""


@dataclass
class Bill:
    """Counts of one deployment.

    Attributes:
        write_units, read_units: of the table and its indexes
        index_units: those of `write_units` that the indexes took
        gb_seconds: by function, starts of cold ones included
        cold: cold starts, by function
        conflicts: requests that failed because a transaction held an item
        failures: tasks that failed and were tried again
        calls: requests of the table, by kind
    """

    write_units: float = 0
    index_units: float = 0
    read_units: float = 0
    transitions: int = 0
    puts: int = 0
    gets: int = 0
    secrets: int = 0
    conflicts: int = 0
    failures: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    cold: Counter[str] = field(default_factory=Counter)
    gb_seconds: dict[str, float] = field(default_factory=dict)

    def wrote(self, before: int, after: int, *, together: bool = False) -> None:
        """An item of so many bytes was written; 0 stands for none."""
        self.write_units += (2 if together else 1) * units(max(before, after), WRITE_BYTES)

    def indexed(
        self,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        sizes: tuple[int, int],
    ) -> None:
        """The item's copies in the indexes were written, removed, or moved."""
        for names in INDEXES:
            old, new = _key(before, names), _key(after, names)
            if old is None and new is None:
                continue
            if old == new:
                taken = units(max(sizes), WRITE_BYTES)
            else:
                pairs = ((old, sizes[0]), (new, sizes[1]))
                taken = sum(units(size, WRITE_BYTES) for key, size in pairs if key is not None)
            self.index_units += taken
            self.write_units += taken

    def read(self, size: int, *, consistent: bool = True) -> None:
        """An item was read, or a page of items, of so many bytes."""
        self.read_units += units(size, READ_BYTES) * (1.0 if consistent else 0.5)

    @property
    def used(self) -> prices.Used:
        return prices.Used(
            write_units=self.write_units - self.index_units,
            index_units=self.index_units,
            read_units=self.read_units,
            transitions=self.transitions,
            invocations=self.invocations.total(),
            gb_seconds=sum(self.gb_seconds.values()),
            puts=self.puts,
            gets=self.gets,
            secret_reads=self.secrets,
        )


def units(size: int, step: int) -> int:
    """Capacity units of so many bytes, one at the least."""
    return max(1, -(-size // step))


def _key(item: Mapping[str, Any] | None, names: tuple[str, str]) -> tuple[str, str] | None:
    if item is None or any(name not in item for name in names):
        return None
    return item[names[0]], item[names[1]]
