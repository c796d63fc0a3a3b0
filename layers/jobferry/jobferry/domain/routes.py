"""Every word that the state machine branches on, by the step that says it.

A test holds them against statemachines/run.asl.json both ways: each word has its way, and no
condition names a word that no step says.
"""

from __future__ import annotations

from enum import StrEnum


class OpenRoute(StrEnum):
    """What OpenRun answers."""

    OPEN = "open"
    """It is claimed, and to be planned."""
    RESUMED = "resumed"
    """It is planned, and goes on with a new execution."""
    UNUSABLE = "unusable"
    """The run exists, is failed, and says why: it is closed at once."""
    DUPLICATE = "duplicate"
    """Another execution has the run."""
    IGNORED = "ignored"
    """The upload is no file: it stands for a folder."""
    REFUSED = "refused"
    """Nothing that could become a run: the input is none, or names a run that is not there."""


class PlanRoute(StrEnum):
    """What PlanRun answers."""

    PLANNING = "planning"
    """The file has more: plan on."""
    PLANNED = "planned"
    SMALL = "small"
    """It is planned, and so small that one invocation may carry all of it."""
    NOTHING_TO_SEND = "nothing_to_send"
    UNUSABLE = "unusable"


class LaneRoute(StrEnum):
    """What a lane answers after an iteration."""

    WORKING = "working"
    DONE = "done"
    """Nothing is left in flight, to claim or to settle."""
    RENEW = "renew"
    """Its history is long enough: a fresh execution goes on."""


class CloseRoute(StrEnum):
    """What CloseRun answers."""

    CLOSED = "closed"
    CLOSING = "closing"
    """There is more to write: close on."""
    LANES = "lanes"
    """Chunks are not settled: lanes go on."""
    PAUSED = "paused"
    UNBALANCED = "unbalanced"
    """The sum does not hold: an alarm, never a success."""
