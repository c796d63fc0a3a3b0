"""Rows: the final word on each, in blocks that are written in the transaction that counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.store import keys
from jobferry.store.operations import Item, Put, Update
from jobferry.store.outcome_blocks import block_item, decode, encode, split_in_blocks
from jobferry.store.row_items import (
    FOR_A_PERSON,
    RowItems,
    is_copy,
    outcome_of,
    resolved_item,
)
from jobferry.store.table import TRANSACTION_ITEMS, ConditionFailedError

_UNKNOWN = OutcomeStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class _Block:
    """A block as it stands in the table."""

    item: Item
    outcomes: Sequence[Outcome]


class Rows(RowItems):
    """Access to `OUTCOMES#<run>#<partition>`, `BLOCK#<first row>`, and to items of single rows.

    The outcomes of sent rows are written by `Chunks.settle` and `Chunks.split`.
    """

    def put_unsent(
        self, run_id: str, outcomes: Sequence[Outcome], expires_at: int, *, row_items: bool = False
    ) -> None:
        """Write outcomes of rows that are never sent; repeating it changes nothing.

        Args:
            row_items: every row has an item of its own.
        """
        blocks = split_in_blocks(outcomes)
        self._table.put_many(block_item(run_id, block, expires_at) for block in blocks)
        self.put_copies(run_id, with_own_items(outcomes, row_items=row_items), expires_at)

    def get(self, run_id: str, row: int) -> Outcome | None:
        return next(self.between(run_id, row, row), None)

    def between(self, run_id: str, first: int, last: int) -> Iterator[Outcome]:
        """The outcomes of rows `first` … `last` that exist, in order of row."""
        if last < first:
            return
        for partition in range(keys.partition_of(first), keys.partition_of(last) + 1):
            begins = max(first, keys.first_row_of(partition))
            ends = min(last, keys.first_row_of(partition + 1) - 1)
            yield from self._in_partition(run_id, partition, begins, ends)

    def for_a_person(self, run_id: str, rows: int, first: int = 1) -> Iterator[Outcome]:
        """Failed, rejected and unknown rows among rows `first` … `rows`, in order.

        The index says which rows to look at, and their blocks what they are: an item of the index
        may be written before its row is counted, or be left by a call that was too late.
        """
        items = self._copies_for_a_person(run_id, first, rows)
        for partition, listed in groupby(items, lambda item: keys.partition_of(item["row"])):
            found = list(listed)
            decided: dict[int, Outcome] = {}
            if any(map(is_copy, found)):
                decided = {outcome.row: outcome for outcome in self._decided(run_id, partition)}
            for item in found:
                outcome = decided.get(item["row"]) if is_copy(item) else outcome_of(item)
                if outcome is not None and outcome.status in FOR_A_PERSON:
                    yield outcome

    def resolve(
        self, run_id: str, outcomes: Sequence[Outcome], expires_at: int, *, row_items: bool = False
    ) -> Counter[OutcomeStatus]:
        """Decide rows that are unknown, each once, and count them anew.

        Rows and counters change together, while the run is open (`Runs.ask_resolve`).

        Args:
            row_items: every row has an item of its own.

        Returns:
            What this call decided; rows that were decided before are missing, and all of them when
            the run is closed or gone.
        """
        done: Counter[OutcomeStatus] = Counter()
        wanted = {outcome.row: outcome for outcome in outcomes}
        in_blocks: set[int] = set()
        for partition in sorted({keys.partition_of(row) for row in wanted}):
            for block in self._blocks(run_id, partition):
                rows = {outcome.row for outcome in block.outcomes} & wanted.keys()
                in_blocks |= rows
                done += self._resolve_block(run_id, block, [wanted[row] for row in rows])
        done += self._resolve_rows_of_before(
            run_id, [o for o in outcomes if o.row not in in_blocks], expires_at
        )
        self._renew_copies(run_id, sorted(in_blocks), expires_at, row_items=row_items)
        return done

    def prolong(self, run_id: str, first: int, last: int, expires_at: int) -> None:
        """Keep outcomes of rows `first` … `last` for longer; a row that ends later stays."""
        for partition in range(keys.partition_of(first), keys.partition_of(last) + 1):
            for item in self._table.query(keys.outcomes(run_id, partition)):
                self._prolong_item(item, expires_at)
        for item in self._items_between(run_id, first, last):
            self._prolong_item(item, expires_at)

    def purge(self, run_id: str, last: int) -> None:
        """Forget the outcomes of a run of `last` rows; repeating it is harmless."""
        for partition in range(keys.partition_of(max(1, last)) + 1):
            blocks = self._table.query(keys.outcomes(run_id, partition))
            self._table.delete_many([(item["pk"], item["sk"]) for item in blocks])
        for block in range(keys.block_of(max(1, last)) + 1):
            items = self._table.query(keys.rows(run_id, block))
            self._table.delete_many([(item["pk"], item["sk"]) for item in items])

    def _in_partition(
        self, run_id: str, partition: int, first: int, last: int
    ) -> Iterator[Outcome]:
        """The outcomes of rows of one partition, in order; each once."""
        found = [o for o in self._decided(run_id, partition) if first <= o.row <= last]
        if len(found) <= last - first:
            known = {outcome.row for outcome in found}
            missing = [row for row in range(first, last + 1) if row not in known]
            found += self._of_before(run_id, missing)
        found.sort(key=attrgetter("row"))
        before = 0
        for outcome in found:
            # A planner that was repeated may have written a row in two blocks.
            if outcome.row != before:
                yield outcome
            before = outcome.row

    def _decided(self, run_id: str, partition: int) -> Iterator[Outcome]:
        for block in self._blocks(run_id, partition):
            yield from block.outcomes

    def _blocks(self, run_id: str, partition: int) -> Iterator[_Block]:
        for item in self._table.query(keys.outcomes(run_id, partition), prefix=keys.BLOCK):
            yield _Block(item, decode(item["outcomes"]))

    def _resolve_block(
        self, run_id: str, block: _Block, wanted: Sequence[Outcome]
    ) -> Counter[OutcomeStatus]:
        """Write a block anew with what these rows are now, if they are unknown in it."""
        while True:
            unknown = {o.row for o in block.outcomes if o.status is _UNKNOWN}
            decided = {outcome.row: outcome for outcome in wanted if outcome.row in unknown}
            if not decided:
                return Counter()
            counts = Counter(outcome.status for outcome in decided.values())
            version = block.item.get("version", 1)
            changed = Put(
                {
                    **block.item,
                    "outcomes": encode([decided.get(o.row, o) for o in block.outcomes]),
                    "version": version + 1,
                },
                condition="version = :version",
                values={":version": version},
            )
            try:
                self._table.transact([changed, _counted_anew(run_id, counts)])
            except ConditionFailedError as error:
                now = self._table.get(block.item["pk"], block.item["sk"])
                if 1 in error.failed or now is None:
                    return Counter()
                block = _Block(now, decode(now["outcomes"]))
            else:
                return counts

    def _resolve_rows_of_before(
        self, run_id: str, outcomes: Sequence[Outcome], expires_at: int
    ) -> Counter[OutcomeStatus]:
        done: Counter[OutcomeStatus] = Counter()
        step = TRANSACTION_ITEMS - 1
        for start in range(0, len(outcomes), step):
            batch = list(outcomes[start : start + step])
            while batch:
                puts = [resolved_item(run_id, outcome, expires_at) for outcome in batch]
                counts = Counter(outcome.status for outcome in batch)
                try:
                    self._table.transact([*puts, _counted_anew(run_id, counts)])
                except ConditionFailedError as error:
                    if len(batch) in error.failed:
                        return done
                    batch = [o for i, o in enumerate(batch) if i not in error.failed]
                else:
                    done += counts
                    break
        return done

    def _renew_copies(
        self, run_id: str, rows: Sequence[int], expires_at: int, *, row_items: bool
    ) -> None:
        """Make the items of these rows say what their blocks say."""
        if not rows:
            return
        asked = set(rows)
        decided = [o for o in self.between(run_id, rows[0], rows[-1]) if o.row in asked]
        kept = with_own_items(decided, row_items=row_items)
        self.put_copies(run_id, kept, expires_at)
        gone = {outcome.row for outcome in decided} - {outcome.row for outcome in kept}
        self._table.delete_many(
            (keys.rows(run_id, keys.block_of(row)), keys.row(row)) for row in sorted(gone)
        )

    def _prolong_item(self, item: Item, expires_at: int) -> None:
        # A day more or less is not worth a write, so that going on is cheap.
        if item["expires_at"] >= expires_at - 86_400:
            return
        with suppress(ConditionFailedError):
            self._table.write(
                Update(
                    item["pk"],
                    item["sk"],
                    assign={"expires_at": expires_at},
                    condition="attribute_exists(pk)",
                )
            )


def with_own_items(outcomes: Iterable[Outcome], *, row_items: bool) -> list[Outcome]:
    """Those of these rows that have an item of their own."""
    return [o for o in outcomes if row_items or o.status in FOR_A_PERSON]


def _counted_anew(run_id: str, counts: Counter[OutcomeStatus]) -> Update:
    """Rows of an open run that were unknown are so many of these now."""
    return Update(
        keys.run(run_id),
        keys.META,
        condition="attribute_exists(pk) AND attribute_not_exists(closed_at)",
        add={
            f"n_{_UNKNOWN.value}": -counts.total(),
            **{f"n_{status.value}": n for status, n in counts.items()},
        },
    )
