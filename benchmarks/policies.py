"""Policies of submitting and polling, side by side in virtual time on the same vendor.

    python benchmarks/policies.py [--quick] [--seeds N] [--only POLICY …]
                                  [--json FILE] [--plot FILE]

Three sections: a grid of job latency L, jobs in flight J and requests a minute R, with noisy
latencies and stragglers; the same account in storms of 429; growth over the number of jobs. Every
figure is the median over the seeds. No request leaves the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.policies import POLICIES
from benchmarks.virtual.policy import Figures, measure
from benchmarks.virtual.vendor import USUAL, Conditions

LATENCIES = (2.0, 5.0, 15.0, 60.0, 300.0)
ACCOUNTS = ((5, 200), (30, 200), (30, 700), (30, 2500), (200, 200), (200, 700), (200, 2500))
"""(J, R). Five jobs in flight never need more than 200 requests."""
JOBS = 300
SEEDS = 20

GROWTH_JOBS = (10, 100, 1_000, 10_000, 100_000)
GROWTH_SEEDS = 3
MANY_JOBS = 10_000
"""One seed will do from here on: figures of so many jobs hardly differ."""

QUICK_SEEDS = 3
QUICK_MOST_JOBS = 1_000


@dataclass(frozen=True, slots=True)
class Task:
    """One cell of one section: a policy under conditions, over seeds."""

    section: str
    policy: str
    conditions: Conditions
    jobs: int
    seeds: int


def tasks(policies: Iterable[str], seeds: int, *, quick: bool) -> list[Task]:
    """Everything to be measured."""
    most_jobs = QUICK_MOST_JOBS if quick else max(GROWTH_JOBS)
    grid = [
        Conditions(max_jobs, requests, latency)
        for max_jobs, requests in ACCOUNTS
        for latency in LATENCIES
        if max_jobs == USUAL.max_jobs or not quick
    ]
    storms = [
        Conditions(USUAL.max_jobs, USUAL.requests_per_minute, latency, storms=True)
        for latency in LATENCIES
    ]
    return [
        task
        for policy in policies
        for task in (
            *(Task("grid", policy, conditions, JOBS, seeds) for conditions in grid),
            *(Task("storms", policy, conditions, JOBS, seeds) for conditions in storms),
            *(
                Task(
                    "growth",
                    policy,
                    USUAL,
                    jobs,
                    1 if jobs >= MANY_JOBS else min(seeds, GROWTH_SEEDS),
                )
                for jobs in GROWTH_JOBS
                if jobs <= min(most_jobs, POLICIES[policy].most_jobs)
            ),
        )
    ]


def carry_out(task: Task) -> dict[str, Any]:
    """Medians of a cell, with what it is of."""
    policy = POLICIES[task.policy].policy
    runs = []
    for seed in range(task.seeds):
        try:
            runs.append(measure(policy, task.conditions, task.jobs, seed))
        except Exception as error:
            error.add_note(f"{task.policy}, {task.jobs} jobs, seed {seed}, {task.conditions}")
            raise
    figures = {f.name: median(getattr(run, f.name) for run in runs) for f in fields(Figures)}
    conditions = task.conditions
    return {
        "section": task.section,
        "policy": task.policy,
        "jobs": task.jobs,
        "max_jobs": conditions.max_jobs,
        "requests_per_minute": conditions.requests_per_minute,
        "latency": conditions.latency,
        "storms": conditions.storms,
        "seeds": task.seeds,
        "jobs_bind": conditions.latency > 60 * conditions.max_jobs / conditions.requests_per_minute,
        **{name: round(value, 4) for name, value in figures.items()},
    }


def measure_all(
    policies: Sequence[str], seeds: int, *, quick: bool, processes: int
) -> dict[str, Any]:
    """The section of the report: conditions and one entry for each cell."""
    # The dearest first, so that no process is left alone with one at the end.
    planned = sorted(
        tasks(policies, seeds, quick=quick),
        key=lambda task: POLICIES[task.policy].cost * task.jobs * task.seeds,
        reverse=True,
    )
    started = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        cells = list(pool.map(carry_out, planned))
    order = {name: number for number, name in enumerate(policies)}
    cells.sort(
        key=lambda c: (
            *(c["section"], c["max_jobs"], c["requests_per_minute"], c["latency"], c["jobs"]),
            order[c["policy"]],
        )
    )
    return {
        "jobs": JOBS,
        "seeds": seeds,
        "usual": asdict(USUAL),
        "seconds": round(time.perf_counter() - started, 1),
        "cells": cells,
    }


def tables(results: Mapping[str, Any]) -> list[Table]:
    """The results as people read them."""
    cells = results["cells"]
    grid = [c for c in cells if c["section"] == "grid"]
    usual = [
        c
        for c in grid
        if (c["max_jobs"], c["requests_per_minute"]) == (USUAL.max_jobs, USUAL.requests_per_minute)
    ]
    return [
        summary(f"All cells, {results['jobs']} jobs: where jobs in flight bind", grid, True),
        summary(f"All cells, {results['jobs']} jobs: where requests bind", grid, False),
        by_column(f"J = {USUAL.max_jobs}, R = {USUAL.requests_per_minute}", usual, "latency", "L"),
        by_column("The same in storms of 429", of(cells, "storms"), "latency", "L"),
        by_column("Growth, L = 15 s", of(cells, "growth"), "jobs", "K"),
    ]


def of(cells: Iterable[Mapping[str, Any]], section: str) -> list[Mapping[str, Any]]:
    return [c for c in cells if c["section"] == section]


def summary(title: str, cells: Sequence[Mapping[str, Any]], jobs_bind: bool) -> Table:
    """Medians over the cells in which one of the two limits binds."""
    chosen = [c for c in cells if c["jobs_bind"] is jobs_bind]
    table = Table(title=title, title_justify="left")
    columns = {
        "wall ÷ bound": "wall_ratio",
        "wall ÷ least": "least_ratio",
        "slots used": "slot_use",
        "requests ÷ bound": "request_ratio",
        "429": "throttled",
        "jobs refused": "too_many_jobs",
    }
    table.add_column("policy")
    for column in columns:
        table.add_column(column, justify="right")
    for policy in dict.fromkeys(c["policy"] for c in chosen):
        mine = [c for c in chosen if c["policy"] == policy]
        values = {name: median(c[key] for c in mine) for name, key in columns.items()}
        table.add_row(policy, *(f"{value:.2f}" for value in values.values()))
    return table


def by_column(title: str, cells: Sequence[Mapping[str, Any]], key: str, letter: str) -> Table:
    """One column for each L or K: wall time to the least possible, and requests to the fewest."""
    table = Table(title=f"{title}: wall ÷ least · requests ÷ bound", title_justify="left")
    table.add_column("policy")
    values = sorted({c[key] for c in cells})
    for value in values:
        table.add_column(f"{letter} = {value:,.0f}", justify="right")
    for policy in dict.fromkeys(c["policy"] for c in cells):
        found = {c[key]: c for c in cells if c["policy"] == policy}
        texts = (
            f"{found[v]['least_ratio']:.2f} · {found[v]['request_ratio']:.2f}" if v in found else ""
            for v in values
        )
        table.add_row(policy, *texts)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description="Policies of polling in virtual time.")
    parser.add_argument("--quick", action="store_true", help="few seeds, J = 30 only")
    parser.add_argument("--seeds", type=int, help=f"per cell; {SEEDS} by default")
    parser.add_argument("--only", nargs="+", choices=POLICIES, help="these policies")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--plot", type=Path, help="draw them here (.svg, .png)")
    arguments = parser.parse_args()
    seeds = arguments.seeds or (QUICK_SEEDS if arguments.quick else SEEDS)
    results = measure_all(
        arguments.only or list(POLICIES),
        seeds,
        quick=arguments.quick,
        processes=arguments.processes,
    )
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    for table in tables(results):
        console.print(table)
    console.print(f"{seeds} seeds, {results['seconds']:.0f} s")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"policies": results}, indent=1) + "\n")
    if arguments.plot:
        from benchmarks.virtual.plot import draw

        draw(results, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
