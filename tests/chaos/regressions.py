"""Defects that the harness has found, each with a short scenario that shows it.

Those that are mended stay here so that they do not come back. One that is still open says which
broken promises come of it, so that a campaign can go on searching for others.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.history import History
from tests.chaos.promises import Broken
from tests.chaos.regression import Regression
from tests.chaos.regressions_in_memory import IN_MEMORY
from tests.chaos.regressions_with_adapters import WITH_ADAPTERS

REGRESSIONS: Sequence[Regression] = (*IN_MEMORY, *WITH_ADAPTERS)


def unexplained(history: History, found: Sequence[Broken]) -> list[Broken]:
    """Of what a scenario breaks, what none of the open defects explains."""
    return [
        broken
        for broken in found
        if not any(regression.explains(history, broken) for regression in REGRESSIONS)
    ]
