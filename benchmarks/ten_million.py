"""A run of ten million rows in virtual time, held against the limits of AWS and of the vendor.

    python benchmarks/ten_million.py [--rows N] [--rows-a-job N] [--again SHARE] [--json FILE]

The real steps carry the run: lanes, claims, limits, settling, closing row by row. Replaced is what
lies outside: the table and the objects by fakes that keep DynamoDB's and S3's rules and take time
for each write, the vendor by a model of an account with storms of 429. Planning is not carried out
(see `plan_speed.py`), but its pages and checkpoints are written as it writes them. Of rows the
table keeps the status and counts the rest.

Exit code 1: a limit was exceeded, or the run does not add up.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table as Grid

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.bulk import Gauge, Jobs, LongSchedule
from benchmarks.virtual.history import FAILED_TASK_EVENTS
from benchmarks.virtual.long_run import BulkWorld, CountedExecution
from benchmarks.virtual.vendor import Conditions, VendorModel
from virtual.clock import START
from virtual.world import CONNECTION, MOST_PAYLOAD

ROWS = 10_000_000
ROWS_A_JOB = 100
CONDITIONS = Conditions(max_jobs=30, requests_per_minute=700, latency=5.0, storms=True)
SEED = 1

AGAIN = 0.02
"""Part of the jobs with a row that the vendor asks to try again."""

# AWS's limits.
ITEM_BYTES = 400 * 1024
HISTORY_EVENTS = 25_000
PARTITION_UNITS = 1_000
UPLOAD_PARTS = 10_000

# What we ask of ourselves.
SHARED_ITEM_BYTES = 16 * 1024
"""Items that every lane reads and writes all the time stay small."""
ITEMS_A_CALL = 10_000
"""Read by one invocation of a lane's step, whatever the size of the run."""
CLOSING_BYTES = 64 * 1024
"""Of the state that closing hands to its next invocation."""


@dataclass(frozen=True)
class Bound:
    """A figure that may not exceed a limit."""

    name: str
    most: float
    limit: float
    unit: str = ""

    @property
    def kept(self) -> bool:
        return self.most <= self.limit


@dataclass(frozen=True)
class Report:
    """What was seen of a run.

    problems    what it breaks of the promises
    seconds     virtual ones, from the upload to the closed run
    cpu_seconds of the simulation
    megabytes   of its process at the end, with all chunks in the table
    """

    rows: int
    jobs: int
    seconds: float
    cpu_seconds: float
    megabytes: int
    laps: int
    launches: int
    requests: Mapping[str, int]
    refused: Mapping[str, int]
    bounds: Sequence[Bound]
    problems: Sequence[str]

    @property
    def kept(self) -> bool:
        return not self.problems and all(bound.kept for bound in self.bounds)


def simulate(
    rows: int,
    again: float = AGAIN,
    *,
    rows_a_job: int = ROWS_A_JOB,
    conditions: Conditions = CONDITIONS,
) -> Report:
    """Carry a file of so many rows.

    Args:
        again: part of the jobs with a row that the vendor asks to try again.
    """
    began = time.process_time()
    schedule, gauge = LongSchedule(START), Gauge()
    vendor = VendorModel(conditions, SEED)
    with BulkWorld(vendor, schedule, rows, Jobs(again), gauge, rows_a_job=rows_a_job) as world:
        execution = world.carry_file()
        gauge.events["run"] = execution.events + gauge.failed_tasks * FAILED_TASK_EVENTS
        gauge.events["lane"] += gauge.failed_tasks * FAILED_TASK_EVENTS
        return Report(
            rows=rows,
            jobs=vendor.accepted,
            seconds=schedule.now() - START,
            cpu_seconds=time.process_time() - began,
            megabytes=psutil.Process().memory_info().rss // 2**20,
            laps=execution.iterations,
            launches=execution.launches,
            requests={kind.value: n for kind, n in vendor.requests.items()},
            refused={reason.value: n for reason, n in vendor.refused.items()},
            bounds=_bounds(gauge, vendor),
            problems=_problems(world, execution),
        )


