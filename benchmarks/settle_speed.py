"""How fast settling is, and how much memory it takes: one outcome per row of finished jobs.

    python benchmarks/settle_speed.py [--rows N …] [--json FILE]

The real steps carry a file into a Zendesk simulator that ends jobs at once; only `settle_job` is
timed, and then the closing of the run. Each measurement runs in a process of its own, over

- `memory`: the tests' table in memory, which answers without network but checks what it is given
  as DynamoDB does; here settling is compared from one change to the next;
- `emulator`: the real DynamoDB client and an embedded emulator, whose own time counts in the
  seconds. CPU seconds are of this process alone: what a function pays for, whatever the table.

Peak memory is an upper bound, as the simulator and its records live in the same process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import boto3

import vendorsim
from benchmarks.memory import peak_mb
from jobferry.binding.profile_document import validate
from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.domain.routes import LaneRoute
from jobferry.domain.run_request import RunRequest
from jobferry.lane.state import LaneState
from jobferry.runtime.settings import Settings
from jobferry.scheduler.settings import USUAL as SCHEDULING
from jobferry.steps.close_run import close_run
from jobferry.steps.open_run import open_run
from jobferry.steps.plan_run import plan_run
from jobferry.steps.poll_jobs import poll_jobs
from jobferry.steps.settle_job import settle_job
from jobferry.steps.submit_jobs import submit_jobs
from jobferry.store import Store
from jobferry.vendors.connections import Connections, max_jobs
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.local import processes
from tests.integration.conftest import make_table
from virtual.clock import Clock
from virtual.objects import FakeObjects
from virtual.table import fake_store

DEFAULT_ROWS = (5_000, 20_000)
TABLES = ("memory", "emulator")
VENDOR = "zendesk_support"
ACCOUNT = "settle-speed"
INBOX = "inbox-bucket"
STEP_SECONDS = 60.0
CLOSING_TARGET = 40_000
"""Rows of closing for a second of a core."""
ITERATION_SECONDS = 5.0


def measure_once(rows: int, table: str) -> dict[str, Any]:
    """Carry a file of `rows` rows and time its settling."""
    with ExitStack() as stack:
        simulator = stack.enter_context(
            vendorsim.start(latency=0, requests_per_minute=0, max_jobs=0)
        )
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        of_emulator = table == "emulator"
        store = fake_store(stack.enter_context(_emulated_table()) if of_emulator else None)
        # No step waits: the simulator's jobs have ended when they are looked at.
        clock = Clock()
        # All of it is left to SettleJob, so that settling can be timed by itself.
        later = replace(SCHEDULING, rows_settled_at_once=0)
        deps = replace(_deps(store, simulator.url, clock), scheduling=later)
        run_id = _planned(rows, deps, scratch)
        at_rest = peak_mb()
        seconds = cpu = 0.0
        state = LaneState(run_id, 0)
        while state.state == LaneRoute.WORKING:
            started, started_cpu = time.perf_counter(), time.process_time()
            for group in state.settle:
                settle_job(run_id, group, deps)
            seconds += time.perf_counter() - started
            cpu += time.process_time() - started_cpu
            state = submit_jobs(state, deps, clock.now() + STEP_SECONDS)
            clock.advance(ITERATION_SECONDS)
            state = poll_jobs(state, deps, clock.now() + STEP_SECONDS)
        settled = sum(store.runs.must_get(run_id).outcomes.values())
        closing_cpu = _close(run_id, deps)
    if settled != rows:
        raise AssertionError(f"{settled} of {rows} rows have an outcome")
    return {
        "table": table,
        "rows": rows,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "rows_per_second": round(rows / seconds),
        "rows_per_cpu_second": round(rows / cpu),
        "closed_rows_per_cpu_second": round(rows / closing_cpu),
        "peak_rss_mb": peak_mb(),
        "peak_rss_mb_before": at_rest,
    }


def _close(run_id: str, deps: Deps) -> float:
    """CPU seconds of closing a run whose rows are all settled.

    Raises:
        AssertionError: it does not close.
    """
    started = time.process_time()
    while (answer := close_run(run_id, deps, deps.now() + STEP_SECONDS))["state"] == "closing":
        pass
    if answer["state"] != "closed":
        raise AssertionError(f"the run is {answer['state']}")
    return time.process_time() - started


def _deps(store: Store, url: str, clock: Clock) -> Deps:
    """What the steps work with, and an account at the simulator with a profile that sends there."""
    connection = Connection(ACCOUNT, VENDOR, url)
    store.config.put_connection(connection)
    store.limits.ensure(ACCOUNT, max_jobs(connection, BUILT_IN.named(VENDOR)))
    store.config.put_profile(
        ACCOUNT,
        validate(
            {
                "name": ACCOUNT,
                "connection": ACCOUNT,
                "operation": "tickets.create",
                "columns": {"Body": "comment.body", "Ref": "external_id"},
            }
        ),
    )
    return Deps(
        settings=Settings("table", INBOX, "archive", "secrets/", 30, LOOPBACK),
        store=store,
        objects=FakeObjects(),
        connections=Connections(
            store.config,
            lambda _name, _afresh: '{"bearer": "sim-token"}',
            reach=LOOPBACK,
        ),
        now=clock.now,
        sleep=clock.advance,
        emit=lambda **_counts: None,
    )


def _planned(rows: int, deps: Deps, scratch: Path) -> str:
    """A run of a file of `rows` rows whose lanes may start."""
    lines = ["Body,Ref", *(f"The printer is out of paper,ref-{n}" for n in range(rows))]
    key = f"inbox/{ACCOUNT}/rows.csv"
    objects = cast("FakeObjects", deps.objects)
    version = objects.upload(INBOX, key, "\n".join(lines).encode())
    request = RunRequest(ACCOUNT, INBOX, key, version)
    run_id: str = open_run(request, "arn:execution", deps)["run_id"]
    plan_run(run_id, deps, deps.now() + STEP_SECONDS, scratch / "plan")
    return run_id


@contextmanager
def _emulated_table() -> Iterator[Any]:
    """A table as the template makes it, on an emulator that is stopped at the end."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "emulator.log"
        handle = processes.start(
            [processes.tool("ministack")],
            log,
            {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0"},
        )
        try:
            processes.wait_for(url, handle, log)
            client = boto3.client(
                "dynamodb",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            yield make_table(client)
        finally:
            processes.stop(handle)


def measure(sizes: Sequence[int] = DEFAULT_ROWS) -> dict[str, Any]:
    """Every size over every table, each in a process of its own; a JSON document."""
    results = []
    for table in TABLES:
        for rows in sizes:
            command = (sys.executable, __file__, "--measure", table, "--rows", str(rows))
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results.append(json.loads(run.stdout))
    return {"closing_target": CLOSING_TARGET, "results": results}


def table(results: Sequence[dict[str, Any]]) -> Table:
    """The results as people read them."""
    shown = Table(title="Settling", title_justify="left")
    for column in ("table", "rows", "s", "CPU s", "rows/s", "rows/CPU s", "closed/CPU s", "MB"):
        shown.add_column(column, justify="left" if column == "table" else "right")
    for result in results:
        shown.add_row(
            result["table"],
            f"{result['rows']:,}",
            f"{result['seconds']:.2f}",
            f"{result['cpu_seconds']:.2f}",
            f"{result['rows_per_second']:,}",
            f"{result['rows_per_cpu_second']:,}",
            f"{result['closed_rows_per_cpu_second']:,}",
            f"{result['peak_rss_mb']:.0f}",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of settling.")
    parser.add_argument("--rows", nargs="+", type=int, default=DEFAULT_ROWS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--measure", choices=TABLES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure_once(arguments.rows[0], arguments.measure)))
        return 0
    results = measure(arguments.rows)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(
        table(results["results"])
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
