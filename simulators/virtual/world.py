"""A whole deployment in memory and in virtual time: what `run.asl.json` does, without AWS.

`World` puts the real steps together with fakes, and `Execution` runs a file by the definition of
the state machine (`virtual.machine`): its states, payloads (through JSON) and retries, lanes
side by side on one clock.
"""

from __future__ import annotations

import json
import tempfile
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from jobferry.binding.profile_document import validate
from jobferry.deps import Deps
from jobferry.domain import prices
from jobferry.domain.chunk import Chunk
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.lane.state import LaneState
from jobferry.runtime.settings import Settings
from jobferry.scheduler.settings import USUAL, SchedulerSettings
from jobferry.steps.close_run import close_run
from jobferry.steps.open_run import open_run, resume_run
from jobferry.steps.plan_run import plan_run
from jobferry.steps.poll_jobs import poll_jobs
from jobferry.steps.settle_job import settle_job
from jobferry.steps.submit_jobs import submit_jobs
from jobferry.steps.sweep import sweep
from jobferry.store import Store
from jobferry.store.outcome_blocks import decode
from jobferry.vendors.connections import Connections
from jobferry.vendors.http.addresses import PUBLIC
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import LOADERS, VendorRegistry
from virtual.charges import Charges
from virtual.clock import START
from virtual.cloud import Cloud, running_instance
from virtual.effects import Effects
from virtual.machine import (
    DATA_LIMIT,
    TIMED_OUT,
    ExecutionFailedError,
    ExecutionTimedOutError,
    Machine,
)
from virtual.objects import FakeObjects
from virtual.schedule import Schedule
from virtual.table import FakeTable, fake_store
from virtual.vendor import CREATE, KEY_FIELD, VENDOR, Account, fake_vendor

INBOX = "inbox-bucket"
CONNECTION = "acme"
PROFILE = "things"

MOST_PAYLOAD = 256 * 1024
"""Bytes that Step Functions hands from state to state."""

PLAIN_PROFILE: Mapping[str, Any] = {
    "name": PROFILE,
    "connection": CONNECTION,
    "operation": CREATE,
    "columns": {"Name": "name", "Ref": KEY_FIELD},
    "ramp": "off",
}
"""Without a ramp: most tests are about what a run does with all of its slots."""


DEFINITION = Path(__file__).resolve().parents[2] / "statemachines" / "run.asl.json"
PUT_EVENTS = "putEvents"
SEND_MESSAGE = "sendMessage"
_ANNOUNCING = {
    "Run opened": "AnnounceOpened",
    "Run paused": "AnnouncePaused",
    "Run closed": "AnnounceClosed",
}
"""Type of an event → the state that sends it."""


@cache
def state_machine() -> Machine:
    """The state machine as it is deployed."""
    return Machine(json.loads(DEFINITION.read_text()))


@cache
def distributed_maps() -> frozenset[str]:
    """States that start executions of their own."""
    states: Mapping[str, Any] = json.loads(DEFINITION.read_text())["States"]
    return frozenset(
        name
        for name, state in states.items()
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
    )


@dataclass(frozen=True)
class LogLine:
    level: str
    message: str
    keys: Mapping[str, Any]


