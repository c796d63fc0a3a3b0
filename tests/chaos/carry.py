"""Carry out a story: real steps, ledger and client over fakes, in virtual time, with its faults.

The world is that of `tests.fakes.world`. Here every invocation of a function has a name, so that
one that crashes is dead as a whole, whatever else it had under way; and before every effect the
others that are due may go first, so that the seed decides how invocations interleave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from random import Random
from threading import get_ident
from traceback import extract_tb
from typing import Any, Self, TypeVar
from unittest import mock

from botocore.exceptions import BotoCoreError, ClientError

from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunGoneError
from jobferry.domain.run_request import RunRequest
from jobferry.lane import absence, poller
from jobferry.operator.job_control import abort_run, force_run
from jobferry.operator.pause_resume import continue_run, resume
from jobferry.steps import close_run as close_module
from jobferry.steps.close_run import LanesStuckError
from jobferry.steps.open_run import SAME_CONTENT, open_run, resume_run, run_id_of
from jobferry.steps.plan_run import PlanMovedError, plan_run
from jobferry.store import keys
from jobferry.store.objects import DeniedError, ObjectMissingError, SourceError
from jobferry.store.table import BusyTableError, Item
from jobferry.vendors.connections import Connections
from jobferry.vendors.credentials import CredentialsError
from jobferry.vendors.http.addresses import LOOPBACK
from tests.chaos import story as stories
from tests.chaos.adapters import ADAPTERS, ticket_of
from tests.chaos.outages import SECRET, Outage, Way, of_aws
from tests.chaos.person import SANDBOX, Extra, Person
from tests.chaos.simulated import SimulatedAccount
from tests.chaos.sites import Site, Wrong
from tests.chaos.sizes import IN_EARNEST, shrunk
from tests.chaos.story import Abort, Again, Event, Fault, File, Harm, Lag, Stop, Story, letter
from tests.chaos.truth import Invocation, Truth
from tests.chaos.vendor import Teller, read_results
from tests.fakes.clock import START
from tests.fakes.effects import Crash, Phase
from tests.fakes.machine import ExecutionFailedError, ExecutionStoppedError, Machine
from tests.fakes.schedule import DeadlockError, NoTimePassesError
from tests.fakes.table import BATCH_TRIES
from tests.fakes.vendor import CREATE, UPSERT, FakeClient, fake_vendor
from tests.fakes.world import CONNECTION, DEFINITION, Execution, World

T = TypeVar("T")
R = TypeVar("R")

SWEEP_SECONDS = 300.0

MOST_EFFECTS, MOST_IN_DAYS = 5_000, 60_000
"""A story that has more goes round in circles: one of half a day, or one of days. A vendor that
asks for 45 s of patience again and again, for the 22 hours that this is borne, makes some
40,000."""

FEW_FILES = 5
"""With more of them, all of which wait for the same slots, a story may have more effects: 40 files
with one slot take some 6,000."""

MORE_WHEN_SHRUNK = 3
"""So many times as many with shrunk sizes: each lap, claim and page then holds little and has its
writes all the same, and a file that waits hours for the only slot of a vendor whose jobs never end
takes some 6,000 of them."""

SHORT_HOURS = 12.0

CONFLICTS_AT_MOST = 14
"""Tries of one transaction, as `store.table` makes them."""

JOB_DEADLINE = 900.0
SEARCH_TIMEOUT = 1_800.0
"""Shorter than in earnest, so that stories of jobs that never end stay short. A search takes longer
than its proof that a submission was never taken, which counts after eleven minutes."""

ROWS_BETWEEN_LOOKS = 2
"""So that closing a file of a few rows can be out of time, too."""

_BEFORE = (Harm.CRASH_BEFORE, Harm.BUSY, Harm.SLOW_REQUEST)


class LostAnswerError(Exception):
    """The write was carried out; its answer never came."""


class EndlessError(Exception):
    """The story does not end."""


EXPECTED = (
    BotoCoreError,
    CredentialsError,
    ObjectMissingError,
    SourceError,
    Crash,
    LostAnswerError,
    BusyTableError,
    ClientError,
    PlanMovedError,
    LanesStuckError,
    DeniedError,
    ExecutionFailedError,
    EndlessError,
)
"""What a task may fail with in a story. Anything else is a fault of the task itself."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what happened.

    seconds  since the story began
    harm     what went wrong with it, if anything
    """

    seconds: float
    who: str
    what: str
    harm: Harm | None = None


@dataclass
class Told:
    """How a story went."""

    story: Story
    world: ChaosWorld
    requests: list[RunRequest]
    lines: list[Line] = field(default_factory=list)
    struck: Counter[tuple[str, Harm | Wrong]] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    left_success: list[str] = field(default_factory=list)
    yes_at: dict[int, float] = field(default_factory=dict)
    needs_said: dict[str, Invocation | None] = field(default_factory=dict)
    extras: list[Extra] = field(default_factory=list)
    erased: set[int] = field(default_factory=set)
    endless: str = ""
    effects: int = 0

    @property
    def kinds(self) -> set[str]:
        """Kinds of effects that there were."""
        return {kind for kind, n in self.world.counts.items() if n}

    @property
    def per_minute(self) -> int:
        """Requests in a minute that the operator allows; with fewer than two nothing is learned."""
        return max(2, self.story.per_minute)

    def run_id(self, file: int) -> str:
        request = self.requests[file]
        return run_id_of(request, str(request.version_id))


_invocation: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


class ChaosWorld(World):
    """A world in which a story is carried out, once."""

    def __init__(self, story: Story) -> None:
        super().__init__(
            max_jobs=max(1, story.max_jobs),
            senders=max(1, story.senders),
            seed=story.seed,
            lane_window=max(1, story.lane_window),
            retention_days=story.retention or 30,
        )
        self.story = story
        if story.machine_seconds:
            self.machine = limited(story.machine_seconds)
        self.credentials = '{"bearer": "secret"}'
        if story.short_time:
            self.seconds |= {"plan": 0.0, "close": 0.0}
        self.site: SimulatedAccount | None = None
        if story.site is None:
            self.truth: Truth = self._in_memory(story)
        else:
            self.truth = self.site = self._simulated(story, story.site)
        for index, file in enumerate(story.files):
            self.put_profile(_profile(index, file, story.site))
        self.told = Told(story, self, [self._dropped(i, f) for i, f in enumerate(story.files)])
        self._numbers = count(1)
        self.counts: Counter[str] = Counter()
        self._tasks: Counter[str] = Counter()
        self._striking: dict[int, Fault] = {}
        self._plans = count(1)
        self._stopped: set[str] = set()
        self._outages: Counter[Outage] = Counter()
        self._chance = Random(story.seed)
        self._most_effects = _most_effects(story)
        self.over = False
        self._idle: list[Connections] = []
        self._serving: dict[Invocation, Connections] = {}
        self.effects.on_effect = self._on_effect
        self.effects.portion = self._portion
        self.effects.echoed = self._echoed
        self.effects.on_read = self._on_read
        self.effects.between = self._between
        self.table.watchers.append(self._watch)

    def _in_memory(self, story: Story) -> Teller:
        account = Teller(
            self.clock,
            self.effects,
            story.vendor,
            _invocation.get,
            max(1, story.lane_window),
            self.outage,
        )
        self.account = account
        self.elsewhere = Teller(
            self.clock, self.effects, stories.Vendor(), _invocation.get, max(1, story.lane_window)
        )

        def client(base_url: str, credentials: object, **_options: object) -> FakeClient:
            there = self.elsewhere if base_url == SANDBOX else account
            return FakeClient(there, credentials)

        self.vendor = replace(
            fake_vendor(account, max_jobs=account.max_jobs, refuses_excess=story.vendor.excess),
            read_results=read_results,
            client=client,
        )
        if story.per_minute:
            connection = self.store.config.connection(CONNECTION)
            assert connection is not None
            limited_to = replace(connection, requests_per_minute=max(2, story.per_minute))
            self.store.config.put_connection(limited_to)
        return account

    def _simulated(self, story: Story, site: Site) -> SimulatedAccount:
        account = SimulatedAccount(
            self.clock, self.effects, story, site, _invocation.get, self.outage
        )
        self.store.config.put_connection(
            Connection(
                CONNECTION,
                account.adapter.vendor.name,
                account.base_url,
                max_jobs=max(1, story.max_jobs),
                requests_per_minute=max(2, story.per_minute) if story.per_minute else None,
            )
        )
        self.credentials = json.dumps(account.adapter.credentials)
        self.deps = self.fresh_deps()
        return account

    def __enter__(self) -> Self:
        super().__enter__()
        if self.site is not None:
            self._cleanup.enter_context(self.site)
        shorter = (
            (poller, "JOB_DEADLINE", JOB_DEADLINE),
            (absence, "SEARCH_TIMEOUT", SEARCH_TIMEOUT),
        )
        for module, name, value in (
            *(() if self.story.patient else shorter),
            (close_module, "ROWS_BETWEEN_LOOKS", ROWS_BETWEEN_LOOKS),
        ):
            self._cleanup.enter_context(mock.patch.object(module, name, value))
        self._cleanup.enter_context(shrunk(self.story.sizes))
        return self

    def _dropped(self, index: int, file: File) -> RunRequest:
        options = {"jobferry-priority": file.priority}
        if file.trial:
            options["jobferry-trial"] = str(file.trial)
        site = self.story.site
        changes = site is not None and ADAPTERS[site.vendor].changes
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
        me = _invocation.get()
        assert me is not None
        if me not in self._serving:
            self._serving[me] = self._idle.pop() if self._idle else self._fresh_connections()
        return replace(super().task_deps(), connections=self._serving[me])

    def _over(self, me: Invocation) -> None:
        """What served an invocation is free for the next one; what it crashed in is thrown away."""
        connections = self._serving.pop(me, None)
        if connections is not None and not me.dead:
            self._idle.append(connections)

    def read_secret(self, _name: str, _afresh: bool) -> str:
        with self.effects.around("secret.read"):
            outage = self.outage(SECRET)
            return self.credentials if outage is None else "garbled"

    def _gather(self, work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
        """Work of one invocation side by side is all of that invocation."""
        me = _invocation.get()

        def carry_out(item: T) -> R:
            before = _invocation.set(me)
            try:
                return work(item)
            finally:
                _invocation.reset(before)

        return self.clock.parallel_map(carry_out, items, workers)

    def within(self, name: str, work: Callable[[], R]) -> R:
        """Carry out the work as one invocation."""
        me = Invocation(next(self._numbers), name)
        before = _invocation.set(me)
        try:
            return work()
        except EXPECTED:
            raise
        except RunGoneError:
            # A task that is delivered once more finds nothing of a run that was deleted meanwhile.
            if not self.told.erased:
                self.told.surprises.append(f"{me}: the run is gone, and nobody has deleted it")
            raise
        except Exception as error:
            at = extract_tb(error.__traceback__)[-1]
            where = f"{Path(at.filename).name}:{at.lineno}"
            self.told.surprises.append(f"{me}: {type(error).__name__}: {error} ({where})")
            raise
        finally:
            _invocation.reset(before)
            self._over(me)

    def invoke(
        self, execution: Execution, name: str, work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        self._tasks[name] += 1
        if name != "OpenRun":
            self._tasks[""] += 1
        for happening in self.story.happenings:
            match happening:
                case Again(task, nth, after) if (task, nth) == (name, self._tasks[name]):
                    self.note(f"{name} is delivered once more, {after:g} s later")
                    self.told.happened["task delivered twice"] += 1
                    twin = partial(self._twin, f"{name} (again)", work, after)
                    self.clock.spawn(twin, f"{name} again")
                case Stop(nth) if name != "OpenRun" and nth == self._tasks[""]:
                    self.note(f"{execution.arn} is stopped")
                    self.told.happened["execution stopped"] += 1
                    self._stopped.add(execution.arn)
                    self.running.discard(execution.arn)
        self._stop(execution)
        answer = self.within(name, work)
        self._stop(execution)
        return answer

    def _stop(self, execution: Execution) -> None:
        if self.over or execution.arn in self._stopped:
            raise ExecutionStoppedError(execution.arn)

    def _twin(self, name: str, work: Callable[[], object], after: float) -> None:
        if after:
            self.clock.sleep(after)
        self.in_vain(lambda: self.within(name, work))

    def plan(self, run_id: str) -> dict[str, Any]:
        """As in earnest, two invocations have no folder in common."""
        scratch = self._scratch / f"{next(self._plans)}"
        return plan_run(run_id, self.deps, self.clock.now() + self.seconds["plan"], scratch)

    # effects and what goes wrong with them

    @property
    def effects_seen(self) -> int:
        return self.counts[""]

    def _on_effect(self, kind: str, phase: Phase) -> None:
        me = _invocation.get()
        if me is None:
            return
        self._live(me)
        if phase is Phase.BEFORE:
            self.clock.give_way()
            self._live(me)
            self._strike_before(me, kind)
        else:
            self._strike_after(me, kind)

    @staticmethod
    def _live(me: Invocation) -> None:
        if me.dead:
            raise Crash(str(me))

    def _strike_before(self, me: Invocation, kind: str) -> None:
        self.counts[kind] += 1
        self.counts[""] += 1
        if self.counts[""] > self._most_effects:
            self.over = True
            self.told.endless = f"{self._most_effects} effects, and no end"
            raise EndlessError(self.told.endless)
        nth = self.counts[kind]
        self._fail_for_long(me, kind)
        if kind == "table.transact" and self.story.conflicts:
            self._conflict(me)
        of_it = f"{me.name}/"
        self.counts[of_it] += 1
        nth_of_it = self.counts[of_it]
        fault = next(
            (f for f in self.story.faults if f.strikes(kind, nth) or f.strikes(of_it, nth_of_it)),
            None,
        )
        self._striking.pop(get_ident(), None)
        if fault is None:
            self.note(kind)
            return
        self.note(kind, fault.harm)
        self.told.struck[kind, fault.harm] += 1
        if fault.harm not in _BEFORE:
            self._striking[get_ident()] = fault
            return
        if fault.harm is Harm.SLOW_REQUEST:
            me.slowed = True
            self.clock.sleep(fault.seconds)
            self._live(me)
            return
        me.harmed = True
        if fault.harm is Harm.BUSY:
            raise _busy(kind)
        me.dead = True
        raise Crash(f"before {kind}")

    def _fail_for_long(self, me: Invocation, kind: str) -> None:
        """What an outage does to the table, a bucket or a secret; the vendor asks by itself."""
        if kind.startswith("vendor."):
            return
        outage = self.outage(kind)
        if outage is not None and outage.way is not Way.GARBLED:
            me.harmed = True
            raise of_aws(kind, outage.way)

    def outage(self, kind: str) -> Outage | None:
        """What strikes an effect of this kind now, if anything does."""
        now = self.clock.now() - START
        for outage in self.story.outages:
            if not outage.strikes(kind, now):
                continue
            if outage.times and self._outages[outage] >= outage.times:
                continue
            self._outages[outage] += 1
            self.told.happened[f"{outage.what} fails for long: {outage.way.value}"] += 1
            return outage
        return None

    def _conflict(self, me: Invocation) -> None:
        """A transaction loses against others, and is sent again, until it is given up."""
        for attempt in range(CONFLICTS_AT_MOST):
            if self._chance.random() >= self.story.conflicts:
                return
            self.told.happened["transaction in conflict"] += 1
            self.clock.sleep(min(1.0, 0.02 * 2**attempt))
            self._live(me)
        me.harmed = True
        raise BusyTableError("other transactions were in the way")

    def _on_read(self, kind: str) -> None:
        me = _invocation.get()
        if me is None:
            return
        self._live(me)
        if self.story.outages and kind.startswith(("source.", "objects.")):
            self._fail_for_long(me, kind)

    def _between(self) -> None:
        """Between two pages of a query others have their turn."""
        if _invocation.get() is not None:
            self.clock.give_way()

    def _strike_after(self, me: Invocation, kind: str) -> None:
        fault = self._striking.pop(get_ident(), None)
        if fault is None:
            return
        if fault.harm is Harm.SLOW_ANSWER:
            me.slowed = True
            self.clock.sleep(fault.seconds)
            self._live(me)
        elif fault.harm is Harm.UNHEARD:
            me.harmed = True
            raise LostAnswerError(kind)
        elif fault.harm is Harm.CRASH_AFTER:
            me.harmed = me.dead = True
            raise Crash(f"after {kind}")

    def _portion(self, kind: str, items: int) -> int:
        fault = self._striking.get(get_ident())
        if fault is None or fault.harm is not Harm.PARTIAL:
            return items
        me = _invocation.get()
        if me is not None and fault.times >= BATCH_TRIES:
            me.harmed = True
        return items // 2

    def _echoed(self, kind: str) -> bool:
        fault = self._striking.get(get_ident())
        return fault is not None and fault.harm is Harm.ECHO

    # what happens

    def live(self) -> None:
        """All that happens, and a sweep every few minutes, until every run is closed."""
        for index, each in enumerate(self.story.files):
            self.clock.spawn(partial(self._event, index, each.arrives), f"file {letter(index)}")
        for happening in self.story.happenings:
            match happening:
                case Event(file, at) if file < len(self.story.files):
                    self.clock.spawn(partial(self._event, file, at), "event again")
                    self.told.happened["event delivered twice"] += 1
                case Abort(file, at, force) if file < len(self.story.files):
                    self.clock.spawn(partial(self._abort, file, at, force=force), "abort")
                case Lag(at, seconds):
                    self.clock.spawn(partial(self._lag, at, seconds), "lag")
        person = Person(self)
        person.begin()
        for _ in range(round(self.story.hours * 3_600 / SWEEP_SECONDS)):
            idle = not person.at_work and self._all_closed()
            if self.over or (idle and not person.afterwards()):
                return
            self._carry_restarts()
            self.clock.sleep(SWEEP_SECONDS)
            if self.story.retention:
                self.told.happened["items expired"] += self.table.reap(self.clock.now())
            self.in_vain(lambda: self.within("Sweep", self.sweep))
            for file in range(len(self.story.files)):
                self._say_yes(file)
            for extra in self.told.extras:
                self._say_yes_or_no(extra)
            self._carry_restarts()
        self.over = True

    def _all_closed(self) -> bool:
        files = [i for i in range(len(self.story.files)) if i not in self.told.erased]
        run_ids = [*map(self.told.run_id, files), *(extra.run_id for extra in self.told.extras)]
        runs = map(self.store.runs.get, run_ids)
        return all(run is not None and run.closed_at is not None for run in runs)

    def start(self, request: RunRequest) -> None:
        """The event of a file that a person has uploaded."""
        execution = self.execution()
        self.note(f"{execution.arn} is started for {request.key}")
        opening = partial(self._open, request, execution)
        self.clock.spawn(partial(self.in_vain, partial(execution.carry, opening)), "event")

    def _say_yes_or_no(self, extra: Extra) -> None:
        """To a run that a person has made: yes, unless it carries the same bytes once more."""
        run = self.store.runs.get(extra.run_id)
        if run is None or run.closed_at is not None or not run.paused:
            return
        self.note(f"the operator looks at {extra.run_id}")
        if extra.same:
            self.in_vain(lambda: self.within("Abort", lambda: self._abort_run(run)))
        else:
            self.in_vain(
                lambda: self.within("Resume", lambda: resume(run, self.deps, self.restart))
            )

    def _event(self, file: int, at: float) -> None:
        if at:
            self.clock.sleep(at)
        execution = self.execution()
        self.note(f"{execution.arn} is started for file {letter(file)}")
        opening = partial(self._open, self.told.requests[file], execution)
        self.in_vain(lambda: execution.carry(opening))

    def _open(self, request: RunRequest, execution: Execution) -> dict[str, Any]:
        return open_run(request, execution.arn, self.deps, execution.began_at)

    def _say_yes(self, file: int) -> None:
        """The operator looks at a run that waits for a yes, and gives it."""
        run = self.store.runs.get(self.told.run_id(file))
        if run is None or run.closed_at is not None or not run.paused:
            return
        if self.clock.now() < START + self.story.yes_after:
            return
        if run.pause is not None and run.pause.code == SAME_CONTENT:
            self.note(f"the operator aborts run {letter(file)}, which carries the same bytes")
            self.in_vain(lambda: self.within("Abort", lambda: self._abort_run(run)))
            return
        self.note(f"the operator lets run {letter(file)} go on")
        self.told.happened["paused run resumed"] += 1
        self.told.yes_at.setdefault(file, self.clock.now())
        self.in_vain(lambda: self.within("Resume", lambda: resume(run, self.deps, self.restart)))

    def restart(self, run_id: str, previous: str) -> None:
        self.restarts.append((run_id, previous))

    def _carry_restarts(self) -> None:
        unopened, self.unopened = self.unopened, []
        for request in unopened:
            self.told.happened["file opened by the sweep"] += 1
            self.start(request)
        restarts, self.restarts = self.restarts, []
        for run_id, previous in restarts:
            self.told.happened["run carried on by another execution"] += 1
            execution = self.execution()
            self.note(f"{execution.arn} carries {run_id} on after {previous}")
            opening = partial(self._resume, run_id, previous, execution)
            self.clock.spawn(partial(self.in_vain, partial(execution.carry, opening)), "restart")

    def _resume(self, run_id: str, previous: str, execution: Execution) -> dict[str, Any]:
        return resume_run(run_id, previous, execution.arn, self.deps)

    def _abort(self, file: int, at: float, *, force: bool) -> None:
        self.clock.sleep(at)
        run = self.store.runs.get(self.told.run_id(file))
        if run is None or run.closed_at is not None:
            return
        self.told.happened["run aborted"] += 1
        self.note(f"the operator aborts run {letter(file)}")
        self.in_vain(lambda: self.within("Abort", lambda: self._abort_run(run, force=force)))

    def _abort_run(self, run: Run, *, force: bool = False) -> None:
        if force:
            force_run(run, "enough", self.deps, self.restart)
            return
        abort_run(run, "enough", self.deps)
        continue_run(run.run_id, self.deps, self.restart)

    def _lag(self, at: float, seconds: float) -> None:
        self.clock.sleep(at)
        self.told.happened["indexes late"] += 1
        self.table.hold_indexes()
        self.clock.sleep(seconds)
        self.table.release_indexes()

    def in_vain(self, work: Callable[[], object]) -> None:
        """What fails here is tried again by nobody, as in earnest; surprises are noted already."""
        try:
            work()
        except EndlessError:
            raise
        except Exception as error:  # noqa: BLE001 - the function's own failure
            self.note(f"fails: {type(error).__name__}")
            # A run that does not add up is left to a person: nothing better will come.
            self.over = self.over or str(error) == "RunDoesNotAddUp"

    # what is seen of it

    def note(self, what: str, harm: Harm | None = None) -> None:
        who = _invocation.get()
        now = round(self.clock.now() - START, 3)
        self.told.lines.append(Line(now, "" if who is None else str(who), what, harm))

    def _watch(self, before: Item | None, after: Item | None) -> None:
        sk = str((after or before or {}).get("sk", ""))
        if sk.startswith("ROW#"):
            self._watch_row(before, after)
        elif sk.startswith("CHUNK#") and after is not None:
            self._watch_chunk(before or {}, after)
        elif sk.startswith(keys.demand("")) and after is not None:
            self.told.needs_said[after["run_id"]] = _invocation.get()

    def _watch_row(self, before: Item | None, after: Item | None) -> None:
        succeeded = OutcomeStatus.SUCCEEDED.value
        if before is None or before["status"] != succeeded:
            return
        if after is None and any(self.told.run_id(f) in before["pk"] for f in self.told.erased):
            return
        if after is None or after["status"] != succeeded:
            now = "nothing" if after is None else after["status"]
            self.told.left_success.append(f"{before['pk']} row {before['row']} is {now} now")

    def _watch_chunk(self, before: Item, after: Item) -> None:
        names = ("state", "job_id", "attempt", "sending_at", "lost_at", "lane")
        if all(before.get(name) == after.get(name) for name in names):
            return
        run = str(after["run_id"])[0]
        sent = ", sent" if after.get("sending_at") and not after.get("job_id") else ""
        job = f" as {after['job_id']}" if after.get("job_id") else ""
        self.note(
            f"  chunk {run}{after['chunk']}: {before.get('state', 'new')} → {after['state']}"
            f"{sent}{job} (attempt {after['attempt']})"
        )


def _most_effects(story: Story) -> int:
    """How many effects a story may have before it counts as endless."""
    most = MOST_EFFECTS if story.hours <= SHORT_HOURS else MOST_IN_DAYS
    few = FEW_FILES if story.hours <= SHORT_HOURS else 1
    most *= max(1, len(story.files) // few)
    return most if story.sizes == IN_EARNEST else MORE_WHEN_SHRUNK * most


@cache
def limited(seconds: float) -> Machine:
    """The state machine, with another limit to what an execution may take."""
    return Machine({**json.loads(DEFINITION.read_text()), "TimeoutSeconds": seconds})


def carry_out(story: Story) -> Told:
    """Carry a story to its end."""
    with ExitStack() as stack:
        world = stack.enter_context(ChaosWorld(story))
        try:
            world.clock.run(world.live)
        except (DeadlockError, NoTimePassesError, EndlessError) as error:
            world.told.endless = f"{type(error).__name__}: {error}"
        world.table.release_indexes()
        # The next sweep tidies up after whoever was behind when all runs were closed.
        world.sweep()
        world.told.effects = world.effects_seen
    if world.site is not None:
        world.told.struck.update(world.site.struck)
    return world.told


def contents(index: int, file: File, *, changes: bool = False) -> str:
    """The file: a name that no other row has, a key, and where it `changes` tickets, their ids."""
    name = letter(index)
    lines = ["Name,Ref,Ticket" if changes else "Name,Ref"]
    for row in range(1, file.rows + 1):
        key = 1 if row in file.repeats else row
        named = "" if row in file.bad else f"{name}{row}"
        cells = [named, f"{name}-k{key}", *([str(ticket_of(index, row))] if changes else [])]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def _profile(index: int, file: File, site: Site | None) -> dict[str, Any]:
    common = {
        "name": letter(index),
        "row_key": "Ref" if file.keyed else None,
        "batch_size": max(1, file.batch),
        "max_attempts": max(1, file.max_attempts),
        "breaker": {"share": 0.0, "at_least": file.breaker} if file.breaker else None,
        "ramp": file.ramp,
        "order": "file" if file.in_order else None,
    }
    if site is None:
        return {**common, "operation": UPSERT if file.repeatable else CREATE}
    adapter = ADAPTERS[site.vendor]
    work = adapter.work(repeatable=file.repeatable)
    columns: dict[str, Any] = {"Name": work.name}
    if file.keyed or file.repeatable:
        columns["Ref"] = "external_id"
    if adapter.changes and work is adapter.create:
        columns["Ticket"] = {"field": "id", "type": "integer"}
    return {
        **common,
        "operation": work.operation,
        "columns": columns,
        "constants": dict(work.constants),
        "add_external_id": site.external_ids,
    }


def _busy(kind: str) -> Exception:
    if kind.startswith("table."):
        return BusyTableError("the table is throttled")
    answer: Any = {"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate."}}
    return ClientError(answer, kind)
