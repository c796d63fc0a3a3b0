"""How far a run is, how fast it goes and what is left: the same figures on every surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobferry.domain.run import RunStatus

Document = Mapping[str, Any]
"""A run's status document (`jobferry.operator.status.run_document`)."""

WINDOW_SECONDS = 60.0
"""Of work: the speed of a run is that of its last minute."""

LEAST_SECONDS = 0.1

_OVER = frozenset(status.value for status in RunStatus if status.closed)

_SENT = ("succeeded", "failed", "unknown")
"""Outcomes that took the vendor's time; rejected and skipped rows settle at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run goes.

    Attributes:
        rows_per_minute: rows that the vendor has decided, in a minute of work; None: not known
        seconds_left: None: not known, or nothing goes on
        by_forecast: what is left is what was forecast; nothing was seen of this run yet
    """

    rows_per_minute: float | None = None
    seconds_left: float | None = None
    by_forecast: bool = False


def settled(document: Document) -> int:
    """Rows that have their outcome."""
    return sum(document["outcomes"].values())


def jobs_in_flight(document: Document) -> int:
    """Jobs that were submitted and are not known to have ended."""
    jobs = document["jobs"]
    return max(0, int(jobs["submitted"]) - int(jobs["finished"]))


def is_paused(document: Document) -> bool:
    """Whether nothing more is sent until somebody says so."""
    return document["status"] == "paused" or bool(document.get("paused"))


def shown_status(document: Document) -> str:
    """A run's status as people read it."""
    return "paused" if is_paused(document) else str(document["status"]).replace("_", " ")


def pace(documents: Sequence[Document]) -> Pace:
    """The speed of a run and what is left of it.

    By the rows of the last minute; before, or where none were settled in it, by all of the run;
    before any were, by the forecast.

    Args:
        documents: status documents of one run, oldest first. The last one is as of now; one alone
            will do.
    """
    now = documents[-1]
    if is_paused(now):
        return Pace()
    seconds, rows = float(now["seconds"] or 0.0), _sent(now)
    left = int(now["rows"]) - settled(now)
    if now["status"] in _OVER:
        return Pace(_a_minute(rows, seconds))
    before = _minute_ago(documents, seconds)
    speed = _a_minute(rows - before[1], seconds - before[0]) or _a_minute(rows, seconds)
    if now["status"] == "planning":
        return Pace(speed)
    if speed is not None and left > 0:
        return Pace(speed, left * 60.0 / speed)
    return Pace(speed, *_forecast(now, seconds))


def _minute_ago(documents: Sequence[Document], seconds: float) -> tuple[float, int]:
    """(seconds, rows) of the oldest document of the last minute; the beginning without one."""
    for document in documents[:-1]:
        at = float(document["seconds"] or 0.0)
        if seconds - WINDOW_SECONDS <= at < seconds and document["status"] != "planning":
            return at, _sent(document)
    return 0.0, 0


def _sent(document: Document) -> int:
    return sum(int(document["outcomes"][name]) for name in _SENT)


def _a_minute(rows: int, seconds: float) -> float | None:
    # Documents count tenths of a second; less is no time to judge by.
    return rows * 60.0 / seconds if rows > 0 and seconds >= LEAST_SECONDS else None


def _forecast(document: Document, seconds: float) -> tuple[float | None, bool]:
    """(seconds left, whether that is the forecast's)."""
    expected = forecast_seconds(document)
    if document["status"] != "running" or expected is None or expected <= seconds:
        return None, False
    return expected - seconds, True


def forecast_seconds(document: Document) -> float | None:
    """How long the whole run was forecast to take; None where nobody knows."""
    found = (document.get("forecast") or {}).get("seconds")
    return float(found) if isinstance(found, int | float) and found > 0 else None
