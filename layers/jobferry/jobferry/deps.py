"""What the steps work with. Built once per warm function, or by tests with other parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jobferry.scheduler.settings import USUAL, SchedulerSettings
from jobferry.store import Store
from jobferry.store.objects import Objects
from jobferry.vendors.connections import Connections
from jobferry.vendors.registry import VendorRegistry

if TYPE_CHECKING:
    from jobferry.runtime.settings import Settings


def _no_log(message: str, **keys: Any) -> None:
    """Tests and tools that want no log."""


T = TypeVar("T")
R = TypeVar("R")


class ParallelMap(Protocol):
    """Work on all items side by side; the results in their order. Raises what the first raised."""

    def __call__(self, work: Callable[[T], R], items: Sequence[T], workers: int, /) -> list[R]: ...


def _in_threads(work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    if len(items) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(workers, len(items))) as pool:
        return list(pool.map(work, items))


@dataclass(frozen=True)
class Deps:
    """Collaborators of every step.

    Attributes:
        now: epoch seconds
        sleep: waits, in seconds
        parallel_map: works on several things at once
        log, warn: one structured line each; keys only, never a cell or a secret
        emit: counts as metrics
        scheduling: every number that the scheduler goes by
        memory: what a warm function knows from its invocations before
    """

    settings: Settings
    store: Store
    objects: Objects
    connections: Connections
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    parallel_map: ParallelMap = _in_threads
    log: Callable[..., None] = _no_log
    warn: Callable[..., None] = _no_log
    emit: Callable[..., None] = _no_log
    scheduling: SchedulerSettings = USUAL
    memory: dict[object, object] = field(default_factory=dict)

    @property
    def vendors(self) -> VendorRegistry:
        """The vendors that connections may name: those that clients are made of."""
        return self.connections.vendors
