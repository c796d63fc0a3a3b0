"""What the ledger keeps of what others noted, once more on a DynamoDB API."""

from __future__ import annotations

from tests.unit.ledger.test_what_is_kept import (
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
