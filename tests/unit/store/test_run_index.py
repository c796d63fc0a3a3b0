"""Open runs have a partition of the index of their own, whoever opened or closed them."""

from __future__ import annotations

import pytest

from jobferry.domain.run import Resolving, Run, RunStatus
from jobferry.store import Store, keys
from jobferry.store.operations import Update
from jobferry.store.sweep_progress import SweepProgress
from jobferry.store.table import Table
from tests.unit.store.samples import NOW, RUN, a_run


def close(store: Store, run_id: str, resolving: Resolving | None = None) -> bool:
    return store.runs.close(
        run_id, RunStatus.COMPLETED, NOW + 9, {}, {}, expires_at=99, resolving=resolving
    )


def open_ids(store: Store) -> list[str]:
    return [run.run_id for _, run in store.runs.oldest_open()]


def as_before(table: Table, run_id: str) -> None:
    """The run as an older version has left it: in the one partition that there was."""
    table.write(Update(keys.run(run_id), keys.META, assign={"time_pk": keys.CLOSED_RUNS}))


@pytest.fixture
def runs(store: Store) -> list[Run]:
    runs = [a_run(f"r{n}", started_at=NOW + n) for n in range(6)]
    for run in reversed(runs):
        store.runs.create(run)
    return runs


@pytest.mark.usefixtures("runs")
class TestOpenRuns:
    def test_they_come_oldest_first_and_only_while_they_are_open(self, store: Store) -> None:
        assert open_ids(store) == ["r0", "r1", "r2", "r3", "r4", "r5"]
        close(store, "r1")
        close(store, "r4")
        assert open_ids(store) == ["r0", "r2", "r3", "r5"]

    def test_one_that_is_opened_again_is_among_them(self, store: Store) -> None:
        close(store, "r1")
        closed = store.runs.must_get("r1")
        assert store.runs.ask_resolve(closed, NOW + 20)
        assert "r1" in open_ids(store)
        close(store, "r1", store.runs.must_get("r1").resolving)
        assert "r1" not in open_ids(store)

    def test_they_go_on_after_a_cursor_and_end_with_one(self, store: Store) -> None:
        cursors = {run.run_id: cursor for cursor, run in store.runs.oldest_open()}
        after = store.runs.oldest_open(after=cursors["r3"])
        until = store.runs.oldest_open(until=cursors["r3"])
        assert [run.run_id for _, run in after] == ["r4", "r5"]
        assert [run.run_id for _, run in until] == ["r0", "r1", "r2", "r3"]

    def test_reading_them_costs_the_same_however_many_are_closed(self, store: Store) -> None:
        def cost() -> int:
            before = store.read_units()
            assert len(open_ids(store)) == 6
            return store.read_units() - before

        few = cost()
        for n in range(120):
            store.runs.create(a_run(f"closed-{n}", started_at=NOW + 100 + n))
            close(store, f"closed-{n}")
        assert cost() == few


class TestNewest:
    @pytest.fixture(autouse=True)
    def _some_are_closed(self, store: Store, runs: list[Run]) -> None:
        assert len(runs) == 6
        for run_id in ("r1", "r2", "r5"):
            close(store, run_id)

    def test_open_and_closed_ones_in_one_list(self, store: Store) -> None:
        listed = [run.run_id for _, run in store.runs.newest()]
        assert listed == ["r5", "r4", "r3", "r2", "r1", "r0"]

    def test_it_goes_on_page_by_page(self, store: Store) -> None:
        found: list[str] = []
        before = None
        while page := list(store.runs.newest(before=before, limit=2)):
            assert len(page) == 2
            found += [run.run_id for _, run in page]
            before = page[-1][0]
        assert found == ["r5", "r4", "r3", "r2", "r1", "r0"]

    def test_open_ones_alone(self, store: Store) -> None:
        only = store.runs.newest(only_open=True, limit=2)
        assert [run.run_id for _, run in only] == ["r4", "r3"]


@pytest.mark.usefixtures("runs")
class TestRunsOfAnOlderVersion:
    def test_an_open_one_is_put_where_it_belongs(self, store: Store, table: Table) -> None:
        as_before(table, "r2")
        assert "r2" not in open_ids(store)
        assert [run.run_id for run in store.runs.filed_as_closed(NOW)] == ["r2"]
        assert store.runs.file_open("r2")
        assert "r2" in open_ids(store)

    def test_a_closed_one_stays(self, store: Store) -> None:
        close(store, "r2")
        assert not store.runs.file_open("r2")
        assert "r2" not in open_ids(store)

    def test_one_that_it_has_closed_is_put_away(self, store: Store, table: Table) -> None:
        close(store, "r2")
        table.write(Update(keys.run("r2"), keys.META, assign={"time_pk": keys.OPEN_RUNS}))
        assert store.runs.file_closed("r2")
        assert not store.runs.file_closed("r2")
        assert not store.runs.file_closed("r3")
        assert open_ids(store) == ["r0", "r1", "r3", "r4", "r5"]

    def test_one_that_is_deleted_is_not_made_anew(self, store: Store) -> None:
        assert not store.runs.file_open("gone")
        assert not store.runs.file_closed("gone")
        assert store.runs.get("gone") is None

    def test_reading_goes_on_at_a_moment(self, store: Store, table: Table) -> None:
        for run_id in ("r1", "r3", "r4"):
            as_before(table, run_id)
        assert [run.run_id for run in store.runs.filed_as_closed(NOW + 3)] == ["r3", "r4"]


def test_the_sweep_finds_what_it_has_noted(store: Store) -> None:
    assert store.sweep.get() == SweepProgress()
    progress = SweepProgress(run="00001#r", filed_from=5.0, connection="acme", file="inbox/a.csv")
    store.sweep.put(progress)
    assert store.sweep.get() == progress
    assert store.runs.get(RUN) is None
