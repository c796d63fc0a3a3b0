"""Make a scenario short that breaks a promise: whatever can go while it still does, goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any

from tests.chaos.scenario import Scenario

MOST_TRIES = 600
MOST_SECONDS = 30.0
"""Of real time: scenarios that do not end take a second each."""

_SEEDS = range(3)
"""Who goes first is chance anyway: these say it as well as any other."""


def shrink(
    scenario: Scenario, still_breaks: Callable[[Scenario], bool], tries: int = MOST_TRIES
) -> Scenario:
    """The shortest scenario that is found by leaving things out and making numbers smaller.

    Args:
        still_breaks: whether a scenario breaks the same promise.
    """
    until = time.monotonic() + MOST_SECONDS
    tried = begun_at = 0
    while True:
        # What could not go before can seldom go now: go on from here, and once more from the
        # beginning when the end is reached.
        for at, shorter in enumerate(
            islice(_shorter_scenarios(scenario), begun_at, None), begun_at
        ):
            tried += 1
            if tried > tries or time.monotonic() > until:
                return scenario
            if still_breaks(shorter):
                scenario, begun_at = shorter, at
                break
        else:
            if begun_at == 0:
                return scenario
            begun_at = 0


def _shorter_scenarios(scenario: Scenario) -> Iterator[Scenario]:
    for shorter in _simpler(scenario, Scenario()):
        if shorter.files:
            yield shorter
    if scenario.seed not in _SEEDS:
        yield from (replace(scenario, seed=seed) for seed in _SEEDS)


def _simpler(value: Any, plain: Any) -> Iterator[Any]:
    """Values that are simpler than this one, the simplest first."""
    if isinstance(value, tuple):
        yield from _fewer(value)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            if each.name != "seed":
                now = getattr(value, each.name)
                for simpler in _simpler(now, _default(each, now)):
                    yield replace(value, **{each.name: simpler})
    elif value != plain:
        yield plain
        if isinstance(value, int | float) and not isinstance(value, bool | Enum):
            yield from _smaller(value)


def _fewer(values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if len(values) > 1:
        yield ()
        yield values[: len(values) // 2]
        yield values[len(values) // 2 :]
    for i in range(len(values)):
        yield values[:i] + values[i + 1 :]
    for i, value in enumerate(values):
        plain = _plain(value)
        for simpler in _simpler(value, plain):
            yield (*values[:i], simpler, *values[i + 1 :])


def _smaller(number: float) -> Iterator[float]:
    whole = int(number)
    if whole == number and whole > 1:
        yield from dict.fromkeys((whole // 2, whole - 1))


def _default(each: Field[Any], now: Any) -> Any:
    return now if each.default is MISSING else each.default


def _plain(value: Any) -> Any:
    """A dataclass of this type in which everything is as usual."""
    return type(value)() if is_dataclass(value) and not isinstance(value, type) else value
