"""A seed becomes a scenario: files, how the vendor behaves, what goes wrong and when.

Why not by hypothesis: docs/decisions/0026-scenarios-are-drawn-by-ourselves.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from tests.chaos.adapter_scenarios import VendorFaultKind, draw_adapter_scenario
from tests.chaos.adapters import ADAPTERS
from tests.chaos.scenario import (
    AbortRun,
    Action,
    DuplicateEvent,
    DuplicateTask,
    Fault,
    FaultKind,
    File,
    IndexLag,
    JobBehaviour,
    PollReply,
    RecordBehaviour,
    Scenario,
    ScriptedPoll,
    SearchReply,
    StopExecution,
    VendorBehaviour,
)
from tests.chaos.sizes import PRODUCTION, draw_sizes
from virtual.table import BATCH_TRIES
from virtual.vendor import Behaviour, Reply

T = TypeVar("T")


TABLE = ("table.write", "table.transact", "table.put_many", "table.delete_many")
OBJECTS = ("objects.put",)
VENDOR = ("vendor.submit", "vendor.poll", "vendor.find")
CONTROL = ("vendor.control",)
SECRET = ("secret.read",)

_DEATHS = (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER)
_LATE = (FaultKind.SLOW_REQUEST, FaultKind.SLOW_ANSWER)
FAULT_KINDS: Mapping[str, tuple[FaultKind, ...]] = {
    "table.write": (
        *_DEATHS,
        *_LATE,
        FaultKind.ANSWER_LOST,
        FaultKind.SENT_TWICE,
        FaultKind.THROTTLED,
    ),
    "table.transact": (*_DEATHS, *_LATE, FaultKind.ANSWER_LOST, FaultKind.THROTTLED),
    "table.put_many": (
        *_DEATHS,
        *_LATE,
        FaultKind.ANSWER_LOST,
        FaultKind.THROTTLED,
        FaultKind.PARTIAL_BATCH,
    ),
    "table.delete_many": (
        *_DEATHS,
        *_LATE,
        FaultKind.ANSWER_LOST,
        FaultKind.THROTTLED,
        FaultKind.PARTIAL_BATCH,
    ),
    "objects.put": (*_DEATHS, *_LATE, FaultKind.ANSWER_LOST, FaultKind.THROTTLED),
    "vendor.submit": (*_DEATHS, *_LATE),
    "vendor.poll": (*_DEATHS, *_LATE),
    "vendor.find": (*_DEATHS, *_LATE),
    "vendor.control": (*_DEATHS, *_LATE),
    "secret.read": (*_DEATHS, FaultKind.SLOW_ANSWER, FaultKind.THROTTLED),
}
"""What can go wrong with each kind of effect. A transaction carries a token that makes the SDK's
own retry harmless, so it is never applied twice; what a vendor answers is the vendor's part."""

_USUAL: Mapping[str, int] = {
    "table.write": 24,
    "table.transact": 14,
    "table.put_many": 10,
    "table.delete_many": 4,
    "objects.put": 10,
    "vendor.submit": 6,
    "vendor.poll": 8,
    "vendor.find": 2,
    "vendor.control": 2,
    "secret.read": 2,
}
"""How many effects of a kind a scenario has, about: faults are spread over these."""

_TASKS: Mapping[str, int] = {
    "OpenRun": 2,
    "PlanRun": 2,
    "SubmitJobs": 6,
    "PollJobs": 6,
    "SettleJob": 5,
    "CloseRun": 2,
}

LATEST = 400.0
"""Seconds after which nothing of a scenario begins any more."""

SLOWEST = 90.0
"""Seconds that an effect takes at the most."""

CROWDED = 0.2
"""The part of the scenarios in which many invocations stand beside each other."""

SMALL = 0.25
"""The part of the scenarios in which batches, pages and blocks hold one to three."""

RATE_LIMITED = 0.15
"""The part of the scenarios in which the operator allows few requests a minute."""

CONTENDED = 0.2
"""The part of the scenarios in which transactions meet others."""

