"""How a run comes to its end: what closing does next, and what a closed run is called."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from jobferry.domain.chunk import Pool
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run, RunStatus, StopReason


class Action(Enum):
    """What closing does next."""

    ABANDON = auto()
    """Give what has no outcome its last one: lanes can do nothing more."""
    RELAUNCH = auto()
    """Start lanes again, for jobs in flight or chunks to send."""
    REST = auto()
    """Let a paused run rest, or one whose trial is over; otherwise start lanes again."""
    WRITE = auto()
    """Every row has its outcome: prove it, and write the files."""


class WorkLeft(NamedTuple):
    """What of a run is not settled.

    Attributes:
        in_flight: chunks that are claimed, submitted or not settled.
        abandoned: why lanes can do nothing more; None while they can, or have nothing to do.
    """

    run: Run
    in_flight: int
    pool: Pool
    abandoned: str | None = None

    @property
    def held_back(self) -> bool:
        """Whether chunks wait until a trial is over."""
        return self.pool.end <= self.run.plan.chunks

    @property
    def any(self) -> bool:
        """Whether a chunk has no outcomes."""
        return bool(self.in_flight or self.pool.left or self.held_back)


def next_action(left: WorkLeft) -> Action:
    """What closing does next."""
    if left.any and left.abandoned is not None:
        return Action.ABANDON
    if left.in_flight:
        return Action.RELAUNCH
    if left.pool.left or (left.run.trial is not None and left.held_back):
        return Action.REST
    return Action.WRITE


def final_status(
    run: Run, outcomes: Mapping[OutcomeStatus, int], *, cut_short: bool = True
) -> RunStatus:
    """What a balanced run is called.

    Args:
        cut_short: whether a row was not carried out because the run was stopped; a run that was
            stopped when nothing was left to send is what its rows are.
    """
    if run.status is RunStatus.FAILED:
        return RunStatus.FAILED
    if outcomes.get(OutcomeStatus.UNKNOWN):
        return RunStatus.UNRESOLVED
    if run.stop is not None and cut_short:
        return RunStatus.ABORTED
    not_done = outcomes.get(OutcomeStatus.FAILED) or outcomes.get(OutcomeStatus.REJECTED)
    if not_done or run.plan.conflicts:
        return RunStatus.COMPLETED_WITH_FAILURES
    return RunStatus.COMPLETED


def is_cut_short(outcome: Outcome, stop: StopReason) -> bool:
    """Whether a row was not carried out because the run was stopped."""
    if outcome.status is OutcomeStatus.SKIPPED:
        return outcome.error_code == stop.code
    return outcome.status is OutcomeStatus.FAILED
