"""What a run is expected to take, and how close it came: forecast and figures."""

from __future__ import annotations

from typing import Any

from jobferry.domain import prices
from jobferry.domain.connection import Connection
from jobferry.domain.run import Run
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
from jobferry.vendors.connections import max_jobs
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor

_STATES_OF_A_RUN = 9
"""OpenRun, IsRunOpen, PlanRun, IsPlanned, ProcessLanes, CloseRun, IsRunClosed,
AnnounceRun, RunEnded."""

_CLOSED_ROWS_A_GB_SECOND = 30_000
_CLOSED_ROWS_A_READ_UNIT = 16
"""An outcome takes below a quarter of a kilobyte."""


def terms_of(
    connection: Connection,
    vendor: Vendor,
    operation: str,
    store: Store,
    *,
    in_order: bool = False,
) -> Terms:
    """The conditions under which the connection carries jobs of an operation, as learned.

    in_order: one job at a time.
    """
    requests = store.limits.requests(connection.name)
    ceiling = connection.request_budget
    told = (
        None if requests.advertised is None else max(2, int(requests.advertised * connection.share))
    )
    limits = [limit for limit in (ceiling, told) if limit is not None]
    can = vendor.capabilities
    most = 1 if in_order else max_jobs(connection, vendor)
    return Terms(
        max_jobs=most,
        per_minute=min(limits) if limits else None,
        poll_batch=can.poll_batch,
        latency=store.limits.latencies(connection.name, operation).get("", ASSUMED),
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
    run: Run, connection: Connection, vendor: Vendor, store: Store, *, in_order: bool = False
) -> Forecast:
    """The forecast of a planned run."""
    terms = terms_of(connection, vendor, run.operation, store, in_order=in_order)
    return forecast(run.plan.row, run.plan.chunks, terms)


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
    terms = terms_of(connection, vendor, run.operation, store)
    used = store.runs.figures(run.run_id)
    requests = sum(used.requests.values())
    seconds = now - run.started_at
    bound, least = least_seconds(timeline.jobs, terms), least_requests(timeline.jobs, terms)
    spent = prices.Used(
        # Rows that were never sent are written by planning, the rest by settling.
        write_units=used.write_units + run.settle_units + (run.rows - timeline.sent),
        read_units=used.read_units + run.settle_reads + run.rows / _CLOSED_ROWS_A_READ_UNIT,
        transitions=_STATES_OF_A_RUN
        + run.lanes
        + prices.ITERATION_TRANSITIONS * used.laps
        + run.settle_calls,
        invocations=5 + 2 * used.laps + run.settle_calls,
        gb_seconds=(used.gb_ms + run.settle_gb_ms) / 1000 + run.rows / _CLOSED_ROWS_A_GB_SECOND,
        puts=used.puts + 12,
        gets=timeline.chunks + run.settle_calls + 10,
    )
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
        "write_units": round(spent.write_units),
        "read_units": round(spent.read_units),
        "cost": {item: round(amount, 6) for item, amount in cost.items()},
        "cost_dollars": round(sum(cost.values()), 6),
        "cost_per_million_rows": _ratio(1_000_000 * sum(cost.values()), run.rows),
        "forecast": run.forecast,
    }


def _ratio(value: float, bound: float) -> float | None:
    return round(value / bound, 3) if bound else None
