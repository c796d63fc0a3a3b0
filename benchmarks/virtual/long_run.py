"""A deployment that processes millions of rows in virtual time, in which everything is measured."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.virtual.bulk import (
    BulkClient,
    BulkObjects,
    BulkTable,
    Gauge,
    Jobs,
    NumberedFile,
    RowBook,
    raise_to,
)
from benchmarks.virtual.history import EXECUTION_EVENTS, LANE, MACHINE, events_of
from benchmarks.virtual.vendor import POLL_BATCH, VendorModel
from jobferry.csvfile.dialect import detect
from jobferry.deps import Deps
from jobferry.domain.chunk import PlannedChunk
from jobferry.domain.connection import Connection
from jobferry.domain.run import Run
from jobferry.scheduler.settings import USUAL as SCHEDULING
from jobferry.steps.open_run import open_run
from jobferry.store.plan_pages import CHUNKS_PER_PAGE
from jobferry.store.plan_writer import CHUNKS_AT_ONCE
from jobferry.vendors.operation import Capabilities
from jobferry.vendors.protocol import Vendor
from virtual.effects import Phase
from virtual.schedule import Schedule
from virtual.table import fake_store
from virtual.vendor import VENDOR
from virtual.world import CONNECTION, Execution, World

# Virtual seconds of what takes time outside. Reads take none, which only crowds the writes.
SECONDS = {
    "table.write": 0.005,
    "table.transact": 0.012,
    "table.put_many": 0.01,
    "table.delete_many": 0.01,
    "objects.put": 0.03,
}
PLANNED_ROWS_A_SECOND = 100_000
CLOSING_SECONDS = 20.0
"""An invocation's time for closing, far short of Lambda's so that it is put aside often."""
PLANNED_AT_ONCE = 40_000
"""Chunks that one invocation plans; Lambda's time would do for more."""


class BulkWorld(World):
    """A deployment whose one connection leads to the model, in which everything is measured."""

    def __init__(
        self,
        vendor: VendorModel,
        schedule: Schedule,
        rows: int,
        jobs: Jobs,
        gauge: Gauge,
        *,
        rows_a_job: int,
    ) -> None:
        super().__init__(
            max_records=rows_a_job,
            senders=SCHEDULING.senders,
            scheduling=replace(SCHEDULING, small_run_jobs=0),
        )
        self.gauge = gauge
        self.rows_a_job = rows_a_job
        self.book = RowBook(rows)
        self.file = NumberedFile(rows)
        self.clock = schedule
        self.effects.on_effect = self._take_time
        self.table: BulkTable = BulkTable(self.effects, gauge, self.book, schedule.now)
        self.store = fake_store(self.table)
        self.objects = BulkObjects(self.file, schedule, gauge, self.effects)
        self.seconds["close"] = CLOSING_SECONDS
        conditions = vendor.conditions
        self.vendor: Vendor = replace(
            self.vendor,
            capabilities=Capabilities(
                poll_batch=POLL_BATCH, max_jobs=conditions.max_jobs, refuses_excess=True
            ),
            client=lambda *_account, **_options: BulkClient(vendor, schedule, jobs),
        )
        self.store.config.put_connection(
            Connection(
                CONNECTION,
                VENDOR,
                "https://acme.example",
                max_jobs=conditions.max_jobs,
                requests_per_minute=conditions.requests_per_minute,
            )
        )
        self.put_profile({})
        self.deps = self.fresh_deps()

    def _take_time(self, kind: str, phase: Phase) -> None:
        if phase is Phase.BEFORE and kind in SECONDS:
            self.clock.sleep(SECONDS[kind])

    def carry_file(self) -> CountedExecution:
        """Carry the file from its upload to the closed run."""
        execution, request = self.execution(), self.drop(b"")
        self.clock.run(lambda: execution.run(lambda: open_run(request, execution.arn, self.deps)))
        return execution

    def execution(self) -> CountedExecution:
        return CountedExecution(self, f"arn:execution:{next(self._executions)}")

    def invoke(
        self, _execution: Execution, name: str, work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        if name in {"OpenRun", "PlanRun", "CloseRun"}:
            self.deps = self.fresh_deps()
        try:
            answer = work()
        except Exception:
            self.gauge.failed_tasks += 1
            raise
        raise_to(self.gauge.payloads, name, len(json.dumps(answer)))
        raise_to(self.gauge.reads, name, self.table.latest.reads)
        return answer

    def plan(self, run_id: str) -> dict[str, Any]:
        """Write a part of the plan as planning does; the real step then opens the pool."""
        run = self.run(run_id)
        if not run.plan.done:
            self._write_plan(run, self.deps)
            if not self.run(run_id).plan.done:
                return {"run_id": run_id, "state": "planning"}
        return super().plan(run_id)

    def _write_plan(self, run: Run, deps: Deps) -> None:
        file, before = self.file, run.plan
        dialect = detect(file.read(0, 4096), whole=False).to_json()
        chunks = -(-file.rows // self.rows_a_job)
        until = min(before.chunks + PLANNED_AT_ONCE, chunks)
        for first in range(before.chunks + 1, until + 1, CHUNKS_AT_ONCE):
            last = min(first + CHUNKS_AT_ONCE - 1, until)
            for start in range(first, last + 1, CHUNKS_PER_PAGE):
                numbers = range(start, min(start + CHUNKS_PER_PAGE, last + 1))
                deps.store.runs.put_page(run, [self._planned(number) for number in numbers])
            row = min(last * self.rows_a_job, file.rows)
            span = file.span(1, row)
            after = replace(
                before,
                offset=span.offset + span.length,
                row=row,
                chunks=last,
                done=last == chunks,
                dialect=dialect,
            )
            self.clock.pass_time((row - before.row) / PLANNED_ROWS_A_SECOND)
            if not deps.store.runs.checkpoint(run.run_id, before, after, {}, deps.now()):
                raise RuntimeError("somebody else plans this run")
            before = after

    def _planned(self, number: int) -> PlannedChunk:
        first = (number - 1) * self.rows_a_job + 1
        rows = min(self.rows_a_job, self.file.rows - first + 1)
        return PlannedChunk(number, (self.file.span(first, rows),))


@dataclass
class CountedExecution(Execution):
    """An execution that counts the events of its own history and of its lanes'."""

    lane_events: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    launches: int = 0

    @property
    def events(self) -> int:
        """Of the run's own execution."""
        entered = Counter(name for name in self.history if name in MACHINE)
        passed = sum(
            n * (events_of(MACHINE[name]) + events_of(MACHINE[MACHINE[name]["Next"]]))
            for name, n in entered.items()
        )
        waits = max(0, self.launches - 1) * events_of(MACHINE["WaitForLanes"])
        lanes = self.launches * events_of(MACHINE["ProcessLanes"])
        job_end = events_of(MACHINE["AnnounceClosed"]) + events_of(MACHINE["RunEnded"])
        return EXECUTION_EVENTS + passed + waits + lanes + job_end

    def entering(self, name: str, payload: Any) -> None:
        super().entering(name, payload)
        if name == "ProcessLanes":
            self.launches += 1
        if name != "LaneIteration":
            return
        lane = payload["lane"]
        if not payload.get("iteration"):
            self.lane_events[lane] = EXECUTION_EVENTS + events_of(LANE["LaneEnded"])
        self.lane_events[lane] += sum(
            events_of(LANE[state], len(payload["settle"]))
            for state in ("LaneIteration", "IsLaneDone")
        )
        assert isinstance(self.world, BulkWorld)
        raise_to(self.world.gauge.events, "lane", self.lane_events[lane])