_REQUEST = 30.0
"""A request to the vendor takes no longer: its client gives up."""


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    rng = Random(seed)
    files = tuple(_file(rng) for _ in range(1 if rng.random() < 0.7 else 2))
    scenario = Scenario(
        seed=rng.randrange(1_000_000),
        files=files,
        vendor=_vendor(rng),
        max_jobs=rng.choice((1, 2, 3, 4)),
        senders=rng.choice((1, 1, 2, 3)),
        lane_window=rng.choice((1, 2, 100, 100)),
        tight_deadlines=rng.random() < 0.15,
        faults=_some(rng, 0.85, 5, _fault),
        actions=_some(rng, 0.5, 3, lambda r: _action(r, len(files))),
    )
    scenario = _crowded(rng, scenario) if rng.random() < CROWDED else scenario
    # Drawn apart, so that a seed's files and faults stay what they are.
    more = Random(f"more {seed}")
    return replace(
        scenario,
        sizes=draw_sizes(more) if more.random() < SMALL else PRODUCTION,
        per_minute=more.choice((6, 12, 30, 100)) if more.random() < RATE_LIMITED else 0,
        conflicts=more.choice((0.05, 0.3)) if more.random() < CONTENDED else 0.0,
    )


def _crowded(rng: Random, scenario: Scenario) -> Scenario:
    """The scenario with many invocations beside each other, some of them far behind: races."""
    late = _some(rng, 1.0, 6, lambda r: _delayed(r, r.choice(TABLE)))
    deliveries = _some(rng, 1.0, 5, lambda r: _duplicate_task(r, (0.0, 0.0, 0.5, 1.0, 10.0, 25.0)))
    return replace(
        scenario,
        lane_window=rng.choice((1, 1, 2, scenario.lane_window)),
        faults=(*scenario.faults, *late),
        actions=(*scenario.actions, *deliveries),
    )


def draw_with_adapter(vendor: str, seed: int) -> Scenario:
    """The scenario of a seed, with the real adapter of this vendor.

    Files, faults and happenings are those of the seed with the vendor in memory, and some more at
    the vendor's; what goes wrong at the vendor is drawn for it.
    """
    adapter, scenario, rng = ADAPTERS[vendor], draw(seed), Random(f"{vendor} {seed}")
    files = tuple(
        replace(
            file,
            batch=min(file.batch, adapter.max_records),
            repeatable=file.repeatable and adapter.upsert is not None,
        )
        for file in scenario.files
    )
    adapter_scenario = draw_adapter_scenario(rng, vendor, adapter.ends, full=bool(adapter.max_jobs))
    stuck = any(
        vendor_fault.what is VendorFaultKind.STUCK
        for vendor_fault in adapter_scenario.vendor_faults
    )
    account = VendorBehaviour(
        # A job that never ends would leave no room for others, for ever.
        max_jobs=VendorBehaviour().max_jobs if stuck else scenario.vendor.max_jobs,
        request_seconds=scenario.vendor.request_seconds,
        latencies=scenario.vendor.latencies,
    )
    faults = _some(rng, 0.5, 1, lambda r: _fault_of(r, r.choice(VENDOR)))
    aborts: tuple[Action, ...] = ()
    if adapter.vendor.capabilities.abort and rng.random() < 0.2:
        aborts = (AbortRun(0, rng.choice((1.0, 10.0, 30.0))),)
        faults += _some(rng, 0.5, 1, lambda r: _fault_of(r, *CONTROL))
    return replace(
        scenario,
        files=files,
        vendor=account,
        faults=(*scenario.faults, *faults),
        actions=(*scenario.actions, *aborts),
        adapter_scenario=adapter_scenario,
    )


def _some(rng: Random, likely: float, most: int, one: Callable[[Random], T]) -> tuple[T, ...]:
    """None, or a few."""
    if rng.random() >= likely:
        return ()
    return tuple(one(rng) for _ in range(rng.randint(1, most)))


def _file(rng: Random) -> File:
    rows = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
    keyed = rng.random() < 0.3
    numbers = range(1, rows + 1)
    file = File(
        rows=rows,
        bad=tuple(n for n in numbers if rng.random() < 0.08),
        repeats=tuple(n for n in numbers if keyed and n > 1 and rng.random() < 0.2),
        repeatable=rng.random() < 0.3,
        keyed=keyed,
        batch=rng.choice((1, 2, 2, 3)),
        max_attempts=rng.choice((1, 2, 3, 3)),
        priority=rng.choice(("medium", "medium", "low", "highest")),
        arrives=rng.choice((0.0, 0.0, 5.0, 40.0)),
        trial=rng.choice((*(0,) * 8, 1, 3)),
        breaker=rng.choice((*(0,) * 8, 1, 2)),
    )
    # Not drawn, so that a seed gives the same scenario as before they came.
    return replace(file, ramp=file.breaker > 0, in_order=file.repeatable and file.batch == 3)


