"""Keys sort as the numbers in them, and one run's keys never begin another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobferry.store import keys

NUMBERS = st.integers(0, 10_000_000)
ROWS = st.integers(1, 50_000_000)


@given(NUMBERS, NUMBERS)
def test_keys_sort_as_their_numbers(one: int, other: int) -> None:
    for key in (keys.chunk, keys.page, keys.row, keys.revision):
        assert (key(one) < key(other)) == (one < other)


@given(ROWS)
def test_a_row_lies_in_the_block_of_its_number(row: int) -> None:
    block = keys.block_of(row)
    assert block * keys.ROWS_PER_BLOCK < row <= (block + 1) * keys.ROWS_PER_BLOCK


@given(st.integers(0, 9_999), st.integers(0, 9_999), st.integers(1, 10_000_000))
def test_jobs_of_a_lane_are_its_own(lane: int, other: int, chunk: int) -> None:
    key = keys.job("run", lane, chunk)
    assert key.startswith(keys.jobs_of_run("run"))
    assert key.startswith(keys.jobs_of_lane("run", other)) == (lane == other)


def test_a_run_whose_name_begins_another_name_has_its_own_jobs() -> None:
    assert not keys.job("things-1", 0, 1).startswith(keys.jobs_of_run("things"))
