"""What was learned of an operation on a connection: how long jobs take, what gets lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobferry.domain.connection import Learned
from jobferry.domain.latency import Latency, by_size
from jobferry.store import keys
from jobferry.store.connection_access import ConnectionAccess
from jobferry.store.operations import Update

_LOST = "lost_"


class LearnedLatencies(ConnectionAccess):
    """Access to `CONN#<name>`, `LEARNED#<operation>`."""

    def latencies(self, connection: str, operation: str) -> dict[str, Latency]:
        """What was learned of jobs of an operation, by size class; `""` for all sizes."""
        item = self._table.get(keys.connection(connection), keys.learned(operation)) or {}
        found = {
            name: Latency.from_list(values)
            for name, values in json.loads(item.get("latencies", "{}")).items()
        }
        return {name: latency for name, latency in found.items() if latency is not None}

    def put_latencies(
        self, connection: str, operation: str, latencies: Mapping[str, Latency]
    ) -> None:
        """Keep what is known of jobs of an operation, by size class.

        Two lanes that learn at once lose one lesson; there are many.
        """
        self._table.write(
            Update(
                keys.connection(connection),
                keys.learned(operation),
                assign={"latencies": json.dumps({n: la.to_list() for n, la in latencies.items()})},
            )
        )

    def lost(self, connection: str, operation: str) -> dict[str, int]:
        """Submissions of an operation that got no clear answer, by size class of the job."""
        item = self._table.get(keys.connection(connection), keys.learned(operation)) or {}
        return {name.removeprefix(_LOST): n for name, n in item.items() if name.startswith(_LOST)}

    def learn_lost(self, connection: str, operation: str, rows: int) -> None:
        """A submission of so many rows got no clear answer."""
        self._table.write(
            Update(
                keys.connection(connection),
                keys.learned(operation),
                add={_LOST + by_size(rows): 1},
            )
        )


def learned_of(saved: Any) -> Learned | None:
    return Learned(float(saved[0]), float(saved[1])) if saved else None
