"""Items of single rows: copies of what the blocks say, and the outcomes of runs of before.

A row that needs a person has an item of its own in a sparse index, and in a run with
`row_items: all` every row has one. These are copies (`of_block`): the block decides. Before there
were blocks, the item of a row was its outcome; such runs are still read and resolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from jobferry.domain.chunk import Chunk
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.store import keys
from jobferry.store.operations import Item, Put, Update
from jobferry.store.table import TRANSACTION_ITEMS, ConditionFailedError, Table
from jobferry.store.transitions import ChunkEvent, check

ERROR_CHARACTERS = 500
"""Longer error texts are cut: what a person reads fits into it."""

ID_CHARACTERS = 255
CODE_CHARACTERS = 100

FOR_A_PERSON = frozenset({OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN})
"""Rows in the sparse index, which an operator reads first."""


def storable(text: str | None, most: int = ERROR_CHARACTERS) -> str | None:
    """A text that the table and every file can hold: no half of a character, and not too long."""
    return None if text is None else text.encode("utf-8", "replace").decode()[:most]


class RowItems:
    """Access to `ROWS#<run>#<block>`, `ROW#<n>`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put_copies(self, run_id: str, outcomes: Iterable[Outcome], expires_at: int) -> None:
        """Write items of rows whose block says the same, or will as soon as they are counted."""
        self._table.put_many(copy_of(run_id, outcome, expires_at) for outcome in outcomes)

    def put_copies_unless_settled(
        self, chunk: Chunk, outcomes: Sequence[Outcome], expires_at: int
    ) -> bool:
        """Write items of rows that another may decide otherwise, while the chunk is not settled.

        A settle that was far behind would overwrite what became of rows that went into other
        chunks, or that were decided after the run was closed. Each transaction of rows checks that
        the chunk is still to be settled. It takes twice the units of `put_copies`, which is for
        rows of which every settle of the chunk says the same.

        Returns:
            False when the chunk is settled or gone; then nothing more was written.
        """
        check(ChunkEvent.SETTLE, chunk.state)
        waits = Update(
            keys.run(chunk.run_id),
            keys.chunk(chunk.number),
            assign={"state": chunk.state.value},
            condition="#state = :finished",
            names={"#state": "state"},
            values={":finished": chunk.state.value},
        )
        step = TRANSACTION_ITEMS - 1
        for start in range(0, len(outcomes), step):
            puts = [
                Put(copy_of(chunk.run_id, o, expires_at)) for o in outcomes[start : start + step]
            ]
            try:
                self._table.transact([waits, *puts])
            except ConditionFailedError:
                return False
        return True

    def _copies_for_a_person(self, run_id: str, first: int, rows: int) -> Iterator[Item]:
        """Items of rows `first` … `rows` in the index, in order of row."""
        begins = keys.person_block_of(first)
        for block in range(begins, keys.person_block_of(max(rows, 1)) + 1):
            yield from self._table.query(
                keys.rows_for_a_person(run_id, block),
                index=keys.ROWS_BY_PERSON,
                since=keys.row(first) if block == begins and first > 1 else None,
            )

    def _items_between(self, run_id: str, first: int, last: int) -> Iterator[Item]:
        for block in range(keys.block_of(first), keys.block_of(last) + 1):
            yield from self._table.query(
                keys.rows(run_id, block), since=keys.row(first), until=keys.row(last)
            )

    def _of_before(self, run_id: str, rows: Sequence[int]) -> Iterator[Outcome]:
        """Outcomes of these rows (ascending) of a run of before, which no block holds."""
        if not rows:
            return
        wanted = set(rows)
        for block in sorted({keys.block_of(row) for row in rows}):
            first, last = block * keys.ROWS_PER_BLOCK + 1, (block + 1) * keys.ROWS_PER_BLOCK
            for item in self._items_between(run_id, max(first, rows[0]), min(last, rows[-1])):
                if item["row"] in wanted and not is_copy(item):
                    yield outcome_of(item)


def is_copy(item: Item) -> bool:
    """Whether the item of a row repeats what its block says."""
    return bool(item.get("of_block"))


def resolved_item(run_id: str, outcome: Outcome, expires_at: int) -> Put:
    """A row of a run of before, decided if it is unknown still."""
    return Put(
        row_item(run_id, outcome, expires_at),
        condition="#status = :unknown",
        names={"#status": "status"},
        values={":unknown": OutcomeStatus.UNKNOWN.value},
    )


def copy_of(run_id: str, outcome: Outcome, expires_at: int) -> Item:
    return {**row_item(run_id, outcome, expires_at), "of_block": True}


def row_item(run_id: str, outcome: Outcome, expires_at: int) -> Item:
    block = keys.block_of(outcome.row)
    item: Item = {
        "pk": keys.rows(run_id, block),
        "sk": keys.row(outcome.row),
        "row": outcome.row,
        "status": outcome.status.value,
        "attempts": outcome.attempts,
        "expires_at": expires_at,
    }
    optional = {
        "vendor_id": outcome.vendor_id,
        "error_code": outcome.error_code,
        "error": storable(outcome.error) if outcome.error else None,
        "job_id": outcome.job_id,
    }
    item |= {name: value for name, value in optional.items() if value is not None}
    if outcome.status in FOR_A_PERSON:
        item["person_pk"] = keys.rows_for_a_person(run_id, keys.person_block_of(outcome.row))
    return item


def outcome_of(item: Item) -> Outcome:
    return Outcome(
        row=item["row"],
        status=OutcomeStatus(item["status"]),
        vendor_id=item.get("vendor_id"),
        error_code=item.get("error_code"),
        error=item.get("error"),
        job_id=item.get("job_id"),
        attempts=item["attempts"],
    )
