"""What all that is kept of a connection share."""

from __future__ import annotations

from jobferry.store.table import Table


class ConnectionAccess:
    """Access to `CONN#<name>`."""

    def __init__(self, table: Table) -> None:
        self._table = table
