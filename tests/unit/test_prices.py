"""Prices: what a run costs by its counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry import prices

COUNTS = st.integers(0, 1_000_000)


@given(COUNTS, COUNTS, COUNTS, st.integers(0, 40))
def test_more_never_costs_less(rows: int, chunks: int, polls: int, lanes: int) -> None:
    less = prices.estimate(rows=rows, chunks=chunks, polls=polls, lanes=lanes)
    more = prices.estimate(rows=2 * rows, chunks=2 * chunks, polls=2 * polls, lanes=lanes)
    assert all(0 <= less[item] <= more[item] for item in less)


def test_a_row_costs_one_write() -> None:
    none = prices.estimate(rows=0, chunks=1, polls=1, lanes=1)
    some = prices.estimate(rows=1_000, chunks=1, polls=1, lanes=1)
    added = some["Row and chunk writes"] - none["Row and chunk writes"]
    assert added == pytest.approx(1_000 * prices.WRITE_UNIT)
