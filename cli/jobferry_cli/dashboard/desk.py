"""What every page and action works with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

from jobferry.reporting.html.markup import Html
from jobferry_cli.dashboard.held_files import HeldFiles
from jobferry_cli.dashboard.paces import Paces
from jobferry_cli.dashboard.security import Guard
from jobferry_cli.stack import Stack

MOST_KEPT = 50
"""Parts of pages that are kept."""


class Notices:
    """What was done last, said once on the next page."""

    def __init__(self) -> None:
        self._waiting: deque[Html] = deque(maxlen=5)
        self._lock = Lock()

    def add(self, text: Html) -> None:
        with self._lock:
            self._waiting.append(text)

    def take(self) -> list[Html]:
        with self._lock:
            found = list(self._waiting)
            self._waiting.clear()
        return found


@dataclass
class Desk:
    """One `jobferry dashboard`: the stack, and what it remembers until it ends.

    Attributes:
        stack_name: as it was asked for, or found
        connect: opens the stack once more, with the credentials that there are by then
    """

    stack: Stack
    stack_name: str
    guard: Guard
    held: HeldFiles
    connect: Callable[[], Stack]
    notices: Notices = field(default_factory=Notices)
    paces: Paces = field(default_factory=Paces)

    _kept: dict[Hashable, tuple[Hashable, Html]] = field(default_factory=dict)

    def kept(self, name: Hashable, as_of: Hashable, make: Callable[[], Html]) -> Html:
        """A part that takes many reads: made anew when what it depends on has changed."""
        found = self._kept.get(name)
        if found is None or found[0] != as_of:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            found = self._kept[name] = (as_of, make())
        return found[1]

    def url(self, *parts: object, **query: Any) -> str:
        """The path of a page; each part and each value that is not None is quoted."""
        path = self.guard.root + "/".join(quote(str(part), safe="") for part in parts)
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(given)}" if given else path
