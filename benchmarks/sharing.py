"""Several runs on one account, in virtual time: what they lose, and how soon an urgent file starts.

    python benchmarks/sharing.py [--seeds N] [--runs N …] [--json FILE]

An urgent file of ten rows is uploaded when ordinary runs have had the slots for twelve job
latencies; then the same jobs are carried by one run, by ten and by forty.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# First of all the rig, which has the name of a folder beside this script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))

from benchmarks.virtual.sharing import Shared, share
from benchmarks.virtual.vendor import USUAL, Conditions

LATENCIES = (5.0, 15.0)
RUNS = (1, 4, 10, 40)
JOBS = 1_080
SPLIT = ((600, 1), (600, 10), (800, 1), (800, 40))
"""(jobs in all, runs)."""
URGENT_AFTER = 12.0
SEEDS = 5


@dataclass(frozen=True, slots=True)
class Task:
    """Runs of as many jobs each, and whether an urgent file comes in between."""

    latency: float
    runs: int
    jobs: int
    urgent: bool
    seed: int


def carry_out(task: Task) -> Shared:
    conditions = Conditions(USUAL.max_jobs, USUAL.requests_per_minute, task.latency)
    latencies = URGENT_AFTER + task.seed % 7 / 7
    urgent_at = latencies * task.latency if task.urgent else None
    return share(conditions, [task.jobs // task.runs] * task.runs, task.seed, urgent_at=urgent_at)


def cells(tasks: list[Task], results: list[Shared]) -> list[dict[str, Any]]:
    """Medians over the seeds; of the urgent file's start the worst."""
    found: dict[tuple[float, int, int, bool], list[Shared]] = {}
    for task, result in zip(tasks, results, strict=True):
        found.setdefault((task.latency, task.runs, task.jobs, task.urgent), []).append(result)
    lines = []
    for (latency, runs, jobs, urgent), of_seeds in found.items():
        line: dict[str, Any] = {"latency": latency, "runs": runs, "jobs": jobs}
        for name in (f.name for f in fields(Shared) if not f.name.startswith("urgent")):
            line[name] = round(median(getattr(each, name) for each in of_seeds), 3)
        if urgent:
            line["urgent"] = round(max(each.urgent or 0.0 for each in of_seeds), 2)
        lines.append(line)
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Several runs on one account in virtual time.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--runs", type=int, nargs="+", default=list(RUNS))
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    kinds = [(JOBS, runs, True) for runs in arguments.runs]
    kinds += [(jobs, runs, False) for jobs, runs in SPLIT]
    tasks = [
        Task(latency, runs, jobs, urgent, seed)
        for latency in LATENCIES
        for jobs, runs, urgent in kinds
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(2) as pool:
        lines = cells(tasks, list(pool.map(carry_out, tasks)))
    names = ("latency", "runs", "jobs", "least_ratio", "request_ratio", "gb_seconds")
    names += ("transitions", "urgent")
    table = Table(*names)
    for line in lines:
        table.add_row(*(str(line.get(name, "")) for name in names))
    Console(stderr=True, width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"sharing": lines}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