SHARED = frozenset({"POOL", "LIMITS", "REQUESTS", "META", "LEARNED"})


def _bounds(gauge: Gauge, vendor: VendorModel) -> list[Bound]:
    conditions = vendor.conditions
    lane_steps = ("SubmitJobs", "PollJobs", "SettleJob")
    return [
        *(
            Bound(f"item {kind}", size, SHARED_ITEM_BYTES if kind in SHARED else ITEM_BYTES, "B")
            for kind, size in sorted(gauge.items.items())
        ),
        *(
            Bound(f"payload of {state}", size, MOST_PAYLOAD, "B")
            for state, size in gauge.payloads.items()
        ),
        *(
            Bound(f"history of a {kind}", n, HISTORY_EVENTS, "events")
            for kind, n in sorted(gauge.events.items())
        ),
        *(
            Bound(f"busiest partition {kind}", units, PARTITION_UNITS, "units/s")
            for kind, units in sorted(gauge.units.items())
        ),
        *(
            Bound(f"items read by one {step}", gauge.reads.get(step, 0), ITEMS_A_CALL)
            for step in lane_steps
        ),
        Bound("parts of a result file", gauge.parts, UPLOAD_PARTS),
        Bound("state of closing", gauge.objects.get("closing state", 0), CLOSING_BYTES, "B"),
        Bound("jobs in flight", vendor.most_in_flight, conditions.max_jobs),
        Bound("requests in any minute", vendor.most_in_any_minute, conditions.requests_per_minute),
    ]


def _problems(world: BulkWorld, execution: CountedExecution) -> list[str]:
    """What a closed run breaks of the promises."""
    run = world.run(execution.run_id)
    limits = world.store.limits.get(CONNECTION)
    checks = {
        f"the run is {run.status}": run.closed_at is not None
        and run.status.value == "completed_with_failures",
        "the outcomes are not the rows": run.settled_rows == run.rows == world.file.rows,
        "rows were written twice": not world.book.written_again,
        "slots are still taken": limits.in_flight == 0,
        "chunks are still in flight": not world.store.chunks.runs_in_flight(CONNECTION),
        "chunks are left in the pool": not world.store.chunks.pool(run.run_id).left,
        "uploads in parts are left open": world.objects.open_uploads == 0,
        "a lane died": not execution.lanes_died,
        f"{world.gauge.failed_tasks} tasks failed": not world.gauge.failed_tasks,
    }
    return [problem for problem, kept in checks.items() if not kept]


def table(report: Report) -> Grid:
    grid = Grid(title=f"{report.rows:,} rows, {report.jobs:,} jobs")
    grid.add_column("most")
    grid.add_column("seen", justify="right")
    grid.add_column("limit", justify="right")
    grid.add_column("")
    for bound in report.bounds:
        grid.add_row(
            f"{bound.name} ({bound.unit})" if bound.unit else bound.name,
            f"{bound.most:,}",
            f"{bound.limit:,}",
            "" if bound.kept else "EXCEEDED",
        )
    return grid


def main() -> int:
    parser = argparse.ArgumentParser(description="A run of ten million rows, by simulation.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rows-a-job", type=int, default=ROWS_A_JOB)
    parser.add_argument(
        "--again", type=float, default=AGAIN, help="part of the jobs with a row to try again"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    report = simulate(arguments.rows, arguments.again, rows_a_job=arguments.rows_a_job)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    console.print(table(report))
    console.print(
        f"{report.seconds / 3600:.2f} hours in {report.cpu_seconds:.0f} CPU seconds; "
        f"{report.laps:,} laps, lanes started {report.launches} times; "
        f"requests {dict(report.requests)}, refused {dict(report.refused)}"
    )
    for problem in report.problems:
        console.print(f"[red]{problem}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(asdict(report), indent=2) + "\n")
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
