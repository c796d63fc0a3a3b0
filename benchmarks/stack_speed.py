"""Jobferry and AWS's "Job Poller" sample, deployed side by side, on the same files and vendor.

    python benchmarks/stack_speed.py [--rows N …] [--waits SECONDS …] [--json FILE]

Both stacks are built and deployed by SAM onto one embedded emulator, and carry the same rows into
the same Zendesk simulator, one after the other. The peer (`job_poller/`) is started once for every
hundred rows, with the rows in its input: reading the file costs it nothing here, and it keeps no
outcome of any row. Counted are

- seconds from the upload (the first start) to the closed run (the end of the last execution),
- requests as the simulator saw them,
- state transitions as AWS bills them, from the executions' histories: every state entered, and
  every retry. Where the emulator tells of a lane's tasks alone, the states between them are
  counted from the lane's definition.

The emulator's functions share the cores of this machine, so seconds compare only within one run.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vendorsim
from benchmarks.transitions import Event, lane_transitions, transitions_of
from jobferry.binding.profile_document import validate
from jobferry.domain.connection import Connection
from jobferry.steps.open_run import run_id_of
from jobferry.vendors.connections import max_jobs
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.local import deployment
from jobferry_cli.local.commands import start_local, stop_local
from jobferry_cli.local.state import HOME_VARIABLE, LocalState, state_folder
from jobferry_cli.stack import Stack, StackChoice, open_stack, session_for

ROOT = Path(__file__).resolve().parents[1]

DEFAULT_ROWS = (3_000, 6_000)
DEFAULT_WAITS = (5, 60)
"""Seconds between two polls of the peer; 60 is the sample's own example."""
LATENCY_SECONDS = 3.0
MAX_JOBS = 30
REQUESTS_PER_MINUTE = 700
BATCH = 100
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.5

