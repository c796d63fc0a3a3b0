"""Counting windows: how much of a limit is used, and when it is whole again."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of a limit after one more request asked.

    resets  whole seconds until the window is new, at least 1
    """

    allowed: bool
    limit: int
    remaining: int
    resets: int


class Window:
    """At most `limit` requests in `seconds`, counted from the first one after a quiet window."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._opened_at = -math.inf
        self._used = 0

    def take(self, limit: int, now: float) -> Allowance:
        """Ask for one request; a refused one uses nothing up."""
        if now >= self._opened_at + self._seconds:
            self._opened_at, self._used = now, 0
        allowed = self._used < limit
        self._used += allowed
        # Rounding must not promise a moment later than a whole window away.
        left = min(self._seconds, self._opened_at + self._seconds - now)
        resets = max(1, math.ceil(left))
        return Allowance(allowed, limit, max(0, limit - self._used), resets)
