"""Plan: stream the file once, reject bad rows with a reason, cut the rest into chunks.

Planning may stop at any boundary and go on from its byte offset, in another invocation or after
a crash: chunks, pages and outcomes are the same again, and the checkpoint that counts rows is
conditioned on the one before it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jobferry.binding.column_binding import bind_columns, chunk_limits, plan_rules
from jobferry.binding.run_binding import RunContext, cannot_go_on, load_context
from jobferry.binding.run_warnings import note_warnings
from jobferry.binding.unpack import unpacked
from jobferry.csvfile.bounds import bounded
from jobferry.csvfile.dialect import SAMPLE_BYTES, Dialect, detect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.plan_items import Boundary, ChunkLimits, ChunkSpec, PlanItem, Superseded
from jobferry.csvfile.planner import plan, superseded_rows
from jobferry.csvfile.reader import read_blocks
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.deps import Deps
from jobferry.domain.chunk import PlannedChunk
from jobferry.domain.connection import Demand
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.inbox import delimiter_of
from jobferry.domain.outcome import RejectedRow
from jobferry.domain.profile import OnDuplicate, Profile
from jobferry.domain.routes import PlanRoute
from jobferry.domain.run import PlanState, Run, RunStatus
from jobferry.domain.trouble import SOURCE, TEXTS
from jobferry.reporting.run_metrics import expected
from jobferry.scheduler import lanes as lanes_module
from jobferry.scheduler import ramp
from jobferry.store.objects import ObjectMissingError, SourceError
from jobferry.store.plan_writer import PlanWriter

SEEN_KEYS_FILE = "seen.keys"


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
    try:
        context = load_context(run, deps)
    except LookupError as error:
        return _give_up(run, cannot_go_on(error), deps)
    if not run.plan.done:
        try:
            planned = _plan(context, deps, deadline, scratch)
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
        if planned is None:
            return {"run_id": run_id, "state": PlanRoute.PLANNING}
        context = planned
    if SOURCE in run.troubles:
        deps.store.runs.end_trouble(run, SOURCE)
    return _offer(context, deps)


def _give_up(run: Run, reason: str, deps: Deps) -> dict[str, Any]:
    """End a run that cannot be sent: a planned one is abandoned when it is closed."""
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


def _offer(context: RunContext, deps: Deps) -> dict[str, Any]:
    """Open the pool of a planned run; repeating it changes nothing."""
    run = context.run
    slots = deps.store.limits.get(run.connection).ceiling
    poll_batch = context.vendor.capabilities.poll_batch
    in_order = context.profile.in_order
    lanes = lanes_module.lanes_for(
        slots, run.plan.chunks, poll_batch, in_order=in_order, settings=deps.scheduling
    )
    if lanes:
        need = ramp.need(run.plan.chunks) if context.ramps else run.plan.chunks
        demand = Demand(run.run_id, run.priority, min(1, need) if in_order else need)
        deps.store.limits.need(run.connection, demand, deps.now())
    deps.store.chunks.open_pool(run)
    # As the checkpoints left it: they have counted what is not sent.
    planned = deps.store.runs.must_get(run.run_id)
    forecast = expected(
        planned,
        context.connection,
        context.vendor,
        deps.store,
        in_order=in_order,
        reads=context.reads_per_job,
    )
    deps.store.runs.begin(run.run_id, lanes, asdict(forecast))
    deps.log(
        "run planned", run_id=run.run_id, rows=run.plan.row, chunks=run.plan.chunks, lanes=lanes
    )
    state = _route(run, lanes, deps)
    return {"run_id": run.run_id, "state": state, "lanes": list(range(lanes))}


def _route(run: Run, lanes: int, deps: Deps) -> PlanRoute:
    if not lanes:
        return PlanRoute.NOTHING_TO_SEND
    small = lanes == 1 and run.plan.chunks <= deps.scheduling.small_run_jobs
    return PlanRoute.SMALL if small else PlanRoute.PLANNED


def _plan(context: RunContext, deps: Deps, deadline: float, scratch: Path) -> RunContext | None:
    """Plan on from the run's checkpoint.

    Returns:
        The context of the planned run; None where the deadline came first.
    """
    run = unpacked(context.run, deps, deadline)
    if run is None:
        return None
    context = context.for_run(run, deps)
    dialect = _dialect(run, deps, context.profile)
    mapping = bind_columns(context.profile, context.operation, context.vendor, dialect.header)
    if run.plan.dialect is None:
        note_warnings(run, context, dialect.header, deps)
    state = _plan_on(context, dialect, mapping, deps, deadline, scratch)
    return context.for_run(replace(run, plan=state), deps) if state.done else None


def _plan_on(
    context: RunContext,
    dialect: Dialect,
    mapping: RowMapping,
    deps: Deps,
    deadline: float,
    scratch: Path,
) -> PlanState:
    """Cut the rows after the checkpoint into chunks, and write them; returns how far it came."""
    run, profile = context.run, context.profile
    start = run.plan if run.plan.dialect else PlanState(offset=dialect.data_offset)
    store = deps.store
    start = replace(start, dialect=dialect.to_json())
    with ExitStack() as stack:
        seen = superseded = None
        limits = chunk_limits(profile, context.operation, context.vendor, mapping, run.job_rows)
        if profile.row_key is not None:
            if profile.on_duplicate is OnDuplicate.LAST:
                superseded = _superseded(run, deps, dialect, mapping, limits, scratch)
            else:
                seen = stack.enter_context(_seen_keys(run, deps, scratch))
        stream = (
            deps.objects.stream(run.file, start.offset) if run.file.size > start.offset else None
        )
        writer = PlanWriter(store.runs, store.rows, run, start, deps.now)
        if stream is None:
            return writer.checkpoint(done=True)
        stack.callback(stream.close)
        items = plan(
            read_blocks(stream, dialect, offset=start.offset, row=start.row),
            mapping,
            limits,
            seen,
            next_chunk=start.chunks + 1,
            cut_after=None if run.trial is None else run.trial - run.sendable,
            rules=plan_rules(profile, context.operation, context.vendor, mapping, superseded),
        )
        try:
            if _write(
                bounded(items, deps.settings.max_rows_per_file), writer, seen, deps, deadline
            ):
                return writer.checkpoint(done=True)
        except FileRefused:
            writer.discard()
            raise
        if seen is not None:
            seen.save(writer.reached.row)
            deps.objects.put_file(
                _seen_key(run.run_id, writer.reached.row), scratch / SEEN_KEYS_FILE
            )
        return writer.checkpoint()


def _write(
    items: Iterator[PlanItem],
    writer: PlanWriter,
    seen: SeenKeys | None,
    deps: Deps,
    deadline: float,
) -> bool:
    """Write items until they end or the deadline has passed.

    Returns:
        Whether they have ended.
    """
    for item in items:
        match item:
            case RejectedRow():
                writer.add_reject(item)
                continue
            case ChunkSpec():
                chunk = PlannedChunk(item.number, item.spans)
                writer.add_chunk(chunk, end_offset=item.end_offset, end_row=item.end_row)
            case Boundary():
                writer.reach(end_offset=item.end_offset, end_row=item.end_row)
        if writer.is_full:
            # A checkpoint needs the keys seen so far, which are uploaded at the deadline only.
            if seen is None:
                writer.checkpoint()
            else:
                writer.write_pages()
        if deps.now() >= deadline:
            return False
    return True


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
    path = scratch / SEEN_KEYS_FILE
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
        seen = stack.enter_context(SeenKeys(scratch / SEEN_KEYS_FILE))
        blocks = read_blocks(stream, dialect, offset=dialect.data_offset, row=0)
        found = superseded_rows(blocks, mapping, limits, seen)
    deps.objects.put(key, bytes(found.bits), "application/octet-stream")
    return found