class World:
    """Steps, store, objects and one vendor account, on one clock.

    Args:
        max_records: of the vendor's operations.
        max_jobs: that the operator allows on the connection.
        senders: requests in flight at once; one, so that every run is the same again.
        smallest_part: bytes that the archive takes as a part of an upload.
        seed: who goes first among those that are due at one moment; None: whoever came first.
        slots: jobs that the vendor allows in flight, and says so.
        refuses_excess, token_search: what the vendor says of itself (see `Capabilities`).
        lane_window: jobs that one lane keeps in flight, and one poll reads; lower it to see
            several lanes without hundreds of slots.
        scheduling: other numbers for the scheduler.
        retention_days: how long the table keeps what is written into it.

    `seconds` is the time that each step may take before its deadline; `ended` the status of
    executions that ended otherwise than FAILED, by ARN; `announced` what was put on the event bus;
    `parked` the inputs of executions that could not open their run;
    `machine` the state machine as it is deployed.
    """

    def __init__(
        self,
        *,
        max_records: int = 100,
        max_jobs: int | None = None,
        senders: int = 1,
        smallest_part: int = 1,
        seed: int | None = None,
        slots: int = 30,
        refuses_excess: bool = False,
        token_search: bool = True,
        lane_window: int = USUAL.lane_window,
        scheduling: SchedulerSettings = USUAL,
        retention_days: int = 30,
    ) -> None:
        self.clock = Schedule(START, seed)
        self.effects = Effects()
        self.table = FakeTable(self.effects)
        self.retention_days = retention_days
        self.bounds: dict[str, Any] = {}
        self.store: Store = fake_store(self.table, retention_days)
        self.objects = FakeObjects(
            effects=self.effects, smallest_part=smallest_part, now=self.clock.now
        )
        self.account = Account(self.clock, self.effects, max_jobs=slots, poll_batch=lane_window)
        self.vendor: Vendor = fake_vendor(
            self.account,
            max_records=max_records,
            max_jobs=slots,
            refuses_excess=refuses_excess,
            token_search=token_search,
        )
        self.log: list[LogLine] = []
        self.metrics: list[Mapping[str, float]] = []
        self.restarts: list[tuple[str, str]] = []
        self.unopened: list[RunRequest] = []
        self.running: set[str] = set()
        self.ended: dict[str, str | None] = {}
        self.announced: list[Any] = []
        self.parked: list[Any] = []
        self.machine = state_machine()
        self.seconds = {"submit": 130.0, "plan": 810.0, "close": 810.0, "poll": 670.0}
        self.scheduling = replace(scheduling, senders=senders, lane_window=lane_window)
        self._executions = count(1)
        self._cleanup = ExitStack()
        self.deps = self.fresh_deps()
        self.store.config.put_connection(
            Connection(CONNECTION, VENDOR, "https://acme.example", max_jobs=max_jobs)
        )
        self.put_profile(PLAIN_PROFILE)

    def __enter__(self) -> Self:
        self._scratch = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def fresh_deps(self) -> Deps:
        """What a cold function builds: nothing remembered, the same world outside."""

        def line(level: str) -> Callable[..., None]:
            return lambda message, **keys: self.log.append(LogLine(level, message, keys))

        return Deps(
            settings=Settings(
                *("table", INBOX, "archive", "secrets/", self.retention_days, PUBLIC), **self.bounds
            ),
            store=fake_store(self.table.view(), self.retention_days),
            objects=self.objects,
            connections=Connections(
                self.store.config,
                self.read_secret,
                reach=PUBLIC,
                monotonic=self.clock.now,
                vendors=self.fresh_vendors(),
            ),
            now=self.clock.now,
            sleep=self.clock.sleep,
            parallel_map=self.clock.parallel_map,
            log=line("info"),
            warn=line("warning"),
            emit=lambda **counts: self.metrics.append(counts),
            scheduling=self.scheduling,
        )

    def fresh_vendors(self) -> VendorRegistry:
        """The vendors as a cold function finds them: `self.vendor` among them, as it is now."""
        loaders = ChainMap({VENDOR: lambda: self.vendor}, LOADERS)
        return VendorRegistry(self.store.config, loaders, monotonic=self.clock.now)

    def read_secret(self, _name: str, _afresh: bool) -> str:
        with self.effects.around("secret.read"):
            return '{"bearer": "secret"}'

    @property
    def deps(self) -> Deps:
        """What the steps work with: inside of an invocation, what its instance has built."""
        instance = running_instance()
        return self._deps if instance is None else cast("Deps", instance.warm)

    @deps.setter
    def deps(self, deps: Deps) -> None:
        self._deps = deps

    def charge(self, charges: Charges) -> Cloud:
        """From now on calls take time, functions start cold, and everything is counted."""
        self.effects.cloud = Cloud(self.clock, charges)
        return self.effects.cloud

    def _cold_deps(self, memory: int) -> Deps:
        deps = self.fresh_deps()
        return replace(deps, settings=replace(deps.settings, memory_gb=memory / 1024))

    def invoke(
        self, execution: Execution, name: str, work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """One invocation of a function by a state of an execution."""
        if self.effects.cloud is None:
            return work()
        return self.effects.cloud.invoke(name, work, self._cold_deps)

    def task_deps(self) -> Deps:
        """What one invocation of a warm function works with: its write units are its own."""
        return replace(self.deps, store=fake_store(self.table.view(), self.retention_days))

    def limit(self, **bounds: int) -> None:
        """Deploy with other bounds on files (`Settings`)."""
        self.bounds = bounds
        self.deps = self.fresh_deps()

    def schedule_with(self, **changes: Any) -> None:
        """Deploy with other numbers for the scheduler (`SchedulerSettings`)."""
        self.scheduling = replace(self.scheduling, **changes)
        self.deps = self.fresh_deps()

    def put_profile(self, changes: Mapping[str, Any]) -> int:
        """The plain profile with these changes; returns its revision."""
        document = validate({**PLAIN_PROFILE, **changes})
        return self.store.config.put_profile(document["name"], document)

    def drop(
        self,
        body: bytes | str,
        *,
        profile: str = PROFILE,
        name: str = "file.csv",
        options: Mapping[str, str] | None = None,
    ) -> RunRequest:
        """Put a file into the inbox; the request is what its event asks for."""
        key = f"inbox/{profile}/{name}"
        data = body.encode() if isinstance(body, str) else body
        version = self.objects.upload(INBOX, key, data, options)
        return RunRequest(profile, INBOX, key, version)

    def execute(self, request: RunRequest) -> Run:
        """Run a file to the end; returns the closed run."""
        execution = self.execution()
        execution.run(lambda: open_run(request, execution.arn, self.deps))
        return self.run(execution.run_id)

    def execute_all(
        self, requests: Sequence[RunRequest], starting: Sequence[float] | None = None
    ) -> list[Run]:
        """Run files to the end side by side; returns the closed runs in the same order.

        Args:
            starting: seconds from now at which each of them starts; all at once by default.
        """

        def execute(each: tuple[RunRequest, float]) -> Run:
            request, delay = each
            self.clock.sleep(delay)
            return self.execute(request)

        delays = starting or [0.0] * len(requests)
        return self.clock.parallel_map(
            execute, list(zip(requests, delays, strict=True)), len(requests)
        )

    def processed(
        self, body: bytes | str, *, profile: str = PROFILE, name: str = "file.csv"
    ) -> Run:
        """Drop a file and run it to the end."""
        return self.execute(self.drop(body, profile=profile, name=name))

    def execution(self) -> Execution:
        return Execution(self, f"arn:execution:{next(self._executions)}")

    def planned(self, body: bytes | str, *, profile: str = PROFILE) -> Run:
        """Drop a file, open and plan its run; lanes may start."""
        request = self.drop(body, profile=profile)
        opened = open_run(request, "arn:execution:0", self.deps)
        self.plan(opened["run_id"])
        return self.run(opened["run_id"])

    def plan(self, run_id: str) -> dict[str, Any]:
        deadline = self.clock.now() + self.seconds["plan"]
        return plan_run(run_id, self.deps, deadline, self._scratch / run_id)

    def submit(self, state: LaneState) -> LaneState:
        return submit_jobs(state, self.task_deps(), self.clock.now() + self.seconds["submit"])

    def settle(self, state: LaneState) -> None:
        for group in state.settle:
            settle_job(state.run_id, group, self.task_deps())

    def poll(self, state: LaneState) -> LaneState:
        deps = self.task_deps()
        if running_instance() is None:
            deps = replace(deps, settings=replace(deps.settings, memory_gb=prices.POLL_GB))
        return poll_jobs(state, deps, self.clock.now() + self.seconds["poll"])

    def close(self, run_id: str) -> dict[str, Any]:
        return close_run(run_id, self.task_deps(), self.clock.now() + self.seconds["close"])

    def sweep(self) -> dict[str, Any]:
        """One sweep; the executions that it asks for are in `restarts`."""
        return sweep(
            self.deps,
            lambda arn: "RUNNING" if arn in self.running else self.ended.get(arn, "FAILED"),
            lambda run_id, previous: self.restarts.append((run_id, previous)),
            self.unopened.append,
        )

    def run_restarts(self) -> None:
        """Run what the sweep has asked to be continued, or opened."""
        requests, self.unopened = self.unopened, []
        for request in requests:
            self.execute(request)
        restarts, self.restarts = self.restarts, []
        for run_id, previous in restarts:
            execution = self.execution()
            execution.run(partial(resume_run, run_id, previous, execution.arn, self.deps))

    def run(self, run_id: str) -> Run:
        return self.store.runs.must_get(run_id)

    def chunks(self, run_id: str) -> list[Chunk]:
        """Chunks that are not in the plan alone, by number: those of claims, and those written."""
        found = {c.number: c for c in self.store.chunks.in_flight(CONNECTION, run_id)}
        found |= {c.number: c for c in self.store.chunks.all(run_id)}
        return [found[number] for number in sorted(found)]

    def outcomes(self, run_id: str) -> dict[int, Outcome]:
        """Every outcome that is left of a run, by row, whatever its run says about rows."""
        found: dict[int, Outcome] = {}
        for item in self.table.items():
            if item["pk"].startswith(f"OUTCOMES#{run_id}#"):
                found |= {outcome.row: outcome for outcome in decode(item["outcomes"])}
        return found

    def statuses(self, run_id: str) -> list[OutcomeStatus]:
        """The statuses of rows 1, 2, 3 …"""
        return [outcome.status for _, outcome in sorted(self.outcomes(run_id).items())]

    def warnings(self) -> list[str]:
        return [line.message for line in self.log if line.level == "warning"]

    def problems(self, run_id: str) -> list[str]:
        """What a closed run breaks of the promises; empty when it keeps them all."""
        run = self.run(run_id)
        outcomes = self.outcomes(run_id)
        counted = dict.fromkeys(OutcomeStatus, 0)
        for outcome in outcomes.values():
            counted[outcome.status] += 1
        connection = run.connection or CONNECTION
        checks = {
            "the run is not closed": run.closed_at is not None and run.status.closed,
            "rows without an outcome, or too many": sorted(outcomes)
            == list(range(1, run.rows + 1)),
            "the counters are not the outcomes": dict(run.outcomes) == counted,
            "slots are still taken": self.store.limits.get(connection).in_flight == 0,
            "chunks are still in flight": not self.store.chunks.runs_in_flight(connection),
            "chunks are left in the pool": not self.store.chunks.pool(run_id).left,
            "uploads in parts are left open": self.objects.open_uploads == 0,
            "requests came while the vendor asked to wait": not self.account.requests_during_wait,
        }
        return [problem for problem, kept in checks.items() if not kept]


@dataclass
class Execution:
    """One execution of the state machine, from its first state to its last, by its definition."""

    world: World
    arn: str
    run_id: str = ""
    iterations: int = 0
    lanes_died: int = 0
    ended: str = ""
    history: list[str] = field(default_factory=list)
    began_at: float = 0.0
    _opening: Callable[[], dict[str, Any]] = dict

    def run(self, opening: Callable[[], dict[str, Any]]) -> None:
        """Run the state machine; `opening` is what OpenRun does.

        Raises:
            ExecutionFailedError: a task failed for good, or the run does not add up.
        """
        self.began_at = self.world.clock.now()
        self._opening = opening
        self.world.running.add(self.arn)
        try:
            self.world.machine.execute({}, self, self.arn)
        except ExecutionTimedOutError:
            self.world.ended[self.arn] = TIMED_OUT
            raise
        finally:
            self.world.running.discard(self.arn)

    # what the state machine runs on

    def now(self) -> float:
        return self.world.clock.now()

    def until(self, moment: float) -> None:
        self.world.clock.until(moment)

    def parallel_map(
        self, work: Callable[[Any], Any], items: Sequence[Any], workers: int
    ) -> list[Any]:
        return self.world.clock.parallel_map(work, items, workers)

    def entering(self, name: str, payload: Any) -> None:
        self.iterations += name == "LaneIteration"
        if self.world.effects.cloud is not None:
            self.world.effects.cloud.entered(distributed=name in distributed_maps())

    def failed(self, _name: str) -> None:
        """The next try meets a cold function."""
        if self.world.effects.cloud is not None:
            self.world.effects.cloud.failed()
        self.world.deps = self.world.fresh_deps()

    def jitter(self, longest: float) -> float:
        return longest

    def child_failed(self, _name: str) -> None:
        self.lanes_died += 1

    def task(self, name: str, payload: Any) -> Any:
        """One invocation; what it answers goes through JSON."""
        if name == PUT_EVENTS:
            self.history.append(_ANNOUNCING[payload["Entries"][0]["DetailType"]])
            self.world.announced.append(payload)
            return {"FailedEntryCount": 0}
        self.history.append("KeepTrigger" if name == SEND_MESSAGE else name)
        if name == SEND_MESSAGE:
            self.world.parked.append(json.loads(payload["MessageBody"]))
            return {"MessageId": "1"}
        text = json.dumps(self.world.invoke(self, name, partial(self._function, name, payload)))
        if len(text) > MOST_PAYLOAD:
            raise ExecutionFailedError(f"{name}: {DATA_LIMIT}", DATA_LIMIT)
        answer: dict[str, Any] = json.loads(text)
        if name == "OpenRun":
            self.run_id = answer.get("run_id", "")
        if name in ("OpenRun", "CloseRun"):
            self.ended = answer["state"]
        return answer

    def _function(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        world = self.world
        match name:
            case "OpenRun":
                return self._opening()
            case "PlanRun":
                return world.plan(payload["run_id"])
            case "SubmitJobs":
                return world.submit(LaneState.from_payload(payload)).to_payload()
            case "PollJobs" | "PollJobsLarge":
                return world.poll(LaneState.from_payload(payload)).to_payload()
            case "SettleJob":
                return settle_job(payload["run_id"], payload["chunks"], world.task_deps())
            case "CloseRun":
                return world.close(payload["run_id"])
        raise ValueError(f"there is no function {name}")


def sample_csv(rows: int, *, start: int = 1) -> str:
    """A CSV of the plain profile: columns `Name` and `Ref`, rows r1, r2 …"""
    lines = ["Name,Ref", *(f"thing {i},r{i}" for i in range(start, start + rows))]
    return "\n".join(lines) + "\n"
