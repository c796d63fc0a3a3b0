"""How much memory one event of the hot path takes: what its `MemorySize` must hold.

    python benchmarks/hot_path_memory.py [--jobs N] [--row-bytes N …] [--json FILE]

Each measurement is a fresh process that imports the function's handler, makes what the first event
makes (S3 client, HTTP, one vendor's module), and then carries out one event by the real step, in
the largest form that a lane hands it: Submit sends as many of N jobs of 100 rows as a lane may have
in flight, with all its senders; Poll reads them when they have ended (what it sends besides takes
what Submit takes); Settle writes the outcomes of 5 jobs. The table, the bucket and the vendor are
fakes in the same process; what they keep of an event is counted with it, so the figures are upper
bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
# In place of this folder, whose `virtual` is another package than the one of `simulators`.
sys.path[0] = str(ROOT)

from benchmarks import import_time  # noqa: E402
from benchmarks.memory import peak_mb  # noqa: E402

T = TypeVar("T")

ROWS_PER_JOB = 100
SETTLE_JOBS = 5
LAPS = 3
"""Iterations that Submit gets: the first chunk of a run goes alone."""

BODY_BYTES = 4 * 1024 * 1024
"""The largest body of any vendor's request."""

SECONDS_OF_A_JOB = 600.0
"""Longer than any job of the fake account takes."""


def carry_out(function: str, jobs: int, row_bytes: int) -> dict[str, float]:
    """One event in this process.

    Returns:
        Megabytes: of the whole process when ready and after the first use (`ready_mb`,
        `first_use_mb`), and what the event held at its peak on top (`event_mb`); and the jobs sent.
    """
    sys.path.insert(0, str(import_time.FUNCTIONS / function))
    namespace: dict[str, Any] = {}
    exec("import app", namespace)
    ready = peak_mb()
    exec("\n".join(import_time.FIRST_USE[function]), namespace)
    first_use = peak_mb()

    from jobferry.lane.state import LaneState
    from jobferry.scheduler.settings import USUAL as SCHEDULING
    from virtual.vendor import fake_vendor
    from virtual.world import World

    chunks = SETTLE_JOBS if function == "settle_job" else jobs
    world = World(max_jobs=jobs, senders=SCHEDULING.senders)
    world.vendor = fake_vendor(world.account, max_bytes=BODY_BYTES)
    with world:
        run = world.planned(_file(chunks * ROWS_PER_JOB, row_bytes))
        state = LaneState(run.run_id, 0)
        event = 0.0
        for _ in range(LAPS):
            state, peak = _traced(partial(world.submit, state))
            event = max(event, peak)
        if function != "submit_jobs":
            world.clock.advance(SECONDS_OF_A_JOB)
            state, event = _traced(partial(world.poll, state))
        if function == "settle_job":
            _, event = _traced(partial(world.settle, state))
            if len(world.outcomes(run.run_id)) != chunks * ROWS_PER_JOB:
                raise RuntimeError("the event did not decide every row")
        sent = len(world.account.submissions)
    return {"jobs": sent, "ready_mb": ready, "first_use_mb": first_use, "event_mb": event}


def _traced(work: Callable[[], T]) -> tuple[T, float]:
    """What the work returns, and the megabytes it held at its peak beyond what was there before."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1] / 1024**2
    finally:
        tracemalloc.stop()


def _file(rows: int, row_bytes: int) -> str:
    filling = "x" * max(1, row_bytes - 16)
    return "\n".join(["Name,Ref", *(f"{filling},r{number}" for number in range(rows))])


def measure(jobs: int, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Every function of the hot path for every size of a row, each in a process of its own."""
    template = import_time.read_template()
    found = []
    for function in import_time.HOT:
        environment = import_time.environment(template, function, import_time.LAYER)
        for size in sizes:
            command = [sys.executable, __file__, "--one", function, "--jobs", str(jobs)]
            done = subprocess.run(
                [*command, "--row-bytes", str(size)],
                env=environment,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            figures = json.loads(done.stdout.splitlines()[-1])
            found.append({"function": function, "row_bytes": size, **figures})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory of the hot path.")
    parser.add_argument("--jobs", type=int, default=30, help="jobs that are planned")
    parser.add_argument("--row-bytes", type=int, nargs="+", default=[100, 40_000])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--one", choices=import_time.HOT, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(carry_out(arguments.one, arguments.jobs, arguments.row_bytes[0])))
        return 0
    results = measure(arguments.jobs, arguments.row_bytes)
    table = Table(title=f"Memory in MB, jobs of {ROWS_PER_JOB} rows")
    for heading in ("function", "bytes a row", "jobs", "ready", "first use", "+ event", "sum"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for each in results:
        figures = [each["ready_mb"], each["first_use_mb"], each["event_mb"]]
        sizes = (f"{figure:.0f}" for figure in (*figures, figures[1] + figures[2]))
        table.add_row(each["function"], f"{each['row_bytes']:,}", f"{each['jobs']}", *sizes)
    Console(stderr=True).print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + os.linesep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
