"""How fast runs go, from what the page has seen of them in the last minute."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

SECONDS = 60.0
MOST_RUNS = 200
_SENT = ("succeeded", "failed", "unknown")


@dataclass(frozen=True, slots=True)
class Pace:
    """Of a run.

    Attributes:
        rows_per_minute: rows that the vendor has decided; None: not known
        seconds_left: None: not known, or nothing goes on
    """

    rows_per_minute: float | None = None
    seconds_left: float | None = None


class Paces:
    """Seconds and rows of runs, as their documents said."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[tuple[float, int]]] = OrderedDict()
        self._lock = Lock()

    def of(self, document: Mapping[str, Any]) -> Pace:
        """The pace of a run whose document was read just now."""
        outcomes, seconds = document["outcomes"], float(document["seconds"] or 0.0)
        sent, settled = sum(outcomes[name] for name in _SENT), sum(outcomes.values())
        if document["closed_at"] is not None:
            return Pace(_a_minute(sent, seconds))
        before = self._before(document["run_id"], seconds, sent)
        if document.get("paused"):
            return Pace()
        speed = _a_minute(sent - before[1], seconds - before[0]) or _a_minute(sent, seconds)
        left = document["rows"] - settled
        if speed is None or left <= 0 or document["status"] == "planning":
            return Pace(speed)
        return Pace(speed, left * 60.0 / speed)

    def _before(self, run_id: str, seconds: float, sent: int) -> tuple[float, int]:
        """(seconds, rows) as they were up to a minute ago; the run's beginning if not known."""
        with self._lock:
            seen = self._seen.setdefault(run_id, deque(maxlen=600))
            self._seen.move_to_end(run_id)
            while len(self._seen) > MOST_RUNS:
                self._seen.popitem(last=False)
            while seen and not seconds - SECONDS <= seen[0][0] <= seconds:
                seen.popleft()
            first = seen[0] if seen else (0.0, 0)
            if not seen or seconds > seen[-1][0]:
                seen.append((seconds, sent))
        return first if first[0] < seconds else (0.0, 0)


def _a_minute(rows: int, seconds: float) -> float | None:
    return rows * 60.0 / seconds if rows > 0 and seconds > 0 else None
