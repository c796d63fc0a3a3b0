"""Which jobs of a connection belong to which chunks, as a search for a lost one must know.

A run of a million rows has ten thousand chunks, and a search is repeated until the vendor can
tell: what is settled is read once, and only what may still change is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.domain.run import Run

RUNS_SEARCHED = 200
"""Runs, newest first, whose jobs are known."""

RECENT_SECONDS = 86_400.0
"""Runs that were closed longer before this one began have no jobs that a vendor still lists."""

NOT_SEEN = float("inf")

_FINAL = frozenset({ChunkState.SETTLED, ChunkState.SPLIT})


KEPT_SECONDS = 2 * RECENT_SECONDS
"""Jobs that were seen ended longer ago are on no list that a search reads."""

MOST_JOBS = 200_000
"""Jobs that are kept in memory. With more, it is not known which job is whose."""


RUNS_REMEMBERED = 4
"""Lanes whose readings a warm function keeps."""


@dataclass
class ClaimedJobs:
    """Jobs of recent runs of a connection, this run's among them.

    What was read is kept for the next invocation of a warm function: the jobs of a very long run
    take longer to read than a lane may stand still.

    Attributes:
        run: the run that searches
    """

    run: Run
    deps: Deps
    _ended_at: dict[str, float] = field(default_factory=dict)
    _first: dict[str, int] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)
    _open: dict[str, set[int]] = field(default_factory=dict)

    def read(self, deadline: float = NOT_SEEN) -> Mapping[str, float] | None:
        """Job id → when it was seen ended (epoch seconds); `NOT_SEEN` where it was not.

        Args:
            deadline: epoch seconds. What is not read by then is read on by the next call.

        Returns:
            None when not all could be read: then nothing may be concluded from a job that is not
            among them.
        """
        run = self.run
        recent = [
            other.run_id
            for _, other in self.deps.store.runs.newest(limit=RUNS_SEARCHED)
            if other.connection == run.connection
            and (other.closed_at is None or other.closed_at > run.started_at - RECENT_SECONDS)
        ]
        # The index of runs by time lags a little; this run must not be missing.
        for run_id in dict.fromkeys([*recent, run.run_id]):
            if not self._read_on(run_id, deadline):
                return None
        return self._ended_at

    def _read_on(self, run_id: str, deadline: float) -> bool:
        """Read the chunks of a run that may have changed since the last time; False: not all."""
        chunks = self.deps.store.chunks
        first = self._first.get(run_id, 1)
        following = self._next.get(run_id, first)
        # Those of a reading that was broken off may have changed until it is at its end.
        again = self._open.get(run_id, set()) if following > first else set()
        still_open: set[int] = set()
        for chunk in chunks.all(run_id, following):
            if self.deps.now() >= deadline or len(self._ended_at) >= MOST_JOBS:
                self._first[run_id], self._next[run_id] = first, chunk.number
                self._open[run_id] = again | still_open
                return False
            self._note(chunk)
            if chunk.state not in _FINAL:
                still_open.add(chunk.number)
            elif chunk.number == first:
                first += 1
        for chunk in chunks.get(run_id, sorted(again)):
            self._note(chunk)
        self._first[run_id] = first
        self._next.pop(run_id, None)
        self._open.pop(run_id, None)
        return True

    def _note(self, chunk: Chunk) -> None:
        if chunk.job_id is None:
            return
        # A job that was given up ends nobody knows when, and leaves no evidence.
        seen = chunk.finished_at if chunk.evidence is not None else None
        if seen is None:
            self._ended_at[chunk.job_id] = NOT_SEEN
        elif seen > self.deps.now() - KEPT_SECONDS:
            self._ended_at[chunk.job_id] = seen


def known_jobs(run: Run, lane: int, deps: Deps) -> ClaimedJobs:
    """Those of a lane, with what this function has read of them before."""
    remembered = deps.memory.pop((run.run_id, lane), None)
    if not isinstance(remembered, ClaimedJobs):
        return ClaimedJobs(run, deps)
    return replace(remembered, run=run, deps=deps)


def remember(known: ClaimedJobs, lane: int) -> None:
    """Keep what was read for the lane's next invocation; until then nobody else has it."""
    memory = known.deps.memory
    while len(memory) >= RUNS_REMEMBERED:
        memory.pop(next(iter(memory)), None)
    memory[known.run.run_id, lane] = known
