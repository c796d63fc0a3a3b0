"""The forecast's dollars, and a closed run's own figures, held to what AWS would bill."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from benchmarks import cost
from benchmarks.virtual.ours import ModelWorld
from benchmarks.virtual.policy import START
from benchmarks.virtual.vendor import USUAL, Conditions, VendorModel
from jobferry.domain.latency import Latency
from jobferry.reporting import costs
from jobferry.reporting.costs import Load
from jobferry.reporting.forecast import Terms, expected_costs
from tests.thorough import some_in
from virtual.charges import AWS
from virtual.cloud import TEMPLATE
from virtual.schedule import Schedule
from virtual.world import sample_csv

TOLERANCE = 0.20
"""Of the whole; small runs differ by chance more than long ones."""

ITEM_TOLERANCE = 0.35
"""Of an item that is a tenth of the whole or more; what is less differs by single steps."""

OF_LONG_RUNS = {(1, 5.0): "Lambda"}
"""(rows a job, latency) → the item that only a long run shows: the first seconds of a new
connection are carried by the small function, and that is most of this one."""

JOBS = {100: 150, 25: 150, 1: 400}
"""By rows of a job: of the smaller of the two files from which a million rows are extrapolated."""


def terms_of(conditions: Conditions) -> Terms:
    """What would be learned of such an account."""
    mean = conditions.latency * (1 + conditions.stragglers * (conditions.straggler_factor - 1))
    spread = conditions.sigma
    return Terms(
        conditions.max_jobs,
        conditions.requests_per_minute,
        conditions.poll_batch,
        Latency(math.log(mean) - spread**2 / 2, spread, 100),
        conditions.refuses_excess,
        by_token=not conditions.refuses_excess,
    )


@pytest.mark.parametrize(
    ("rows_a_job", "latency"),
    some_in(((rows, latency) for latency in (5.0, 60.0) for rows in cost.ACCOUNTS), 2),
)
def test_the_forecast_is_what_the_engine_uses(rows_a_job: int, latency: float) -> None:
    billed = cost.measure_one(rows_a_job, latency, JOBS[rows_a_job])
    row_bytes = len(sample_csv(1_000)) / 1_000
    conditions = replace(cost.ACCOUNTS[rows_a_job], latency=latency)
    load = Load(cost.MILLION, cost.MILLION // rows_a_job, row_bytes=row_bytes)
    forecast = expected_costs(load, terms_of(conditions))

    assert forecast.keys() == billed["items"].keys()
    assert sum(forecast.values()) == pytest.approx(billed["together"], rel=TOLERANCE)
    large = {
        name: amount
        for name, amount in billed["items"].items()
        if amount >= 0.1 * billed["together"] and name != OF_LONG_RUNS.get((rows_a_job, latency))
    }
    assert {name: forecast[name] for name in large} == pytest.approx(large, rel=ITEM_TOLERANCE)


@pytest.mark.parametrize("failing", [0.0, 0.2])
def test_the_figures_of_a_run_are_what_it_is_billed(failing: float) -> None:
    conditions = replace(USUAL, latency=5.0, rows=100, failing=failing)
    with ModelWorld(VendorModel(conditions, 1), Schedule(START, 1), AWS) as world:
        run = world.processed(sample_csv(20_000))
        billed = cost.dollars_of(world)
    figures: dict[str, Any] = dict(run.figures or {})

    assert figures["cost"].keys() == billed.keys()
    assert figures["cost_dollars"] == pytest.approx(sum(billed.values()), rel=0.10)


def test_what_a_month_costs_is_what_the_template_deploys() -> None:
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    alarms = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        # Off by default.
        and resource.get("Condition") != "HasNoRunHours"
    ]
    looked_at = sum(
        sum("MetricStat" in metric for metric in alarm["Metrics"]) if "Metrics" in alarm else 1
        for alarm in alarms
    )
    parameters = template["Parameters"]
    assert looked_at == costs.ALARM_METRICS
    assert int(parameters["SweepMinutes"]["Default"]) == costs.SWEEP_MINUTES
    assert int(parameters["RowRetentionDays"]["Default"]) == costs.RETENTION_DAYS
    assert template["Globals"]["Function"]["MemorySize"] / 1024 == costs.SWEEP_GB
