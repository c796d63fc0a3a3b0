"""A defect that the harness has found, with a short scenario that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.history import History
from tests.chaos.promises import Broken
from tests.chaos.scenario import (
    Scenario,
)


@dataclass(frozen=True)
class Regression:
    """What is wrong, a scenario that shows it, and the promise that it breaks.

    may_show  whether a broken promise may have come of it; None: it is mended
    """

    name: str
    scenario: Scenario
    promise: Callable[..., object]
    may_show: Callable[[History, Broken], bool] | None = None

    def explains(self, history: History, broken: Broken) -> bool:
        if self.may_show is None or broken.promise != self.promise.__name__:
            return False
        return self.may_show(history, broken)
