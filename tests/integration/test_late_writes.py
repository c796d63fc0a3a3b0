"""Writes that come late, once more on a DynamoDB API."""

from __future__ import annotations

from tests.unit.store.test_late_writes import (
    TestFail,
    TestGivingBack,
    TestRows,
    TestSettlingWithoutARun,
    test_a_job_belongs_to_one_chunk,
    test_no_write_changes_a_run_that_is_closed,
    test_no_write_makes_an_item_of_a_run_that_is_gone,
)

__all__ = [
    "TestFail",
    "TestGivingBack",
    "TestRows",
    "TestSettlingWithoutARun",
    "test_a_job_belongs_to_one_chunk",
    "test_no_write_changes_a_run_that_is_closed",
    "test_no_write_makes_an_item_of_a_run_that_is_gone",
]
