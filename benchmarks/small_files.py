"""How long ten rows take, from the upload's event to the closed run, beyond the vendor's job.

    python benchmarks/small_files.py [--seeds N] [--latency SECONDS …] [--json FILE]

The real steps in virtual time, charged what AWS takes (`virtual/charges.py`). Cold: the first file
of a deployment. Warm: another file a minute later, whose functions and connection are known. The
delivery of the event before it is not counted: AWS says nothing of how long it takes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import seed as seed_all
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
from virtual.bill import Bill
from virtual.charges import AWS
from virtual.schedule import Schedule
from virtual.world import sample_csv

ROWS = 10
LATENCIES = (2.0, 5.0, 15.0)
SEEDS = 5
BETWEEN = 60.0
"""Seconds from the end of the first file to the second."""

TARGETS: Mapping[str, float] = {"cold": 6.0, "warm": 3.0}
"""Seconds beyond the job."""


def measure_one(latency: float, seed: int) -> dict[str, dict[str, float]]:
    """One deployment with two files: what the cold and the warm one took."""
    seed_all(seed)
    conditions = Conditions(30, 700, latency, sigma=0.0, stragglers=0.0, rows=100)
    vendor, schedule = VendorModel(conditions, seed), Schedule(START, seed)
    found = {}
    with ModelWorld(vendor, schedule, AWS) as world:
        assert world.bill is not None
        for number, name in enumerate(TARGETS):
            before, began, sent = _counts(world.bill), schedule.now(), vendor.requests.total()
            # Other rows each time: the same ones again would be held back as a repeat.
            rows = sample_csv(ROWS, start=1 + 1_000 * number)
            run = world.processed(rows, name=f"{name}.csv")
            if problems := world.problems(run.run_id):
                raise RuntimeError("; ".join(problems))
            used = {key: value - before[key] for key, value in _counts(world.bill).items()}
            found[name] = {
                "seconds": schedule.now() - began,
                "beyond": schedule.now() - began - latency,
                "vendor_requests": vendor.requests.total() - sent,
                **used,
            }
            schedule.sleep(BETWEEN)
    return found


def _counts(bill: Bill) -> dict[str, float]:
    return {
        "transitions": bill.transitions,
        "invocations": bill.invocations.total(),
        "cold_starts": bill.cold.total(),
        "table_calls": bill.calls.total(),
    }


def measure(latencies: Sequence[float] = LATENCIES, seeds: int = SEEDS) -> dict[str, Any]:
    """Every latency, cold and warm; a JSON document of medians."""
    cells = []
    for latency in latencies:
        found = [measure_one(latency, seed) for seed in range(seeds)]
        for name, target in TARGETS.items():
            figures = {
                key: round(median(one[name][key] for one in found), 2) for key in found[0][name]
            }
            held = figures["beyond"] <= target
            cells.append(
                {"start": name, "latency": latency, **figures, "target": target, "held": held}
            )
    return {"rows": ROWS, "seeds": seeds, "cells": cells}


def table(cells: Sequence[Mapping[str, Any]]) -> Table:
    shown = Table(title=f"{ROWS} rows, from the upload to the closed run", title_justify="left")
    names = ("start", "latency", "seconds", "beyond", "target", "transitions", "invocations",
             "cold_starts", "table_calls", "vendor_requests")  # fmt: skip
    for name in names:
        shown.add_column(name.replace("_", " "), justify="left" if name == "start" else "right")
    for cell in cells:
        shown.add_row(*(f"{cell[n]:g}" if n != "start" else cell[n] for n in names))
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Seconds of a small file.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    document = measure(arguments.latency, arguments.seeds)
    Console(stderr=True, width=None if sys.stderr.isatty() else 130).print(table(document["cells"]))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
