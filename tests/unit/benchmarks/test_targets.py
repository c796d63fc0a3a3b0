"""Every promised figure is one line, met or missed; the page shows what was published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import publish, report
from benchmarks.targets import cost_figures, policy_figures, sharing_figures, small_figures
from benchmarks.virtual.peers import THREADS
from benchmarks.virtual.policies import OURS


def cell(policy: str, latency: float, **figures: Any) -> dict[str, Any]:
    usual = {
        "section": "targets",
        "policy": policy,
        "max_jobs": 30,
        "requests_per_minute": 700,
        "latency": latency,
        "jobs": 1_000,
        "jobs_bind": True,
        "least_ratio": 1.0,
        "slot_use": 0.98,
        "requests": 1_100,
        "request_ratio": 1.1,
        "seconds": 100.0,
        "opening": 1.0,
        "closing": 1.0,
        "seeds": 1,
    }
    return {**usual, **figures}


def lines_of(*cells: dict[str, Any]) -> dict[str, bool | None]:
    figures = policy_figures({"policies": {"cells": cells}})
    return {figure.name.rpartition(": ")[2]: figure.held for figure in figures}


@pytest.mark.parametrize(
    ("latency", "ratio", "held"),
    [(2.0, 1.20, True), (2.0, 1.21, False), (5.0, 1.11, False), (15.0, 1.05, True),
     (15.0, 1.06, False), (300.0, 1.06, False)],
)  # fmt: skip
def test_wall_time_is_held_against_the_target_of_its_latency(
    latency: float, ratio: float, held: bool
) -> None:
    assert lines_of(cell(OURS, latency, least_ratio=ratio))["wall ÷ least"] is held


def test_a_script_that_is_faster_is_a_target_missed() -> None:
    ours = cell(OURS, 15.0)
    slower, faster = (
        [ours, cell(THREADS[0], 15.0, seconds=seconds), cell(THREADS[1], 15.0, seconds=130.0)]
        for seconds in (110.0, 90.0)
    )
    assert lines_of(*slower)["wall ÷ the faster script's"] is True
    assert lines_of(*faster)["wall ÷ the faster script's"] is False


def test_requests_and_slots_have_a_target_where_slots_bind() -> None:
    assert lines_of(cell(OURS, 15.0, request_ratio=1.31))["requests ÷ fewest, slots bind"] is False
    assert lines_of(cell(OURS, 15.0, slot_use=0.96))["slots used"] is False
    few = lines_of(cell(OURS, 15.0, slot_use=0.2, jobs=100))
    assert "slots used" not in few


def test_requests_have_another_target_where_they_bind() -> None:
    scarce = cell(OURS, 5.0, section="rate", request_ratio=1.06, jobs_bind=False)
    assert lines_of(scarce) == {"requests ÷ fewest, rate binds": False}


def test_one_late_urgent_file_and_a_loss_are_told() -> None:
    cells = [
        {"latency": 5.0, "runs": 1, "urgent_starts": 0.4},
        {"latency": 5.0, "runs": 10, "urgent_starts": 0.6, "loss": 0.02},
    ]
    targets = {"urgent_starts": 0.5, "loss": 0.03}
    held = [figure.held for figure in sharing_figures({"cells": cells, "targets": targets})]
    assert held == [False, True]


def test_cost_and_small_files() -> None:
    run = {"rows_a_job": 100, "latency": 5.0, "together": 0.26, "target": 0.25}
    results = {"results": [run, {**run, "target": None}], "fixed_month": {"alarms": 1.6}}
    assert [figure.held for figure in cost_figures(results)] == [False, None, None]
    small = {"start": "warm", "latency": 2.0, "beyond": 2.9, "target": 3.0}
    assert [figure.held for figure in small_figures({"rows": 10, "cells": [small]})] == [True]


def document(ratio: float) -> dict[str, Any]:
    cells = [cell(OURS, 15.0, least_ratio=ratio), cell(THREADS[0], 15.0)]
    machine = {"cores": 2, "processor": "x86_64", "python": "3.11"}
    return {"machine": machine, "sections": {"policies": {"policies": {"cells": cells}}}}


def test_a_missed_target_is_a_failure_of_the_report() -> None:
    assert report.missed_figures(document(1.04)) == []
    assert report.missed_figures(document(1.10)) == ["J 30, L 15 s: wall ÷ least"]


def test_the_page_says_what_was_met_and_what_was_missed() -> None:
    part = publish.section(publish.figures_of(document(1.10)))
    assert "| policies | J 30, L 15 s: wall ÷ least | 1.10 | ≤ 1.05 | **missed** |" in part
    assert "| 30 | 700 | 15 s | 1.10 · 1.10 | 1.00 · 1.10 |" in part
    page = f"Before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n"
    assert publish.page_with(page, part) == f"Before\n{publish.BEGIN}\n{part}{publish.END}\nafter\n"


def test_the_page_shows_the_published_figures() -> None:
    figures = json.loads(publish.FIGURES.read_text(encoding="utf-8"))
    page = publish.PAGE.read_text(encoding="utf-8")
    assert publish.page_with(page, publish.section(figures)) == page


def test_the_page_names_what_is_assumed() -> None:
    assert publish.charges_table() in publish.PAGE.read_text(encoding="utf-8").replace("\n", " ")
