"""Carry out many stories, and add up what happened in them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from jobferry.model import OutcomeStatus
from tests.chaos.carry import Told, carry_out
from tests.chaos.known import unknown_breaks
from tests.chaos.narrate import narrate
from tests.chaos.promises import Broken, Result, broken, nothing_twice, one_outcome_each
from tests.chaos.shrink import shrink
from tests.chaos.story import Story, draw

STORIES_AT_ONCE = 50
"""What one process carries out before it tells how that went."""


@dataclass
class Totals:
    """Many stories, added up.

    faults    (kind of effect, what went wrong) → how often
    others    what else happened: deliveries, stops, aborts
    unknown   error code → rows
    breaks    (seed, what it broke) of the stories that broke a promise
    """

    stories: int = 0
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    breaks: list[tuple[int, list[Broken]]] = field(default_factory=list)
    explained: int = 0
    effects: int = 0

    def add(self, seed: int, told: Told) -> None:
        found = broken(told)
        left = unknown_breaks(told, found)
        self.stories += 1
        self.explained += len(found) - len(left)
        self.faults.update({(k, harm.value): n for (k, harm), n in told.struck.items()})
        self.others.update(told.happened)
        for index, file in enumerate(told.story.files):
            for outcome in Result(told, index, file).outcomes.values():
                self.rows[outcome.status.value] += 1
                if outcome.status is OutcomeStatus.UNKNOWN:
                    self.unknown[str(outcome.error_code)] += 1
        self.effects += told.effects
        if left:
            self.breaks.append((seed, left))

    def plus(self, other: Totals) -> None:
        self.stories += other.stories
        self.faults.update(other.faults)
        self.others.update(other.others)
        self.rows.update(other.rows)
        self.unknown.update(other.unknown)
        self.breaks += other.breaks
        self.explained += other.explained
        self.effects += other.effects

    def broken_by(self, *promises: str) -> int:
        """How many times one of these promises was broken."""
        return sum(b.promise in promises for _, found in self.breaks for b in found)


def carry_all(seeds: Iterable[int]) -> Totals:
    """Carry out the stories of these seeds, one after the other."""
    totals = Totals()
    for seed in seeds:
        totals.add(seed, carry_out(draw(seed)))
    return totals


def carry_side_by_side(seeds: range, processes: int) -> Iterator[Totals]:
    """As `carry_all`, in several processes; one `Totals` for each part that is done."""
    parts = [seeds[i : i + STORIES_AT_ONCE] for i in range(0, len(seeds), STORIES_AT_ONCE)]
    if processes <= 1:
        yield from map(carry_all, parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(carry_all, parts)


def first_break(seeds: Iterable[int], promises: Set[str]) -> tuple[int, Broken] | None:
    """The first seed whose story breaks one of these promises; known defects do not count."""
    for seed in seeds:
        told = carry_out(draw(seed))
        for each in unknown_breaks(told, broken(told)):
            if each.promise in promises:
                return seed, each
    return None


def told_short(story: Story, promise: str) -> tuple[Story, str]:
    """The shortest story that breaks this promise, and how it goes."""
    short = shrink(story, partial(breaks, promise=promise))
    told = carry_out(short)
    return short, narrate(told, broken(told))


def breaks(story: Story, promise: str) -> bool:
    """Whether a story breaks this promise in a way that no known defect explains."""
    told = carry_out(story)
    return any(each.promise == promise for each in unknown_breaks(told, broken(told)))


def report(totals: Totals, seeds: range, began: float) -> str:
    """What a person wants to know of a campaign."""
    seconds = time.monotonic() - began
    lost = totals.broken_by(one_outcome_each.__name__)
    doubled = totals.broken_by(nothing_twice.__name__)
    lines = [
        f"schedules      {totals.stories:,} (from seed {seeds.start} on)",
        f"effects        {totals.effects:,}",
        f"faults         {sum(totals.faults.values()):,}",
        *_table({f"{kind}: {harm}": n for (kind, harm), n in sorted(totals.faults.items())}),
        f"other troubles {sum(totals.others.values()):,}",
        *_table(dict(sorted(totals.others.items()))),
        f"rows           {sum(totals.rows.values()):,}",
        *_table({s.value: totals.rows[s.value] for s in OutcomeStatus}),
        "unknown, by cause",
        *_table(dict(totals.unknown.most_common())),
        f"lost           {lost}",
        f"doubled        {doubled}",
        f"broken         {len(totals.breaks)} schedules"
        + (f"; {totals.explained} breaks are of known defects" if totals.explained else ""),
        *[f"  schedule {seed}: {found[0].sentence}" for seed, found in totals.breaks[:10]],
        f"time           {seconds:.0f} s",
    ]
    return "\n".join(lines)


def _table(counts: dict[str, int]) -> Sequence[str]:
    return [f"  {n:>9,}  {what}" for what, n in counts.items()]
