"""Bounds and forecasts: arithmetic that a run is measured by."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.latency import Latency
from jobferry.reporting.forecast import Terms, forecast, least_requests, least_seconds, polls

JOBS = st.integers(0, 100_000)
TERMS = st.builds(
    Terms,
    max_jobs=st.integers(1, 1_000),
    per_minute=st.none() | st.integers(1, 5_000),
    poll_batch=st.integers(1, 200),
    latency=st.builds(
        Latency, mu=st.floats(-1, 7), spread=st.floats(0.02, 1), jobs=st.integers(0, 100)
    ),
)


def terms(
    max_jobs: int = 30, per_minute: int | None = None, poll_batch: int = 100, seconds: float = 10.0
) -> Terms:
    return Terms(max_jobs, per_minute, poll_batch, Latency(math.log(seconds), 0.0, 50))


@given(JOBS, TERMS)
def test_requests_are_the_fewest_that_can_do_it(jobs: int, given_terms: Terms) -> None:
    fewest = least_requests(jobs, given_terms) - jobs
    seen_at_once = min(given_terms.max_jobs, given_terms.poll_batch)
    assert fewest * seen_at_once >= jobs
    assert (fewest - 1) * seen_at_once < jobs
    assert fewest <= polls(jobs, given_terms)


@pytest.mark.parametrize(
    ("jobs", "conditions", "seconds"),
    [
        (0, terms(), 0.0),
        (3, terms(seconds=7.0), 7.0),
        (10_000, terms(seconds=5.0), 10_000 * 5 / 30 + 5),
        # field-notes 2.3: 1 M rows at 200 requests a minute take 50 minutes for submitting alone
        (10_000, terms(per_minute=200, seconds=5.0), 60 * 10_334 / 200 + 5),
    ],
)
def test_the_least_time(jobs: int, conditions: Terms, seconds: float) -> None:
    assert least_seconds(jobs, conditions) == pytest.approx(seconds)


@given(JOBS, TERMS)
def test_a_forecast_is_never_better_than_what_is_possible(jobs: int, given_terms: Terms) -> None:
    found = forecast(100 * jobs, jobs, given_terms)
    assert found.seconds >= found.bound
    assert found.requests >= least_requests(jobs, given_terms)
    assert found.cost > 0


@given(JOBS, TERMS)
def test_more_jobs_never_take_less(jobs: int, given_terms: Terms) -> None:
    one, two = (forecast(100 * n, n, given_terms) for n in (jobs, 2 * jobs))
    assert one.bound <= two.bound
    assert one.cost <= two.cost


def test_a_million_rows_cost_less_than_eighty_cents() -> None:
    assert forecast(1_000_000, 10_000, terms(seconds=5.0)).cost < 0.80
