"""Requests that are paid for one by one, from what everybody who uses a connection shares.

A lane pays for what it knows it will send. What only shows itself while a request is done
(a second reader, a search of several pages, a command of an operator) is paid for here: an adapter
asks the meter before each request, and a meter that says no keeps the request from being sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from jobferry.deps import Deps
from jobferry.lane.connection_requests import lower_rate, note_requests, take_requests
from jobferry.scheduler import concurrency, rate_limit
from jobferry.scheduler.settings import USUAL
from jobferry.store.connection_limits import ConnectionLimitsStore
from jobferry.vendors.answers import Throttled, ThrottleReason
from jobferry.vendors.connections import BoundConnection


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a request was not paid for.

    Attributes:
        reason: RATE: the vendor asked the connection to wait; BUDGET: no request of this minute is
            left
        until: epoch seconds from which asking again makes sense
    """

    reason: ThrottleReason
    until: float


class Meter:
    """Pays for the requests of one connection (`vendors.protocol.Meter`). Threads may share it.

    Args:
        limits: of the store.
        connection: whose requests these are.
        per_minute: gives requests a minute by name of the limit, as `rate_limit.grant` takes them;
            empty while no limit is known: then requests are only counted.
        now: epoch seconds.
    """

    def __init__(
        self,
        limits: ConnectionLimitsStore,
        connection: str,
        per_minute: Callable[[], Mapping[str, int]],
        now: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._connection = connection
        self._per_minute = per_minute
        self._now = now
        self._lock = Lock()
        self._granted: list[list[int]] = []
        self._waits_until = 0.0
        self._sleep: Callable[[float], None] | None = None
        self.taken = 0
        self.denied: Denied | None = None

    @contextmanager
    def prepaid(self, requests: int) -> Iterator[None]:
        """So many requests have been granted already; they are the first to be used.

        What is left in the end lapses: they are counted in the minute of their grant, so that one
        used later would be missing in the minute in which it is sent.
        """
        granted = [requests]
        with self._lock:
            self._granted.append(granted)
        try:
            yield
        finally:
            with self._lock:
                self._granted = [each for each in self._granted if each is not granted]

    @contextmanager
    def waiting(self, sleep: Callable[[float], None], until: float) -> Iterator[None]:
        """Requests wait for one of the next minute meanwhile, where none of this one is left.

        For what needs many requests and would begin anew: with fewer in a minute than it needs it
        would never get anywhere.

        Args:
            until: epoch seconds after which none is waited for.
        """
        before = self._sleep, self._waits_until
        self._sleep, self._waits_until = sleep, until
        try:
            yield
        finally:
            self._sleep, self._waits_until = before

    def _use_prepaid(self) -> bool:
        for granted in reversed(self._granted):
            if granted[0] > 0:
                granted[0] -= 1
                return True
        return False

    def take(self) -> bool:
        """Take one request; false when none may be sent now, and `denied` says why.

        `taken` counts the requests that were let through, prepaid ones among them.
        """
        with self._lock:
            if self._use_prepaid():
                self.taken += 1
                return True
        # Not under the lock: the store sorts out who comes first.
        denied = self._denied()
        while denied is not None and self._waits_for(denied):
            denied = self._denied()
        with self._lock:
            self.denied = denied
            self.taken += denied is None
        return denied is None

    def _waits_for(self, denied: Denied) -> bool:
        """Wait for the next request, if that is worth it; false when it was not."""
        if self._sleep is None or denied.reason is not ThrottleReason.BUDGET:
            return False
        until = max(denied.until, self._now() + USUAL.min_poll_interval)
        if until >= self._waits_until:
            return False
        self._sleep(until - self._now())
        return True

    def _denied(self) -> Denied | None:
        now = self._now()
        retry_after_until = self._limits.get(self._connection).retry_after_until
        if retry_after_until > now:
            return Denied(ThrottleReason.RATE, retry_after_until)
        limits = self._per_minute()
        if not limits:
            note_requests(self._limits, self._connection, 1, now)
            return None
        granted, more_at = take_requests(self._limits, self._connection, 1, limits, now)
        return None if granted else Denied(ThrottleReason.BUDGET, max(more_at, now))


def account_limit(linked: BoundConnection, deps: Deps) -> dict[str, int]:
    """Requests a minute of the whole account of a connection, where a limit is known."""
    per_minute = rate_limit.per_minute(
        deps.store.limits.requests(linked.connection.name),
        linked.connection.request_budget,
        linked.connection.share,
        deps.now(),
    )
    return {} if per_minute is None else {rate_limit.ACCOUNT: per_minute}


@contextmanager
def paying(linked: BoundConnection, deps: Deps) -> Iterator[Meter]:
    """Each request of the client is paid for meanwhile."""
    meter = Meter(
        deps.store.limits,
        linked.connection.name,
        lambda: account_limit(linked, deps),
        deps.now,
    )
    client = linked.client
    before, client.meter = client.meter, meter
    try:
        yield meter
    finally:
        client.meter = before


def keep_throttle(linked: BoundConnection, answer: Throttled, deps: Deps) -> float | None:
    """Make everybody who uses the connection wait as the vendor has asked.

    Returns:
        Until when (epoch seconds); None for a request that never left, of which the vendor knows
        nothing.
    """
    name, now, limits = linked.connection.name, deps.now(), deps.store.limits
    if answer.reason is ThrottleReason.SLOTS:
        until = concurrency.no_slot_until(now, answer.retry_after)
        limits.full(name, until)
        return until
    if answer.reason is not ThrottleReason.RATE:
        return None
    until = rate_limit.retry_after_until(now, answer.retry_after)
    limits.block(name, until)
    if rate_limit.tells_of_a_rate(answer.retry_after):
        lower_rate(limits, name, linked.connection.request_budget, now)
    if answer.limits is not None and answer.limits.requests_limit:
        limits.advertised_rate(name, answer.limits.requests_limit)
    return until
