"""Runs: claimed once, planned by conditioned checkpoints, closed once."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from jobferry.domain.chunk import PlannedChunk, Span
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Figures, Pause, PlanState, RunStatus, StopReason
from jobferry.store import Store
from jobferry.store.plan_pages import (
    CHUNKS_PER_PAGE,
    PAGE_BYTES,
    decode_chunks,
    encode_chunks,
    page_start,
)
from jobferry.store.table import Table
from tests.unit.store.samples import EXPIRES, NOW, RUN, a_run, planned

DIALECT = {"encoding": "utf-8", "header": ["a", "b"]}
NO_OUTCOMES = dict.fromkeys(OutcomeStatus, 0)


class TestRuns:
    def test_a_run_comes_back_as_it_was_created(self, store: Store) -> None:
        run = a_run(priority="high", origin="things-old", error="no", status=RunStatus.FAILED)
        assert store.runs.create(run)
        assert store.runs.get(RUN) == replace(run, outcomes=NO_OUTCOMES)

    def test_a_run_is_created_once(self, store: Store) -> None:
        assert store.runs.create(a_run())
        assert not store.runs.create(a_run(execution="arn:execution:2"))
        assert store.runs.must_get(RUN).execution == "arn:execution:1"

    def test_a_run_that_is_not_there(self, store: Store) -> None:
        assert store.runs.get("nobody") is None
        with pytest.raises(LookupError, match="nobody"):
            store.runs.must_get("nobody")

    def test_one_execution_takes_over_from_another(self, store: Store) -> None:
        store.runs.create(a_run())
        assert store.runs.take_over(RUN, "arn:execution:2", "arn:execution:1")
        assert not store.runs.take_over(RUN, "arn:execution:3", "arn:execution:1")
        assert store.runs.must_get(RUN).execution == "arn:execution:2"

    def test_the_first_reason_to_stop_stays(self, store: Store) -> None:
        store.runs.create(a_run())
        for code in ("first", "second"):
            store.runs.stop(RUN, StopReason(code, "because"))
        assert store.runs.must_get(RUN).stop == StopReason("first", "because")

    def test_a_pause_is_the_first_one_until_it_is_over(self, store: Store) -> None:
        store.runs.create(a_run())
        assert store.runs.pause(RUN, Pause("trial", "Look.", NOW))
        assert not store.runs.pause(RUN, Pause("breaker", "Stop.", NOW + 1))
        run = store.runs.must_get(RUN)
        assert (run.pause, run.paused) == (Pause("trial", "Look.", NOW), True)
        assert store.runs.resume(run)
        assert not store.runs.resume(run)
        assert store.runs.must_get(RUN).pause is None
        assert store.runs.pause(RUN, Pause("breaker", "Stop.", NOW + 1))

    def test_a_pause_that_came_with_another_execution_stays(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.pause(RUN, Pause("trial", "Look.", NOW))
        seen = store.runs.must_get(RUN)
        store.runs.take_over(RUN, "arn:execution:2", seen.execution)
        assert not store.runs.resume(seen)
        assert store.runs.must_get(RUN).paused

    def test_a_run_that_is_stopped_is_not_paused(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.pause(RUN, Pause("trial", "Look.", NOW))
        store.runs.stop(RUN, StopReason("aborted", "Stop."))
        assert not store.runs.must_get(RUN).paused
        assert not store.runs.rest(RUN, NOW)
        store.runs.resume(store.runs.must_get(RUN))
        assert not store.runs.pause(RUN, Pause("breaker", "Stop.", NOW))

    def test_a_run_rests_while_it_is_paused_and_until_it_is_taken_over(self, store: Store) -> None:
        store.runs.create(a_run())
        assert not store.runs.rest(RUN, NOW)
        store.runs.pause(RUN, Pause("trial", "Look.", NOW))
        assert store.runs.rest(RUN, NOW)
        run = store.runs.must_get(RUN)
        assert run.suspended
        store.runs.resume(run)
        assert store.runs.must_get(RUN).suspended
        store.runs.take_over(RUN, "arn:execution:2", run.execution)
        assert not store.runs.must_get(RUN).suspended

    def test_a_failed_file_has_no_rows(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.checkpoint(RUN, PlanState(), PlanState(9, 5, 1, False, DIALECT), {}, NOW)
        store.runs.fail(RUN, "bad quotes")
        run = store.runs.must_get(RUN)
        assert (run.status, run.error, run.rows) == (RunStatus.FAILED, "bad quotes", 0)

    def test_requests_of_all_lanes_add_up(self, store: Store) -> None:
        store.runs.count(a_run(), 0, {"submit": 3, "other": 0})
        store.runs.count(a_run(), 0, {"submit": 1, "poll": 2})
        store.runs.count(a_run(), 39, {"poll": 5, "other": 1})
        store.runs.count(a_run(), 2, {"poll": 0})
        assert store.runs.requests(RUN) == {"submit": 4, "poll": 7, "other": 1}

    def test_what_lanes_used_adds_up(self, store: Store) -> None:
        store.runs.count(a_run(), 0, {"laps": 1, "gb_ms": 250, "write_units": 7})
        store.runs.count(a_run(), 1, {"laps": 2, "gb_ms": 150, "submit": 1})
        assert store.runs.figures(RUN) == Figures(submit=1, laps=3, gb_ms=400, write_units=7)


class TestNewest:
    @pytest.fixture(autouse=True)
    def _runs(self, store: Store) -> None:
        for n in range(5):
            store.runs.create(a_run(f"r{n}", started_at=NOW + n * 1_000))

    def test_the_newest_come_first(self, store: Store) -> None:
        assert [run.run_id for _, run in store.runs.newest()] == ["r4", "r3", "r2", "r1", "r0"]

    def test_a_page_goes_on_after_its_cursor(self, store: Store) -> None:
        cursors = {run.run_id: cursor for cursor, run in store.runs.newest()}
        page = store.runs.newest(before=cursors["r3"], limit=2)
        assert [run.run_id for _, run in page] == ["r2", "r1"]

    def test_a_first_page_has_as_many_as_asked_for(self, store: Store) -> None:
        assert [run.run_id for _, run in store.runs.newest(limit=2)] == ["r4", "r3"]


class TestPlan:
    AFTER = PlanState(offset=400, row=40, chunks=4, dialect=DIALECT)

    @pytest.fixture(autouse=True)
    def _run(self, store: Store) -> None:
        store.runs.create(a_run())

    def test_a_checkpoint_moves_the_plan_and_counts(self, store: Store) -> None:
        counts = {OutcomeStatus.REJECTED: 2, OutcomeStatus.SKIPPED: 0}
        assert store.runs.checkpoint(RUN, PlanState(), self.AFTER, counts, NOW)
        run = store.runs.must_get(RUN)
        assert run.plan == self.AFTER
        assert run.outcomes == {**NO_OUTCOMES, OutcomeStatus.REJECTED: 2}
        assert run.planned_at is None

    def test_the_same_checkpoint_counts_once(self, store: Store) -> None:
        counts = {OutcomeStatus.REJECTED: 2}
        assert store.runs.checkpoint(RUN, PlanState(), self.AFTER, counts, NOW)
        assert not store.runs.checkpoint(RUN, PlanState(), self.AFTER, counts, NOW)
        assert store.runs.must_get(RUN).settled_rows == 2

    def test_a_finished_plan_stays_as_it_is(self, store: Store) -> None:
        done = replace(self.AFTER, done=True)
        assert store.runs.checkpoint(RUN, PlanState(), self.AFTER, {}, NOW)
        assert store.runs.checkpoint(RUN, self.AFTER, done, {}, NOW + 5)
        assert not store.runs.checkpoint(RUN, self.AFTER, replace(done, row=41), {}, NOW + 9)
        run = store.runs.must_get(RUN)
        assert (run.plan, run.planned_at) == (done, NOW + 5)

    def test_lanes_begin_once(self, store: Store) -> None:
        forecast = {"seconds": 30.5, "jobs": 3}
        store.runs.begin(RUN, 2, forecast)
        store.runs.begin(RUN, 7, {"seconds": 1.0})
        run = store.runs.must_get(RUN)
        assert (run.status, run.lanes, run.forecast) == (RunStatus.RUNNING, 2, forecast)

    def test_pages_give_any_part_of_the_plan(self, store: Store) -> None:
        chunks = [planned(n) for n in range(1, 2 * CHUNKS_PER_PAGE + 51)]
        for start in range(0, len(chunks), CHUNKS_PER_PAGE):
            store.runs.put_page(a_run(), chunks[start : start + CHUNKS_PER_PAGE])
        assert store.runs.planned_chunks(RUN, 95, 110) == chunks[94:204]
        assert store.runs.planned_chunks(RUN, 250, 100) == chunks[249:]
        assert store.runs.planned_chunks(RUN, 900, 1) == []

    def test_a_page_of_long_chunks_is_kept_in_several_items(
        self, store: Store, table: Table
    ) -> None:
        """Chunks of a thousand rows of which many are rejected lie in a thousand spans."""
        spans = tuple(Span(10**9 + 40 * i, 30, 10**6 + 2 * i, 1) for i in range(1_000))
        chunks = [PlannedChunk(n, spans) for n in range(1, 24)]
        store.runs.put_page(a_run(), chunks[:7])
        store.runs.put_page(a_run(), chunks)
        store.runs.put_page(a_run(), chunks[:9])

        pages = list(table.query(f"RUN#{RUN}", prefix="PLAN#"))
        assert len(pages) > 2
        assert max(len(page["chunks"]) for page in pages) <= PAGE_BYTES + 2 * len(pages)
        assert store.runs.planned_chunks(RUN, 1, 100) == chunks
        for first in (1, 5, 6, 14, 23):
            assert store.runs.planned_chunks(RUN, first, 1) == [chunks[first - 1]]

    def test_a_page_written_again_is_the_same_page(self, store: Store, table: Table) -> None:
        store.runs.put_page(a_run(), [planned(1)])
        store.runs.put_page(a_run(), [planned(1), planned(2)])
        store.runs.put_page(a_run(), [planned(1)])
        assert store.runs.planned_chunks(RUN, 1, 10) == [planned(1), planned(2)]
        assert len(list(table.query(f"RUN#{RUN}", prefix="PLAN#"))) == 1


FIGURES = {"seconds": 31.2, "cost": {"Lambda": 0.001}, "slot_use": None}


class TestClose:
    REQUESTS: ClassVar = {"submit": 1, "poll": 2, "other": 0}

    @pytest.fixture(autouse=True)
    def _run(self, store: Store) -> None:
        store.runs.create(a_run(status=RunStatus.RUNNING))

    def test_a_run_closes_once(self, store: Store) -> None:
        assert store.runs.close(
            RUN, RunStatus.COMPLETED, NOW, self.REQUESTS, FIGURES, expires_at=EXPIRES
        )
        assert not store.runs.close(RUN, RunStatus.FAILED, NOW + 1, {}, {}, "late", expires_at=1)
        run = store.runs.must_get(RUN)
        assert (run.status, run.closed_at, run.error) == (RunStatus.COMPLETED, NOW, None)
        assert (run.requests, run.figures) == (self.REQUESTS, FIGURES)

    def test_a_file_that_failed_is_closed_with_its_reason(self, store: Store) -> None:
        store.runs.fail(RUN, "no header")
        assert store.runs.close(
            RUN, RunStatus.FAILED, NOW, self.REQUESTS, {}, "no header", expires_at=1
        )
        run = store.runs.must_get(RUN)
        assert (run.status, run.closed_at, run.error) == (RunStatus.FAILED, NOW, "no header")

    def test_closing_goes_on_from_what_was_saved(self, store: Store) -> None:
        store.runs.save_close(RUN, "results/partial/7.json")
        run = store.runs.must_get(RUN)
        assert run.status is RunStatus.CLOSING
        assert run.close == "results/partial/7.json"
        store.runs.close(RUN, RunStatus.COMPLETED, NOW, self.REQUESTS, FIGURES, expires_at=EXPIRES)
        assert store.runs.must_get(RUN).close is None

    def test_a_late_save_does_not_reopen_a_closed_run(self, store: Store) -> None:
        store.runs.close(RUN, RunStatus.COMPLETED, NOW, self.REQUESTS, FIGURES, expires_at=EXPIRES)
        store.runs.save_close(RUN, "results/partial/7.json")
        assert store.runs.must_get(RUN).status is RunStatus.COMPLETED


def test_chunks_are_encoded_compactly_and_exactly() -> None:
    chunks = [
        PlannedChunk(1, (Span(10, 20, 1, 2), Span(40, 5, 4, 1))),
        PlannedChunk(2, (Span(50, 1, 6, 1),)),
    ]
    text = encode_chunks(chunks)
    assert text == "[[1,[[10,20,1,2],[40,5,4,1]]],[2,[[50,1,6,1]]]]"
    assert decode_chunks(text) == chunks


@pytest.mark.parametrize(("number", "start"), [(1, 1), (100, 1), (101, 101), (250, 201)])
def test_the_page_of_a_chunk(number: int, start: int) -> None:
    assert page_start(number) == start


@pytest.mark.parametrize("status", RunStatus)
def test_closed_is_a_property_of_the_status(status: RunStatus) -> None:
    open_ones = {RunStatus.PLANNING, RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.CLOSING}
    assert status.closed == (status not in open_ones)
