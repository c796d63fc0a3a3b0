"""The tests of the store run here against a table in memory, and in `tests/integration` against a
DynamoDB API: both conftests give the same two fixtures."""

from __future__ import annotations

import pytest

from jobferry.store import Store
from jobferry.store.table import Table
from virtual.table import FakeTable, fake_store


@pytest.fixture
def table() -> Table:
    # Small pages, so that most queries of a test read several.
    return FakeTable(page_items=3)


@pytest.fixture
def store(table: Table) -> Store:
    return fake_store(table)
