"""Carry out many stories, and add up what happened in them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from jobferry.domain.outcome import OutcomeStatus
from tests.chaos.adapters import ADAPTERS
from tests.chaos.carry import Told, carry_out
from tests.chaos.known import unknown_breaks
from tests.chaos.modes import MIXED_MODES, MODES
from tests.chaos.narrate import narrate
from tests.chaos.promises import Broken, Result, broken, nothing_twice, one_outcome_each
from tests.chaos.shrink import shrink
from tests.chaos.story import Harm, Story, draw, draw_at

STORIES_AT_ONCE = 50
"""What one process carries out before it tells how that went."""

ONE_IN = 10
"""Of so many seeds in a row, one is carried out with a real adapter, and one in a mode."""

MIXED, MEMORY = "mixed", "memory"
KINDS = (MIXED, MEMORY, *ADAPTERS, *MODES)
"""Kinds of stories: all of them in turn; those of the vendor in memory; those of one real adapter;
those of one mode."""

Drawing = Callable[[int], Story]
"""How a seed becomes a story."""


def story_of(seed: int, kind: str = MIXED) -> Story:
    """The story of a seed, of one of `KINDS`."""
    if kind == MIXED:
        turn, rest = divmod(seed, ONE_IN)
        turns = {0: list(ADAPTERS), ONE_IN // 2: [mode.name for mode in MIXED_MODES]}
        kind = turns[rest][turn % len(turns[rest])] if rest in turns else MEMORY
    if kind in MODES:
        return MODES[kind].draw(seed)
    return draw(seed) if kind == MEMORY else draw_at(kind, seed)


@dataclass
class Totals:
    """Many stories, added up.

    sites     real adapter's vendor → stories
    faults    (kind of effect, what went wrong) → how often
    troubles  (real adapter's vendor, what went wrong there) → how often
    others    what else happened: deliveries, stops, aborts
    unknown   error code → rows
    breaks    (seed, what it broke) of the stories that broke a promise
    """

    stories: int = 0
    sites: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    troubles: Counter[tuple[str, str]] = field(default_factory=Counter)
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
        site = told.story.site
        self.sites.update([site.vendor] if site is not None else [])
        for (kind, harm), n in told.struck.items():
            if isinstance(harm, Harm):
                self.faults[kind, harm.value] += n
            elif site is not None:
                self.troubles[site.vendor, f"{kind}, {harm.value}"] += n
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
        self.sites.update(other.sites)
        self.faults.update(other.faults)
        self.troubles.update(other.troubles)
        self.others.update(other.others)
        self.rows.update(other.rows)
        self.unknown.update(other.unknown)
        self.breaks += other.breaks
        self.explained += other.explained
        self.effects += other.effects

    def broken_by(self, *promises: str) -> int:
        """How many times one of these promises was broken."""
        return sum(b.promise in promises for _, found in self.breaks for b in found)


def carry_all(seeds: Iterable[int], drawing: Drawing = draw) -> Totals:
    """Carry out the stories of these seeds, one after the other."""
    totals = Totals()
    for seed in seeds:
        totals.add(seed, carry_out(drawing(seed)))
    return totals


def carry_side_by_side(seeds: range, processes: int, drawing: Drawing = draw) -> Iterator[Totals]:
    """As `carry_all`, in several processes; one `Totals` for each part that is done."""
    parts = [seeds[i : i + STORIES_AT_ONCE] for i in range(0, len(seeds), STORIES_AT_ONCE)]
    carry_part = partial(carry_all, drawing=drawing)
    if processes <= 1:
        yield from map(carry_part, parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(carry_part, parts)


def first_break(
    seeds: Iterable[int], promises: Set[str], drawing: Drawing = draw
) -> tuple[int, Broken] | None:
    """The first seed whose story breaks one of these promises; known defects do not count."""
    for seed in seeds:
        told = carry_out(drawing(seed))
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
        f"  with a real adapter, {sum(totals.sites.values()):,}",
        *_table(dict(sorted(totals.sites.items()))),
        f"effects        {totals.effects:,}",
        f"faults         {sum(totals.faults.values()):,}",
        *_table({f"{kind}: {harm}": n for (kind, harm), n in sorted(totals.faults.items())}),
        f"at real adapters' vendors {sum(totals.troubles.values()):,}",
        *_table({f"{vendor}: {what}": n for (vendor, what), n in sorted(totals.troubles.items())}),
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
