"""Virtual time: it passes only when somebody says so."""

from __future__ import annotations

from threading import Lock

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z; any fixed moment would do."""


class Clock:
    """Epoch seconds. Never goes back."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self._lock = Lock()

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += max(0.0, seconds)

    def until(self, moment: float) -> None:
        """Pass the time up to a moment; none if it lies in the past."""
        with self._lock:
            self._now = max(self._now, moment)
