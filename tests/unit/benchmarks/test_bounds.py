from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.virtual.bounds import fewest_requests, jobs_bind, least_wall


@pytest.mark.parametrize(
    ("jobs", "poll_batch", "expected"), [(10_000, 100, 10_100), (1, 100, 2), (300, 1, 600)]
)
def test_fewest_requests(jobs: int, poll_batch: int, expected: int) -> None:
    assert fewest_requests(jobs, poll_batch) == expected


@pytest.mark.parametrize(
    ("jobs", "latency", "max_jobs", "requests_per_minute", "expected"),
    [
        pytest.param(1_000, 15.0, 30, 700, True, id="500 s of jobs, 26 s for requests"),
        pytest.param(1_000, 5.0, 200, 200, False, id="25 s of jobs, 240 s for requests"),
        pytest.param(1_000, 2.0, 200, 2_500, True, id="all within the first minute"),
    ],
)
def test_what_binds(
    jobs: int, latency: float, max_jobs: int, requests_per_minute: int, expected: bool
) -> None:
    assert jobs_bind(jobs, latency, max_jobs, requests_per_minute) is expected


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
