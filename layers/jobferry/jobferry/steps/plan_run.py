"""Plan: stream the file once, reject bad rows with a reason, cut the rest into chunks.

Planning may stop at any boundary and go on from its byte offset, in another invocation or after
a crash: chunks, pages and outcomes are the same again, and the checkpoint that counts rows is
conditioned on the one before it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from jobferry.binding.column_binding import bind_columns, chunk_limits, plan_rules
from jobferry.binding.run_binding import load_context
from jobferry.binding.run_warnings import note_warnings
from jobferry.binding.unpack import unpacked
from jobferry.csvfile.bounds import bounded
from jobferry.csvfile.dialect import SAMPLE_BYTES, Dialect, detect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.mapping import RowMapping
from jobferry.csvfile.planner import (
    Boundary,
    ChunkLimits,
    ChunkSpec,
    PlanItem,
    Superseded,
    plan,
    superseded_rows,
)
from jobferry.csvfile.reader import read_blocks
from jobferry.deps import Deps
from jobferry.domain.chunk import PlannedChunk
from jobferry.domain.connection import Demand
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.inbox import delimiter_of
from jobferry.domain.outcome import Outcome, OutcomeStatus, RejectedRow
from jobferry.domain.profile import OnDuplicate, Profile
from jobferry.domain.routes import PlanRoute
from jobferry.domain.run import PlanState, Run, RunStatus
from jobferry.domain.trouble import SOURCE, TEXTS
from jobferry.reporting.run_metrics import expected
from jobferry.scheduler import lanes as lanes_module
from jobferry.scheduler import ramp
from jobferry.settlement.abandon_run import why_unreachable
from jobferry.store.objects import ObjectMissingError, SourceError
from jobferry.store.plan_pages import CHUNKS_PER_PAGE, page_start

REJECTS_AT_ONCE = 500
"""Outcomes of bad rows written together."""
CHUNKS_AT_ONCE = 10 * CHUNKS_PER_PAGE
"""Chunks between two writes of the plan: their spans are all that planning holds in memory."""


def plan_run(run_id: str, deps: Deps, deadline: float, scratch: Path) -> dict[str, Any]:
    """Plan the run, or as much of it as the time allows.

    Args:
        deadline: epoch seconds at which to stop at the next boundary.
        scratch: a folder for the keys seen so far.

    Returns:
        run_id, state, and for a finished plan the numbers of the lanes to start.
    """
    run = deps.store.runs.must_get(run_id)
    if run.status is RunStatus.FAILED or run.closed_at is not None or run.forced:
        _purge_failed(run, deps)
        return {"run_id": run_id, "state": PlanRoute.UNUSABLE}
    if (reason := why_unreachable(run, deps)) is not None:
        return _give_up(run, reason, deps)
    if not run.plan.done:
        try:
            ready = unpacked(run, deps, deadline)
            if ready is None:
                return {"run_id": run_id, "state": PlanRoute.PLANNING}
            run = ready
            state = _plan_on(run, deps, deadline, scratch)
        except FileRefused as refusal:
            deps.store.runs.fail(run_id, refusal.message)
            deps.log("file refused", run_id=run_id, code=refusal.code)
            return {"run_id": run_id, "state": PlanRoute.UNUSABLE}
        except SourceError as error:
            code = error.code
            trouble = deps.store.runs.note_trouble(run, SOURCE, code, TEXTS[code], deps.now())
            if not trouble.stops:
                raise
            return _give_up(run, TEXTS[code], deps)
        if not state.done:
            return {"run_id": run_id, "state": PlanRoute.PLANNING}
        run = replace(run, plan=state)
    if SOURCE in run.troubles:
        deps.store.runs.end_trouble(run, SOURCE)
    return _offer(run, deps)


def _give_up(run: Run, reason: str, deps: Deps) -> dict[str, Any]:
    """End a run that cannot be sent: a planned one is written off when it is closed."""
    if run.plan.done:
        return {"run_id": run.run_id, "state": PlanRoute.NOTHING_TO_SEND, "lanes": []}
    # Another planner may have come to the end meanwhile: then the outcomes must stay.
    deps.store.runs.fail(run.run_id, reason)
    _purge_failed(deps.store.runs.must_get(run.run_id), deps)
    deps.log("run out of reach", run_id=run.run_id)
    return {"run_id": run.run_id, "state": PlanRoute.UNUSABLE}


def _purge_failed(run: Run, deps: Deps) -> None:
    """A failed run has no rows; whoever failed it may have died before it could forget them."""
    if run.status is RunStatus.FAILED and run.closed_at is None:
        deps.store.rows.purge(run.run_id, run.plan.row)


def _offer(run: Run, deps: Deps) -> dict[str, Any]:
    """Open the pool of a planned run; repeating it changes nothing."""
    slots = deps.store.limits.get(run.connection).ceiling
    context = load_context(run, deps)
    poll_batch = context.vendor.capabilities.poll_batch
    in_order = context.profile.in_order
    lanes = lanes_module.lanes_for(slots, run.plan.chunks, poll_batch, in_order=in_order)
    if lanes:
        need = ramp.need(run.plan.chunks) if context.ramps else run.plan.chunks
        demand = Demand(run.run_id, run.priority, min(1, need) if in_order else need)
        deps.store.limits.need(run.connection, demand, deps.now())
    deps.store.chunks.open_pool(run)
    forecast = expected(run, context.connection, context.vendor, deps.store, in_order=in_order)
    deps.store.runs.begin(run.run_id, lanes, asdict(forecast))
    deps.log(
        "run planned", run_id=run.run_id, rows=run.plan.row, chunks=run.plan.chunks, lanes=lanes
    )
    state = PlanRoute.PLANNED if lanes else PlanRoute.NOTHING_TO_SEND
    return {"run_id": run.run_id, "state": state, "lanes": list(range(lanes))}


def _plan_on(run: Run, deps: Deps, deadline: float, scratch: Path) -> PlanState:
    """Go on from the run's checkpoint until the end or the deadline; returns where it stopped."""
    context = load_context(run, deps)
    dialect = _dialect(run, deps, context.profile)
    mapping = bind_columns(context.profile, context.operation, context.vendor, dialect.header)
    if run.plan.dialect is None:
        note_warnings(run, context, dialect.header, deps)
    start = run.plan if run.plan.dialect else PlanState(offset=dialect.data_offset)
    with ExitStack() as stack:
        seen = superseded = None
        limits = chunk_limits(
            context.profile, context.operation, context.vendor, mapping, run.job_rows
        )
        if context.profile.row_key is not None:
            if context.profile.on_duplicate is OnDuplicate.LAST:
                superseded = _superseded(run, deps, dialect, mapping, limits, scratch)
            else:
                seen = stack.enter_context(_seen_keys(run, deps, scratch))
        stream = (
            deps.objects.stream(run.file, start.offset) if run.file.size > start.offset else None
        )
        writer = _PlanWriter(run, deps, replace(start, dialect=dialect.to_json()), seen, scratch)
        if stream is None:
            return writer.finish()
        stack.callback(stream.close)
        items = plan(
            read_blocks(stream, dialect, offset=start.offset, row=start.row),
            mapping,
            limits,
            seen,
            next_chunk=start.chunks + 1,
            cut_after=None if run.trial is None else run.trial - run.sendable,
            rules=plan_rules(
                context.profile, context.operation, context.vendor, mapping, superseded
            ),
        )
        return writer.write(bounded(items, deps.settings.max_rows_per_file), deadline)


