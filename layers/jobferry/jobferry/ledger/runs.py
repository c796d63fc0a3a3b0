"""Runs: claimed once, planned page by page, counted by settled chunks only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobferry.ledger import keys
from jobferry.ledger.table import ConditionFailedError, Item, Put, Table, Update
from jobferry.model import OutcomeStatus, RunStatus, Span

CHUNKS_PER_PAGE = 100
"""Chunks whose spans share one item: 4 KB as a rule, and at worst (every other row bad) some
260 KB of the 400 KB that an item may have."""


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one object: what a run reads, whatever is uploaded over it later."""

    bucket: str
    key: str
    version_id: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class PlanState:
    """How far planning has come: a checkpoint at a chunk boundary.

    offset   bytes of the source that are planned
    row      last row before `offset`
    chunks   chunks cut so far
    done     the whole file is planned; `row` is the number of rows, `chunks` that of chunks
    dialect  how the file is written (`csvfile.Dialect.to_json`)
    """

    offset: int = 0
    row: int = 0
    chunks: int = 0
    done: bool = False
    dialect: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """Why nothing more of a run is sent. Rows not yet sent become `skipped` with this reason."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    run_id: str
    status: RunStatus
    profile: str
    revision: int
    connection: str
    operation: str
    source: Source
    started_at: float
    priority: str = "medium"
    execution: str = ""
    origin: str | None = None
    closed_at: float | None = None
    planned_at: float | None = None
    plan: PlanState = field(default_factory=PlanState)
    outcomes: Mapping[OutcomeStatus, int] = field(default_factory=dict)
    jobs_settled: int = 0
    halt: Halt | None = None
    error: str | None = None
    lanes: int = 0
    relaunches: int = 0
    settled_at_relaunch: int = -1
    close: str | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    expires_at: int = 0
    """When the table forgets the run, its chunks and its rows (epoch seconds)."""

    @property
    def rows(self) -> int:
        """Rows of the file, as far as planned; none of a file that cannot be used."""
        return 0 if self.status is RunStatus.FAILED else self.plan.row

    @property
    def settled_rows(self) -> int:
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """A chunk as planning cut it, before anybody claimed it."""

    number: int
    spans: tuple[Span, ...]

    @property
    def rows(self) -> int:
        return sum(span.rows for span in self.spans)


class Runs:
    """Access to `RUN#<run>`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, run: Run) -> bool:
        """Claim a run; false when it exists already."""
        item: Item = {
            "pk": keys.run(run.run_id),
            "sk": keys.META,
            "time_pk": keys.ALL_RUNS,
            "time_sk": f"{run.started_at:017.3f}#{run.run_id}",
            "run_id": run.run_id,
            "status": run.status.value,
            "profile": run.profile,
            "revision": run.revision,
            "connection": run.connection,
            "operation": run.operation,
            "source": {
                "bucket": run.source.bucket,
                "key": run.source.key,
                "version_id": run.source.version_id,
                "size": run.source.size,
            },
            "started_at": run.started_at,
            "priority": run.priority,
            "execution": run.execution,
            "expires_at": run.expires_at,
        }
        if run.origin is not None:
            item["origin"] = run.origin
        if run.error is not None:
            item["error"] = run.error
        try:
            self._table.write(Put(item, condition="attribute_not_exists(pk)"))
        except ConditionFailedError:
            return False
        return True

    def get(self, run_id: str) -> Run | None:
        item = self._table.get(keys.run(run_id), keys.META)
        return _run(item) if item else None

    def must_get(self, run_id: str) -> Run:
        run = self.get(run_id)
        if run is None:
            raise LookupError(f"there is no run {run_id}")
        return run

    def newest(
        self, *, before: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[str, Run]]:
        """(cursor, run), newest first; `before` is the cursor of the last one already seen."""
        pages = self._table.query(
            keys.ALL_RUNS,
            until=before,
            newest_first=True,
            # The cursor's own run comes first.
            limit=limit if limit is None or before is None else limit + 1,
            index=keys.RUNS_BY_TIME,
        )
        for item in pages:
            if item["time_sk"] != before:
                yield item["time_sk"], _run(item)

    def take_over(self, run_id: str, execution: str, previous: str) -> bool:
        """Make `execution` the one that carries the run, if `previous` still is."""
        return self._change(
            run_id,
            assign={"execution": execution, "relaunches": 0, "settled_at_relaunch": -1},
            condition="execution = :previous AND attribute_not_exists(closed_at)",
            values={":previous": previous},
        )

    def checkpoint(
        self,
        run_id: str,
        before: PlanState,
        after: PlanState,
        counts: Mapping[OutcomeStatus, int],
        now: float,
    ) -> bool:
        """Move the plan forward and count the rows that will not be sent.

        False when another planner has moved it already; then nothing was counted.
        """
        plan: dict[str, Any] = {
            "plan_offset": after.offset,
            "plan_row": after.row,
            "plan_chunks": after.chunks,
            "plan_done": after.done,
            "dialect": json.dumps(after.dialect),
        }
        if after.done:
            plan |= {"planned_at": now}
        condition = "plan_offset = :offset AND plan_done = :undone"
        values: dict[str, Any] = {":undone": False, ":offset": before.offset}
        if before.dialect is None:
            condition, values = "attribute_not_exists(plan_done)", {}
        return self._change(
            run_id,
            assign=plan,
            add={f"n_{status.value}": n for status, n in counts.items() if n},
            condition=condition,
            values=values,
        )

    def put_page(self, run: Run, chunks: Sequence[PlannedChunk]) -> None:
        """Store a page of the plan, whole or as far as it is cut.

        chunks  from the first chunk of the page on; the same plan writes the same page again
        """
        self._table.put_many(
            [
                {
                    "pk": keys.run(run.run_id),
                    "sk": keys.page(page_start(chunks[0].number)),
                    "chunks": encode_chunks(chunks),
                    "expires_at": run.expires_at,
                }
            ]
        )

    def planned_chunks(self, run_id: str, first: int, count: int) -> list[PlannedChunk]:
        """Up to `count` chunks from number `first` on, as planned."""
        last = first + count - 1
        pages = self._table.query(
            keys.run(run_id), since=keys.page(page_start(first)), until=keys.page(page_start(last))
        )
        return [
            chunk
            for page in pages
            for chunk in decode_chunks(page["chunks"])
            if first <= chunk.number <= last
        ]

    def begin(self, run_id: str, lanes: int) -> None:
        """The plan is done and lanes may claim."""
        self._change(
            run_id,
            assign={"status": RunStatus.RUNNING.value, "lanes": lanes},
            condition="#status = :planning",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value},
        )

    def relaunch(self, run_id: str, relaunches: int, settled: int) -> None:
        """Note that lanes start once more, and how far the run was.

        A lane that asks to be renewed notes (0, -1): it is alive, whatever it waits for.
        """
        self._change(run_id, assign={"relaunches": relaunches, "settled_at_relaunch": settled})

    def prioritise(self, run_id: str, priority: str) -> None:
        """Keep another priority of a run."""
        self._change(run_id, assign={"priority": priority}, condition="attribute_exists(pk)")

    def halt(self, run_id: str, halt: Halt) -> None:
        """Stop sending. The first reason stays."""
        self._change(run_id, assign_once={"halt": {"code": halt.code, "reason": halt.reason}})

    def save_close(self, run_id: str, key: str | None) -> None:
        """Keep where the state of closing lies, for the next invocation to go on from there.

        None: the files are about to be completed; from here on closing begins anew.
        """
        self._change(
            run_id,
            assign={"close": key, "status": RunStatus.CLOSING.value},
            condition="attribute_not_exists(closed_at)",
        )

    def close(
        self,
        run_id: str,
        status: RunStatus,
        now: float,
        requests: Mapping[str, int],
        error: str | None = None,
    ) -> bool:
        """Give the run its final status; false when it has one already."""
        fields: dict[str, Any] = {
            "status": status.value,
            "closed_at": now,
            "requests": dict(requests),
        }
        if error is not None:
            fields["error"] = error
        return self._change(
            run_id,
            assign=fields,
            remove=("close",),
            condition="attribute_not_exists(closed_at)",
        )

    def fail(self, run_id: str, reason: str) -> None:
        """The file or the profile cannot be used at all; CloseRun gives the closing time.

        Rows that were counted before this was known count no more.
        """
        nothing = {f"n_{status.value}": 0 for status in OutcomeStatus}
        self._change(run_id, assign={"status": RunStatus.FAILED.value, "error": reason, **nothing})

    def count_requests(self, run: Run, lane: int, counts: Mapping[str, int]) -> None:
        """Add requests of one lane; lanes have items of their own so that none waits."""
        added = {kind: n for kind, n in counts.items() if n}
        if added:
            self._table.write(
                Update(
                    keys.run(run.run_id),
                    keys.lane(lane),
                    add=added,
                    assign_once={"expires_at": run.expires_at},
                )
            )

    def requests(self, run_id: str) -> dict[str, int]:
        """Requests of all lanes by kind: submit, poll, other."""
        total = {"submit": 0, "poll": 0, "other": 0}
        for item in self._table.query(keys.run(run_id), prefix="LANE#"):
            for kind in total:
                total[kind] += item.get(kind, 0)
        return total

    def _change(self, run_id: str, **change: Any) -> bool:
        try:
            self._table.write(Update(keys.run(run_id), keys.META, **change))
        except ConditionFailedError:
            return False
        return True