VENDOR = "zendesk_support"
TOKEN = "sim-token"
NAME = "stack-speed"
PEER_STACK = "job-poller"
PEER_FOLDER = ROOT / "benchmarks" / "job_poller"
COLUMNS = {"Subject": "subject", "Body": "comment.body", "Ref": "external_id"}
PROFILE = {
    "name": NAME,
    "connection": NAME,
    "operation": "tickets.create",
    "columns": COLUMNS,
    "row_key": "Ref",
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one carriage of a file took.

    succeeded  rows that the vendor made records of
    seconds    from the start to the last end
    vendor_seconds   from the start to the end of the vendor's last job
    bound      least seconds that the vendor's own limits allow, to the end of its last job
    """

    tool: str
    rows: int
    succeeded: int
    seconds: float
    vendor_seconds: float
    bound: float
    rows_per_second: float
    submit_requests: int
    poll_requests: int
    throttled_requests: int
    transitions: int


def tickets_csv(rows: int) -> str:
    """A file of good rows for tickets.create."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((f"Subject {n}", f"Body {n}", f"ref-{n}") for n in range(1, rows + 1))
    return text.getvalue()


def bound_seconds(rows: int) -> float:
    """No tool can be faster: waves of jobs through the vendor's slots, or its rate of requests."""
    jobs = math.ceil(rows / BATCH)
    return max(math.ceil(jobs / MAX_JOBS) * LATENCY_SECONDS, 60.0 * jobs / REQUESTS_PER_MINUTE)


class Bench:
    """Both stacks on one emulator.

    stack  Jobferry's, as its command sees it
    """

    def __init__(
        self, state: LocalState, stack: Stack, simulator: vendorsim.RunningSimulator
    ) -> None:
        session = session_for(StackChoice(state.stack, state))
        self.stack = stack
        self._simulator = simulator
        self._sfn = session.client("stepfunctions")
        described = session.client("cloudformation").describe_stacks(StackName=PEER_STACK)
        outputs = described["Stacks"][0]["Outputs"]
        self._peer_arn = next(o["OutputValue"] for o in outputs if o["OutputKey"] == "JobPollerArn")
        machine = self._sfn.describe_state_machine(
            stateMachineArn=stack.settings.run_state_machine_arn or ""
        )
        states = json.loads(machine["definition"])["States"]
        self._lane = next(s for s in states.values() if s["Type"] == "Map")["ItemProcessor"]
        stack.secrets.put(NAME, {"bearer": TOKEN})
        connection = Connection(NAME, VENDOR, simulator.url)
        config = stack.deps.store.config
        config.put_connection(connection)
        stack.deps.store.limits.ensure(NAME, max_jobs(connection, BUILT_IN.named(VENDOR)))
        config.put_profile(NAME, validate(PROFILE))

    def jobferry(self, rows: int) -> Measurement:
        """Drop a file into the inbox and wait until its run is closed."""
        self._simulator.reset()
        runs = self.stack.deps.store.runs
        started = time.time()
        file = io.BytesIO(tickets_csv(rows).encode())
        request = self.stack.inbox.upload(file, NAME, "rows.csv")
        run_id = run_id_of(request, request.version_id or "null")
        while (run := runs.get(run_id)) is None or run.closed_at is None:
            if time.time() > started + PATIENCE_SECONDS:
                raise TimeoutError(f"{run_id} is not closed after {PATIENCE_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)
        self._end(run.execution, started + PATIENCE_SECONDS)
        transitions = transitions_of(self._history(run.execution)) + sum(
            lane_transitions(self._lane, self._history(lane)) for lane in self._lanes(run.execution)
        )
        seconds = run.closed_at - started
        return _measurement("jobferry", rows, started, seconds, self._simulator, transitions)

    def job_poller(self, rows: int, wait_seconds: int) -> Measurement:
        """Start one execution per hundred rows, all at once, and wait until all have ended."""
        records = list(csv.DictReader(io.StringIO(tickets_csv(rows))))
        tickets = [
            {
                "subject": record["Subject"],
                "comment": {"body": record["Body"]},
                "external_id": record["Ref"],
            }
            for record in records
        ]
        self._simulator.reset()
        common = {"url": self._simulator.url, "token": TOKEN, "wait_seconds": wait_seconds}
        started = time.time()
        arns = [
            self._sfn.start_execution(
                stateMachineArn=self._peer_arn,
                input=json.dumps({**common, "tickets": tickets[first : first + BATCH]}),
            )["executionArn"]
            for first in range(0, rows, BATCH)
        ]
        ended = max(self._end(arn, started + PATIENCE_SECONDS) for arn in arns)
        transitions = sum(transitions_of(self._history(arn)) for arn in arns)
        tool = f"job poller, {wait_seconds} s"
        return _measurement(tool, rows, started, ended - started, self._simulator, transitions)

    def _end(self, arn: str, deadline: float) -> float:
        """When an execution ended, in epoch seconds."""
        while time.time() < deadline:
            execution = self._sfn.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                end: float = execution["stopDate"].timestamp()
                return end
            time.sleep(LOOK_SECONDS)
        raise TimeoutError(f"{arn} has not ended")

    def _lanes(self, execution: str) -> Iterator[str]:
        """The child executions of a run's execution."""
        for map_run in self._sfn.list_map_runs(executionArn=execution)["mapRuns"]:
            pages = self._sfn.get_paginator("list_executions").paginate(
                mapRunArn=map_run["mapRunArn"]
            )
            for page in pages:
                yield from (child["executionArn"] for child in page["executions"])

    def _history(self, arn: str) -> list[Event]:
        pages = self._sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [cast("Event", event) for page in pages for event in page["events"]]


def _measurement(
    tool: str,
    rows: int,
    started: float,
    seconds: float,
    simulator: vendorsim.RunningSimulator,
    transitions: int,
) -> Measurement:
    truth = simulator.effects(limit=0)
    created = truth["counts"]["ticket"]["created"]
    requests = truth["requests"]
    return Measurement(
        tool=tool,
        rows=rows,
        succeeded=created,
        seconds=round(seconds, 2),
        vendor_seconds=round(max(job["ends_at"] for job in truth["jobs"]) - started, 2),
        bound=bound_seconds(rows),
        rows_per_second=round(created / seconds, 1),
        submit_requests=requests["submit"],
        poll_requests=requests["poll"],
        throttled_requests=requests["throttled"],
        transitions=transitions,
    )


@contextmanager
def deployed() -> Iterator[Bench]:
    """Both stacks, built and deployed; the emulator is stopped at the end."""
    before = os.environ.get(HOME_VARIABLE)
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="stack-speed-") as home:
        os.environ[HOME_VARIABLE] = home
        os.chdir(ROOT)
        try:
            state = start_local(port=0, simulator_port=None, simulator_latency="1", wait_scale=1.0)
            try:
                peer = Path(home) / "job_poller"
                print("· building and deploying the job poller", file=sys.stderr)
                deployment.build(PEER_FOLDER, peer)
                deployment.deploy(PEER_FOLDER, peer, PEER_STACK, state.environment(), {})
                with vendorsim.start(
                    latency=LATENCY_SECONDS,
                    max_jobs=MAX_JOBS,
                    requests_per_minute=REQUESTS_PER_MINUTE,
                ) as simulator:
                    stack = open_stack(StackChoice(state.stack, state))
                    yield Bench(state, stack, simulator)
            finally:
                stop_local(state_folder())
        finally:
            os.chdir(here)
            os.environ.pop(HOME_VARIABLE)
            if before is not None:
                os.environ[HOME_VARIABLE] = before


def measure(
    sizes: Sequence[int] = DEFAULT_ROWS, waits: Sequence[int] = DEFAULT_WAITS
) -> dict[str, Any]:
    """Deploy both, warm both up, and carry files of these sizes; a JSON document."""
    results: list[Measurement] = []
    with deployed() as bench:
        print("· warming up", file=sys.stderr)
        bench.jobferry(max(sizes))
        bench.job_poller(max(sizes), 1)
        for rows in sizes:
            for run in (
                bench.jobferry(rows),
                *(bench.job_poller(rows, wait) for wait in waits),
            ):
                print(f"· {run.tool}: {run.rows:,} rows, {run.seconds:.1f} s", file=sys.stderr)
                results.append(run)
    return {
        "vendor": {
            "latency_seconds": LATENCY_SECONDS,
            "max_jobs": MAX_JOBS,
            "requests_per_minute": REQUESTS_PER_MINUTE,
            "rows_per_job": BATCH,
        },
        "results": [asdict(run) for run in results],
        "ratios": ratios([asdict(run) for run in results]),
    }


def ratios(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each peer's figures in units of Jobferry's for the same rows; above 1 is worse."""
    ours = {run["rows"]: run for run in results if run["tool"] == "jobferry"}
    return [
        {
            "tool": run["tool"],
            "rows": run["rows"],
            **{
                name: round(run[name] / ours[run["rows"]][name], 2)
                for name in ("seconds", "submit_requests", "poll_requests", "transitions")
            },
        }
        for run in results
        if run["tool"] != "jobferry"
    ]


def table(results: Sequence[dict[str, Any]]) -> Table:
    """The results as people read them."""
    shown = Table(title="On the real stack", title_justify="left")
    columns = ("tool", "rows", "s", "vendor done", "bound", "rows/s", "submits", "polls")
    for column in (*columns, "throttled", "transitions"):
        shown.add_column(column, justify="left" if column == "tool" else "right")
    for run in results:
        shown.add_row(
            run["tool"],
            f"{run['succeeded']:,}" if run["succeeded"] == run["rows"] else "not all",
            f"{run['seconds']:.1f}",
            f"{run['vendor_seconds']:.1f}",
            f"{run['bound']:.1f}",
            f"{run['rows_per_second']:.0f}",
            *(f"{run[name]:,}" for name in ("submit_requests", "poll_requests")),
            *(f"{run[name]:,}" for name in ("throttled_requests", "transitions")),
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Jobferry beside AWS's Job Poller sample.")
    parser.add_argument("--rows", nargs="+", type=int, default=DEFAULT_ROWS)
    parser.add_argument("--waits", nargs="*", type=int, default=DEFAULT_WAITS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    arguments = parser.parse_args()
    results = measure(arguments.rows, arguments.waits)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(
        table(results["results"])
    )
    for ratio in results["ratios"]:
        print(
            f"{ratio['tool']}, {ratio['rows']:,} rows, in units of Jobferry's: "
            f"{ratio['seconds']} × the time, {ratio['submit_requests']} × the submits, "
            f"{ratio['poll_requests']} × the polls, {ratio['transitions']} × the transitions",
            file=sys.stderr,
        )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
