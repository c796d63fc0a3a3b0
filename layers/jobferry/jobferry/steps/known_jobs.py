"""Which jobs of a connection belong to which chunks, as a search for a lost one must know.

A run of a million rows has ten thousand chunks, and a search is repeated until the vendor can
tell: what is settled is read once, and only what may still change is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobferry.ledger.runs import Run
from jobferry.model import ChunkState
from jobferry.steps.deps import Deps

RUNS_SEARCHED = 200
"""Runs, newest first, whose jobs are known."""

RECENT_SECONDS = 86_400.0
"""Runs that were closed longer before this one began have no jobs that a vendor still lists."""

NOT_SEEN = float("inf")

_FINAL = frozenset({ChunkState.SETTLED, ChunkState.SPLIT})


@dataclass
class KnownJobs:
    """Jobs of recent runs of a connection, this run's among them.

    run  the run that searches
    """

    run: Run
    deps: Deps
    _ended_at: dict[str, float] = field(default_factory=dict)
    _first: dict[str, int] = field(default_factory=dict)

    def read(self) -> Mapping[str, float]:
        """Job id → when it was seen ended (epoch seconds); `NOT_SEEN` where it was not."""
        run = self.run
        recent = [
            other.run_id
            for _, other in self.deps.ledger.runs.newest(limit=RUNS_SEARCHED)
            if other.connection == run.connection
            and (other.closed_at is None or other.closed_at > run.started_at - RECENT_SECONDS)
        ]
        # The index of runs by time lags a little; this run must not be missing.
        for run_id in dict.fromkeys([*recent, run.run_id]):
            self._read_on(run_id)
        return self._ended_at

    def _read_on(self, run_id: str) -> None:
        """Read the chunks of a run that may have changed since the last time."""
        first = self._first.get(run_id, 1)
        for chunk in self.deps.ledger.chunks.all(run_id, first):
            if chunk.job_id is not None:
                # A job that was given up ends nobody knows when, and leaves no evidence.
                seen = chunk.finished_at if chunk.evidence is not None else None
                self._ended_at[chunk.job_id] = NOT_SEEN if seen is None else seen
            if chunk.number == first and chunk.state in _FINAL:
                first += 1
        self._first[run_id] = first
