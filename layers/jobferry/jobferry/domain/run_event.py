"""What the event bus is told of a run: `Run opened`, `Run paused`, `Run closed` (docs/notices.md).

One shape for all three. Events are read by whoever may look at the account's bus: they hold names,
counts and codes, never a cell, a file's name, or the text of an error.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.timestamps import timestamp

SOURCE = "jobferry"


class Change(StrEnum):
    """What can happen to a run that somebody may want to be told of."""

    OPENED = "opened"
    PAUSED = "paused"
    CLOSED = "closed"

    @property
    def detail_type(self) -> str:
        """Its name on the event bus."""
        return f"Run {self.value}"


_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What a code looks like. A vendor's word that is none is a text, and stays out."""


def run_event(run: Run) -> dict[str, Any]:
    """The detail of the event that tells how a run is now.

    Returns:
        `run_id`, `profile`, `status`, `rows`, `outcomes`, `priority`, `at` (when the run became
        so), and where there is one `operation`, `connection` and `code`: why it was paused or
        stopped. The same run makes the same event again.
    """
    event: dict[str, Any] = {
        "run_id": run.run_id,
        "profile": run.profile,
        "status": run.phase.value,
        "rows": run.rows,
        "outcomes": {status.value: run.outcomes.get(status, 0) for status in OutcomeStatus},
        "priority": run.priority,
        "at": timestamp(_since(run)),
    }
    optional = {"operation": run.operation, "connection": run.connection, "code": code_of(run)}
    return {**event, **{name: value for name, value in optional.items() if value}}


def opened_event(run: Run) -> dict[str, Any]:
    """The detail of `Run opened`: also of a run that is paused from the beginning."""
    event = {**run_event(run), "status": run.status.value, "at": timestamp(run.started_at)}
    event.pop("code", None)
    return event


def paused_event(run: Run) -> dict[str, Any]:
    """The detail of `Run paused`: also of a run that somebody has resumed at this very moment."""
    return {**run_event(run), "status": RunStatus.PAUSED.value}


def code_of(run: Run) -> str | None:
    """Why a run was paused or stopped, as a code; None: it was neither, or there is none."""
    why = run.stop or run.pause
    return why.code if why is not None and _CODE.fullmatch(why.code) else None


def _since(run: Run) -> float:
    if run.closed_at is not None:
        return run.closed_at
    if run.paused and run.pause is not None:
        return run.pause.at
    return run.started_at