def _vendor(rng: Random) -> VendorBehaviour:
    max_jobs = rng.choice((30, 30, 30, 1, 2, 3))
    return VendorBehaviour(
        max_jobs=max_jobs,
        full_wait=rng.choice((None, None, 7.0, 45.0)),
        excess=rng.random() < 0.25,
        request_seconds=rng.choice((0.0, 0.0, 0.3, 1.0)),
        latencies=tuple(
            rng.choice((0.5, 3.0, 10.0, 20.0, 20.0, 45.0, 120.0)) for _ in range(rng.randint(1, 3))
        ),
        replies=_some(rng, 0.6, 6, _reply),
        polls=_some(rng, 0.25, 6, _scripted_poll),
        searches=_some(rng, 0.2, 3, lambda r: r.choice(tuple(SearchReply))),
        records=_some(
            rng,
            0.3,
            5,
            lambda r: r.choice(
                (RecordBehaviour.APPLIED, RecordBehaviour.APPLIED, *RecordBehaviour)
            ),
        ),
        jobs=_some(rng, 0.3, 4, lambda r: r.choice((JobBehaviour.NORMAL, *JobBehaviour))),
    )


def _reply(rng: Random) -> Reply:
    act = rng.choice(
        (
            *(Behaviour.ACCEPT,) * 3,
            *(Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED) * 2,
            *(Behaviour.THROTTLE, Behaviour.TOO_MANY_JOBS, Behaviour.THROTTLE),
            rng.choice((Behaviour.REFUSE, Behaviour.REFUSE, Behaviour.REFUSE_RUN)),
        )
    )
    waits = act in (
        Behaviour.THROTTLE,
        Behaviour.TOO_MANY_JOBS,
        Behaviour.APPLIED_NO_ANSWER,
        Behaviour.NEVER_ARRIVED,
    )
    return Reply(act, rng.choice((None, None, 5.0, 90.0)) if waits else None)


def _scripted_poll(rng: Random) -> ScriptedPoll:
    reply = rng.choice((PollReply.NORMAL, *PollReply))
    waits = reply is PollReply.THROTTLED
    return ScriptedPoll(reply, rng.choice((None, 5.0, 90.0)) if waits else None)


def _fault(rng: Random) -> Fault:
    kinds = (*TABLE, *OBJECTS, *VENDOR, *SECRET)
    return _fault_of(rng, rng.choice((*kinds, "table.transact", "table.write", "vendor.submit")))


def _fault_of(rng: Random, kind: str) -> Fault:
    fault_kind = rng.choice(FAULT_KINDS[kind])
    longest = _REQUEST if kind in (*VENDOR, *CONTROL) else SLOWEST
    seconds = round(longest * rng.choice((0.05, 0.3, 1.0)), 1) if fault_kind in _LATE else 0.0
    nth = rng.randint(1, _USUAL[kind])
    # Every third part of a batch that comes back does so until its writer gives up.
    times = BATCH_TRIES if fault_kind is FaultKind.PARTIAL_BATCH and nth % 3 == 0 else 1
    return Fault(kind, nth, fault_kind, seconds, times)


def _action(rng: Random, files: int) -> Action:
    at = rng.choice((0.0, 1.0, 10.0, 30.0, 75.0, 200.0))
    match rng.randrange(8):
        case 0 | 1 | 2 | 3:
            return _duplicate_task(rng, (0.0, 0.0, 1.0, 25.0, 100.0, LATEST))
        case 4:
            return DuplicateEvent(rng.randrange(files), at)
        case 5:
            return StopExecution(rng.randint(1, 12))
        case 6:
            return AbortRun(rng.randrange(files), at)
    return IndexLag(at, rng.choice((10.0, LATEST)))


def _delayed(rng: Random, kind: str) -> Fault:
    """An effect whose invocation falls behind others."""
    fault_kind = rng.choice((FaultKind.SLOW_REQUEST, FaultKind.SLOW_ANSWER))
    return Fault(kind, rng.randint(1, _USUAL[kind]), fault_kind, rng.choice((1.0, 5.0, 17.0, 45.0)))


def _duplicate_task(rng: Random, after: Sequence[float]) -> DuplicateTask:
    task = rng.choice(tuple(_TASKS))
    return DuplicateTask(task, rng.randint(1, _TASKS[task]), rng.choice(after))
