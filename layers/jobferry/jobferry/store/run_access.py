"""What all that write the item of a run share: one way to change it."""

from __future__ import annotations

from typing import Any

from jobferry.store import keys
from jobferry.store.operations import Update
from jobferry.store.table import ConditionFailedError, Table

OPEN = "attribute_exists(pk) AND attribute_not_exists(closed_at)"
"""Holds for a run that is there and not closed."""


class RunAccess:
    """Access to `RUN#<run>`, `META`.

    Every write of it but the first is conditioned on the item being there. A function that was far
    behind would otherwise make a new item of a run that is deleted, one without a name.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def _change(self, run_id: str, **change: Any) -> bool:
        try:
            self._table.write(Update(keys.run(run_id), keys.META, **change))
        except ConditionFailedError:
            return False
        return True
