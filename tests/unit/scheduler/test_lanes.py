"""How a run is spread over lanes, and how long an iteration and a history get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain import prices
from jobferry.scheduler import lanes as lanes_module
from jobferry.scheduler.settings import USUAL

NOW = 1_767_225_600.0


class TestLanes:
    @given(st.integers(0, 5_000), st.integers(0, 1_000_000), st.integers(1, 1_000))
    def test_lanes_and_windows_fill_every_slot(
        self, max_jobs: int, chunks: int, poll_batch: int
    ) -> None:
        lanes = lanes_module.lanes_for(max_jobs, chunks, poll_batch)
        assert 0 <= lanes <= USUAL.max_lanes
        assert (lanes == 0) == (min(max_jobs, chunks) == 0)
        if lanes:
            assert lanes * lanes_module.window_for(max_jobs, lanes) >= max_jobs

    @pytest.mark.parametrize(
        ("max_jobs", "chunks", "poll_batch", "lanes"),
        [(30, 1, 100, 1), (30, 9_999, 100, 1), (30, 9_999, 1, 1), (500, 9_999, 100, 5)],
    )
    def test_as_many_lanes_as_are_worth_it(
        self, max_jobs: int, chunks: int, poll_batch: int, lanes: int
    ) -> None:
        assert lanes_module.lanes_for(max_jobs, chunks, poll_batch) == lanes

    @pytest.mark.parametrize(("max_jobs", "chunks"), [(500, 9_999), (1, 1), (500, 0), (0, 9)])
    def test_jobs_in_order_need_one(self, max_jobs: int, chunks: int) -> None:
        lanes = lanes_module.lanes_for(max_jobs, chunks, 100, in_order=True)
        assert lanes == min(1, max_jobs, chunks)


class TestWaits:
    def test_lanes_that_do_nothing_start_later_and_later(self) -> None:
        moments = [lanes_module.relaunch_at(NOW, n) for n in range(20)]
        assert moments == sorted(moments)
        assert (moments[0], moments[-1]) == (NOW, NOW + 300)

    @given(st.floats(0, 1_000), st.floats(0.125, 10))
    def test_waiting_inside_never_costs_more_than_an_iteration(
        self, wait: float, memory_gb: float
    ) -> None:
        cost = wait * memory_gb * prices.LAMBDA_GB_SECOND_ARM
        assert lanes_module.is_cheaper_here(wait, memory_gb) == (cost <= prices.ITERATION)

    def test_short_waits_happen_inside_and_long_ones_outside(self) -> None:
        assert lanes_module.is_cheaper_here(5.0, 0.5)
        assert not lanes_module.is_cheaper_here(60.0, 0.5)


@given(st.lists(st.integers(1, 10_000), max_size=300))
def test_groups_hold_every_chunk_once(chunks: list[int]) -> None:
    groups = lanes_module.settle_groups(chunks)
    assert [chunk for group in groups for chunk in group] == chunks
    assert all(0 < len(group) <= USUAL.settle_group for group in groups)


def test_a_lane_of_full_iterations_fits_into_a_history() -> None:
    iteration = lanes_module.events_of_iteration(20)
    assert iteration > lanes_module.events_of_iteration(0) > 0
    assert USUAL.max_events + iteration < 25_000
