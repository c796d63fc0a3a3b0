"""Run a scenario: real steps, store and client over fakes, in virtual time, with its faults.

The world is that of `virtual.world`. Here every invocation of a function has a name, so that
one that crashes is dead as a whole, whatever else it had in flight; and before every effect the
others that are due may go first, so that the seed decides how invocations interleave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from traceback import extract_tb
from typing import Any, Self, TypeVar
from unittest import mock

from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.domain.run import RunGoneError
from jobferry.domain.run_request import RunRequest
from jobferry.lane import absence, poller
from jobferry.steps import close_run as close_module
from jobferry.steps.open_run import open_run, resume_run
from jobferry.steps.plan_run import plan_run
from jobferry.vendors.connections import Connections
from jobferry.vendors.http.addresses import LOOPBACK
from tests.chaos.adapter_scenarios import AdapterScenario
from tests.chaos.adapters import ADAPTERS
from tests.chaos.fault_injection import FaultInjector
from tests.chaos.ground_truth import GroundTruth, Invocation
from tests.chaos.history import EXPECTED_ERRORS, EndlessError, History, Line, invocation
from tests.chaos.inputs import contents, profile_of
from tests.chaos.operator_actor import SANDBOX, OperatorActor
from tests.chaos.outages import SECRET
from tests.chaos.scenario import (
    AbortRun,
    DuplicateEvent,
    DuplicateTask,
    FaultKind,
    File,
    IndexLag,
    Scenario,
    StopExecution,
    VendorBehaviour,
    letter,
)
from tests.chaos.scripted_account import ScriptedAccount, read_results
from tests.chaos.simulated import SimulatedAccount
from tests.chaos.sizes import patched, scheduling_of
from tests.chaos.store_watcher import StoreWatcher
from virtual.clock import START
from virtual.machine import ExecutionStoppedError, Machine
from virtual.schedule import DeadlockError, NoTimePassesError
from virtual.vendor import FakeClient, fake_vendor
from virtual.world import CONNECTION, DEFINITION, Execution, World

T = TypeVar("T")
R = TypeVar("R")

SWEEP_SECONDS = 300.0

JOB_DEADLINE = 900.0
SEARCH_TIMEOUT = 1_800.0
"""Shorter than in production, so that scenarios of jobs that never end stay short. A search takes
longer than its proof that a submission was never taken, which counts after eleven minutes."""

ROWS_PER_CLOCK_CHECK = 2
"""So that closing a file of a few rows can be out of time, too."""


class ChaosWorld(World):
    """A world in which a scenario is run, once."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(
            max_jobs=max(1, scenario.max_jobs),
            senders=max(1, scenario.senders),
            seed=scenario.seed,
            lane_window=max(1, scenario.lane_window),
            retention_days=scenario.retention or 30,
            # Where a job is found by its token, a claim is the intent; else each chunk has one.
            token_search=scenario.seed % 2 == 0,
        )
        self.scenario = scenario
        self.faults = FaultInjector(self)
        if scenario.machine_seconds:
            self.machine = limited(scenario.machine_seconds)
        self.credentials = '{"bearer": "secret"}'
        if scenario.tight_deadlines:
            self.seconds |= {"plan": 0.0, "close": 0.0}
        self.adapter_scenario: SimulatedAccount | None = None
        if scenario.adapter_scenario is None:
            self.truth: GroundTruth = self._in_memory(scenario)
        else:
            self.truth = self.adapter_scenario = self._simulated(
                scenario, scenario.adapter_scenario
            )
        for index, file in enumerate(scenario.files):
            self.put_profile(profile_of(index, file, scenario.adapter_scenario))
        self.history = History(
            scenario, self, [self._dropped(i, f) for i, f in enumerate(scenario.files)]
        )
        self._numbers = count(1)
        self._tasks: Counter[str] = Counter()
        self._plans = count(1)
        self._stopped: set[str] = set()
        self.over = False
        self._idle: list[Connections] = []
        self._serving: dict[Invocation, Connections] = {}
        self.table.watchers.append(StoreWatcher(self.history, self.note))

    def _in_memory(self, scenario: Scenario) -> ScriptedAccount:
        account = ScriptedAccount(
            self.clock,
            self.effects,
            scenario.vendor,
            invocation.get,
            max(1, scenario.lane_window),
            self.faults.outage,
        )
        self.account = account
        self.other_account = ScriptedAccount(
            self.clock,
            self.effects,
            VendorBehaviour(),
            invocation.get,
            max(1, scenario.lane_window),
        )

        def client(base_url: str, credentials: object, **_options: object) -> FakeClient:
            there = self.other_account if base_url == SANDBOX else account
            return FakeClient(there, credentials)

        self.vendor = replace(
            fake_vendor(account, max_jobs=account.max_jobs, refuses_excess=scenario.vendor.excess),
            read_results=read_results,
            client=client,
        )
        if scenario.per_minute:
            connection = self.store.config.connection(CONNECTION)
            assert connection is not None
            limited_to = replace(connection, requests_per_minute=max(2, scenario.per_minute))
            self.store.config.put_connection(limited_to)
        return account

    def _simulated(self, scenario: Scenario, adapter_scenario: AdapterScenario) -> SimulatedAccount:
        account = SimulatedAccount(
            self.clock, self.effects, scenario, adapter_scenario, invocation.get, self.faults.outage
        )
        self.store.config.put_connection(
            Connection(
                CONNECTION,
                account.adapter.vendor.name,
                account.base_url,
                max_jobs=max(1, scenario.max_jobs),
                requests_per_minute=max(2, scenario.per_minute) if scenario.per_minute else None,
            )
        )
        self.credentials = json.dumps(account.adapter.credentials)
        self.deps = self.fresh_deps()
        return account

    def __enter__(self) -> Self:
        super().__enter__()
        if self.adapter_scenario is not None:
            self._cleanup.enter_context(self.adapter_scenario)
        shorter = (
            (poller, "JOB_DEADLINE", JOB_DEADLINE),
            (absence, "SEARCH_TIMEOUT", SEARCH_TIMEOUT),
        )
        for module, name, value in (
            *(() if self.scenario.production_deadlines else shorter),
            (close_module, "ROWS_PER_CLOCK_CHECK", ROWS_PER_CLOCK_CHECK),
        ):
            self._cleanup.enter_context(mock.patch.object(module, name, value))
        self._cleanup.enter_context(patched(self.scenario.sizes))
        self.scheduling = scheduling_of(self.scenario.sizes, self.scheduling)
        self.deps = self.fresh_deps()
        return self

    def _dropped(self, index: int, file: File) -> RunRequest:
        options = {"jobferry-priority": file.priority}
        if file.trial:
            options["jobferry-trial"] = str(file.trial)
        adapter_scenario = self.scenario.adapter_scenario
        changes = adapter_scenario is not None and ADAPTERS[adapter_scenario.vendor].changes
        text = contents(index, file, changes=changes)
        return self.drop(text, profile=letter(index), options=options)

    # what an invocation is

    def fresh_deps(self) -> Deps:
        return replace(
            super().fresh_deps(), parallel_map=self._gather, connections=self._fresh_connections()
        )

    def _fresh_connections(self) -> Connections:
        return Connections(
            self.store.config,
            self.read_secret,
            reach=LOOPBACK,
            monotonic=self.clock.now,
            vendors=self.fresh_vendors(),
        )

    def task_deps(self) -> Deps:
        """What one invocation works with: no two share a vendor's client at the same time, as a
        function's container serves one invocation after the other."""
        me = invocation.get()
        assert me is not None
        if me not in self._serving:
            self._serving[me] = self._idle.pop() if self._idle else self._fresh_connections()
        return replace(super().task_deps(), connections=self._serving[me])

    def _over(self, me: Invocation) -> None:
        """What served an invocation is free for the next one; what it crashed in is thrown away."""
        connections = self._serving.pop(me, None)
        if connections is not None and not me.crashed:
            self._idle.append(connections)

    def read_secret(self, _name: str, _afresh: bool) -> str:
        with self.effects.around("secret.read"):
            outage = self.faults.outage(SECRET)
            return self.credentials if outage is None else "garbled"

    def _gather(self, work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
        """Work of one invocation side by side is all of that invocation."""
        me = invocation.get()

        def work_on(item: T) -> R:
            before = invocation.set(me)
            try:
                return work(item)
            finally:
                invocation.reset(before)

        return self.clock.parallel_map(work_on, items, workers)

    def as_invocation(self, name: str, work: Callable[[], R]) -> R:
        """Run the work as one invocation."""
        me = Invocation(next(self._numbers), name)
        before = invocation.set(me)
        try:
            return work()
        except EXPECTED_ERRORS:
            raise
        except RunGoneError:
            # A task that is delivered again finds nothing of a run that was deleted meanwhile.
            if not self.history.deleted:
                self.history.unexpected_errors.append(
                    f"{me}: the run is gone, and nobody has deleted it"
                )
            raise
        except Exception as error:
            at = extract_tb(error.__traceback__)[-1]
            where = f"{Path(at.filename).name}:{at.lineno}"
            self.history.unexpected_errors.append(
                f"{me}: {type(error).__name__}: {error} ({where})"
            )
            raise
        finally:
            invocation.reset(before)
            self._over(me)

    def invoke(
        self, execution: Execution, name: str, work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        self._tasks[name] += 1
        if name != "OpenRun":
            self._tasks[""] += 1
        for action in self.scenario.actions:
            match action:
                case DuplicateTask(task, nth, after) if (task, nth) == (name, self._tasks[name]):
                    self.note(f"{name} is delivered again, {after:g} s later")
                    self.history.events["task delivered twice"] += 1
                    duplicate = partial(self._deliver_again, f"{name} (again)", work, after)
                    self.clock.spawn(duplicate, f"{name} again")
                case StopExecution(nth) if name != "OpenRun" and nth == self._tasks[""]:
                    self.note(f"{execution.arn} is stopped")
                    self.history.events["execution stopped"] += 1
                    self._stopped.add(execution.arn)
                    self.running.discard(execution.arn)
        self._stop(execution)
        answer = self.as_invocation(name, work)
        self._stop(execution)
        return answer

    def _stop(self, execution: Execution) -> None:
        if self.over or execution.arn in self._stopped:
            raise ExecutionStoppedError(execution.arn)

    def _deliver_again(self, name: str, work: Callable[[], object], after: float) -> None:
        if after:
            self.clock.sleep(after)
        self.tolerate_failure(lambda: self.as_invocation(name, work))

    def plan(self, run_id: str) -> dict[str, Any]:
        """As in production, two invocations have no folder in common."""
        scratch = self._scratch / f"{next(self._plans)}"
        return plan_run(run_id, self.deps, self.clock.now() + self.seconds["plan"], scratch)

    # what happens

    def run_to_end(self) -> None:
        """All that happens, and a sweep every few minutes, until every run is closed."""
        operator_actor = OperatorActor(self)
        for index, each in enumerate(self.scenario.files):
            self.clock.spawn(partial(self._event, index, each.arrives), f"file {letter(index)}")
        self._begin_actions(operator_actor)
        operator_actor.begin()
        for _ in range(round(self.scenario.hours * 3_600 / SWEEP_SECONDS)):
            idle = not operator_actor.pending and self._all_closed()
            if self.over or (idle and not operator_actor.after_close()):
                return
            self._start_restarts()
            self.clock.sleep(SWEEP_SECONDS)
            if self.scenario.retention:
                self.history.events["items expired"] += self.table.reap(self.clock.now())
            self.tolerate_failure(lambda: self.as_invocation("Sweep", self.sweep))
            for file in range(len(self.scenario.files)):
                operator_actor.approve(file)
            for extra in self.history.extras:
                operator_actor.approve_or_abort(extra)
            self._start_restarts()
        self.over = True

    def _begin_actions(self, operator_actor: OperatorActor) -> None:
        for action in self.scenario.actions:
            match action:
                case DuplicateEvent(file, at) if file < len(self.scenario.files):
                    self.clock.spawn(partial(self._event, file, at), "event again")
                    self.history.events["event delivered twice"] += 1
                case AbortRun(file, at, force) if file < len(self.scenario.files):
                    self.clock.spawn(partial(operator_actor.abort, file, at, force=force), "abort")
                case IndexLag(at, seconds):
                    self.clock.spawn(partial(self._index_lag, at, seconds), "lag")

    def _all_closed(self) -> bool:
        files = [i for i in range(len(self.scenario.files)) if i not in self.history.deleted]
        run_ids = [
            *map(self.history.run_id, files),
            *(extra.run_id for extra in self.history.extras),
        ]
        runs = map(self.store.runs.get, run_ids)
        return all(run is not None and run.closed_at is not None for run in runs)

    def start(self, request: RunRequest) -> None:
        """The event of a file that an operator has uploaded."""
        execution = self.execution()
        self.note(f"{execution.arn} is started for {request.key}")
        opening = partial(self._open, request, execution)
        self.clock.spawn(partial(self.tolerate_failure, partial(execution.run, opening)), "event")

    def _event(self, file: int, at: float) -> None:
        if at:
            self.clock.sleep(at)
        execution = self.execution()
        self.note(f"{execution.arn} is started for file {letter(file)}")
        opening = partial(self._open, self.history.requests[file], execution)
        self.tolerate_failure(lambda: execution.run(opening))

    def _open(self, request: RunRequest, execution: Execution) -> dict[str, Any]:
        return open_run(request, execution.arn, self.deps, execution.began_at)

    def restart(self, run_id: str, previous: str) -> None:
        self.restarts.append((run_id, previous))

    def _start_restarts(self) -> None:
        unopened, self.unopened = self.unopened, []
        for request in unopened:
            self.history.events["file opened by the sweep"] += 1
            self.start(request)
        restarts, self.restarts = self.restarts, []
        for run_id, previous in restarts:
            self.history.events["run continued by another execution"] += 1
            execution = self.execution()
            self.note(f"{execution.arn} continues {run_id} after {previous}")
            opening = partial(self._resume, run_id, previous, execution)
            self.clock.spawn(
                partial(self.tolerate_failure, partial(execution.run, opening)), "restart"
            )

    def _resume(self, run_id: str, previous: str, execution: Execution) -> dict[str, Any]:
        return resume_run(run_id, previous, execution.arn, self.deps)

    def _index_lag(self, at: float, seconds: float) -> None:
        self.clock.sleep(at)
        self.history.events["indexes late"] += 1
        self.table.hold_indexes()
        self.clock.sleep(seconds)
        self.table.release_indexes()

    def tolerate_failure(self, work: Callable[[], object]) -> None:
        """Nobody repeats what fails here, as in production; it is noted already."""
        try:
            work()
        except EndlessError:
            raise
        except Exception as error:  # noqa: BLE001 - the function's own failure
            self.note(f"fails: {type(error).__name__}")
            # A run that does not add up is left to an operator: nothing better will come.
            self.over = self.over or str(error) == "RunDoesNotAddUp"

    # what is seen of it

    def note(self, what: str, fault_kind: FaultKind | None = None) -> None:
        who = invocation.get()
        now = round(self.clock.now() - START, 3)
        self.history.lines.append(Line(now, "" if who is None else str(who), what, fault_kind))


@cache
def limited(seconds: float) -> Machine:
    """The state machine, with another limit to what an execution may take."""
    return Machine({**json.loads(DEFINITION.read_text()), "TimeoutSeconds": seconds})


def run_scenario(scenario: Scenario) -> History:
    """Run a scenario to its end."""
    with ExitStack() as stack:
        world = stack.enter_context(ChaosWorld(scenario))
        try:
            world.clock.run(world.run_to_end)
        except (DeadlockError, NoTimePassesError, EndlessError) as error:
            world.history.endless = f"{type(error).__name__}: {error}"
        world.table.release_indexes()
        # The next sweep tidies up after whoever was behind when all runs were closed.
        world.sweep()
        world.history.effects = world.faults.counts[""]
    if world.adapter_scenario is not None:
        world.history.injected.update(world.adapter_scenario.injected)
    return world.history
