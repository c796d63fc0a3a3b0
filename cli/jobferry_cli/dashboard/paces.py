"""How fast runs go, from what the page has seen of them in the last minute."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from threading import Lock
from typing import Any

from jobferry.operator.progress import WINDOW_SECONDS, Pace, pace

MOST_RUNS = 200
MOST_SEEN = 600


class Paces:
    """Documents of runs of the last minute, for the pace that every surface shows."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[Mapping[str, Any]]] = OrderedDict()
        self._lock = Lock()

    def of(self, document: Mapping[str, Any]) -> Pace:
        """The pace of a run whose document was read just now."""
        return pace([*self._before(document), document])

    def _before(self, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The run's documents of up to a minute ago, of which this is the next."""
        now = _seconds(document)
        with self._lock:
            seen = self._seen.setdefault(document["run_id"], deque(maxlen=MOST_SEEN))
            self._seen.move_to_end(document["run_id"])
            while len(self._seen) > MOST_RUNS:
                self._seen.popitem(last=False)
            while seen and not now - WINDOW_SECONDS <= _seconds(seen[0]) <= now:
                seen.popleft()
            before = list(seen)
            if not seen or now > _seconds(seen[-1]):
                seen.append(document)
        return before


def _seconds(document: Mapping[str, Any]) -> float:
    return float(document["seconds"] or 0.0)
