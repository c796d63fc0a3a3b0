"""Bounds and forecasts: arithmetic that a run is measured by."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.latency import Latency
from jobferry.reporting import costs
from jobferry.reporting.costs import Load
from jobferry.reporting.forecast import (
    Terms,
    expected_costs,
    forecast,
    least_requests,
    least_seconds,
    polls,
    work_of,
)
from jobferry.settlement.retention import kept_seconds

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
    found = forecast(Load(100 * jobs, jobs), given_terms)
    assert found.seconds >= found.bound
    assert found.requests >= least_requests(jobs, given_terms)
    assert found.cost > 0


@given(JOBS, TERMS)
def test_more_jobs_never_take_less(jobs: int, given_terms: Terms) -> None:
    one, two = (forecast(Load(100 * n, n), given_terms) for n in (jobs, 2 * jobs))
    assert one.bound <= two.bound
    assert one.cost <= two.cost


def test_a_million_rows_cost_less_than_twenty_cents() -> None:
    conditions = replace(terms(seconds=5.0), estimates=True)
    assert forecast(Load(1_000_000, 10_000), conditions).cost < 0.20


@pytest.mark.parametrize(
    ("dearer", "items"),
    [
        ({"rejected": 500}, {"writes", "writes of indexes", "table: storage", "table: recovery"}),
        ({"failed_share": 0.2}, {"writes", "writes of indexes", "table: storage"}),
        ({"every_row": True}, {"writes", "table: storage", "table: recovery"}),
        ({"row_bytes": 9_000.0}, {"S3: storage"}),
        ({"retention_days": 365}, {"table: storage", "table: recovery", "S3: storage"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_makes_a_run_dearer(dearer: dict[str, Any], items: set[str]) -> None:
    plain = Load(10_000, 100)
    before, after = (expected_costs(load, terms()) for load in (plain, replace(plain, **dearer)))
    assert all(after[item] >= before[item] for item in before)
    assert items <= {item for item in before if after[item] > 1.01 * before[item]}


def test_items_are_kept_for_as_long_as_the_engine_keeps_them() -> None:
    assert kept_seconds(1_000) / 1_000 == costs.HELD


def test_a_rejected_row_costs_its_item_and_the_copy_in_the_index() -> None:
    none, one = (
        costs.used(load, work_of(load, terms()))
        for load in (Load(1_000, 10, failed_share=0.0), Load(1_000, 10, 1, failed_share=0.0))
    )
    assert one.write_units - none.write_units == pytest.approx(1)
    assert one.index_units - none.index_units == pytest.approx(1)
