"""Requests and lessons of a connection, shared by all that use it: read, decide, write, try again.

What is decided is in `scheduler.rate_limit` and `scheduler.latency`; here it meets others who
decide at the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial

from jobferry.scheduler import rate_limit
from jobferry.scheduler.latency import learned_by_size
from jobferry.store.connection_limits import ConnectionLimitsStore

_TRIES = 50
"""Lanes that take requests at the same moment meet; each try lets one of them pass."""


def take_requests(
    store: ConnectionLimitsStore,
    connection: str,
    wanted: int,
    limits: Mapping[str, int],
    now: float,
    *,
    kept: int = 0,
    part: float = 1.0,
    seconds_each: float = 0.0,
) -> tuple[int, float]:
    """Take up to `wanted` requests; the arguments are those of `rate_limit.grant`.

    Returns:
        How many were granted, and the moment from which more will be.
    """
    decide = partial(
        rate_limit.grant,
        wanted=wanted,
        limits=limits,
        now=now,
        kept=kept,
        part=part,
        seconds_each=seconds_each,
    )
    for _ in range(_TRIES):
        before = store.requests(connection)
        grant = decide(before)
        if grant.logs is None or store.put_request_log(connection, before, grant.logs):
            return grant.granted, grant.more_at
    return 0, now


def note_requests(store: ConnectionLimitsStore, connection: str, made: int, now: float) -> None:
    """Count requests that had to be made, limit or not (a search, a second reader)."""
    for _ in range(_TRIES if made else 0):
        before = store.requests(connection)
        logs = rate_limit.noted(before.logs, {rate_limit.ACCOUNT}, made, now)
        if store.put_request_log(connection, before, logs):
            return


def give_back_requests(
    store: ConnectionLimitsStore,
    connection: str,
    names: Set[str],
    unsent: int,
    granted_at: float,
) -> None:
    """Requests that were taken at that moment, or soon after it, are not sent after all."""
    for _ in range(_TRIES):
        before = store.requests(connection)
        logs = rate_limit.given_back(before.logs, names, unsent, granted_at)
        if store.put_request_log(connection, before, logs):
            return


def lower_rate(
    store: ConnectionLimitsStore, connection: str, ceiling: int | None, now: float
) -> None:
    """The vendor refused a request for there being too many: try fewer, if it was us."""
    before = store.requests(connection)
    lower = rate_limit.lowered_by_refusal(before, ceiling, now)
    if lower is not None:
        store.put_learned_rate(connection, before, lower)


def learn_latencies(
    store: ConnectionLimitsStore,
    connection: str,
    operation: str,
    observed: Mapping[int, Sequence[tuple[float, float]]],
) -> None:
    """Learn from jobs that ended; `observed` as `scheduler.latency.learned_by_size` takes it."""
    known = store.latencies(connection, operation)
    store.put_latencies(connection, operation, learned_by_size(known, observed))
