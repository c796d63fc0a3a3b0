"""Every attribute that the ledger writes, once more on a DynamoDB API."""

from __future__ import annotations

from tests.unit.store.test_every_field import (
    TestChunk,
    TestClosing,
    TestJobs,
    TestLimits,
    TestRows,
    TestRun,
)

__all__ = [
    "TestChunk",
    "TestClosing",
    "TestJobs",
    "TestLimits",
    "TestRows",
    "TestRun",
]
