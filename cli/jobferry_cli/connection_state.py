"""A connection as it stands: what it may do now, what it waits for, and who needs it as it is."""

from __future__ import annotations

from typing import Any

from jobferry.domain import connection as connection_module
from jobferry.domain.commands import command
from jobferry.domain.connection import Connection, ConnectionLimits, RequestLog
from jobferry.domain.run import Run
from jobferry.domain.timestamps import timestamp
from jobferry.reporting.formatting import counted
from jobferry.scheduler import concurrency, rate_limit
from jobferry.vendors.connections import max_jobs as jobs_allowed
from jobferry.vendors.protocol import Vendor
from jobferry_cli.errors import CommandError
from jobferry_cli.moments import both_times
from jobferry_cli.stack import Stack


def connection_document(found: Connection) -> dict[str, Any]:
    """How a connection is configured, as scripts read it; its credentials are never part of it."""
    return {
        "name": found.name,
        "vendor": found.vendor,
        "base_url": found.base_url,
        "max_jobs": found.max_jobs,
        "requests_per_minute": found.requests_per_minute,
        "share": found.share,
        "by": found.by,
    }


def connection_state(stack: Stack, found: Connection) -> dict[str, Any]:
    """The same, with what it waits for and what was learned of its limits."""
    store, now = stack.deps.store, stack.deps.now()
    limits, requests = store.limits.get(found.name), store.limits.requests(found.name)
    return {
        **connection_document(found),
        "blocked_until": _moment(limits.retry_after_until, now),
        "full_until": _moment(limits.no_slot_until, now),
        "throttles": limits.throttles,
        "in_flight": limits.in_flight,
        "slots": concurrency.max_jobs(limits, now),
        "requests_last_minute": _last_minute(requests, now),
        "learned": {
            "jobs": _learned(limits.learned_jobs),
            "told_jobs": limits.advertised_jobs,
            "requests_per_minute": _learned(requests.learned),
            "told_requests_per_minute": requests.advertised,
        },
    }


def connection_lines(stack: Stack, found: Connection, vendor: Vendor) -> list[str]:
    """The same for people."""
    store, now = stack.deps.store, stack.deps.now()
    limits, requests = store.limits.get(found.name), store.limits.requests(found.name)
    rate = found.requests_per_minute
    lines = [
        f"{found.name}: {vendor.title} at {found.base_url}",
        f"Jobs      {_in_flight(limits, jobs_allowed(found, vendor))}{_jobs_learned(limits, now)}",
        f"Requests  {'as many as the vendor takes' if rate is None else f'{rate} a minute'}"
        f", of which Jobferry may use {found.share:.0%}{_rate_learned(requests)}; "
        f"{_last_minute(requests, now)} in the last minute",
    ]
    if limits.throttles:
        last = limits.retry_after_until
        until = f", last until {both_times(timestamp(last))}" if last else ""
        lines.append(f"Throttled {counted(limits.throttles, 'time')}{until}")
    if found.by is not None:
        lines.append(f"Put       by {found.by}")
    if limits.retry_after_until > now:
        lines.append(
            f"Waiting   until {timestamp(limits.retry_after_until)}: the vendor has asked for no "
            "request before"
        )
    if limits.no_slot_until > now:
        lines.append(
            f"Waiting   until {timestamp(limits.no_slot_until)}: the vendor takes no further job "
            "before"
        )
    if store.config.is_unprotected(found.name):
        lines.append(
            "Warning   an older version put this connection: its credentials are not bound to its "
            "address yet. Put it again."
        )
    if max(limits.retry_after_until, limits.no_slot_until) > now:
        lines.append(f"Next:     {command('connection', 'unblock', found.name)}")
    return lines


def keep_address(stack: Stack, made: Connection) -> None:
    """See that no run is pointed at another account while it is open.

    Raises:
        CommandError: the vendor or the address is another, and a run is open on the connection.
    """
    before = stack.deps.store.config.connection(made.name)
    if before is None or (before.vendor, before.base_url) == (made.vendor, made.base_url):
        return
    run = _open_run(stack, made.name)
    if run is None:
        return
    raise CommandError(
        f"Run {run} is open on the connection {made.name} at {before.base_url}; at "
        f"{made.base_url} its jobs would be asked for in another account. Let it end, stop it, or "
        "put the new address under a name of its own.",
        next_command=command("abort", run),
        error_code="connection_in_use",
    )


def _open_run(stack: Stack, connection: str) -> str | None:
    """The id of an open run of a connection, paused ones included."""
    store = stack.deps.store
    in_flight = store.chunks.runs_in_flight(connection)
    if in_flight:
        return in_flight[0]
    for _, listed in store.runs.oldest_open():
        if listed.connection == connection and _is_open(store.runs.get(listed.run_id)):
            return listed.run_id
    return None


def _is_open(run: Run | None) -> bool:
    # The index of runs lags behind; what counts is what the run itself says.
    return run is not None and run.closed_at is None


def _moment(moment: float, now: float) -> str | None:
    return timestamp(moment) if moment > now else None


def _learned(learned: connection_module.Learned | None) -> float | None:
    return None if learned is None else learned.value


def _last_minute(requests: RequestLog, now: float) -> int:
    return rate_limit.used(requests.logs.get(rate_limit.ACCOUNT, ()), now)


def _in_flight(limits: ConnectionLimits, most: int) -> str:
    """Jobs in flight. Where there are too many, some have ended and were not polled yet."""
    ended = limits.in_flight - most
    seen = f"{min(limits.in_flight, most)} in flight, at most {most}"
    return f"{seen}; {ended} more have ended and wait for a look" if ended > 0 else seen


def _jobs_learned(limits: ConnectionLimits, now: float) -> str:
    slots = concurrency.max_jobs(limits, now)
    return f" ({slots} for now, as was learned)" if slots < limits.ceiling else ""


def _rate_learned(requests: RequestLog) -> str:
    if requests.advertised is not None:
        return f"; the vendor says {requests.advertised}"
    if requests.learned is not None:
        return f"; {requests.learned.value:.0f} a minute were learned to be taken"
    return ""
