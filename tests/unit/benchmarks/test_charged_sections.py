"""The sections that are charged what AWS takes: small runs of them hold together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import cost, side_by_side, small_files
from benchmarks.policies import SCARCE, TARGET_JOBS
from benchmarks.virtual.bounds import jobs_bind
from benchmarks.virtual.vendor import USUAL
from jobferry.reporting import costs


def test_a_cold_small_file_takes_longer_than_a_warm_one_by_its_cold_starts() -> None:
    found = small_files.measure_one(latency=2.0, seed=1)
    assert found["cold"]["cold_starts"] > 0 == found["warm"]["cold_starts"]
    assert found["cold"]["beyond"] > found["warm"]["beyond"] + 0.8
    assert found["warm"]["vendor_requests"] >= 2


def test_every_item_of_the_cost_is_counted_and_failed_rows_cost_an_index_copy() -> None:
    conditions = replace(USUAL, latency=5.0, rows=10)
    plain, failing = (
        cost.measure_run(replace(conditions, failing=share), jobs=10) for share in (0.0, 0.5)
    )
    assert all(amount >= 0 for amount in plain.values())
    assert {name for name, amount in plain.items() if amount == 0} <= {"secrets"}
    assert failing["writes of indexes"] > plain["writes of indexes"]
    assert failing["table: storage"] > plain["table: storage"]


def test_a_million_rows_are_extrapolated_without_what_a_run_costs_by_itself() -> None:
    small, large = (cost.measure_one(25, 15.0, jobs) for jobs in (60, 180))
    assert small["together"] == pytest.approx(large["together"], rel=0.25)
    assert set(costs.fixed_month()) == {"metrics", "alarms", "secret", "key of links", "sweeps"}


def test_an_urgent_file_is_timed_from_its_upload() -> None:
    conditions = replace(side_by_side.CELLS[0], latency=5.0)
    found = side_by_side.carry(side_by_side.Task(conditions, 4, True, seed=1, jobs=80))
    assert 0 < found["first_job"] < found["urgent_seconds"]
    assert found["most_in_flight"] <= conditions.max_jobs
    assert found["most_in_a_minute"] <= conditions.requests_per_minute


def test_the_scarce_accounts_are_scarce_of_requests() -> None:
    assert not any(jobs_bind(TARGET_JOBS, latency, most, rate) for most, rate, latency in SCARCE)
