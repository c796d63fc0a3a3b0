"""What a million rows cost at list prices, counted over a run in virtual time.

    python benchmarks/cost.py [--rows N] [--latency SECONDS …] [--json FILE]

The real steps carry a file in jobs of a hundred rows, for an account of 30 jobs in flight and 700
requests a minute, and count what they use, as every run does; `domain/prices.py` has the prices.
Each write takes the milliseconds that it takes in earnest. Latencies are of one job, noisy and with
stragglers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.bulk import Gauge, Jobs, LongSchedule
from benchmarks.virtual.long_run import BulkWorld
from benchmarks.virtual.vendor import USUAL, VendorModel
from virtual.clock import START

LATENCIES = (2.0, 5.0, 10.0, 20.0, 60.0)
ROWS = 100_000
ROWS_A_JOB = 100
SEED = 1
TARGET = 0.80
"""Dollars for a million rows."""


def measure_one(latency: float, rows: int) -> dict[str, Any]:
    """One run; its figures, and dollars for a million rows by item."""
    schedule, vendor = LongSchedule(START), VendorModel(replace(USUAL, latency=latency), SEED)
    with BulkWorld(vendor, schedule, rows, Jobs(0.0), Gauge(), rows_a_job=ROWS_A_JOB) as world:
        run = world.run(world.carry_file().run_id)
    figures = dict(run.figures or {})
    million = 1_000_000 / run.rows
    return {
        "latency": latency,
        "rows": run.rows,
        "jobs": vendor.accepted,
        "cost_per_million": {name: million * n for name, n in figures["cost"].items()},
        "together": figures["cost_per_million_rows"],
        **{
            name: figures[name]
            for name in ("seconds", "wall_ratio", "slot_use", "request_ratio", "transitions",
                         "gb_seconds", "write_units", "read_units")
        },
    }  # fmt: skip


def measure(
    latencies: Sequence[float] = LATENCIES, rows: int = ROWS, processes: int = 2
) -> dict[str, Any]:
    """Every latency; a JSON document."""
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(partial(measure_one, rows=rows), latencies))
    return {"target": TARGET, "max_jobs": USUAL.max_jobs, "results": found}


def table(results: Sequence[dict[str, Any]]) -> Table:
    """The results as people read them: one column for each latency."""
    shown = Table(title="Dollars for a million rows, by the latency of a job", title_justify="left")
    shown.add_column("")
    for result in results:
        shown.add_column(f"{result['latency']:g} s", justify="right")
    for item in results[0]["cost_per_million"]:
        shown.add_row(item, *(f"{result['cost_per_million'][item]:.3f}" for result in results))
    shown.add_row("together", *(f"{result['together']:.2f}" for result in results))
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="What a million rows cost.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    document = measure(arguments.latency, arguments.rows)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(
        table(document["results"])
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
