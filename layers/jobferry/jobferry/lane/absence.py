"""When a submission whose answer was lost counts as never taken. Pure.

A vendor may take a request long after we have hung up, and show its job later still. So a search
that sees nothing proves nothing by itself. The rows go again only after two searches that saw
everything there is and nothing of ours: the later one `CERTAIN_AFTER` seconds after the request was
over on our side, and `BETWEEN` seconds after the earlier one. `tests/unit/lane/absence_model.py`
searches all orders of events for one in which that sends rows twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from jobferry.domain.chunk import Chunk, lost_from
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.lost_submission import TAKEN_WITHIN

CERTAIN_AFTER = TAKEN_WITHIN
"""Seconds after a request was over from which on a search may prove that it was never taken."""

BETWEEN = 120.0
"""Seconds between the two searches, so that one moment's wrong answer is not taken for a proof."""

SEARCH_TIMEOUT = 3_600.0
"""Seconds for which a vendor that can be read is asked about what it cannot decide yet."""

_FIRST_WAIT = 3.0
_LONGEST_WAIT = 60.0


class Step(Enum):
    """What is done with a lost submission."""

    ADOPT = auto()
    """Its job is known."""
    AGAIN = auto()
    """It was never taken: its rows go again."""
    WAIT = auto()
    """It is searched for once more."""
    GIVE_UP = auto()
    """Nobody can tell."""


@dataclass(frozen=True, slots=True)
class Search:
    """What the searches for a submission have brought so far; epoch seconds, None: not yet.

    Attributes:
        sent_at: just before the request left
        over_at: when the request was over on our side, at the latest
        unseen_at: the first search that saw everything there is, and nothing of ours
        readable_at: since when each search could read the vendor
        searched_at: the last search
    """

    sent_at: float
    over_at: float
    unseen_at: float | None = None
    readable_at: float | None = None
    searched_at: float | None = None

    @property
    def certain_at(self) -> float | None:
        """When a second search that sees nothing counts; None before the first one."""
        if self.unseen_at is None:
            return None
        return max(self.over_at + CERTAIN_AFTER, self.unseen_at + BETWEEN)

    @property
    def next_at(self) -> float:
        """When it is searched for (once more): later and later, and when that is decisive."""
        if self.searched_at is None:
            return self.over_at
        waited = (self.searched_at - self.over_at) / 2
        moment = self.searched_at + min(_LONGEST_WAIT, max(_FIRST_WAIT, waited))
        certain_at = self.certain_at
        if certain_at is not None and self.searched_at < certain_at:
            return min(moment, certain_at)
        return moment


def judge(
    found: Found, search: Search, began_at: float, *, retention: float
) -> tuple[Step, Search]:
    """What a search means for an operation that must not be repeated.

    Args:
        found: what it brought.
        search: what the searches before it had brought.
        began_at: when it began, epoch seconds.
        retention: seconds for which the vendor keeps its jobs.

    Returns:
        What to do, and what is known now.
    """
    readable_at = None
    if found.readable:
        readable_at = began_at if search.readable_at is None else search.readable_at
    known = replace(search, readable_at=readable_at, searched_at=began_at)
    match found.state:
        case FoundState.FOUND if found.job_id is not None:
            return Step.ADOPT, known
        case FoundState.ABSENT:
            certain_at = search.certain_at
            if certain_at is not None and began_at >= certain_at:
                return Step.AGAIN, known
            first = began_at if search.unseen_at is None else search.unseen_at
            return Step.WAIT, replace(known, unseen_at=first)
        case FoundState.PENDING if not _too_late(known, began_at, retention):
            return Step.WAIT, known
        case _:
            return Step.GIVE_UP, known


def _too_late(known: Search, now: float, retention: float) -> bool:
    """Whether there is nothing left to wait for.

    While the vendor cannot be read only its own forgetting counts: what happened during an outage
    can be told after it.
    """
    asked_long_enough = known.readable_at is not None and now >= known.readable_at + SEARCH_TIMEOUT
    return asked_long_enough or now >= known.sent_at + retention


def searches_of(chunk: Chunk) -> Search:
    """What the searches for a sent chunk's job have brought so far."""
    return Search(
        sent_at=chunk.sending_at or 0.0,
        over_at=lost_from(chunk),
        unseen_at=chunk.unseen_at,
        readable_at=chunk.readable_at,
        searched_at=chunk.searched_at,
    )
