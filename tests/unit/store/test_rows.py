"""Outcomes of rows: one each, in order, the ones that need a person found at once."""

from __future__ import annotations

import pytest

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.store import Store
from jobferry.store.keys import ROWS_PER_BLOCK
from jobferry.store.rows import ERROR_CHARACTERS
from jobferry.store.table import Table
from tests.unit.store.samples import EXPIRES, RUN

FULL = Outcome(7, OutcomeStatus.FAILED, "id-7", "blank", "Name: cannot be blank", "job-1", 2)


def succeeded(row: int) -> Outcome:
    return Outcome(row, OutcomeStatus.SUCCEEDED)


class TestRows:
    @pytest.mark.parametrize("outcome", [FULL, succeeded(1)])
    def test_an_outcome_comes_back_as_it_was_put(self, store: Store, outcome: Outcome) -> None:
        store.rows.put(RUN, [outcome], EXPIRES)
        assert store.rows.get(RUN, outcome.row) == outcome

    def test_a_row_without_an_outcome_is_none(self, store: Store) -> None:
        assert store.rows.get(RUN, 1) is None

    def test_a_row_has_one_outcome_however_often_it_is_put(self, store: Store) -> None:
        for _ in range(2):
            store.rows.put(RUN, map(succeeded, range(1, 31)), EXPIRES)
        assert [o.row for o in store.rows.between(RUN, 1, 30)] == list(range(1, 31))

    def test_blocks_are_read_in_order(self, store: Store) -> None:
        rows = [1, 2, ROWS_PER_BLOCK, ROWS_PER_BLOCK + 1, 2 * ROWS_PER_BLOCK + 1]
        store.rows.put(RUN, map(succeeded, reversed(rows)), EXPIRES)
        assert [o.row for o in store.rows.between(RUN, 2, rows[-1])] == rows[1:]

    def test_nothing_lies_between_a_row_and_the_one_before(self, store: Store) -> None:
        store.rows.put(RUN, [succeeded(1)], EXPIRES)
        assert list(store.rows.between(RUN, 2, 1)) == []

    def test_long_texts_are_cut(self, store: Store) -> None:
        store.rows.put(RUN, [Outcome(1, OutcomeStatus.FAILED, error="x" * 9_999)], EXPIRES)
        outcome = store.rows.get(RUN, 1)
        assert outcome is not None
        assert outcome.error == "x" * ERROR_CHARACTERS

    def test_only_rows_for_a_person_are_in_the_index(self, store: Store) -> None:
        store.rows.put(RUN, [Outcome(i, s) for i, s in enumerate(OutcomeStatus, 1)], EXPIRES)
        store.rows.put(RUN, [Outcome(ROWS_PER_BLOCK + 1, OutcomeStatus.FAILED)], EXPIRES)
        found = [o.status for o in store.rows.for_a_person(RUN, ROWS_PER_BLOCK + 1)]
        assert found == [
            OutcomeStatus.FAILED,
            OutcomeStatus.REJECTED,
            OutcomeStatus.UNKNOWN,
            OutcomeStatus.FAILED,
        ]

    def test_a_row_that_succeeds_after_all_leaves_the_index(self, store: Store) -> None:
        store.rows.put(RUN, [Outcome(1, OutcomeStatus.FAILED)], EXPIRES)
        store.rows.put(RUN, [succeeded(1)], EXPIRES)
        assert list(store.rows.for_a_person(RUN, 1)) == []

    def test_purge_forgets_up_to_a_row(self, store: Store) -> None:
        store.rows.put(RUN, map(succeeded, range(1, 61)), EXPIRES)
        store.rows.purge(RUN, 50)
        assert [o.row for o in store.rows.between(RUN, 1, 60)] == list(range(51, 61))

    def test_rows_go_when_their_time_has_come(self, store: Store, table: Table) -> None:
        store.rows.put(RUN, [FULL], EXPIRES)
        (item,) = table.query(f"ROWS#{RUN}#000000")
        assert item["expires_at"] == EXPIRES
