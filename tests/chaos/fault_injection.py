"""Faults at effects: what a scenario does to each write, request and read."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from greenlet import getcurrent, greenlet

from jobferry.store.table import BusyTableError
from tests.chaos.ground_truth import Invocation
from tests.chaos.history import EndlessError, LostAnswerError, invocation
from tests.chaos.outages import Outage, Way, of_aws
from tests.chaos.scenario import (
    Fault,
    FaultKind,
    Scenario,
)
from tests.chaos.sizes import PRODUCTION
from virtual.clock import START
from virtual.effects import Crash, Phase
from virtual.table import BATCH_TRIES

if TYPE_CHECKING:
    from tests.chaos.runner import ChaosWorld

MOST_EFFECTS, MOST_IN_DAYS = 5_000, 60_000
"""A scenario that has more goes round in circles: one of half a day, or one of days. A vendor that
asks to wait for 45 s again and again, for the 22 hours that a run puts up with it, makes some
40,000."""

FEW_FILES = 5
"""With more of them, all of which wait for the same slots, a scenario may have more effects: 40
files with one slot take some 6,000."""

MORE_WITH_SMALL_SIZES = 3
"""So many times as many with small sizes: each iteration, claim and page then holds little and has
its writes all the same, and a file that waits hours for the only slot of a vendor whose jobs never
end takes some 6,000 of them."""

SHORT_HOURS = 12.0

CONFLICTS_AT_MOST = 14
"""Tries of one transaction, as `store.table` makes them."""

_BEFORE = (FaultKind.CRASH_BEFORE, FaultKind.THROTTLED, FaultKind.SLOW_REQUEST)


class FaultInjector:
    """Makes effects go wrong as a scenario says.

    counts  kind of effect → how many there were; "": all of them; `name/`: those of a task
    """

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world
        self._scenario = world.scenario
        self.counts: Counter[str] = Counter()
        self._armed: dict[greenlet, Fault] = {}
        self._outages: Counter[Outage] = Counter()
        self._chance = Random(world.scenario.seed)
        self._most_effects = _most_effects(world.scenario)
        effects = world.effects
        effects.on_effect = self.on_effect
        effects.portion = self.portion
        effects.echoed = self.echoed
        effects.on_read = self.on_read
        effects.between = self.between

    @property
    def effects_seen(self) -> int:
        return self.counts[""]

    def on_effect(self, kind: str, phase: Phase) -> None:
        me = invocation.get()
        if me is None:
            return
        self._check_alive(me)
        if phase is Phase.BEFORE:
            self._world.clock.give_way()
            self._check_alive(me)
            self._inject_before(me, kind)
        else:
            self._inject_after(me, kind)

    @staticmethod
    def _check_alive(me: Invocation) -> None:
        if me.crashed:
            raise Crash(str(me))

    def _inject_before(self, me: Invocation, kind: str) -> None:
        self.counts[kind] += 1
        self.counts[""] += 1
        if self.counts[""] > self._most_effects:
            self._world.over = True
            self._world.history.endless = f"{self._most_effects} effects, and no end"
            raise EndlessError(self._world.history.endless)
        nth = self.counts[kind]
        self._apply_outage(me, kind)
        if kind == "table.transact" and self._scenario.conflicts:
            self._conflict(me)
        of_it = f"{me.name}/"
        self.counts[of_it] += 1
        nth_of_it = self.counts[of_it]
        fault = next(
            (
                f
                for f in self._scenario.faults
                if f.matches(kind, nth) or f.matches(of_it, nth_of_it)
            ),
            None,
        )
        self._armed.pop(getcurrent(), None)
        if fault is None:
            self._world.note(kind)
            return
        self._world.note(kind, fault.fault_kind)
        self._world.history.injected[kind, fault.fault_kind] += 1
        if fault.fault_kind not in _BEFORE:
            self._armed[getcurrent()] = fault
            return
        if fault.fault_kind is FaultKind.SLOW_REQUEST:
            me.delayed = True
            self._world.clock.sleep(fault.seconds)
            self._check_alive(me)
            return
        me.interrupted = True
        if fault.fault_kind is FaultKind.THROTTLED:
            raise _throttled(kind)
        me.crashed = True
        raise Crash(f"before {kind}")

    def _apply_outage(self, me: Invocation, kind: str) -> None:
        """What an outage does to the table, a bucket or a secret; the vendor asks by itself."""
        if kind.startswith("vendor."):
            return
        outage = self.outage(kind)
        if outage is not None and outage.way is not Way.GARBLED:
            me.interrupted = True
            raise of_aws(kind, outage.way)

    def outage(self, kind: str) -> Outage | None:
        """What strikes an effect of this kind now, if anything does."""
        now = self._world.clock.now() - START
        for outage in self._scenario.outages:
            if not outage.matches(kind, now):
                continue
            if outage.times and self._outages[outage] >= outage.times:
                continue
            self._outages[outage] += 1
            self._world.history.events[f"{outage.what} fails for long: {outage.way.value}"] += 1
            return outage
        return None

    def _conflict(self, me: Invocation) -> None:
        """A transaction loses against others, and is sent again, until it is given up."""
        for attempt in range(CONFLICTS_AT_MOST):
            if self._chance.random() >= self._scenario.conflicts:
                return
            self._world.history.events["transaction in conflict"] += 1
            self._world.clock.sleep(min(1.0, 0.02 * 2**attempt))
            self._check_alive(me)
        me.interrupted = True
        raise BusyTableError("other transactions were in the way")

    def on_read(self, kind: str) -> None:
        me = invocation.get()
        if me is None:
            return
        self._check_alive(me)
        if self._scenario.outages and kind.startswith(("source.", "objects.")):
            self._apply_outage(me, kind)

    def between(self) -> None:
        """Between two pages of a query others have their turn."""
        if invocation.get() is not None:
            self._world.clock.give_way()

    def _inject_after(self, me: Invocation, kind: str) -> None:
        fault = self._armed.pop(getcurrent(), None)
        if fault is None:
            return
        if fault.fault_kind is FaultKind.SLOW_ANSWER:
            me.delayed = True
            self._world.clock.sleep(fault.seconds)
            self._check_alive(me)
        elif fault.fault_kind is FaultKind.ANSWER_LOST:
            me.interrupted = True
            raise LostAnswerError(kind)
        elif fault.fault_kind is FaultKind.CRASH_AFTER:
            me.interrupted = me.crashed = True
            raise Crash(f"after {kind}")

    def portion(self, kind: str, items: int) -> int:
        fault = self._armed.get(getcurrent())
        if fault is None or fault.fault_kind is not FaultKind.PARTIAL_BATCH:
            return items
        me = invocation.get()
        if me is not None and fault.times >= BATCH_TRIES:
            me.interrupted = True
        return items // 2

    def echoed(self, kind: str) -> bool:
        fault = self._armed.get(getcurrent())
        return fault is not None and fault.fault_kind is FaultKind.SENT_TWICE


def _most_effects(scenario: Scenario) -> int:
    """How many effects a scenario may have before it counts as endless."""
    most = MOST_EFFECTS if scenario.hours <= SHORT_HOURS else MOST_IN_DAYS
    few = FEW_FILES if scenario.hours <= SHORT_HOURS else 1
    most *= max(1, len(scenario.files) // few)
    return most if scenario.sizes == PRODUCTION else MORE_WITH_SMALL_SIZES * most


def _throttled(kind: str) -> Exception:
    if kind.startswith("table."):
        return BusyTableError("the table is throttled")
    answer: Any = {"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate."}}
    return ClientError(answer, kind)
