"""Rows: the final word on each, put once or many times with the same result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from jobferry.domain.chunk import Chunk
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.store import keys
from jobferry.store.operations import Item, Put, Update
from jobferry.store.table import TRANSACTION_ITEMS, ConditionFailedError, Table
from jobferry.store.transitions import ChunkEvent, check

ERROR_CHARACTERS = 500
"""Longer error texts are cut: a row of at most 1 KB costs one write unit."""

ID_CHARACTERS = 255
CODE_CHARACTERS = 100


def storable(text: str | None, most: int = ERROR_CHARACTERS) -> str | None:
    """A text that the table and every file can hold: no half of a character, and not too long."""
    return None if text is None else text.encode("utf-8", "replace").decode()[:most]


# Rows in the sparse index, which an operator reads first.
_FOR_A_PERSON = frozenset({OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN})


class Rows:
    """Outcomes of the rows of runs, in blocks (`ROWS#<run>#<block>`)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, run_id: str, outcomes: Iterable[Outcome], expires_at: int) -> None:
        """Write outcomes of which every writer says the same; repeating it changes nothing."""
        self._table.put_many(_item(run_id, outcome, expires_at) for outcome in outcomes)

    def put_unless_settled(
        self, chunk: Chunk, outcomes: Sequence[Outcome], expires_at: int
    ) -> bool:
        """Write outcomes that another may decide otherwise, while the chunk is not settled yet.

        A settle that was far behind would overwrite what became of rows that went into other
        chunks, or that were decided after the run was closed. Each transaction of rows checks that
        the chunk is still to be settled. It takes two units a row where `put` takes one, so `put`
        is for rows of which every settle of the chunk says the same.

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
            puts = [Put(_item(chunk.run_id, o, expires_at)) for o in outcomes[start : start + step]]
            try:
                self._table.transact([waits, *puts])
            except ConditionFailedError:
                return False
        return True

    def get(self, run_id: str, row: int) -> Outcome | None:
        item = self._table.get(keys.rows(run_id, keys.block_of(row)), keys.row(row))
        return _outcome(item) if item else None

    def between(self, run_id: str, first: int, last: int) -> Iterator[Outcome]:
        """The outcomes of rows `first` … `last` that exist, in order of row."""
        if last < first:
            return
        for block in range(keys.block_of(first), keys.block_of(last) + 1):
            for item in self._table.query(
                keys.rows(run_id, block), since=keys.row(first), until=keys.row(last)
            ):
                yield _outcome(item)

    def for_a_person(self, run_id: str, rows: int) -> Iterator[Outcome]:
        """Failed, rejected and unknown rows among rows 1 … `rows`, in order, from the index."""
        for block in range(keys.person_block_of(max(rows, 1)) + 1):
            for item in self._table.query(
                keys.rows_for_a_person(run_id, block), index=keys.ROWS_BY_PERSON
            ):
                yield _outcome(item)

    def resolve(
        self, run_id: str, outcomes: Sequence[Outcome], expires_at: int
    ) -> Counter[OutcomeStatus]:
        """Decide rows that are unknown, each once, and count them anew.

        Rows and counters change together, while the run is open (`Runs.ask_resolve`).

        Returns:
            What this call decided; rows that were decided before are missing, and all of them when
            the run is closed or gone.
        """
        done: Counter[OutcomeStatus] = Counter()
        step = TRANSACTION_ITEMS - 1
        for start in range(0, len(outcomes), step):
            batch = list(outcomes[start : start + step])
            while batch:
                puts = [
                    Put(
                        _item(run_id, outcome, expires_at),
                        condition="#status = :unknown",
                        names={"#status": "status"},
                        values={":unknown": OutcomeStatus.UNKNOWN.value},
                    )
                    for outcome in batch
                ]
                counts = Counter(outcome.status for outcome in batch)
                counted = Update(
                    keys.run(run_id),
                    keys.META,
                    condition="attribute_exists(pk) AND attribute_not_exists(closed_at)",
                    add={
                        f"n_{OutcomeStatus.UNKNOWN.value}": -len(batch),
                        **{f"n_{status.value}": n for status, n in counts.items()},
                    },
                )
                try:
                    self._table.transact([*puts, counted])
                except ConditionFailedError as error:
                    if len(batch) in error.failed:
                        return done
                    batch = [o for i, o in enumerate(batch) if i not in error.failed]
                else:
                    done += counts
                    break
        return done

    def prolong(self, run_id: str, first: int, last: int, expires_at: int) -> None:
        """Keep outcomes of rows `first` … `last` for longer; a row that ends later stays."""
        for block in range(keys.block_of(first), keys.block_of(last) + 1):
            for item in self._table.query(
                keys.rows(run_id, block), since=keys.row(first), until=keys.row(last)
            ):
                # A day more or less is not worth a write, so that going on is cheap.
                if item["expires_at"] < expires_at - 86_400:
                    with suppress(ConditionFailedError):
                        self._table.write(
                            Update(
                                item["pk"],
                                item["sk"],
                                assign={"expires_at": expires_at},
                                condition="attribute_exists(pk)",
                            )
                        )

    def purge(self, run_id: str, last: int) -> None:
        """Forget the outcomes of rows 1 … `last`, a block at a time; repeating it is harmless."""
        for first in range(1, last + 1, keys.ROWS_PER_BLOCK):
            outcomes = self.between(run_id, first, min(last, first + keys.ROWS_PER_BLOCK - 1))
            partition = keys.rows(run_id, keys.block_of(first))
            self._table.delete_many([(partition, keys.row(outcome.row)) for outcome in outcomes])


def _item(run_id: str, outcome: Outcome, expires_at: int) -> Item:
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
    if outcome.status in _FOR_A_PERSON:
        item["person_pk"] = keys.rows_for_a_person(run_id, keys.person_block_of(outcome.row))
    return item


def _outcome(item: Item) -> Outcome:
    return Outcome(
        row=item["row"],
        status=OutcomeStatus(item["status"]),
        vendor_id=item.get("vendor_id"),
        error_code=item.get("error_code"),
        error=item.get("error"),
        job_id=item.get("job_id"),
        attempts=item["attempts"],
    )
