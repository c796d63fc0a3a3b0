"""The DynamoDB table: who may do what next, and what became of every row.

`Store` gathers the parts; each names its access patterns as methods.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobferry.store.chunks import Chunks
from jobferry.store.config import Config
from jobferry.store.connection_limits import ConnectionLimitsStore
from jobferry.store.notices import Notices
from jobferry.store.rows import Rows
from jobferry.store.runs import Runs
from jobferry.store.sweep_progress import SweepProgressStore
from jobferry.store.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Store:
    """One table, seen as runs, chunks, rows, limits and configuration.

    Args:
        client: a boto3 DynamoDB client.
        table_name: the table.
        retention_days: how long runs, chunks and rows are kept.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        retention_days: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        table = Table(client, table_name, sleep)
        self.retention = retention_days * 86_400
        self.runs = Runs(table)
        self.chunks = Chunks(table)
        self.rows = Rows(table)
        self.limits = ConnectionLimitsStore(table)
        self.config = Config(table)
        self.sweep = SweepProgressStore(table)
        self.notices = Notices(table)
        self._table = table

    def write_units(self) -> int:
        """Write units that this store has used so far."""
        return self._table.units.written

    def read_units(self) -> int:
        """Read units that this store has used so far."""
        return self._table.units.read
