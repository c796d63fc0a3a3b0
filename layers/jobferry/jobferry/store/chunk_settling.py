"""The last move of a chunk: its outcomes are counted; rows that are sent again go into new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobferry.domain.chunk import Chunk, ChunkOutcome, JobEnd, Pool, RetryChunk
from jobferry.domain.run import Run, RunGoneError
from jobferry.store import keys
from jobferry.store.chunk_items import item_of
from jobferry.store.chunk_writes import job_end_changes, move, slots
from jobferry.store.operations import Operation, Put, Update
from jobferry.store.outcome_blocks import CHUNK_BYTES, BlockSize, block_item, split_in_blocks
from jobferry.store.pointers import Pointers
from jobferry.store.pool import pool_with_parts
from jobferry.store.table import TRANSACTION_ITEMS, ConditionFailedError
from jobferry.store.transitions import TRANSITIONS, ChunkEvent
from jobferry.store.units import units_of

SETTLE_BATCH = 50
"""Chunks counted in one transaction at the most."""

_OTHER_ITEMS = 4
"""Of a transaction, beside chunks and blocks: the run, the pool, and the chunks of retried rows."""


class ChunkSettling(Pointers):
    """Finished chunks settled or split, each once, together with the counters of their run."""

    def settle(
        self,
        run: Run,
        chunk_outcomes: Sequence[ChunkOutcome],
        now: float,
        used: Mapping[str, float] | None = None,
    ) -> list[int]:
        """Write and count the outcomes of finished chunks, each once; then forget that they were
        in flight.

        Args:
            used: what settling took, added to the run's figures.

        Returns:
            The numbers of the chunks that this call settled; of those that were settled before
            nothing was written or counted.

        Raises:
            RunGoneError
        """
        return self._settle(
            run,
            chunk_outcomes,
            lambda batch: [_settled(ChunkEvent.SETTLE, tally, now) for tally in batch],
            used or {},
        )

    def finish_and_settle(
        self,
        run: Run,
        chunk_outcomes: Sequence[ChunkOutcome],
        job_ends: Mapping[int, JobEnd],
        now: float,
    ) -> list[int]:
        """Note that jobs have ended, free their slots, and settle them, in one move each.

        Args:
            chunk_outcomes: of all rows of each chunk, as it was read: submitted.
            job_ends: how its job ended, by number.

        Returns:
            The numbers of the chunks that this call settled.

        Raises:
            RunGoneError
        """

        def writes(batch: Sequence[ChunkOutcome]) -> list[Operation]:
            event = ChunkEvent.FINISH_AND_SETTLE
            moves: list[Operation] = [
                _settled(event, tally, now, job_end_changes(job_ends[tally.chunk.number], now))
                for tally in batch
            ]
            holders = sum(tally.chunk.holds_slot for tally in batch)
            return [*moves, slots(event, run.connection, holders)] if holders else moves

        return self._settle(run, chunk_outcomes, writes, {})

    def _settle(
        self,
        run: Run,
        chunk_outcomes: Sequence[ChunkOutcome],
        moves: Callable[[Sequence[ChunkOutcome]], Sequence[Operation]],
        used: Mapping[str, float],
    ) -> list[int]:
        """Move chunks, write their blocks and count them; those that refuse are left out."""
        settled: list[int] = []
        for together in in_transactions(chunk_outcomes):
            batch = together
            while batch:
                writes = [*moves(batch), *_blocks(run, batch)]
                added = _counted(batch) | _with_units(used, writes)
                try:
                    self._table.transact([*writes, _added_to_run(run.run_id, added)])
                except ConditionFailedError as error:
                    if error.failed == (len(writes),):
                        raise RunGoneError(f"there is no run {run.run_id}") from None
                    batch = [t for i, t in enumerate(batch) if i not in error.failed]
                else:
                    settled += [tally.chunk.number for tally in batch]
                    used = {}
                    break
        done = set(settled)
        self.forget(run.connection, [t.chunk for t in chunk_outcomes if t.chunk.number in done])
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
            chunk_outcomes: what is decided of each; together as much as `fits_a_transaction`.
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
            *_blocks(run, chunk_outcomes),
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


def in_transactions(chunk_outcomes: Iterable[ChunkOutcome]) -> Iterator[list[ChunkOutcome]]:
    """Chunks that are settled together: as many as one transaction takes, in order. Pure."""
    batch: list[ChunkOutcome] = []
    held = BlockSize()
    for tally in chunk_outcomes:
        more = held.add(tally.outcomes)
        if batch and not _fits(len(batch) + 1, more):
            yield batch
            batch, more = [], BlockSize().add(tally.outcomes)
        batch.append(tally)
        held = more
    if batch:
        yield batch


def fits_a_transaction(chunk_outcomes: Sequence[ChunkOutcome]) -> bool:
    """Whether these chunks can be settled in one transaction. Pure."""
    size = BlockSize()
    for tally in chunk_outcomes:
        size = size.add(tally.outcomes)
    return _fits(len(chunk_outcomes), size)


def _fits(chunks: int, held: BlockSize) -> bool:
    items = chunks + held.blocks + _OTHER_ITEMS
    return chunks <= SETTLE_BATCH and items <= TRANSACTION_ITEMS and held.size <= CHUNK_BYTES


def _blocks(run: Run, chunk_outcomes: Sequence[ChunkOutcome]) -> list[Put]:
    """The blocks of what is decided. No condition: each row is decided in one transaction only."""
    outcomes = (outcome for tally in chunk_outcomes for outcome in tally.outcomes)
    return [
        Put(block_item(run.run_id, block, run.expires_at)) for block in split_in_blocks(outcomes)
    ]


def _with_units(used: Mapping[str, float], writes: Sequence[Operation]) -> dict[str, float]:
    """What settling took, with the units of the transaction to come and of its pointers."""
    if "settle_units" not in used:
        return dict(used)
    pointers = sum(isinstance(write, Update) for write in writes)
    units = 2 * (units_of(writes) + 1) + pointers
    return {**used, "settle_units": used["settle_units"] + units}


def _settled(
    event: ChunkEvent, tally: ChunkOutcome, now: float, changes: Mapping[str, Any] | None = None
) -> Update:
    counts = {status.value: n for status, n in tally.counts.items() if n}
    return move(event, tally.chunk, settled_at=now, counts=counts, **(changes or {}))


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
