"""The requests of a connection in the last minute, and the rate that holds for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobferry.domain.connection import Learned, Log, RequestLog
from jobferry.store import keys
from jobferry.store.connection_access import ConnectionAccess
from jobferry.store.learned import learned_of
from jobferry.store.operations import Update
from jobferry.store.table import ConditionFailedError


class RequestLogs(ConnectionAccess):
    """Access to `CONN#<name>`, `REQUESTS`."""

    def requests(self, connection: str) -> RequestLog:
        item = self._table.get(keys.connection(connection), keys.REQUESTS) or {}
        logs = json.loads(item.get("logs", "{}"))
        return RequestLog(
            logs={name: tuple((s, n) for s, n in log) for name, log in logs.items()},
            learned=learned_of(item.get("learned")),
            advertised=item.get("told"),
            version=item.get("version", 0),
        )

    def advertised_rate(self, connection: str, per_minute: int) -> None:
        """The vendor's headers name its limit."""
        before = self.requests(connection)
        if before.advertised != per_minute:
            self._put_requests(connection, before, {"told": per_minute})

    def put_request_log(self, connection: str, before: RequestLog, logs: Mapping[str, Log]) -> bool:
        """Keep the requests of the last minute.

        Returns:
            False where they are no longer as they were read (`before`): somebody was faster.
        """
        return self._put_requests(connection, before, {"logs": _dump(logs)})

    def put_learned_rate(self, connection: str, before: RequestLog, learned: Learned) -> None:
        """Keep a limit that was found out, unless the log has changed meanwhile."""
        self._put_requests(connection, before, {"learned": [learned.value, learned.at]})

    def _put_requests(self, connection: str, before: RequestLog, change: Mapping[str, Any]) -> bool:
        absent = "attribute_not_exists(version)"
        try:
            self._table.write(
                Update(
                    keys.connection(connection),
                    keys.REQUESTS,
                    assign={**change, "version": before.version + 1},
                    condition=absent if before.version == 0 else "version = :was",
                    values={} if before.version == 0 else {":was": before.version},
                )
            )
        except ConditionFailedError:
            return False  # another lane was faster
        return True


def _dump(logs: Mapping[str, Log]) -> str:
    return json.dumps(logs, separators=(",", ":"))
