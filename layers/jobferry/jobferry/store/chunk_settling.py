"""The last move of a chunk: its outcomes are counted; rows that are sent again go into new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from jobferry.domain.chunk import Chunk, ChunkOutcome, Pool, RetryChunk
from jobferry.domain.run import Run, RunGoneError
from jobferry.store import keys
from jobferry.store.chunk_items import item_of
from jobferry.store.chunk_writes import move
from jobferry.store.operations import Operation, Put, Update
from jobferry.store.pointers import Pointers
from jobferry.store.pool import pool_with_parts
from jobferry.store.table import ConditionFailedError
from jobferry.store.transitions import TRANSITIONS, ChunkEvent

SETTLE_BATCH = 50
"""Chunks counted in one transaction."""


class ChunkSettling(Pointers):
    """Finished chunks settled or split, each once, together with the counters of their run."""

    def settle(
        self,
        connection: str,
        run_id: str,
        chunk_outcomes: Sequence[ChunkOutcome],
        now: float,
        used: Mapping[str, float] | None = None,
    ) -> list[int]:
        """Count the outcomes of finished chunks, each once; then forget that they were in flight.

        Args:
            used: what settling took, added to the run's figures.

        Returns:
            The numbers of the chunks that this call settled; of those that were settled before
            nothing was counted.

        Raises:
            RunGoneError
        """
        settled: list[int] = []
        for start in range(0, len(chunk_outcomes), SETTLE_BATCH):
            batch = list(chunk_outcomes[start : start + SETTLE_BATCH])
            while batch:
                moves: list[Operation] = [
                    _settled(ChunkEvent.SETTLE, tally, now) for tally in batch
                ]
                added = _counted(batch) | dict(used or {})
                try:
                    self._table.transact([*moves, _added_to_run(run_id, added)])
                except ConditionFailedError as error:
                    if error.failed == (len(batch),):
                        raise RunGoneError(f"there is no run {run_id}") from None
                    batch = [t for i, t in enumerate(batch) if i not in error.failed]
                else:
                    settled += [tally.chunk.number for tally in batch]
                    used = None
                    break
        self.forget(connection, [t.chunk for t in chunk_outcomes if t.chunk.number in settled])
        return settled

    def split(
        self,
        run: Run,
        chunk_outcomes: Sequence[ChunkOutcome],
        parts: Sequence[RetryChunk],
        pool: Pool,
        now: float,
    ) -> bool:
        """Settle finished chunks of which only some rows are decided: the others go again.

        Args:
            chunk_outcomes: what is decided of each, counted; with the parts at most 98.
            parts: the chunks that their other rows make; they are numbered on from the plan's.

        Returns:
            False when one was settled before, or others were split meanwhile; then nothing
            happened.

        Raises:
            RunGoneError
        """
        first = run.plan.chunks + 1 + pool.made
        numbers = range(first, first + len(parts))
        writes: list[Operation] = [
            *(_settled(ChunkEvent.SPLIT, tally, now) for tally in chunk_outcomes),
            pool_with_parts(run.run_id, pool, numbers),
            *(
                Put(item_of(_part(run, number, part)), condition="attribute_not_exists(pk)")
                for number, part in zip(numbers, parts, strict=True)
            ),
        ]
        added = _counted(chunk_outcomes)
        if added:
            writes.append(_added_to_run(run.run_id, added))
        try:
            self._table.transact(writes)
        except ConditionFailedError as error:
            if added and error.failed == (len(writes) - 1,):
                raise RunGoneError(f"there is no run {run.run_id}") from None
            return False
        self.forget(run.connection, [tally.chunk for tally in chunk_outcomes])
        return True


def _settled(event: ChunkEvent, tally: ChunkOutcome, now: float) -> Update:
    counts = {status.value: n for status, n in tally.counts.items() if n}
    return move(event, tally.chunk, settled_at=now, counts=counts)


def _part(run: Run, number: int, part: RetryChunk) -> Chunk:
    return Chunk(
        run_id=run.run_id,
        number=number,
        lane=0,
        state=TRANSITIONS[ChunkEvent.MAKE].after,
        spans=part.spans,
        attempt=part.attempt,
        maybe_applied=part.maybe_applied,
        not_before=part.not_before,
        last=part.last,
        earlier=part.earlier,
        expires_at=run.expires_at,
    )


def _counted(chunk_outcomes: Sequence[ChunkOutcome]) -> dict[str, float]:
    """What settling these chunks adds to their run."""
    added: Counter[str] = Counter()
    for tally in chunk_outcomes:
        added.update({f"n_{status.value}": n for status, n in tally.counts.items()})
        added.update({f"{keys.FAILED}{kind}": n for kind, n in tally.failures.items()})
        added["jobs_settled"] += tally.chunk.job_id is not None
    return {name: n for name, n in added.items() if n}


def _added_to_run(run_id: str, added: Mapping[str, float]) -> Update:
    """Add to the counters of a run that is there."""
    return Update(keys.run(run_id), keys.META, add=added, condition="attribute_exists(pk)")
