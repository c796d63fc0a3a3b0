"""Attributes of the table keep their names, whatever the fields of our values are called.

The items below are as an older version wrote them, and no item that is written has another name:
who renames a field must not rename what lies in the tables of those who upgrade.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobferry.domain.connection import Demand, Learned
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Figures, Pause, StopReason
from jobferry.store import Store
from jobferry.store.operations import Item
from jobferry.store.table import Table
from tests.unit.store.samples import NOW

DATA_MODEL = Path(__file__).parents[3] / "docs" / "data-model.md"

META: Item = {
    "pk": "RUN#r",
    "sk": "META",
    "run_id": "r",
    "status": "running",
    "profile": "things",
    "revision": 3,
    "connection": "acme",
    "operation": "things.create",
    "source": {"bucket": "b", "key": "k", "version_id": "v", "size": 7},
    "started_at": NOW,
    "priority": "normal",
    "execution": "arn",
    "kept_until": 1_800_000_000,
    "halt": {"code": "operator", "reason": "No more."},
    "pause": {"code": "breaker", "reason": "Stop.", "at": NOW},
    "rests": True,
    "carried_seen": 40,
    "halved": 2,
    "n_succeeded": 9,
    "plan_chunks": 4,
}
CHUNK: Item = {
    "pk": "RUN#r",
    "sk": "CHUNK#0000000001",
    "run_id": "r",
    "chunk": 1,
    "lane": 2,
    "state": "claimed",
    "spans": "[[0,10,1,2]]",
    "attempt": 1,
    "claimed_at": NOW,
    "in_doubt": True,
    "halve": True,
    "holds_slot": False,
    "expires_at": 5,
}
LIMITS: Item = {
    "pk": "CONN#acme",
    "sk": "LIMITS",
    "in_flight": 3,
    "max_jobs": 30,
    "told_jobs": 20,
    "learned_jobs": [10, NOW],
    "excess_costs": True,
    "blocked_until": 1.5,
    "full_until": 2.5,
    "full_at": 3.5,
    "full_with": 4,
}
LANE: Item = {
    "pk": "RUN#r",
    "sk": "LANE#2",
    "submit": 1,
    "poll": 2,
    "other": 3,
    "laps": 4,
    "gb_ms": 5,
    "write_units": 6,
    "read_units": 7,
    "puts": 8,
    "heard_until": 9.5,
}


@pytest.fixture
def older(table: Table) -> None:
    pool: Item = {"pk": "RUN#r", "sk": "POOL", "cursor": 2, "end": 5}
    requests: Item = {"pk": "CONN#acme", "sk": "REQUESTS", "told": 700, "version": 3}
    need: Item = {"pk": "CONN#acme", "sk": "NEED#r", "run_id": "r", "priority": "normal"}
    table.put_many(
        [
            META,
            CHUNK,
            LIMITS,
            LANE,
            pool | {"returned": {1}, "again": {7}, "made": 1},
            requests | {"learned": [400, NOW], "logs": '{"account":[[1,2]]}'},
            need | {"need": 5, "said_at": NOW},
        ]
    )


@pytest.mark.usefixtures("older")
def test_a_run(store: Store) -> None:
    run = store.runs.must_get("r")
    assert run.stop == StopReason("operator", "No more.")
    assert run.pause == Pause("breaker", "Stop.", NOW)
    assert (run.suspended, run.processed_seen, run.bisected) == (True, 40, 2)
    assert (run.outcomes[OutcomeStatus.SUCCEEDED], run.plan.chunks) == (9, 4)
    assert run.expires_at == 1_800_000_000


@pytest.mark.usefixtures("older")
def test_a_chunk_and_its_pool(store: Store) -> None:
    (chunk,) = store.chunks.get("r", [1])
    assert (chunk.maybe_applied, chunk.bisect, chunk.holds_slot) == (True, True, False)
    pool = store.chunks.pool("r")
    assert (pool.released, pool.again, pool.made) == ({1}, {7}, 1)


@pytest.mark.usefixtures("older")
def test_a_connection(store: Store) -> None:
    limits = store.limits.get("acme")
    assert (limits.in_flight, limits.ceiling, limits.advertised_jobs) == (3, 30, 20)
    assert (limits.learned_jobs, limits.over_limit_penalised) == (Learned(10, NOW), True)
    assert (limits.retry_after_until, limits.no_slot_until) == (1.5, 2.5)
    assert (limits.no_slot_at, limits.no_slot_jobs) == (3.5, 4)
    log = store.limits.requests("acme")
    assert (log.advertised, log.learned, log.version) == (700, Learned(400, NOW), 3)
    assert log.logs == {"account": ((1, 2),)}
    assert store.limits.demands("acme", NOW) == [Demand("r", "normal", 5)]


@pytest.mark.usefixtures("older")
def test_what_lanes_used(store: Store) -> None:
    assert store.runs.figures("r") == Figures(1, 2, 3, 4, 5, 6, 7, 8)
    assert store.runs.alive_until("r") == {2: 9.5}


@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ("halt", "Run.stop"),
        ("rests", "Run.suspended"),
        ("carried_seen", "Run.processed_seen"),
        ("halved", "Run.bisected"),
        ("kept_until", "Run.expires_at"),
        ("in_doubt", "Chunk.maybe_applied"),
        ("halve", "Chunk.bisect"),
        ("returned", "Pool.released"),
        ("max_jobs", "ConnectionLimits.ceiling"),
        ("told_jobs", "ConnectionLimits.advertised_jobs"),
        ("excess_costs", "ConnectionLimits.over_limit_penalised"),
        ("blocked_until", "ConnectionLimits.retry_after_until"),
        ("full_until", "ConnectionLimits.no_slot_until"),
        ("full_at", "ConnectionLimits.no_slot_at"),
        ("full_with", "ConnectionLimits.no_slot_jobs"),
        ("told", "RequestLog.advertised"),
        ("heard_until", "Runs.alive_until"),
    ],
)
def test_the_page_names_both(attribute: str, field: str) -> None:
    names: Any = DATA_MODEL.read_text()
    assert f"| `{attribute}` | `{field}` |" in names
