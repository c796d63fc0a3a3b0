"""Which jobs of a vendor's list belong to which chunks, as a search for a lost one must know.

A search asks for the jobs that it has seen listed, by their ids. So what it reads is bounded by the
vendor's list, and not by how many jobs a run or a day has had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.domain.run import Run
from jobferry.store.job_owners import JobOwner
from jobferry.vendors.lost_submission import JobsUnreadError

LISTED = 3_000.0
"""Seconds for which a vendor surely lists a job that has ended."""

NOT_SEEN = float("inf")

RUNS_SEARCHED = 200
"""Runs, newest first, of which any may have ended a job lately."""

WITNESSES = 200
"""Chunks of a run that are read to learn whether it has ended a job lately."""

AT_ONCE = 100
"""Jobs that are asked for between two checks of the time."""

MOST_JOBS = 20_000
"""Jobs that are kept in memory: as many as the longest list that a search reads."""

RUNS_REMEMBERED = 4
"""Lanes whose readings a warm function keeps."""

_FINAL = frozenset({ChunkState.SETTLED, ChunkState.SPLIT})


@dataclass
class ClaimedJobs:
    """Jobs of a connection, and the chunks that they belong to.

    What cannot change any more is kept for the next invocation of a warm function.

    Attributes:
        run: the run that searches
    """

    run: Run
    deps: Deps
    _final: dict[str, float] = field(default_factory=dict)

    def beside(self, chunk: Chunk, deadline: float = NOT_SEEN) -> JobsOfOthers:
        """Jobs that are not those of a chunk's lost submission.

        Args:
            chunk: with `sending_at` of the submission that is searched for.
            deadline: epoch seconds after which nothing more is read.
        """
        return JobsOfOthers(self, chunk, deadline)

    def seen_ended(self, job_ids: Iterable[str], chunk: Chunk, deadline: float) -> dict[str, float]:
        """Those of these jobs that are other chunks', or this one's present job: job id → when it
        was seen ended (epoch seconds); `NOT_SEEN` where it was not.

        Raises:
            JobsUnreadError: the time is up.
        """
        found = {}
        wanted = []
        for job_id in dict.fromkeys(job_ids):
            if job_id in self._final:
                found[job_id] = self._final[job_id]
            else:
                wanted.append(job_id)
        for start in range(0, len(wanted), AT_ONCE):
            self._check_time(deadline)
            batch = wanted[start : start + AT_ONCE]
            for job_id, owner in self.deps.store.chunks.owners(self.run.connection, batch).items():
                ended_at = _ended_at(job_id, owner, chunk)
                if ended_at is not None:
                    found[job_id] = ended_at
                    self._keep(job_id, owner, ended_at)
        return found

    def any_ended(self, chunk: Chunk, since: float, until: float, deadline: float) -> bool:
        """Whether a job of the connection was seen ended between these moments, or may have been.

        Only so many chunks of a run are read. Where these do not tell, it is taken for granted: a
        run of so many jobs has ended some.

        Raises:
            JobsUnreadError: the time is up.
        """
        for run in self._runs(since, until):
            read = 0
            for other in self._witnesses(run):
                self._check_time(deadline)
                read += 1
                mine = (other.run_id, other.number) == (chunk.run_id, chunk.number)
                if not mine and other.evidence and since < (other.finished_at or 0.0) < until:
                    return True
            if run.jobs_settled and read == WITNESSES:
                return True
        return False

    def _runs(self, since: float, until: float) -> Iterator[Run]:
        """Runs of the connection that may have ended a job between these moments."""
        runs = self.deps.store.runs
        # The index lags: this run must not be missing.
        seen = {self.run.run_id}
        yield runs.get(self.run.run_id) or self.run
        for listed in (runs.newest(limit=RUNS_SEARCHED), runs.oldest_open()):
            for _, run in listed:
                in_time = run.started_at < until and (run.closed_at or NOT_SEEN) > since
                if run.run_id not in seen and run.connection == self.run.connection and in_time:
                    seen.add(run.run_id)
                    yield run

    def _witnesses(self, run: Run) -> Iterable[Chunk]:
        """Chunks of a run whose jobs have ended, if any has."""
        chunks = self.deps.store.chunks
        if not run.jobs_settled:
            return chunks.in_flight(run.connection, run.run_id)
        return chunks.latest(run.run_id, WITNESSES)

    def _keep(self, job_id: str, owner: JobOwner, ended_at: float) -> None:
        chunk = owner.chunk
        if chunk is None or chunk.state not in _FINAL or chunk.job_id != job_id:
            return
        if len(self._final) >= MOST_JOBS:
            self._final.clear()
        self._final[job_id] = ended_at

    def _check_time(self, deadline: float) -> None:
        if self.deps.now() >= deadline:
            raise JobsUnreadError


@dataclass(frozen=True)
class JobsOfOthers:
    """`vendors.lost_submission.KnownJobs`, as the table has them."""

    claimed: ClaimedJobs
    chunk: Chunk
    deadline: float

    def known(self, job_ids: Iterable[object]) -> frozenset[str]:
        return frozenset(self._seen_ended(job_ids))

    def ended_before(self, job_ids: Iterable[object]) -> frozenset[str]:
        since, until = self._window()
        ended = self._seen_ended(job_ids).items()
        return frozenset(job_id for job_id, moment in ended if since < moment < until)

    def any_ended_before(self) -> bool:
        return self.claimed.any_ended(self.chunk, *self._window(), self.deadline)

    def _seen_ended(self, job_ids: Iterable[object]) -> dict[str, float]:
        texts = [job_id for job_id in job_ids if isinstance(job_id, str)]
        return self.claimed.seen_ended(texts, self.chunk, self.deadline)

    def _window(self) -> tuple[float, float]:
        sent_at = self.chunk.sending_at or 0.0
        return sent_at - LISTED, sent_at


def _ended_at(job_id: str, owner: JobOwner, searched: Chunk) -> float | None:
    """When a job was seen ended; `NOT_SEEN` where it was not, None where it is nobody else's."""
    chunk = owner.chunk
    if chunk is not None and chunk.job_id == job_id:
        # A job that was given up ends nobody knows when, and leaves no evidence.
        seen = chunk.finished_at if chunk.evidence is not None else None
        return NOT_SEEN if seen is None else seen
    if (owner.run_id, owner.number) == (searched.run_id, searched.number):
        # It was noted, and then the function died: this very chunk searches for it.
        return None
    # Of a chunk that is claimed, the job is just being noted, or it will search for it. One that
    # has another job, or none, by now has made this one with a submission that it has given up.
    return NOT_SEEN if chunk is None or chunk.state is ChunkState.CLAIMED else None


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
