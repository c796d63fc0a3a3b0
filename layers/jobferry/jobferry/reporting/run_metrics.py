"""What a run is expected to take, and how close it came: forecast and figures."""

from __future__ import annotations

from typing import Any

from jobferry.domain import prices
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.profile import Profile
from jobferry.domain.run import Figures, Run
from jobferry.reporting import costs
from jobferry.reporting.costs import Load
from jobferry.reporting.forecast import (
    ASSUMED,
    Forecast,
    Terms,
    forecast,
    least_requests,
    least_seconds,
)
from jobferry.reporting.timeline import Timeline
from jobferry.scheduler.latency import best_size
from jobferry.store import Store
from jobferry.store.row_items import FOR_A_PERSON
from jobferry.vendors.connections import max_jobs
from jobferry.vendors.operation import Operation, snapshot_reads
from jobferry.vendors.protocol import Vendor

_DAY = 86_400


def terms_of(
    connection: Connection,
    vendor: Vendor,
    operation: str,
    store: Store,
    *,
    in_order: bool = False,
    reads: int = 0,
) -> Terms:
    """The conditions of an operation's jobs on the connection, as learned.

    Args:
        in_order: one job at a time.
        reads: requests beside each job that read what its records are before.
    """
    requests = store.limits.requests(connection.name)
    ceiling = connection.request_budget
    advertised = (
        None if requests.advertised is None else max(2, int(requests.advertised * connection.share))
    )
    limits = [limit for limit in (ceiling, advertised) if limit is not None]
    can = vendor.capabilities
    most = 1 if in_order else max_jobs(connection, vendor)
    return Terms(
        max_jobs=most,
        per_minute=min(limits) if limits else None,
        poll_batch=can.poll_batch,
        latency=store.limits.latencies(connection.name, operation).get("", ASSUMED),
        by_token=can.token_search,
        reads=reads,
        estimates=can.refuses_excess and most >= can.max_jobs and not in_order,
    )


def rows_per_job(
    connection: Connection, vendor: Vendor, operation: Operation, most: int, store: Store
) -> int | None:
    """Rows per job for a new run; None where as many as possible are best."""
    sizes = store.limits.latencies(connection.name, operation.name)
    lost = store.limits.lost(connection.name, operation.name)
    terms = terms_of(connection, vendor, operation.name, store)
    best = best_size(most, sizes, lost, terms.max_jobs, terms.per_minute)
    return best if best < most else None


def expected(
    run: Run,
    connection: Connection,
    vendor: Vendor,
    store: Store,
    *,
    in_order: bool = False,
    reads: int = 0,
) -> Forecast:
    """The forecast of a planned run; the arguments are those of `terms_of`."""
    terms = terms_of(connection, vendor, run.operation, store, in_order=in_order, reads=reads)
    load = planned_load(
        run.plan.row,
        run.plan.chunks,
        rejected=run.outcomes.get(OutcomeStatus.REJECTED, 0),
        every_row=run.row_items,
        offset=run.plan.offset,
        retention_days=store.retention / _DAY,
        snapshot=reads > 0,
    )
    return forecast(load, terms)


def reads_of(run: Run, vendor: Vendor, store: Store) -> int:
    """Requests beside each job of a run that read what its records are before."""
    kept, operation = (
        store.config.profile(run.profile, run.revision),
        vendor.operation(run.operation),
    )
    if kept is None or operation is None:
        return 0
    header = (run.plan.dialect or {}).get("header", ())
    return snapshot_reads(Profile.from_document(kept[1], kept[0]), operation, header)


def planned_load(
    rows: int,
    jobs: int,
    *,
    rejected: int,
    every_row: bool,
    offset: int,
    retention_days: float,
    snapshot: bool = False,
) -> Load:
    """What a planned run consists of.

    Args:
        offset: bytes of the file up to its last row.
    """
    row_bytes = offset / rows if rows else 0.0
    return Load(
        rows,
        jobs,
        rejected=rejected,
        every_row=every_row,
        row_bytes=row_bytes,
        retention_days=retention_days,
        snapshot=snapshot,
    )


