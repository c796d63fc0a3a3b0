"""Runs of one account side by side, in virtual time: what sharing costs, and who waits for whom.

    python benchmarks/side_by_side.py [--seeds N] [--jobs N] [--json FILE]

Two files together against one of the same size in all; and a file of ten rows that arrives, marked
urgent, in the middle of a big one. The engine's real steps on the model vendor of `virtual/`.
Figures are medians over the seeds. No request leaves the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.ours import ModelWorld
from benchmarks.virtual.policy import START
from benchmarks.virtual.vendor import Conditions, VendorModel
from jobferry.domain.run import Run
from jobferry.steps.open_run import PRIORITY_OPTION
from virtual.schedule import Schedule
from virtual.world import sample_csv

SEEDS = 20
JOBS = 500
"""Of each of two files; one of their size has twice as many."""
URGENT = 10
ARRIVES = 30.0
"""Seconds after the big file at which the urgent one arrives."""

CELLS = (
    Conditions(max_jobs=30, requests_per_minute=700, latency=5.0),
    Conditions(max_jobs=30, requests_per_minute=700, latency=15.0),
    Conditions(max_jobs=30, requests_per_minute=200, latency=5.0),
)


@dataclass(frozen=True, slots=True)
class Shared:
    """One cell.

    loss             time of two files together, over one of their size; 0.02 is 2 %
    most_in_flight   at the vendor, of both together
    most_in_a_minute requests in any sixty seconds, of both together
    urgent_starts    seconds from the urgent file's planning to its first job, in job latencies
    urgent_takes     seconds that the urgent file takes in all, in job latencies
    big_is_delayed   how much longer the big file takes for it, as a part
    """

    max_jobs: int
    requests_per_minute: int
    latency: float
    loss: float
    most_in_flight: int
    most_in_a_minute: int
    urgent_starts: float
    urgent_takes: float
    big_is_delayed: float


@dataclass(frozen=True, slots=True)
class _Carried:
    seconds: float
    runs: Sequence[Run]
    first_jobs: Sequence[float]
    vendor: VendorModel


def measure(seeds: int = SEEDS, jobs: int = JOBS, processes: int = 2) -> list[dict[str, Any]]:
    """Every cell; see `Shared`."""
    with ProcessPoolExecutor(processes) as pool:
        return [asdict(_cell(conditions, seeds, jobs, pool)) for conditions in CELLS]


def _cell(conditions: Conditions, seeds: int, jobs: int, pool: Executor) -> Shared:
    found = list(pool.map(partial(_compare, conditions, jobs), range(seeds)))
    worst = {"most_in_flight", "most_in_a_minute"}
    figures = {
        name: (max if name in worst else median)([one[name] for one in found]) for name in found[0]
    }
    return Shared(
        conditions.max_jobs, conditions.requests_per_minute, conditions.latency, **figures
    )


def _compare(conditions: Conditions, jobs: int, seed: int) -> dict[str, Any]:
    big_file, urgent_file = (2 * jobs, "medium", 0.0), (URGENT, "immediate", ARRIVES)
    one = _carry(conditions, seed, [big_file])
    two = _carry(conditions, seed, [(jobs, "medium", 0.0)] * 2)
    beside = _carry(conditions, seed, [big_file, urgent_file])
    big, urgent = beside.runs
    return {
        "loss": two.seconds / one.seconds - 1,
        "most_in_flight": two.vendor.most_in_flight,
        "most_in_a_minute": two.vendor.most_in_any_minute,
        "urgent_starts": (beside.first_jobs[1] - (urgent.planned_at or 0.0)) / conditions.latency,
        "urgent_takes": _seconds(urgent) / conditions.latency,
        "big_is_delayed": _seconds(big) / one.seconds - 1,
    }


def _seconds(run: Run) -> float:
    return (run.closed_at or 0.0) - run.started_at


def _carry(conditions: Conditions, seed: int, files: Sequence[tuple[int, str, float]]) -> _Carried:
    """Carry files of (jobs, priority, seconds from the start) side by side.

    Raises:
        RuntimeError: a run broke a promise.
    """
    vendor = VendorModel(conditions, seed)
    schedule = Schedule(START, seed)
    with ModelWorld(vendor, schedule) as world:
        requests = [
            world.drop(sample_csv(jobs, start=1 + 100_000 * n), options={PRIORITY_OPTION: priority})
            for n, (jobs, priority, _) in enumerate(files)
        ]
        runs = world.execute_all(requests, [delay for _, _, delay in files])
        for run in runs:
            if problems := world.problems(run.run_id):
                raise RuntimeError(f"{run.run_id}: {'; '.join(problems)}")
        first = [
            min(c.submitted_at or 0.0 for c in world.store.chunks.all(run.run_id)) for run in runs
        ]
    ends = max(run.closed_at or 0.0 for run in runs)
    return _Carried(ends - START, runs, first, vendor)


def show(cells: Sequence[Mapping[str, Any]], console: Console) -> None:
    table = Table("J", "R", "L", "two cost", "in flight", "in a minute", "urgent starts",
                  "urgent takes", "big waits", title="Runs side by side")  # fmt: skip
    for cell in cells:
        table.add_row(
            str(cell["max_jobs"]),
            str(cell["requests_per_minute"]),
            f"{cell['latency']:g} s",
            f"{100 * cell['loss']:+.1f} %",
            str(cell["most_in_flight"]),
            str(cell["most_in_a_minute"]),
            f"after {cell['urgent_starts']:.2f} L",
            f"{cell['urgent_takes']:.2f} L",
            f"{100 * cell['big_is_delayed']:+.1f} %",
        )
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs of one account side by side.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=JOBS, help="of each of two files")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    cells = measure(arguments.seeds, arguments.jobs)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(cells, indent=1) + "\n")
    show(cells, Console(stderr=True, width=None if sys.stderr.isatty() else 120))
    return 0


if __name__ == "__main__":
    sys.exit(main())