def _dialect(run: Run, deps: Deps, profile: Profile) -> Dialect:
    if run.plan.dialect is not None:
        return Dialect.from_json(dict(run.plan.dialect))
    size = min(run.file.size, SAMPLE_BYTES)
    return detect(
        deps.objects.read_range(run.file, 0, size),
        whole=size == run.file.size,
        encoding=profile.encoding,
        delimiter=profile.delimiter or delimiter_of(run.source.key),
    )


def _seen_key(run_id: str, row: int) -> str:
    """Where the keys seen up to a row lie: a late planner cannot replace a later file."""
    return f"plans/{run_id}/seen-{row:010d}.keys"


def _seen_keys(run: Run, deps: Deps, scratch: Path) -> SeenKeys:
    """The keys of the rows before the checkpoint: none at the start, else from the archive."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    path = scratch / "seen.keys"
    if run.plan.row > 0:
        deps.objects.get_file(_seen_key(run.run_id, run.plan.row), path)
    return SeenKeys(path, complete_to=run.plan.row)


def _superseded(
    run: Run,
    deps: Deps,
    dialect: Dialect,
    mapping: RowMapping,
    limits: ChunkLimits,
    scratch: Path,
) -> Superseded:
    """The rows whose key a later row has: found by reading the whole file once, and kept."""
    key = f"plans/{run.run_id}/superseded.bits"
    try:
        return Superseded(deps.objects.get(key))
    except ObjectMissingError:
        pass
    if run.file.size <= dialect.data_offset:
        return Superseded()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with ExitStack() as stack:
        stream = deps.objects.stream(run.file, dialect.data_offset)
        stack.callback(stream.close)
        seen = stack.enter_context(SeenKeys(scratch / "seen.keys"))
        blocks = read_blocks(stream, dialect, offset=dialect.data_offset, row=0)
        found = superseded_rows(blocks, mapping, limits, seen)
    deps.objects.put(key, bytes(found.bits), "application/octet-stream")
    return found


@dataclass
class _PlanWriter:
    """Writes what planning yields: pages of chunks, outcomes of rows that are not sent."""

    run: Run
    deps: Deps
    reached: PlanState
    seen: SeenKeys | None
    scratch: Path
    noted: PlanState = field(init=False)
    page: list[PlannedChunk] = field(default_factory=list)
    rejects: list[RejectedRow] = field(default_factory=list)
    unsent: Counter[OutcomeStatus] = field(default_factory=Counter)
    last_reject: int = 0
    sendable: int = field(init=False)

    def __post_init__(self) -> None:
        self.sendable = self.run.sendable
        self.noted = self.run.plan
        cut = self.reached.chunks
        if cut % CHUNKS_PER_PAGE:
            first = page_start(cut)
            runs = self.deps.store.runs
            self.page = runs.planned_chunks(self.run.run_id, first, cut - first + 1)

    def write(self, items: Iterator[PlanItem], deadline: float) -> PlanState:
        """Take items until they end or the deadline has passed.

        Raises:
            FileRefused: the file turned out to be unusable; no outcome of it is left.
        """
        try:
            return self._write(items, deadline)
        except FileRefused:
            self.deps.store.rows.purge(self.run.run_id, max(self.noted.row, self.last_reject))
            raise

    def _write(self, items: Iterator[PlanItem], deadline: float) -> PlanState:
        for item in items:
            match item:
                case RejectedRow():
                    self.rejects.append(item)
                    self.unsent[item.status] += 1
                    if item.unclear:
                        self.reached = replace(self.reached, conflicts=self.reached.conflicts + 1)
                    self.last_reject = item.row
                    if len(self.rejects) >= REJECTS_AT_ONCE:
                        self._flush_rejects()
                    continue
                case ChunkSpec():
                    self.page.append(PlannedChunk(item.number, item.spans))
                    self.sendable += item.rows
                    if self.sendable == self.run.trial:
                        self.reached = replace(self.reached, trial_chunks=item.number)
                    self.reached = replace(
                        self.reached,
                        offset=item.end_offset,
                        row=item.end_row,
                        chunks=item.number,
                    )
                case Boundary():
                    self.reached = replace(self.reached, offset=item.end_offset, row=item.end_row)
            if len(self.page) >= CHUNKS_AT_ONCE:
                self._flush_pages()
                if self.seen is None:
                    self._checkpoint()
            if self.deps.now() >= deadline:
                return self._pause()
        return self.finish()

    def finish(self) -> PlanState:
        """The file is at its end."""
        self.reached = replace(self.reached, done=True)
        self._flush_rejects()
        self._flush_pages()
        self._checkpoint()
        return self.reached

    def _pause(self) -> PlanState:
        self._flush_rejects()
        self._flush_pages()
        if self.seen is not None:
            self.seen.save(self.reached.row)
            self.deps.objects.put_file(
                _seen_key(self.run.run_id, self.reached.row), self.scratch / "seen.keys"
            )
        self._checkpoint()
        return self.reached

    def _flush_rejects(self) -> None:
        self.deps.store.rows.put(
            self.run.run_id,
            (
                Outcome(reject.row, reject.status, error_code=reject.code, error=reject.reason)
                for reject in self.rejects
            ),
            self.run.expires_at,
        )
        self.rejects = []

    def _flush_pages(self) -> None:
        """Write all pages; the last one stays, as it may not be full yet."""
        while self.page:
            size = CHUNKS_PER_PAGE - (self.page[0].number - page_start(self.page[0].number))
            self.deps.store.runs.put_page(self.run, self.page[:size])
            if len(self.page) <= size:
                if len(self.page) == size:
                    self.page = []
                return
            self.page = self.page[size:]

    def _checkpoint(self) -> None:
        """Note how far the plan is, with the rows that will not be sent counted once."""
        self._flush_rejects()
        moved = self.deps.store.runs.checkpoint(
            self.run.run_id, self.noted, self.reached, self.unsent, self.deps.now()
        )
        if not moved:
            raise PlanMovedError(f"another planner has moved the plan of {self.run.run_id}")
        self.noted = self.reached
        self.unsent = Counter()


class PlanMovedError(Exception):
    """Two invocations planned at once; repeating the step goes on from the newer checkpoint."""
