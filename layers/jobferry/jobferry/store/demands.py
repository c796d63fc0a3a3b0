"""How many slots of a connection each of its runs could use."""

from __future__ import annotations

from jobferry.domain.connection import Demand
from jobferry.store import keys
from jobferry.store.connection_access import ConnectionAccess
from jobferry.store.operations import Delete, Update

DEMAND_SECONDS = 300.0
"""A run that has not said for this long what it needs has no share: nobody works on it."""


class Demands(ConnectionAccess):
    """Access to `CONN#<name>`, `NEED#<run>`."""

    def need(self, connection: str, demand: Demand, now: float) -> None:
        """Say what a run needs of the connection's slots; what needs nothing is not spoken of."""
        if not demand.need:
            self.delete_demand(connection, demand.run_id)
            return
        self._table.write(
            Update(
                keys.connection(connection),
                keys.demand(demand.run_id),
                assign={
                    "run_id": demand.run_id,
                    "priority": demand.priority,
                    "need": demand.need,
                    "said_at": now,
                    "expires_at": int(now) + 86_400,
                },
            )
        )

    def delete_demand(self, connection: str, run_id: str) -> None:
        self._table.write(Delete(keys.connection(connection), keys.demand(run_id)))

    def demands(self, connection: str, now: float) -> list[Demand]:
        """What the runs of a connection need, of those that somebody carries."""
        items = self._table.query(keys.connection(connection), prefix=keys.demand(""))
        return [
            Demand(item["run_id"], item["priority"], item["need"])
            for item in items
            if item["said_at"] > now - DEMAND_SECONDS
        ]
