"""Whole runs of the real steps against a simulated vendor, in one virtual time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from jobferry.domain.connection import Connection
from jobferry.domain.types import JsonObject
from jobferry.vendors.connections import Connections, max_jobs
from jobferry.vendors.http.addresses import LOOPBACK
from vendorsim import RunningSimulator, start
from vendorsim.settings import Scenario
from virtual.schedule import Schedule
from virtual.world import World


@dataclass(frozen=True)
class SharedClock:
    """The simulator's time is that of the steps."""

    clock: Schedule

    def now(self) -> float:
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        self.clock.pass_time(seconds)


@contextmanager
def simulated_world(
    connections: Mapping[str, tuple[str, Mapping[str, str]]],
    *,
    latency: str,
    path: str = "",
    documents: Iterable[JsonObject] = (),
    records: Mapping[str, list[JsonObject]] | None = None,
) -> Iterator[tuple[World, RunningSimulator]]:
    """A deployment in memory whose connections lead to a simulator.

    Args:
        connections: name → (vendor, credentials).
        path: what stands behind the simulator's address.
        documents: vendors that are documents, as `jobferry vendor put` keeps them.
        records: that the simulator begins with, by kind.
    """
    # Simulators of single vendors begin with what they have themselves.
    begins = {} if records is None else {"scenario": Scenario(records=dict(records))}
    with (
        World() as world,
        start(clock=SharedClock(world.clock), latency=latency, **begins) as sim,
    ):
        world.deps = replace(
            world.deps,
            connections=Connections(
                world.store.config,
                lambda name, _afresh: json.dumps(connections[name][1]),
                reach=LOOPBACK,
                monotonic=world.clock.now,
                vendors=world.fresh_vendors(),
            ),
        )
        for document in documents:
            world.store.config.put_vendor(document["name"], document)
        for name, (vendor, _) in connections.items():
            connection = Connection(name, vendor, sim.url + path)
            world.store.config.put_connection(connection)
            world.store.limits.ensure(name, max_jobs(connection, world.deps.vendors.named(vendor)))
        yield world, sim
