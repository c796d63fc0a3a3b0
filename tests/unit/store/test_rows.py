"""Outcomes of rows: one each, in order, the ones that need a person found at once."""

from __future__ import annotations

from unittest import mock

import pytest

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.store import Store
from jobferry.store.keys import ROWS_PER_PARTITION as PARTITION
from jobferry.store.row_items import outcome_of
from jobferry.store.table import Table
from tests.unit.store.samples import EXPIRES, RUN, a_run

FULL = Outcome(7, OutcomeStatus.FAILED, "id-7", "blank", "Name: cannot be blank", "job-1", 2)


def succeeded(row: int) -> Outcome:
    return Outcome(row, OutcomeStatus.SUCCEEDED)


class TestRows:
    @pytest.mark.parametrize("outcome", [FULL, succeeded(1)])
    def test_an_outcome_comes_back_as_it_was_put(self, store: Store, outcome: Outcome) -> None:
        store.rows.put_unsent(RUN, [outcome], EXPIRES)
        assert store.rows.get(RUN, outcome.row) == outcome

    def test_a_row_without_an_outcome_is_none(self, store: Store) -> None:
        assert store.rows.get(RUN, 1) is None

    def test_a_row_has_one_outcome_however_often_it_is_put(self, store: Store) -> None:
        for _ in range(2):
            store.rows.put_unsent(RUN, list(map(succeeded, range(1, 31))), EXPIRES)
        assert [o.row for o in store.rows.between(RUN, 1, 30)] == list(range(1, 31))

    def test_blocks_are_read_in_order(self, store: Store) -> None:
        rows = [1, 2, PARTITION, PARTITION + 1, 2 * PARTITION + 1]
        store.rows.put_unsent(RUN, list(map(succeeded, reversed(rows))), EXPIRES)
        assert [o.row for o in store.rows.between(RUN, 2, rows[-1])] == rows[1:]

    def test_nothing_lies_between_a_row_and_the_one_before(self, store: Store) -> None:
        store.rows.put_unsent(RUN, [succeeded(1)], EXPIRES)
        assert list(store.rows.between(RUN, 2, 1)) == []

    def test_only_rows_for_a_person_are_in_the_index(self, store: Store) -> None:
        store.rows.put_unsent(RUN, [Outcome(i, s) for i, s in enumerate(OutcomeStatus, 1)], EXPIRES)
        store.rows.put_unsent(RUN, [Outcome(PARTITION + 1, OutcomeStatus.FAILED)], EXPIRES)
        found = [o.status for o in store.rows.for_a_person(RUN, PARTITION + 1)]
        assert found == [
            OutcomeStatus.FAILED,
            OutcomeStatus.REJECTED,
            OutcomeStatus.UNKNOWN,
            OutcomeStatus.FAILED,
        ]

    def test_a_row_in_two_blocks_is_read_once(self, store: Store) -> None:
        """A planner that was repeated may have cut its blocks elsewhere."""
        rejected = [Outcome(row, OutcomeStatus.REJECTED) for row in (1, 2, 3)]
        store.rows.put_unsent(RUN, rejected, EXPIRES)
        store.rows.put_unsent(RUN, rejected[1:], EXPIRES)
        assert list(store.rows.between(RUN, 1, 3)) == rejected
        assert list(store.rows.for_a_person(RUN, 3)) == rejected

    @pytest.mark.parametrize(("row_items", "rows"), [(False, [2]), (True, [1, 2, 3])])
    def test_rows_with_items_of_their_own(
        self, store: Store, table: Table, *, row_items: bool, rows: list[int]
    ) -> None:
        outcomes = [
            Outcome(1, OutcomeStatus.SKIPPED),
            Outcome(2, OutcomeStatus.REJECTED),
            Outcome(3, OutcomeStatus.SKIPPED),
        ]
        store.rows.put_unsent(RUN, outcomes, EXPIRES, row_items=row_items)
        items = list(table.query(f"ROWS#{RUN}#000000"))
        assert [item["row"] for item in items] == rows
        assert all(item["of_block"] for item in items)

    def test_rows_go_when_their_time_has_come(self, store: Store, table: Table) -> None:
        store.rows.put_unsent(RUN, [FULL], EXPIRES)
        items = [*table.query(f"ROWS#{RUN}#000000"), *table.query(f"OUTCOMES#{RUN}#000000")]
        assert [item["expires_at"] for item in items] == [EXPIRES, EXPIRES]


class TestResolve:
    UNKNOWN = tuple(Outcome(row, OutcomeStatus.UNKNOWN) for row in (1, 2, 3))

    @pytest.mark.parametrize("row_items", [False, True])
    def test_items_of_rows_say_what_their_block_says(
        self, store: Store, table: Table, *, row_items: bool
    ) -> None:
        store.runs.create(a_run(status=RunStatus.CLOSING))
        store.rows.put_unsent(RUN, self.UNKNOWN, EXPIRES, row_items=row_items)
        failed = Outcome(2, OutcomeStatus.FAILED, error_code="gone")
        done = store.rows.resolve(RUN, [succeeded(1), failed], EXPIRES, row_items=row_items)
        assert done == {OutcomeStatus.SUCCEEDED: 1, OutcomeStatus.FAILED: 1}
        now = [succeeded(1), failed, self.UNKNOWN[2]]
        assert list(store.rows.between(RUN, 1, 3)) == now
        assert list(store.rows.for_a_person(RUN, 3)) == now[1:]
        items = [outcome_of(item) for item in table.query(f"ROWS#{RUN}#000000")]
        assert items == (now if row_items else now[1:])

    def test_one_that_was_interrupted_is_repeated(self, store: Store, table: Table) -> None:
        """The block is decided, and the item of the row was not written any more."""
        store.runs.create(a_run(status=RunStatus.CLOSING))
        store.rows.put_unsent(RUN, self.UNKNOWN, EXPIRES)
        store.rows.resolve(RUN, [succeeded(1)], EXPIRES)
        store.rows.put_copies(RUN, self.UNKNOWN[:1], EXPIRES)
        assert store.rows.resolve(RUN, [succeeded(1)], EXPIRES) == {}
        assert [item["row"] for item in table.query(f"ROWS#{RUN}#000000")] == [2, 3]

    def test_another_that_decides_other_rows_of_the_block(self, store: Store) -> None:
        store.runs.create(a_run(status=RunStatus.CLOSING))
        store.rows.put_unsent(RUN, self.UNKNOWN, EXPIRES)
        blocks = list(store.rows._blocks(RUN, 0))
        store.rows.resolve(RUN, [succeeded(1)], EXPIRES)
        as_read = mock.patch.object(
            type(store.rows), "_blocks", side_effect=[iter(blocks), iter([])]
        )
        with as_read:
            done = store.rows.resolve(RUN, [succeeded(1), succeeded(2)], EXPIRES)
        assert done == {OutcomeStatus.SUCCEEDED: 1}
        assert store.runs.must_get(RUN).outcomes[OutcomeStatus.SUCCEEDED] == 2
