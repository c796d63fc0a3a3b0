"""A plan, written as it grows: pages of chunks, rows that are not sent, checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from jobferry.domain.chunk import PlannedChunk
from jobferry.domain.outcome import Outcome, OutcomeStatus, RejectedRow
from jobferry.domain.run import PlanState, Run
from jobferry.store.plan_pages import CHUNKS_PER_PAGE, page_start
from jobferry.store.row_items import storable

if TYPE_CHECKING:
    from jobferry.store.rows import Rows
    from jobferry.store.runs import Runs

REJECTS_AT_ONCE = 500
"""Outcomes of bad rows written together."""
CHUNKS_AT_ONCE = 10 * CHUNKS_PER_PAGE
"""Chunks between two writes of the plan: their spans are all that planning holds in memory."""


class PlanMovedError(Exception):
    """Two invocations planned at once; repeating the step goes on from the newer checkpoint."""


class PlanWriter:
    """Writes the plan of a run from its checkpoint on.

    Args:
        runs, rows: the parts of the table that it writes to.
        run: as it was read; its plan is the checkpoint that the first write is conditioned on.
        start: the same place, with the dialect of the file.
        clock: epoch seconds.

    Attributes:
        reached: how far the plan is; not yet noted since the last checkpoint.
    """

    def __init__(
        self, runs: Runs, rows: Rows, run: Run, start: PlanState, clock: Callable[[], float]
    ) -> None:
        self.reached = start
        self._runs, self._rows, self._run, self._clock = runs, rows, run, clock
        self._noted = run.plan
        self._sendable = run.sendable
        self._rejects: list[RejectedRow] = []
        self._unsent: Counter[OutcomeStatus] = Counter()
        self._last_reject = 0
        self._page: list[PlannedChunk] = []
        if start.chunks % CHUNKS_PER_PAGE:
            first = page_start(start.chunks)
            self._page = runs.planned_chunks(run.run_id, first, start.chunks - first + 1)

    def add_reject(self, reject: RejectedRow) -> None:
        """A row that is not sent."""
        self._rejects.append(reject)
        self._unsent[reject.status] += 1
        if reject.unclear:
            self.reached = replace(self.reached, conflicts=self.reached.conflicts + 1)
        self._last_reject = reject.row
        if len(self._rejects) >= REJECTS_AT_ONCE:
            self._write_rejects()

    def add_chunk(self, chunk: PlannedChunk, *, end_offset: int, end_row: int) -> None:
        """A chunk that ends at a boundary."""
        self._page.append(chunk)
        self._sendable += chunk.rows
        trial_ends = self._sendable == self._run.trial
        self.reached = replace(
            self.reached,
            offset=end_offset,
            row=end_row,
            chunks=chunk.number,
            trial_chunks=chunk.number if trial_ends else self.reached.trial_chunks,
        )

    def reach(self, *, end_offset: int, end_row: int) -> None:
        """A boundary at which no chunk ends."""
        self.reached = replace(self.reached, offset=end_offset, row=end_row)

    @property
    def is_full(self) -> bool:
        """Whether as many chunks are held in memory as may be."""
        return len(self._page) >= CHUNKS_AT_ONCE

    def write_pages(self) -> None:
        """Write all pages; the last one stays, as it may not be full yet."""
        while self._page:
            number = self._page[0].number
            size = CHUNKS_PER_PAGE - (number - page_start(number))
            self._runs.put_page(self._run, self._page[:size])
            if len(self._page) <= size:
                if len(self._page) == size:
                    self._page = []
                return
            self._page = self._page[size:]

    def checkpoint(self, *, done: bool = False) -> PlanState:
        """Write what is held, and note how far the plan is, with the rows that will not be sent
        counted once.

        Args:
            done: the file is at its end.

        Raises:
            PlanMovedError: another planner has noted a checkpoint meanwhile.
        """
        if done:
            self.reached = replace(self.reached, done=True)
        self._write_rejects()
        self.write_pages()
        run_id = self._run.run_id
        moved = self._runs.checkpoint(
            run_id, self._noted, self.reached, self._unsent, self._clock()
        )
        if not moved:
            raise PlanMovedError(f"another planner has moved the plan of {run_id}")
        self._noted = self.reached
        self._unsent = Counter()
        return self.reached

    def discard(self) -> None:
        """Delete the outcomes of a file that turned out to be unusable."""
        self._rows.purge(self._run.run_id, max(self._noted.row, self._last_reject))

    def _write_rejects(self) -> None:
        outcomes = [
            Outcome(
                reject.row, reject.status, error_code=reject.code, error=storable(reject.reason)
            )
            for reject in self._rejects
        ]
        run = self._run
        self._rows.put_unsent(run.run_id, outcomes, run.expires_at, row_items=run.row_items)
        self._rejects = []
