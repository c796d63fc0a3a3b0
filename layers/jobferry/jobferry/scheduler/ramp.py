"""The ramp: what Jobferry cannot take back begins with one job, then three, then all. Pure.

Before each next step the run is judged by what its rows have come to, so that a wrong mapping costs
the rows of one job and not those of a window of them.
"""

from __future__ import annotations

from dataclasses import replace

from jobferry.domain.profile import Breaker, Profile

STEPS = (1, 4)
"""Chunks that are sent before the run is judged for the first time, and for the second."""

LEAST_ROWS = 4
"""Rows that must have failed: where a job is one row, one that is bad says nothing of the file."""

LEAST_SHARE = Breaker().share
"""Of the rows that failed. Who stops for fewer in a whole file says so of many rows; a first job
with a few bad ones is an ordinary one."""


def applies(profile: Profile, *, undoable: bool) -> bool:
    """Whether runs begin with few jobs: where nothing takes back what they do, and where the
    profile has a breaker to judge by.

    Args:
        undoable: there is an operation that takes back what a row has done.
    """
    return profile.ramp and profile.breaker is not None and not undoable


def is_on(cursor: int) -> bool:
    """Whether a run whose next chunk is `cursor` (the first is 1) still has steps before it."""
    return cursor <= STEPS[-1] + 1


def is_step(cursor: int) -> bool:
    """Whether the run is to be judged before its chunk `cursor` is sent."""
    return cursor - 1 in STEPS


def sent_until(cursor: int, *, judged: bool) -> int | None:
    """The first chunk that may not be sent yet; None: all may.

    Args:
        cursor: the next chunk.
        judged: all rows of those before it have their outcome, and the run may go on.
    """
    for last in STEPS:
        if cursor <= last:
            return last + 1
        if cursor == last + 1 and not judged:
            return cursor
    return None


def need(chunks: int) -> int:
    """Slots that a run of so many chunks can use before its last step."""
    return min(chunks, STEPS[-1] - STEPS[-2])


def breaker_for(breaker: Breaker) -> Breaker:
    """The breaker that judges the first jobs: it need not wait for as many rows."""
    return replace(
        breaker,
        share=max(breaker.share, LEAST_SHARE),
        at_least=min(breaker.at_least, LEAST_ROWS),
    )
