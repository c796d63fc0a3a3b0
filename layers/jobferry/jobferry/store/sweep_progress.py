"""How far the sweep is with what does not all fit into one of its invocations."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from jobferry.store import keys
from jobferry.store.operations import Update
from jobferry.store.table import Table


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """Where the next sweep goes on.

    Attributes:
        run: cursor of the last open run that was checked; empty: begin with the oldest
        filed_from: runs that began before this moment (epoch seconds) are in the right partition of
            the index
        connection: name of the last connection that was checked; empty: begin with the first
        file: key of the last upload that was looked at; empty: begin with the first
    """

    run: str = ""
    filed_from: float = 0.0
    connection: str = ""
    file: str = ""


class SweepProgressStore:
    """Access to `SWEEP`, `PROGRESS`: the sweep is the only one that reads it or writes it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self) -> SweepProgress:
        item = self._table.get(keys.SWEEP, keys.PROGRESS) or {}
        names = SweepProgress.__dataclass_fields__
        return SweepProgress(**{name: item[name] for name in names if name in item})

    def put(self, progress: SweepProgress) -> None:
        self._table.write(Update(keys.SWEEP, keys.PROGRESS, assign=asdict(progress)))
