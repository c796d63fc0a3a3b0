"""What the ledger keeps of what others noted, once more on a DynamoDB API."""

from __future__ import annotations

from tests.unit.store.test_retention import (
    TestChunk,
    TestHolders,
    TestOutage,
    TestRun,
)

__all__ = [
    "TestChunk",
    "TestHolders",
    "TestOutage",
    "TestRun",
]