def page_start(number: int) -> int:
    """The first chunk of the page that holds chunk `number`."""
    return number - (number - 1) % CHUNKS_PER_PAGE


def encode_chunks(chunks: Sequence[PlannedChunk]) -> str:
    """Compact text: `[[number, [[offset, length, first_row, rows], …]], …]`."""
    return json.dumps([[c.number, c.spans] for c in chunks], separators=(",", ":"))


def decode_chunks(text: str) -> list[PlannedChunk]:
    return [
        PlannedChunk(number, tuple(Span(*span) for span in spans))
        for number, spans in json.loads(text)
    ]


def _run(item: Item) -> Run:
    source = item["source"]
    halt = item.get("halt")
    return Run(
        run_id=item["run_id"],
        status=RunStatus(item["status"]),
        profile=item["profile"],
        revision=item["revision"],
        connection=item["connection"],
        operation=item["operation"],
        source=Source(source["bucket"], source["key"], source["version_id"], source["size"]),
        started_at=item["started_at"],
        priority=item["priority"],
        execution=item["execution"],
        origin=item.get("origin"),
        closed_at=item.get("closed_at"),
        planned_at=item.get("planned_at"),
        plan=PlanState(
            offset=item.get("plan_offset", 0),
            row=item.get("plan_row", 0),
            chunks=item.get("plan_chunks", 0),
            done=item.get("plan_done", False),
            dialect=json.loads(item.get("dialect", "null")),
        ),
        outcomes={status: item.get(f"n_{status.value}", 0) for status in OutcomeStatus},
        jobs_settled=item.get("jobs_settled", 0),
        halt=Halt(halt["code"], halt["reason"]) if halt else None,
        error=item.get("error"),
        lanes=item.get("lanes", 0),
        relaunches=item.get("relaunches", 0),
        settled_at_relaunch=item.get("settled_at_relaunch", -1),
        close=item.get("close"),
        requests=item.get("requests", {}),
        expires_at=item["expires_at"],
    )
