"""What a million rows cost at list prices: everything that AWS bills, counted in virtual time.

    python benchmarks/cost.py [--jobs N] [--rows-a-job N …] [--latency SECONDS …] [--json FILE]

The real steps carry two files, one of N jobs and one of three times as many, charged what AWS takes
(`virtual/charges.py`). What lies between the two is what rows cost, and the rest what a run does;
a million rows are extrapolated from that. One row of a hundred fails. `domain/prices.py` has the
prices.

Kept for the default retention: the table's items until each expires, with its copies in indexes
and point-in-time recovery; the source, the evidence and the results in S3; the logs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import seed as seed_all
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.ours import RETENTION_DAYS, ModelWorld
from benchmarks.virtual.policy import START
from benchmarks.virtual.vendor import USUAL, Conditions, VendorModel
from jobferry.domain import prices
from jobferry.reporting.costs import fixed_month, log_gigabytes
from virtual.bill import INDEXES, ITEM_OVERHEAD
from virtual.charges import AWS
from virtual.schedule import Schedule
from virtual.world import sample_csv

MILLION = 1_000_000
LATENCIES = (5.0, 60.0, 300.0)
JOBS = 500
MORE_OF_SMALL_JOBS = 4
SEED = 1
FAILING = 0.01

ACCOUNTS: Mapping[int, Conditions] = {
    100: replace(USUAL, rows=100, failing=FAILING),
    25: replace(USUAL, rows=25, failing=FAILING),
    # As Vidispine: one row a job, many in flight, nobody says what is too many.
    1: Conditions(200, 60_000, 15.0, poll_batch=200, refuses_excess=False, rows=1, failing=FAILING),
}
"""By rows of a job."""

TARGETS: Mapping[tuple[int, float], float] = {
    (100, 5.0): 0.25,
    (100, 60.0): 0.25,
    (100, 300.0): 0.40,
    (25, 5.0): 0.60,
    (25, 60.0): 0.60,
    (1, 5.0): 3.00,
    (1, 60.0): 3.00,
}
"""(rows a job, L) → dollars for a million rows."""


def measure_run(conditions: Conditions, jobs: int) -> Mapping[str, float]:
    """Dollars of one run, by item, and what of it was counted."""
    seed_all(SEED)
    vendor, schedule = VendorModel(conditions, SEED), Schedule(START, SEED)
    rows = jobs * conditions.rows
    with ModelWorld(vendor, schedule, AWS) as world:
        run = world.processed(sample_csv(rows))
        if problems := world.problems(run.run_id):
            raise RuntimeError("; ".join(problems))
        return dollars_of(world)


def dollars_of(world: ModelWorld) -> Mapping[str, float]:
    """What a world's runs cost so far, by item."""
    bill = world.bill
    assert bill is not None
    used = bill.used
    table, indexes = _table_months(world)
    objects = sum(version.size for version in _objects(world)) / prices.GIGABYTE
    return prices.cost(
        replace(
            used,
            table_months=table,
            index_months=indexes,
            object_months=objects * RETENTION_DAYS * 86_400 / prices.MONTH,
            log_gigabytes=log_gigabytes(used.invocations, used.transitions, len(world.log)),
            notices=len(world.announced),
        )
    )


def _table_months(world: ModelWorld) -> tuple[float, float]:
    """Gigabyte-months of the table, and of its indexes: each item until it expires."""
    now = world.clock.now()
    table = indexes = 0.0
    for item, size in world.table.sizes():
        if "expires_at" in item:
            held = (size + ITEM_OVERHEAD) / prices.GIGABYTE
            held *= (item["expires_at"] - now) / prices.MONTH
            table += held
            indexes += held * sum(all(name in item for name in names) for names in INDEXES)
    return table, indexes


def _objects(world: ModelWorld) -> list[Any]:
    buckets = {bucket for bucket, _ in world.objects.everything()}
    return [version for bucket in buckets for version in world.objects.versions(bucket, "")]


def measure_one(rows_a_job: int, latency: float, jobs: int) -> dict[str, Any]:
    """A million rows of one form, by item."""
    conditions = replace(ACCOUNTS[rows_a_job], latency=latency)
    # Jobs of one row are cheap to simulate, and with many slots it takes many to fill them.
    jobs *= MORE_OF_SMALL_JOBS if rows_a_job == 1 else 1
    small, big = (measure_run(conditions, n) for n in (jobs, 3 * jobs))
    rows = jobs * rows_a_job
    items = {
        name: big[name] + (big[name] - small[name]) / (2 * rows) * (MILLION - 3 * rows)
        for name in big
    }
    return {
        "rows_a_job": rows_a_job,
        "latency": latency,
        "max_jobs": conditions.max_jobs,
        "jobs": [jobs, 3 * jobs],
        "items": {name: round(amount, 4) for name, amount in items.items()},
        "together": round(sum(items.values()), 4),
        "target": TARGETS.get((rows_a_job, latency)),
    }


def measure(
    rows_a_job: Sequence[int] = tuple(ACCOUNTS),
    latencies: Sequence[float] = LATENCIES,
    jobs: int = JOBS,
    processes: int = 2,
) -> dict[str, Any]:
    """Every form of run; a JSON document."""
    cells = [(rows, latency, jobs) for rows in rows_a_job for latency in latencies]
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(measure_one, *zip(*cells, strict=True)))
    fixed = {name: round(amount, 3) for name, amount in fixed_month(1).items()}
    return {"retention_days": RETENTION_DAYS, "results": found, "fixed_month": fixed}


def tables(document: Mapping[str, Any]) -> list[Table]:
    """The results as people read them: one column for each form of run."""
    results = document["results"]
    shown = Table(title="Dollars for a million rows", title_justify="left")
    shown.add_column("rows a job · L")
    for result in results:
        shown.add_column(f"{result['rows_a_job']} · {result['latency']:g} s", justify="right")
    for item in results[0]["items"]:
        shown.add_row(item, *(f"{result['items'][item]:.3f}" for result in results))
    shown.add_row("together", *(f"{result['together']:.2f}" for result in results))
    targets = (f"≤ {r['target']:.2f}" if r["target"] else "" for r in results)
    shown.add_row("target", *targets)
    fixed = Table(title="Dollars a month, whatever runs", title_justify="left")
    for name in (*document["fixed_month"], "together"):
        fixed.add_column(name, justify="right")
    amounts = [*document["fixed_month"].values()]
    fixed.add_row(*(f"{amount:.2f}" for amount in (*amounts, sum(amounts))))
    return [shown, fixed]


def main() -> int:
    parser = argparse.ArgumentParser(description="What a million rows cost.")
    parser.add_argument("--jobs", type=int, default=JOBS, help="of the smaller of two files")
    parser.add_argument(
        "--rows-a-job", type=int, nargs="+", choices=ACCOUNTS, default=list(ACCOUNTS)
    )
    parser.add_argument("--latency", type=float, nargs="+", default=LATENCIES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    document = measure(arguments.rows_a_job, arguments.latency, arguments.jobs)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    for table in tables(document):
        console.print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
