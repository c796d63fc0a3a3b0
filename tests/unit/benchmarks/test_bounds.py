from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.virtual.bounds import least_wall, request_bound, wall_bound


@pytest.mark.parametrize(
    ("jobs", "max_jobs", "poll_batch", "expected"),
    [(10_000, 30, 100, 10_334), (300, 200, 100, 303), (1, 30, 100, 2), (300, 5, 1, 600)],
)
def test_fewest_requests(jobs: int, max_jobs: int, poll_batch: int, expected: int) -> None:
    assert request_bound(jobs, max_jobs, poll_batch) == expected


def test_wall_time_where_the_jobs_in_flight_bind() -> None:
    # A million rows in 10,000 jobs of 20 s, 30 at once.
    assert wall_bound(10_000, 20.0, 30, 10_334, 700) == pytest.approx(6_666.7, abs=0.1)


def test_wall_time_where_the_requests_bind() -> None:
    assert wall_bound(10_000, 5.0, 30, 10_334, 200) == pytest.approx(3_100.2)


def test_the_first_and_the_last_job_come_on_top() -> None:
    assert wall_bound(100, 3.0, 10, 110, 6_000, first=0.5, last=4.0) == pytest.approx(34.5)


def test_least_wall_of_even_jobs() -> None:
    # Two slots, three jobs of 10 s each: the third starts when the first ends.
    assert least_wall([10.0] * 3, 2, 1_000, 0.0) == 20.0
    assert least_wall([10.0] * 3, 2, 1_000, 0.0, first=0.25, last=0.5) == 20.75


def test_least_wall_waits_for_the_next_minute() -> None:
    # Two of five requests in the minute that ends in 10 s, two in the next, one in the third.
    assert least_wall([1.0] * 5, 5, 2, 110.0) == 71.0


def test_least_wall_waits_for_the_end_of_a_storm() -> None:
    assert least_wall([1.0], 1, 100, 305.0, storms=True) == 16.0
    # One request is left for the minute before the storm, and the storm opens the next minute.
    assert least_wall([1.0, 1.0], 2, 1, 290.0, storms=True) == 31.0


@given(
    latencies=st.lists(st.floats(0.1, 100), min_size=1, max_size=60),
    max_jobs=st.integers(1, 10),
    requests_per_minute=st.integers(1, 100),
    start=st.floats(0, 600),
    storms=st.booleans(),
)
def test_least_wall_is_never_below_what_the_limits_need(
    latencies: list[float],
    max_jobs: int,
    requests_per_minute: int,
    start: float,
    storms: bool,
) -> None:
    least = least_wall(latencies, max_jobs, requests_per_minute, start, storms=storms)
    full_windows_between = -(-len(latencies) // requests_per_minute) - 2
    assert least >= sum(latencies) / max_jobs - 1e-6
    assert least >= max(latencies) - 1e-6
    assert least >= 60 * full_windows_between
    calm = least_wall(latencies, max_jobs, requests_per_minute, start)
    assert least >= calm - 1e-6
