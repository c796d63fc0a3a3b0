"""Where the simulator gets its time from, so that a test of a day takes no time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Epoch seconds that never go back, and a way to let them pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The machine's time; monotonic, so a corrected wall clock moves no job back."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """Time that passes only when told to, or when somebody sleeps."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` (not negative)."""
        if seconds < 0:
            raise ValueError(seconds)
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
