"""What sharing costs, and who waits for whom.

    python benchmarks/side_by_side.py [--seeds N] [--quick] [--json FILE]

A thousand jobs of ten rows in 1, 4, 10 and 40 runs side by side, and in the middle of them an
urgent file of ten rows; and the ten runs alone against the one. The engine's real steps on the
model vendor of `virtual/`, charged what AWS takes. Figures are medians over the seeds. No request
leaves the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.ours import ModelWorld
from benchmarks.virtual.policy import START
from benchmarks.virtual.vendor import Conditions, VendorModel
from jobferry.domain.run import Run
from jobferry.steps.open_run import PRIORITY_OPTION
from virtual.charges import AWS
from virtual.schedule import Schedule
from virtual.world import sample_csv

SEEDS = 3
JOBS = 1_000
"""In all runs together, but for the urgent file."""
URGENT_ROWS = 10
TOGETHER = (1, 4, 10, 40)
MANY = 10
"""So many runs are held against one of as many jobs."""

TARGET_STARTS = 0.5
"""Job latencies until the urgent file's first job is sent."""
TARGET_LOSS = 0.03

CELLS = (
    Conditions(max_jobs=30, requests_per_minute=700, latency=5.0, rows=10),
    Conditions(max_jobs=30, requests_per_minute=700, latency=15.0, rows=10),
)


@dataclass(frozen=True, slots=True)
class Task:
    """Runs side by side.

    urgent  whether the urgent file comes in their middle
    """

    conditions: Conditions
    runs: int
    urgent: bool
    seed: int
    jobs: int = JOBS


def tasks(seeds: int, *, quick: bool, jobs: int = JOBS) -> list[Task]:
    return [
        Task(conditions, runs, urgent, seed, jobs)
        for conditions in (CELLS[:1] if quick else CELLS)
        for seed in range(seeds)
        for runs in TOGETHER
        for urgent in (True, False)
        if urgent or runs in (1, MANY)
    ]


def carry(task: Task) -> dict[str, Any]:
    """One world of runs.

    Returns:
        seconds         from the first upload to the last closed run, the urgent one left out
        first_job       seconds from the urgent file's upload to its first job
        urgent_seconds  from its upload to its closed run
        most_in_flight, most_in_a_minute, conflicts
    """
    conditions, seed = task.conditions, task.seed
    vendor, schedule = VendorModel(conditions, seed), Schedule(START, seed)
    share = task.jobs // task.runs
    files = [(share * conditions.rows, "medium", 0.0)] * task.runs
    arrives = task.jobs * conditions.latency / conditions.max_jobs / 2
    if task.urgent:
        files.append((URGENT_ROWS, "immediate", arrives))
    with ModelWorld(vendor, schedule, AWS) as world:
        requests = [
            world.drop(sample_csv(rows, start=1 + 1_000_000 * n), options={PRIORITY_OPTION: level})
            for n, (rows, level, _) in enumerate(files)
        ]
        runs = world.execute_all(requests, [delay for _, _, delay in files])
        for run in runs:
            if problems := world.problems(run.run_id):
                raise RuntimeError(f"{run.run_id}: {'; '.join(problems)}")
        found = {
            "seconds": max(_closed(run) for run in runs[: task.runs]) - START,
            "most_in_flight": vendor.most_in_flight,
            "most_in_a_minute": vendor.most_in_any_minute,
            "conflicts": world.bill.conflicts if world.bill else 0,
        }
        if task.urgent:
            chunks = world.store.chunks.all(runs[-1].run_id)
            first = min(chunk.submitted_at or 0.0 for chunk in chunks)
            found["first_job"] = first - START - arrives
            found["urgent_seconds"] = _closed(runs[-1]) - START - arrives
    return found


def _closed(run: Run) -> float:
    return run.closed_at or 0.0


def measure(planned: Sequence[Task], processes: int = 2) -> dict[str, Any]:
    """Every cell: one for each account and number of runs beside the urgent file."""
    # The longest first, so that no process is left alone with one at the end.
    by_cost = sorted(planned, key=lambda task: task.runs, reverse=True)
    with ProcessPoolExecutor(processes) as pool:
        found = dict(zip(by_cost, pool.map(carry, by_cost), strict=True))

    def middle(name: str, conditions: Conditions, runs: int, urgent: bool) -> float:
        return median(
            float(figures[name])
            for task, figures in found.items()
            if (task.conditions, task.runs, task.urgent) == (conditions, runs, urgent)
        )

    cells = []
    for conditions in dict.fromkeys(task.conditions for task in planned):
        for runs in TOGETHER:
            of = (conditions, runs, True)
            cells.append(
                {
                    "max_jobs": conditions.max_jobs,
                    "requests_per_minute": conditions.requests_per_minute,
                    "latency": conditions.latency,
                    "runs": runs,
                    "first_job": round(middle("first_job", *of), 2),
                    "urgent_starts": round(middle("first_job", *of) / conditions.latency, 3),
                    "urgent_seconds": round(middle("urgent_seconds", *of), 2),
                    "seconds": round(middle("seconds", *of), 1),
                    "conflicts": middle("conflicts", *of),
                    "most_in_flight": middle("most_in_flight", *of),
                    "most_in_a_minute": middle("most_in_a_minute", *of),
                }
            )
            if runs == MANY:
                one = middle("seconds", conditions, 1, False)
                cells[-1]["loss"] = round(middle("seconds", conditions, MANY, False) / one - 1, 4)
    seeds = len({task.seed for task in planned})
    targets = {"urgent_starts": TARGET_STARTS, "loss": TARGET_LOSS}
    return {"jobs": JOBS, "seeds": seeds, "targets": targets, "cells": cells}


def show(cells: Sequence[Mapping[str, Any]], console: Console) -> None:
    table = Table("J", "R", "L", "runs", "urgent: first job", "in L", "urgent closed",
                  "ten lose", "in flight", "in a minute", "conflicts",
                  title="Runs side by side, and an urgent file of ten rows")  # fmt: skip
    for cell in cells:
        table.add_row(
            str(cell["max_jobs"]),
            str(cell["requests_per_minute"]),
            f"{cell['latency']:g} s",
            str(cell["runs"]),
            f"{cell['first_job']:.1f} s",
            f"{cell['urgent_starts']:.2f}",
            f"{cell['urgent_seconds']:.1f} s",
            f"{100 * cell['loss']:+.1f} %" if "loss" in cell else "",
            f"{cell['most_in_flight']:g}",
            f"{cell['most_in_a_minute']:g}",
            f"{cell['conflicts']:g}",
        )
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs of one account side by side.")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--quick", action="store_true", help="one seed, one account")
    parser.add_argument("--jobs", type=int, default=JOBS, help="in all runs together")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    seeds = arguments.seeds or (1 if arguments.quick else SEEDS)
    results = measure(tasks(seeds, quick=arguments.quick, jobs=arguments.jobs))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    show(results["cells"], Console(stderr=True, width=None if sys.stderr.isatty() else 130))
    return 0


if __name__ == "__main__":
    sys.exit(main())
