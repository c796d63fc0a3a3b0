"""Capacity units, counted on our side."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from jobferry.store.operations import Operation, Put


class Units:
    """Capacity units used so far.

    Attributes:
        written: one per kilobyte and index written, twice that in transactions
        read: one for each item that is asked for, and for every four kilobytes of a query

    Counted here, since a transaction's answer tells nothing of them unless it is asked for in a
    form that costs more to read than it is worth. An update is taken for a small item's, and what
    a query finds for items of a quarter of a kilobyte.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.written = 0
        self.read = 0

    def asked_for(self, items: int) -> None:
        """Items were read by their keys."""
        with self._lock:
            self.read += items

    def found(self, items: int) -> None:
        """A query read so many."""
        with self._lock:
            self.read += 1 + items // 16

    def add(self, operations: Sequence[Operation], *, together: bool = False) -> None:
        units = units_of(operations)
        with self._lock:
            self.written += 2 * units if together else units


def units_of(operations: Sequence[Operation]) -> int:
    """Write units of these operations outside a transaction."""
    return sum(map(_units, operations))


_INDEXED = ("time_pk", "person_pk")
_UNIT_BYTES = 1024


def _units(operation: Operation) -> int:
    if isinstance(operation, Put):
        size = sum(len(name) + _size(value) for name, value in operation.item.items())
        indexes = sum(name in operation.item for name in _INDEXED)
        return -(-size // _UNIT_BYTES) * (1 + indexes)
    return 1


def _size(value: object) -> int:
    return len(value) if isinstance(value, bytes) else len(str(value))
