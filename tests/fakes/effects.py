"""Where a process may die: just before an effect on the world outside, and just after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    BEFORE = "before"
    AFTER = "after"


OnEffect = Callable[[str, Phase], None]
"""(kind, phase): `table.write`, `objects.put`, `vendor.submit` …; may raise to end the process."""


def _let_pass(kind: str, phase: Phase) -> None:
    """No harm is done by default."""


@dataclass
class Effects:
    """The hook that all fakes of one world share. An effect that fails has no `after`."""

    on_effect: OnEffect = _let_pass

    @contextmanager
    def around(self, kind: str) -> Iterator[None]:
        self.on_effect(kind, Phase.BEFORE)
        yield
        self.on_effect(kind, Phase.AFTER)
