"""An event loop in virtual time, for clients that are written as generators.

A generator yields the seconds that it waits. It is a tenth of the price of a thread, and clients
with thousands of pollers need that.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

Steps = Generator[float, None, T]
"""Yields seconds to wait, and returns a T."""


class Timeline:
    """Runs generators side by side; who waits for the earliest moment goes on."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._waiting: list[tuple[float, int, Steps[Any]]] = []
        self._order = count()

    def start(self, steps: Steps[Any]) -> None:
        """It begins when `run` comes to it."""
        heappush(self._waiting, (self.now, next(self._order), steps))

    def run(self) -> None:
        """Until all have ended."""
        while self._waiting:
            self.now, _, steps = heappop(self._waiting)
            seconds = next(steps, None)
            if seconds is not None:
                heappush(self._waiting, (self.now + seconds, next(self._order), steps))
