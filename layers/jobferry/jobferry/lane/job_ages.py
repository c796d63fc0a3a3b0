"""What polls have shown of a lane's jobs: when each was last active, and how long jobs take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from jobferry.domain.chunk import Chunk
from jobferry.domain.latency import Latency
from jobferry.scheduler.completion import InFlight, estimated_end
from jobferry.scheduler.latency import learned, likely_end
from jobferry.vendors.answers import JobReading


class JobAges:
    """Ages of jobs, as one invocation has seen them.

    Args:
        latency: what is known of jobs so far.
        submitted: chunks whose jobs are in flight.
        last_polled_at: when another invocation has polled all of them; 0: none has.
    """

    def __init__(
        self, latency: Latency | None, submitted: Iterable[Chunk], last_polled_at: float
    ) -> None:
        self.latency = latency
        self.observed: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._estimated_end: dict[int, float] = {}
        self._unreadable_since: dict[int, float] = {}
        self._last_active_at = {
            chunk.number: max(chunk.submitted_at or 0.0, last_polled_at) for chunk in submitted
        }

    def in_flight(self, chunks: Iterable[Chunk]) -> tuple[InFlight, ...]:
        """These chunks' jobs, as the scheduler sees them."""
        return tuple(
            InFlight(
                chunk.submitted_at,
                self._last_active_at.get(chunk.number, chunk.submitted_at),
                self._estimated_end.get(chunk.number),
                chunk.job_id or "",
            )
            for chunk in chunks
            if chunk.submitted_at is not None
        )

    def go_stale(self, submitted: Iterable[Chunk], since: float, before: float) -> bool:
        """Whether a job from before a moment was not read since another: reading comes first."""
        oldest = self.oldest_unread(submitted, since)
        return oldest is not None and oldest < before

    def oldest_unread(self, chunks: Iterable[Chunk], since: float) -> float | None:
        """When the oldest job was submitted that was not seen since a moment; None: all were."""
        unread = [
            chunk.submitted_at
            for chunk in chunks
            if chunk.submitted_at is not None
            and self._last_active_at.get(chunk.number, 0.0) < since
        ]
        return min(unread, default=None)

    def note_active(self, chunk: Chunk, reading: JobReading, at: float) -> None:
        """A poll has seen its job in flight."""
        self._last_active_at[chunk.number] = at
        end = estimated_end(chunk.submitted_at or at, at, reading.progress, reading.total)
        if end is None:
            self._estimated_end.pop(chunk.number, None)
        else:
            self._estimated_end[chunk.number] = end

    def note_readable(self, chunk: Chunk) -> None:
        self._unreadable_since.pop(chunk.number, None)

    def note_unreadable(self, chunk: Chunk, now: float) -> float:
        """What is said of its job makes no sense; returns since when."""
        return self._unreadable_since.setdefault(chunk.number, now)

    def note_ended(self, chunk: Chunk, at: float) -> float:
        """Learn from a job that was seen ended; returns when it probably did."""
        self._estimated_end.pop(chunk.number, None)
        if chunk.submitted_at is None:
            return at
        ages = (
            self._last_active_at.pop(chunk.number, chunk.submitted_at) - chunk.submitted_at,
            at - chunk.submitted_at,
        )
        self.observed[chunk.rows].append(ages)
        self.latency = learned(self.latency, [ages])
        return chunk.submitted_at + likely_end(self.latency, *ages)
