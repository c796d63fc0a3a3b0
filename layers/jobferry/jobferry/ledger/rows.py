"""Rows: the final word on each, put once or many times with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobferry.ledger import keys
from jobferry.ledger.table import Item, Table
from jobferry.model import Outcome, OutcomeStatus

ERROR_CHARACTERS = 500
"""Longer error texts are cut: a row of at most 1 KB costs one write unit."""

# Rows in the sparse index, which an operator reads first.
_FOR_A_PERSON = frozenset({OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN})


class Rows:
    """Outcomes of the rows of runs, in blocks (`ROWS#<run>#<block>`)."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, run_id: str, outcomes: Iterable[Outcome], expires_at: int) -> None:
        """Write outcomes; repeating it writes the same again."""
        self._table.put_many(_item(run_id, outcome, expires_at) for outcome in outcomes)

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
        for block in range(keys.block_of(max(rows, 1)) + 1):
            for item in self._table.query(
                keys.rows_for_a_person(run_id, block), index=keys.ROWS_BY_PERSON
            ):
                yield _outcome(item)

    def purge(self, run_id: str, last: int) -> None:
        """Forget the outcomes of rows 1 … `last`, of a file that turned out to be unusable."""
        self._table.delete_many(
            (keys.rows(run_id, keys.block_of(outcome.row)), keys.row(outcome.row))
            for outcome in list(self.between(run_id, 1, last))
        )


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
        "error": outcome.error[:ERROR_CHARACTERS] if outcome.error else None,
        "job_id": outcome.job_id,
    }
    item |= {name: value for name, value in optional.items() if value is not None}
    if outcome.status in _FOR_A_PERSON:
        item["person_pk"] = keys.rows_for_a_person(run_id, block)
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
