"""The course of a run, built from its chunks one at a time: it takes little room however many.

Changes are kept as they were until there are many; then neighbours in time are taken together, so
that ten rows and ten million make a curve of about as many points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Any

from jobferry.domain.chunk import Chunk
from jobferry.domain.run import Run
from jobferry.reporting.html import TimelinePoint

MOST_MOMENTS = 2_000

_COUNTS = (
    *("_width", "_last", "_busy", "_submitted", "_again"),
    *("chunks", "sent", "jobs", "last_chunk"),
)
"""Its plain numbers, as they are kept between two invocations."""


class Timeline:
    """Rows settled and jobs in flight over a run's time, and its jobs counted.

    Attributes:
        sent: rows of the file that went into chunks
        jobs: jobs that were submitted and seen ended
        last_chunk: the number of the last chunk added
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._changes: dict[float, tuple[int, int]] = {}
        self._width = 0.0
        self._first = float("inf")
        self._last = 0.0
        self._busy = 0.0
        self._ends: list[float] = []
        """Ends after the last submission so far: as many as there are jobs in flight."""
        self._submitted = 0
        self._again = 0
        self.chunks = 0
        self.sent = 0
        self.jobs = 0
        self.last_chunk = 0

    @classmethod
    def from_json(cls, run: Run, saved: Mapping[str, Any] | None) -> Timeline:
        """Go on from what `to_json` gave; None: begin."""
        timeline = cls(run)
        if saved is None:
            return timeline
        for name, value in saved["counts"].items():
            setattr(timeline, name, value)
        timeline._changes = {moment: (rows, jobs) for moment, rows, jobs in saved["changes"]}
        timeline._ends = list(saved["ends"])
        if saved["first"] is not None:
            timeline._first = saved["first"]
        return timeline

    def to_json(self) -> dict[str, Any]:
        """What it knows so far, to go on from in another invocation."""
        return {
            "counts": {name: getattr(self, name) for name in _COUNTS},
            "changes": [[moment, *change] for moment, change in self._changes.items()],
            "ends": self._ends,
            "first": self._first if self._first < float("inf") else None,
        }

    @classmethod
    def of(cls, run: Run, chunks: Iterable[Chunk]) -> Timeline:
        timeline = cls(run)
        for chunk in chunks:
            timeline.add(chunk)
        return timeline

    def add(self, chunk: Chunk) -> None:
        self.chunks += 1
        self.last_chunk = chunk.number
        if chunk.number <= self._run.plan.chunks:
            self.sent += chunk.rows
        else:
            self._again += 1
        if chunk.job_id is not None:
            self._submitted += 1
            self.jobs += chunk.finished_at is not None
        if chunk.submitted_at is not None:
            self._first = min(self._first, chunk.submitted_at)
            self._last = max(self._last, chunk.submitted_at)
            self._change(chunk.submitted_at, 0, 1)
            ended_at = chunk.finished_at if chunk.ended_at is None else chunk.ended_at
            if ended_at is not None:
                self._change(ended_at, 0, -1)
                self._busy += ended_at - chunk.submitted_at
                heappush(self._ends, ended_at)
            while self._ends and self._ends[0] <= self._last:
                heappop(self._ends)
        if chunk.settled_at is not None:
            self._change(chunk.settled_at, chunk.settled_rows or 0, 0)

    @property
    def job_counts(self) -> dict[str, int]:
        """Jobs planned, submitted and finished. Retried rows make chunks of their own."""
        return {
            "planned": self._run.plan.chunks + self._again,
            "submitted": self._submitted,
            "finished": self.jobs,
        }

    def timeline(self) -> list[TimelinePoint]:
        """The curve, from the run's start; rows that were never sent count when it was planned."""
        changes = dict(self._changes)
        if self._run.planned_at is not None:
            rows, jobs = changes.get(self._run.planned_at, (0, 0))
            changes[self._run.planned_at] = (rows + self._never_sent(), jobs)
        points = [TimelinePoint(0.0, 0, 0)]
        rows = jobs = 0
        for moment, (more_rows, more_jobs) in sorted(changes.items()):
            rows += more_rows
            jobs += more_jobs
            points.append(TimelinePoint(self._run.worked(moment), rows, jobs))
        return points

    def _never_sent(self) -> int:
        """Rows that were in no chunk; while others have no outcome yet, as far as known."""
        if self._run.settled_rows >= self._run.rows:
            return self._run.rows - self.sent
        settled = sum(rows for rows, _ in self._changes.values())
        return max(0, self._run.settled_rows - settled)

    def slot_use(self, max_jobs: int) -> float | None:
        """The part of the slots in use while work was left: from the first submission to the last.

        Returns:
            None when the slots were never all needed.
        """
        if self.jobs <= max_jobs or self._last <= self._first:
            return None
        beyond = sum(end - self._last for end in self._ends if end > self._last)
        # Slots that were free while the run was paused were not left unused by it.
        span = self._run.worked(self._last) - self._run.worked(self._first)
        return min(1.0, (self._busy - beyond) / (max_jobs * span)) if span > 0 else None

    def _change(self, moment: float, rows: int, jobs: int) -> None:
        _add(self._changes, self._rounded(moment), rows, jobs)
        if len(self._changes) > MOST_MOMENTS:
            self._width = max(1.0, 2 * self._width)
            changes, self._changes = self._changes, {}
            for earlier, change in changes.items():
                _add(self._changes, self._rounded(earlier), *change)

    def _rounded(self, moment: float) -> float:
        return moment - moment % self._width if self._width else moment


def _add(changes: dict[float, tuple[int, int]], moment: float, rows: int, jobs: int) -> None:
    before = changes.get(moment, (0, 0))
    changes[moment] = (before[0] + rows, before[1] + jobs)
