"""Where a process may die: just before an effect on the world outside, and just after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtual.cloud import Cloud


class Phase(StrEnum):
    BEFORE = "before"
    AFTER = "after"


OnEffect = Callable[[str, Phase], None]
"""(kind, phase): `table.write`, `objects.put`, `vendor.submit` …; may raise to end the process."""


def _let_pass(kind: str, phase: Phase) -> None:
    """By default nothing goes wrong."""


@dataclass
class Effects:
    """The hook that all fakes of one world share. An effect that fails has no `after`.

    Attributes:
        portion: (kind, items) → how many items of a batch are written; the rest comes back
            unprocessed
        echoed: kind → whether the answer of a write was lost and the SDK writes once more
        on_read: called at every read, which changes nothing; may raise
        between: called between two pages of one query, when others may have their turn
        cloud: what calls take in time and money; None: nothing
    """

    on_effect: OnEffect = _let_pass
    portion: Callable[[str, int], int] = lambda _kind, items: items
    echoed: Callable[[str], bool] = lambda _kind: False
    on_read: Callable[[str], None] = lambda _kind: None
    between: Callable[[], None] = lambda: None
    cloud: Cloud | None = None

    @contextmanager
    def around(self, kind: str) -> Iterator[None]:
        self.on_effect(kind, Phase.BEFORE)
        self.pass_time(kind)
        yield
        self.on_effect(kind, Phase.AFTER)

    def pass_time(self, kind: str) -> None:
        """A call of S3 or of the vault of secrets, and what it takes."""
        if self.cloud is not None:
            self.cloud.object_request(kind)


class Crash(Exception):
    """The process is gone."""


class CrashOnce:
    """Ends the process at one effect, once.

    Args:
        number: which effect, counting from 1; 0 to count only
        kinds: the kinds that are counted; all by default
    """

    def __init__(self, number: int, phase: Phase, kinds: frozenset[str] | None = None) -> None:
        self._number = number
        self._phase = phase
        self._kinds = kinds
        self.seen: list[str] = []

    def __call__(self, kind: str, phase: Phase) -> None:
        if phase is self._phase and (self._kinds is None or kind in self._kinds):
            self.seen.append(kind)
            if len(self.seen) == self._number:
                raise Crash(f"{phase} {kind}")
