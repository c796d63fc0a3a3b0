"""An exhaustive search for an order of events in which a lost submission is made twice.

The time part of sending, reduced to what can matter. An intent is written at 0. Its request leaves
a moment later, if the function does not die first; it is over on our side after at most 45 s, which
is noted, or not if the function dies. The vendor takes it and shows it at any moment up to 600 s
after it left, or never. Two lanes (a task delivered twice) search whenever the rule under test
lets them; each search takes a moment, and what it saw is acted on later, by when the other lane may
have acted. Between two steps anybody may do nothing for as long as he likes.

A rule says from what the chunk's item tells, and what a search saw, what is done. It breaks if the
rows go back to the pool although the vendor takes the first submission, sooner or later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

HANG_UPS = (0, 45)
LEAVES = (0, 5)
SHOWS = (0, 20, 55, 60, 75, 90, 119, 180, 300, 480, 599, 600, None)
"""Seconds from when the request left until the vendor shows its job; None: it never takes it."""

SEND_WINDOW = 60
MOMENTS = (0, 45, 50, 60, 65, 75, 105, 120, 180, 300, 480, 600, 615, 660, 705, 720, 765, 840)
"""Seconds at which something may be done: all that differ for a rule, and some between."""

SLOWEST = 2
"""Moments that pass at the most between what a search saw and what is done about it."""


@dataclass(frozen=True)
class Item:
    """What the table knows of the chunk.

    lost_at    noted when the request was over
    unseen_at  noted by a search that saw nothing
    fate       `claimed`, `adopted`, `pool`
    """

    lost_at: int | None = None
    unseen_at: int | None = None
    fate: str = "claimed"

    @property
    def over_at(self) -> int:
        return SEND_WINDOW if self.lost_at is None else self.lost_at


@dataclass(frozen=True)
class Searching:
    """A search of a lane that it has not acted upon yet.

    began  at which of the `MOMENTS`
    read   the item as the lane had read it
    """

    began: int
    read: Item


@dataclass(frozen=True)
class State:
    """now: at which of the `MOMENTS`."""

    now: int
    item: Item
    lanes: tuple[Searching | None, Searching | None] = (None, None)


@dataclass(frozen=True)
class Scenario:
    """What the world does, whatever we do.

    leaves   when the request leaves; None: the function died before
    hang_up  seconds until it is over on our side
    noted    whether that was noted
    shows    see `SHOWS`
    """

    leaves: int | None
    hang_up: int
    noted: bool
    shows: int | None

    @property
    def lost_at(self) -> int | None:
        return self.leaves + self.hang_up if self.noted and self.leaves is not None else None

    def visible(self, now: int) -> bool:
        if self.leaves is None or self.shows is None:
            return False
        return now >= self.leaves + self.shows

    @property
    def ever_taken(self) -> bool:
        return self.leaves is not None and self.shows is not None


Rule = Callable[[Item, int, bool], Item]
"""(the item as it was read, when the search began, whether it saw our job) → the item after it."""


def scenarios() -> Iterator[Scenario]:
    for leaves, hang_up, noted, shows in product(LEAVES, HANG_UPS, (True, False), SHOWS):
        yield Scenario(leaves, hang_up, noted, shows)
    yield Scenario(None, 0, noted=False, shows=None)


def resent_at(rule: Rule, scenario: Scenario) -> tuple[set[int], int]:
    """Moments at which the rows may go back to the pool, and how many states were seen."""
    first = State(0, Item(lost_at=scenario.lost_at))
    seen, todo = {first}, [first]
    moments: set[int] = set()
    while todo:
        state = todo.pop()
        for following in _steps(rule, scenario, state):
            if following.item.fate == "pool":
                moments.add(MOMENTS[following.now])
            elif following not in seen and following.item.fate == "claimed":
                seen.add(following)
                todo.append(following)
    return moments, len(seen)


def _steps(rule: Rule, scenario: Scenario, state: State) -> Iterator[State]:
    waits = [s for s in state.lanes if s is not None and state.now - s.began >= SLOWEST]
    if state.now + 1 < len(MOMENTS) and not waits:
        yield replace(state, now=state.now + 1)
    for lane, searching in enumerate(state.lanes):
        if searching is None:
            if MOMENTS[state.now] >= state.item.over_at:
                yield _with(state, lane, Searching(state.now, state.item))
            continue
        began_at = MOMENTS[searching.began]
        after = rule(searching.read, began_at, scenario.visible(began_at))
        # The write asks that the chunk is still claimed, and sent as it was read.
        yield replace(_with(state, lane, None), item=after)


def _with(state: State, lane: int, searching: Searching | None) -> State:
    """The lanes do the same: which is which makes no difference."""
    both = (searching, state.lanes[1 - lane])
    one, other = sorted(both, key=lambda each: (each is None, (each and each.began) or 0))
    return replace(state, lanes=(one, other))
