"""Run many scenarios, and add up what happened in them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from jobferry.domain.outcome import OutcomeStatus
from tests.chaos.adapters import ADAPTERS
from tests.chaos.drawing import draw, draw_with_adapter
from tests.chaos.history import History
from tests.chaos.modes import MIXED_MODES, MODES
from tests.chaos.promises import Broken, broken
from tests.chaos.regressions import unexplained
from tests.chaos.report import report_on
from tests.chaos.run_promises import Result, nothing_twice, one_outcome_each
from tests.chaos.runner import run_scenario
from tests.chaos.scenario import FaultKind, Scenario
from tests.chaos.shrink import shrink

SCENARIOS_AT_ONCE = 50
"""What one process runs before it reports."""

ONE_IN = 10
"""Of so many seeds in a row, one is run with a real adapter, and one in a mode."""

MIXED, MEMORY = "mixed", "memory"
KINDS = (MIXED, MEMORY, *ADAPTERS, *MODES)
"""Kinds of scenarios: all of them in turn; those of the vendor in memory; those of one real
adapter; those of one mode."""

Drawing = Callable[[int], Scenario]
"""How a seed becomes a scenario."""


def scenario_of(seed: int, kind: str = MIXED) -> Scenario:
    """The scenario of a seed, of one of `KINDS`."""
    if kind == MIXED:
        turn, rest = divmod(seed, ONE_IN)
        turns = {0: list(ADAPTERS), ONE_IN // 2: [mode.name for mode in MIXED_MODES]}
        kind = turns[rest][turn % len(turns[rest])] if rest in turns else MEMORY
    if kind in MODES:
        return MODES[kind].draw(seed)
    return draw(seed) if kind == MEMORY else draw_with_adapter(kind, seed)


@dataclass
class Totals:
    """Many scenarios, added up.

    adapters  real adapter's vendor → scenarios
    faults    (kind of effect, what went wrong) → how often
    vendor_faults  (real adapter's vendor, what went wrong there) → how often
    others    what else happened: deliveries, stops, aborts
    unknown   error code → rows
    breaks    (seed, what it broke) of the scenarios that broke a promise
    """

    scenarios: int = 0
    adapters: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    vendor_faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    breaks: list[tuple[int, list[Broken]]] = field(default_factory=list)
    explained: int = 0
    effects: int = 0

    def add(self, seed: int, history: History) -> None:
        found = broken(history)
        left = unexplained(history, found)
        self.scenarios += 1
        self.explained += len(found) - len(left)
        adapter_scenario = history.scenario.adapter_scenario
        self.adapters.update([adapter_scenario.vendor] if adapter_scenario is not None else [])
        for (kind, fault_kind), n in history.injected.items():
            if isinstance(fault_kind, FaultKind):
                self.faults[kind, fault_kind.value] += n
            elif adapter_scenario is not None:
                self.vendor_faults[adapter_scenario.vendor, f"{kind}, {fault_kind.value}"] += n
        self.events.update(history.events)
        for index, file in enumerate(history.scenario.files):
            for outcome in Result(history, index, file).outcomes.values():
                self.rows[outcome.status.value] += 1
                if outcome.status is OutcomeStatus.UNKNOWN:
                    self.unknown[str(outcome.error_code)] += 1
        self.effects += history.effects
        if left:
            self.breaks.append((seed, left))

    def plus(self, other: Totals) -> None:
        self.scenarios += other.scenarios
        self.adapters.update(other.adapters)
        self.faults.update(other.faults)
        self.vendor_faults.update(other.vendor_faults)
        self.events.update(other.events)
        self.rows.update(other.rows)
        self.unknown.update(other.unknown)
        self.breaks += other.breaks
        self.explained += other.explained
        self.effects += other.effects

    def broken_by(self, *promises: str) -> int:
        """How many times one of these promises was broken."""
        return sum(b.promise in promises for _, found in self.breaks for b in found)


def run_all(seeds: Iterable[int], drawing: Drawing = draw) -> Totals:
    """Run the scenarios of these seeds, one after the other."""
    totals = Totals()
    for seed in seeds:
        totals.add(seed, run_scenario(drawing(seed)))
    return totals


def run_in_processes(seeds: range, processes: int, drawing: Drawing = draw) -> Iterator[Totals]:
    """As `run_all`, in several processes; one `Totals` for each part that is done."""
    parts = [seeds[i : i + SCENARIOS_AT_ONCE] for i in range(0, len(seeds), SCENARIOS_AT_ONCE)]
    run_part = partial(run_all, drawing=drawing)
    if processes <= 1:
        yield from map(run_part, parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run_part, parts)


def first_break(
    seeds: Iterable[int], promises: Set[str], drawing: Drawing = draw
) -> tuple[int, Broken] | None:
    """The first seed whose scenario breaks one of these promises; known defects do not count."""
    for seed in seeds:
        history = run_scenario(drawing(seed))
        for each in unexplained(history, broken(history)):
            if each.promise in promises:
                return seed, each
    return None


def shortest_failure(scenario: Scenario, promise: str) -> tuple[Scenario, str]:
    """The shortest scenario that breaks this promise, and how it goes."""
    short = shrink(scenario, partial(breaks, promise=promise))
    history = run_scenario(short)
    return short, report_on(history, broken(history))


def breaks(scenario: Scenario, promise: str) -> bool:
    """Whether a scenario breaks this promise in a way that no known defect explains."""
    history = run_scenario(scenario)
    return any(each.promise == promise for each in unexplained(history, broken(history)))


def summary(totals: Totals, seeds: range, began: float) -> str:
    """The report of a campaign, for a person."""
    seconds = time.monotonic() - began
    lost = totals.broken_by(one_outcome_each.__name__)
    doubled = totals.broken_by(nothing_twice.__name__)
    lines = [
        f"scenarios      {totals.scenarios:,} (from seed {seeds.start} on)",
        f"  with a real adapter, {sum(totals.adapters.values()):,}",
        *_table(dict(sorted(totals.adapters.items()))),
        f"effects        {totals.effects:,}",
        f"faults         {sum(totals.faults.values()):,}",
        *_table(
            {f"{kind}: {fault_kind}": n for (kind, fault_kind), n in sorted(totals.faults.items())}
        ),
        f"at real adapters' vendors {sum(totals.vendor_faults.values()):,}",
        *_table(
            {f"{vendor}: {what}": n for (vendor, what), n in sorted(totals.vendor_faults.items())}
        ),
        f"other events   {sum(totals.events.values()):,}",
        *_table(dict(sorted(totals.events.items()))),
        f"rows           {sum(totals.rows.values()):,}",
        *_table({s.value: totals.rows[s.value] for s in OutcomeStatus}),
        "unknown, by cause",
        *_table(dict(totals.unknown.most_common())),
        f"lost           {lost}",
        f"doubled        {doubled}",
        f"broken         {len(totals.breaks)} scenarios"
        + (f"; {totals.explained} breaks are of known defects" if totals.explained else ""),
        *[f"  scenario {seed}: {found[0].sentence}" for seed, found in totals.breaks[:10]],
        f"time           {seconds:.0f} s",
    ]
    return "\n".join(lines)


def _table(counts: dict[str, int]) -> Sequence[str]:
    return [f"  {n:>9,}  {what}" for what, n in counts.items()]
