"""The real adapter's client, of which a scenario knows what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found, PollAnswer, Refused, SubmitAnswer, Throttled
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Meter, VendorClient
from virtual.schedule import Schedule

T = TypeVar("T")
R = TypeVar("R")

SUBMIT, POLL, FIND, CONTROL = "vendor.submit", "vendor.poll", "vendor.find", "vendor.control"


@dataclass(frozen=True)
class Call:
    """What an adapter is asked for, and the names of the rows in it."""

    kind: str
    names: tuple[str, ...] = ()


OTHER_CALL = Call(CONTROL)
current_call: ContextVar[Call | None] = ContextVar("asking", default=None)


class ObservedClient:
    """A client of the real adapter, of which the scenario knows what it is asked for."""

    def __init__(self, client: VendorClient, name_of: Callable[[JsonObject], str | None]) -> None:
        self._client = client
        self._name_of = name_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @property
    def meter(self) -> Meter | None:
        return self._client.meter

    @meter.setter
    def meter(self, meter: Meter | None) -> None:
        self._client.meter = meter

    @property
    def requests_made(self) -> int:
        return self._client.requests_made

    def drop_idle_connections(self) -> None:
        self._client.drop_idle_connections()

    def test(self) -> Refused | Throttled | Any | None:
        return self._client.test()

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        names = tuple(name for record in records if (name := self._name_of(record)) is not None)
        with calling(Call(SUBMIT, names)):
            return self._client.submit(operation, records, token)

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        with calling(Call(POLL)):
            return self._client.poll(job_ids)

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        with calling(Call(FIND)):
            return self._client.find(operation, lost, now)


@contextmanager
def calling(call: Call) -> Iterator[None]:
    before = current_call.set(call)
    try:
        yield
    finally:
        current_call.reset(before)


class ActorPool:
    """In place of a pool of threads: actors of the scenario, of which one runs at a time."""

    def __init__(self, clock: Schedule, max_workers: int) -> None:
        self._clock = clock
        self._workers = max_workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """All work has ended already."""

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        pairs = [(copy_context(), item) for item in items]

        def run_item(pair: tuple[Context, T]) -> R:
            context, item = pair
            return context.run(work, item)

        return iter(self._clock.parallel_map(run_item, pairs, self._workers))