def figures(
    run: Run,
    connection: Connection,
    vendor: Vendor,
    timeline: Timeline,
    store: Store,
    now: float,
) -> dict[str, Any]:
    """How close a run came to the bounds, and what it used.

    Returns:
        seconds, bound_seconds and their ratio; slot_use (None where slots never were what was
        scarce); requests, bound_requests and their ratio; transitions, gb_seconds, write_units;
        cost by item, in all, and per million rows (US dollars); and the forecast it began with.
    """
    reads = reads_of(run, vendor, store)
    terms = terms_of(connection, vendor, run.operation, store, reads=reads)
    used = store.runs.figures(run.run_id)
    requests = sum(used.requests.values())
    seconds = run.worked(now)
    bound, least = least_seconds(timeline.jobs, terms), least_requests(timeline.jobs, terms)
    spent = _used(run, timeline, used, store, snapshot=reads > 0)
    cost = prices.cost(spent)
    use = timeline.slot_use(terms.max_jobs)
    return {
        "seconds": round(seconds, 1),
        "bound_seconds": round(bound, 1),
        "wall_ratio": _ratio(seconds, bound),
        "slot_use": None if use is None else round(use, 4),
        "requests": requests,
        "bound_requests": least,
        "request_ratio": _ratio(requests, least),
        "transitions": round(spent.transitions),
        "gb_seconds": round(spent.gb_seconds, 2),
        "write_units": round(spent.write_units + spent.index_units),
        "read_units": round(spent.read_units),
        "cost": {item: round(amount, 6) for item, amount in cost.items()},
        "cost_dollars": round(sum(cost.values()), 6),
        "cost_per_million_rows": _ratio(1_000_000 * sum(cost.values()), run.rows),
        "forecast": run.forecast,
    }


def _used(
    run: Run, timeline: Timeline, counted: Figures, store: Store, *, snapshot: bool
) -> prices.Used:
    """What a run has used: what its steps have counted, and what follows from it."""
    in_need = sum(run.outcomes.get(status, 0) for status in FOR_A_PERSON)
    rejected = run.outcomes.get(OutcomeStatus.REJECTED, 0)
    load = Load(
        run.rows,
        timeline.chunks,
        rejected=in_need,
        failed_share=0.0,
        every_row=run.row_items,
        row_bytes=run.plan.offset / run.rows if run.rows else 0.0,
        retention_days=store.retention / _DAY,
        snapshot=snapshot,
    )
    polls = max(1, counted.poll)
    blocks = costs.blocks_of(load, polls, timeline.chunks // polls)
    index_units = costs.RUN_INDEX_UNITS + costs.ROW_INDEX_UNITS * in_need
    # Rows that were never sent are written by planning, the rest is counted by the lanes.
    planned = costs.RUN_UNITS + costs.PLAN_UNITS * load.jobs
    planned += (costs.ROW_UNITS + costs.ROW_INDEX_UNITS) * rejected
    invocations = costs.RUN_INVOCATIONS + 2 * counted.laps + run.settle_calls
    transitions = costs.RUN_TRANSITIONS + run.lanes + run.settle_calls
    transitions += prices.ITERATION_TRANSITIONS * counted.laps
    table, indexes, objects = costs.kept(load, blocks)
    return prices.Used(
        write_units=planned
        + counted.write_units
        + run.settle_units
        - costs.ROW_INDEX_UNITS * in_need,
        index_units=index_units,
        read_units=costs.RUN_READS
        + counted.read_units
        + run.settle_reads
        + costs.close_reads(load, blocks),
        transitions=transitions,
        invocations=invocations,
        gb_seconds=(counted.gb_ms + run.settle_gb_ms) / 1000 + costs.run_gb_seconds(run.rows),
        puts=counted.puts + costs.RUN_PUTS,
        gets=counted.submit + run.settle_calls + costs.RUN_GETS,
        table_months=table,
        index_months=indexes,
        object_months=objects,
        log_gigabytes=costs.log_gigabytes(
            invocations, transitions, costs.RUN_LINES + counted.poll + run.settle_calls
        ),
        notices=costs.RUN_NOTICES,
    )


def _ratio(value: float, bound: float) -> float | None:
    return round(value / bound, 3) if bound else None
