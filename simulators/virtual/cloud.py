"""AWS around a simulated deployment: calls take time, functions have a part of a core and start
cold, and all of it is counted.

Only what happens inside of an invocation is charged. What a test or a benchmark prepares takes no
time and costs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from virtual.bill import Bill
from virtual.charges import FULL_CORE_MB, Charges
from virtual.schedule import Schedule

T = TypeVar("T")

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"

Key = tuple[str, str]


@dataclass
class Instance:
    """One instance of a function, which handles one event at a time.

    Attributes:
        memory: megabytes
        warm: what the step works with, as the instance keeps it from one event to the next
        free_at: until when its part of a core is busy; threads of one instance share it
        debt: seconds of a whole core that were used and have not been waited for yet
    """

    memory: int
    warm: Any
    free_at: float = 0.0
    debt: float = 0.0
    idle_since: float = 0.0

    @property
    def share(self) -> float:
        """Of a core; one thread of Python never uses more than one."""
        return min(1.0, self.memory / FULL_CORE_MB)

    def busy(self, now: float) -> float:
        """Seconds until all work that is owed is done, which it then is."""
        self.free_at = max(now, self.free_at) + self.debt / self.share
        self.debt = 0.0
        return self.free_at - now


_INSTANCE: ContextVar[Instance | None] = ContextVar("instance", default=None)


def running_instance() -> Instance | None:
    """The instance inside of which this is called."""
    return _INSTANCE.get()


class Cloud:
    """AWS for one deployment.

    Args:
        memory: megabytes of a function, by its name in the state machine.
    """

    def __init__(
        self, clock: Schedule, charges: Charges, memory: Callable[[str], int] | None = None
    ) -> None:
        self.clock = clock
        self.charges = charges
        self.bill = Bill()
        self._memory = memory or memory_of
        self._idle: dict[str, list[Instance]] = defaultdict(list)
        self._held: dict[Key, tuple[float, float]] = {}

    # time

    def work(self, seconds: float) -> None:
        """So much work of a whole core; it is waited for with the next request."""
        instance = _INSTANCE.get()
        if instance is not None:
            instance.debt += seconds

    def request(self, seconds: float, cpu: float = 0.0) -> None:
        """A call: the work for it, and then its latency."""
        instance = _INSTANCE.get()
        if instance is not None:
            instance.debt += cpu
            self.clock.sleep(instance.busy(self.clock.now()) + seconds)

    # the table

    def hold(self, keys: list[Key], cpu: float) -> bool:
        """A transaction on these items: wait for it; false when another one holds one of them."""
        instance = _INSTANCE.get()
        if instance is None:
            return True
        charges = self.charges
        instance.debt += cpu
        now = self.clock.now()
        start = now + instance.busy(now)
        end = start + charges.transaction
        nothing = (0.0, 0.0)
        held = [self._held.get(key, nothing) for key in keys]
        if any(since < end and start < until for since, until in held):
            self.bill.conflicts += 1
            self.clock.sleep(start - now + charges.write)
            return False
        self._held.update(dict.fromkeys(keys, (start, end)))
        self.clock.sleep(end - now)
        return True

    def is_held(self, key: Key) -> bool:
        """Whether a transaction holds this item now, so that a plain write fails."""
        since, until = self._held.get(key, (0.0, 0.0))
        held = _INSTANCE.get() is not None and since < self.clock.now() < until
        self.bill.conflicts += held
        return held

    # objects, secrets, the vendor

    def object_request(self, kind: str) -> None:
        """A request to S3, by the name of the effect."""
        if _INSTANCE.get() is None:
            return
        if kind == "objects.get":
            self.bill.gets += 1
            self.request(self.charges.get, self.charges.cpu_object)
        elif kind.startswith("objects."):
            self.bill.puts += kind != "objects.delete"
            self.request(self.charges.put, self.charges.cpu_object)
        elif kind == "secret.read":
            self.bill.secrets += 1
            self.request(self.charges.secret, self.charges.cpu_request)

    # functions and states

    def entered(self, *, distributed: bool) -> None:
        """A state was entered."""
        self.bill.transitions += 1
        if distributed:
            self.clock.sleep(self.charges.map_start)

    def failed(self) -> None:
        """A task has failed; its next try is a transition of its own."""
        self.bill.transitions += 1
        self.bill.failures += 1

    def invoke(self, name: str, work: Callable[[], T], cold: Callable[[int], Any]) -> T:
        """One invocation of a function.

        Args:
            cold: (megabytes) → what a cold instance builds.
        """
        with self._instance(name, cold) as instance:
            token = _INSTANCE.set(instance)
            try:
                instance.debt += self.charges.cpu_invocation
                return work()
            finally:
                self.request(0.0)
                _INSTANCE.reset(token)

    @contextmanager
    def _instance(self, name: str, cold: Callable[[int], Any]) -> Iterator[Instance]:
        charges, bill, idle = self.charges, self.bill, self._idle[name]
        self.clock.sleep(charges.invoke)
        began = self.clock.now()
        idle[:] = [each for each in idle if each.idle_since >= began - charges.idle]
        if idle:
            instance = idle.pop()
        else:
            memory = self._memory(name)
            instance = Instance(memory, cold(memory))
            bill.cold[name] += 1
            self.clock.sleep(charges.cold_start)
        try:
            yield instance
        finally:
            instance.idle_since = self.clock.now()
            idle.append(instance)
            bill.invocations[name] += 1
            seconds = instance.idle_since - began
            before = bill.gb_seconds.get(name, 0.0)
            bill.gb_seconds[name] = before + seconds * instance.memory / 1024


@cache
def _sizes() -> dict[str, int]:
    from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    usual = template["Globals"]["Function"]["MemorySize"]
    return {
        name: int(resource.get("Properties", {}).get("MemorySize", usual))
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def memory_of(name: str) -> int:
    """Megabytes of a function as it is deployed, by its name in the state machine."""
    return _sizes()[f"{name}Function"]
