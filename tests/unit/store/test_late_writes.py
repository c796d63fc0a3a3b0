"""Writes that come late: they make no item of a run that is gone, and undo nothing that is decided.

Whoever writes may have been stopped for a while by the platform; its run may have been closed,
deleted or forgotten by the table since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, JobEnd, Pool, RetryChunk
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Pause, PlanState, Run, RunStatus, StopReason
from jobferry.store import Store, keys
from jobferry.store.table import Table
from tests.unit.store.samples import (
    CONNECTION,
    EXPIRES,
    NOW,
    RUN,
    a_run,
    claim,
    decided,
    only,
    opened,
)

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
REJECTED = OutcomeStatus.REJECTED
PLANNED = PlanState(900, 10, 1, True, {"header": ["a"]})

WRITES: dict[str, Callable[[Store, Run], Any]] = {
    "checkpoint": lambda store, run: store.runs.checkpoint(
        run.run_id, PlanState(), PLANNED, {OutcomeStatus.REJECTED: 2}, NOW
    ),
    "begin": lambda store, run: store.runs.begin(run.run_id, 3, {}),
    "relaunch": lambda store, run: store.runs.relaunch(run.run_id, 1, 7),
    "prioritise": lambda store, run: store.runs.prioritise(run.run_id, "high", NOW),
    "halt": lambda store, run: store.runs.stop(run.run_id, StopReason("aborted", "Stop.")),
    "count_halving": lambda store, run: store.runs.count_bisection(run.run_id),
    "pause": lambda store, run: store.runs.pause(run.run_id, Pause("trial", "Look.", NOW)),
    "rest": lambda store, run: store.runs.rest(run.run_id, NOW),
    "resume": lambda store, run: store.runs.resume(run),
    "take_over": lambda store, run: store.runs.take_over(run.run_id, "new", run.execution),
    "save_close": lambda store, run: store.runs.save_close(run.run_id, "key"),
    "close": lambda store, run: store.runs.close(
        run.run_id, RunStatus.COMPLETED, NOW, {}, {}, expires_at=EXPIRES
    ),
    "note_stuck": lambda store, run: store.runs.note_stuck(run, NOW),
    "note_trouble": lambda store, run: store.runs.note_trouble(run, "submit", "c", "t", NOW),
    "end_trouble": lambda store, run: store.runs.end_trouble(run, "submit"),
    "prolong": lambda store, run: store.runs.prolong(run, EXPIRES),
    "prolong_items": lambda store, run: store.runs.prolong_items(run, EXPIRES, NOW),
    "abort": lambda store, run: store.runs.abort(run.run_id, StopReason("a", "b"), end_jobs=True),
    "force": lambda store, run: store.runs.force(run.run_id, StopReason("a", "b")),
    "ask_resolve": lambda store, run: store.runs.ask_resolve(run, NOW),
    "warn": lambda store, run: store.runs.warn(run.run_id, "Look."),
    "fail": lambda store, run: store.runs.fail(run.run_id, "no header"),
    "offer_rest": lambda store, run: store.chunks.offer_rest(run),
}
MAY_CHANGE_A_CLOSED_RUN = {"ask_resolve", "offer_rest", "prolong", "warn"}


@pytest.mark.parametrize("name", WRITES)
def test_no_write_makes_an_item_of_a_run_that_is_gone(
    store: Store, table: Table, name: str
) -> None:
    WRITES[name](store, a_run())
    assert list(table.query(keys.run(RUN))) == []


@pytest.mark.parametrize("name", sorted(WRITES.keys() - MAY_CHANGE_A_CLOSED_RUN))
def test_no_write_changes_a_run_that_is_closed(store: Store, name: str) -> None:
    store.runs.create(a_run(status=RunStatus.RUNNING))
    store.runs.close(RUN, RunStatus.COMPLETED, NOW, {}, {}, expires_at=EXPIRES)
    closed = store.runs.must_get(RUN)
    WRITES[name](store, closed)
    assert store.runs.must_get(RUN) == closed


class TestFail:
    @pytest.mark.parametrize("after", [PLANNED, replace(PLANNED, done=False)])
    def test_only_a_run_that_is_being_planned(self, store: Store, after: PlanState) -> None:
        store.runs.create(a_run())
        store.runs.checkpoint(RUN, PlanState(), after, {OutcomeStatus.REJECTED: 2}, NOW)
        assert store.runs.fail(RUN, "no such connection") is not after.done
        run = store.runs.must_get(RUN)
        assert run.outcomes[OutcomeStatus.REJECTED] == (2 if after.done else 0)
        assert run.status is (RunStatus.PLANNING if after.done else RunStatus.FAILED)

    def test_not_one_that_has_begun(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.begin(RUN, 1, {})
        assert not store.runs.fail(RUN, "no such connection")
        assert store.runs.must_get(RUN).status is RunStatus.RUNNING

    def test_a_run_fails_once(self, store: Store) -> None:
        store.runs.create(a_run())
        assert store.runs.fail(RUN, "no header")
        assert not store.runs.fail(RUN, "another reason")
        assert store.runs.must_get(RUN).error == "no header"

    def test_a_planner_behind_counts_nothing_of_a_failed_run(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.fail(RUN, "no header")
        moved = store.runs.checkpoint(RUN, PlanState(), PLANNED, {OutcomeStatus.REJECTED: 2}, NOW)
        assert not moved
        assert store.runs.must_get(RUN).settled_rows == 0


def finished(store: Store) -> Chunk:
    opened(store, 1)
    (chunk,) = claim(store, [1])
    store.chunks.finish(CONNECTION, [chunk], [JobEnd(1, evidence="e")], NOW)
    return only(store, 1)


def forget_run(table: Table) -> None:
    table.delete_many([(keys.run(RUN), keys.META)])


class TestSettlingWithoutARun:
    """The table forgot the run, but not yet the chunk."""

    def test_settle(self, store: Store, table: Table) -> None:
        chunk = finished(store)
        forget_run(table)
        with pytest.raises(LookupError, match=RUN):
            store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW)
        assert only(store, 1).state is ChunkState.FINISHED
        assert table.get(keys.run(RUN), keys.META) is None

    def test_settle_of_what_is_settled(self, store: Store, table: Table) -> None:
        chunk = finished(store)
        store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW)
        forget_run(table)
        assert store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW) == []

    def test_split(self, store: Store, table: Table) -> None:
        chunk = finished(store)
        forget_run(table)
        part = RetryChunk(chunk.spans, 1, False, NOW, ("c", "t"))
        run = a_run(plan=PlanState(chunks=1))
        with pytest.raises(LookupError, match=RUN):
            store.chunks.split(
                run, [decided(chunk, {SUCCEEDED: 4})], [part], store.chunks.pool(RUN), NOW
            )
        assert only(store, 1).state is ChunkState.FINISHED
        assert table.get(keys.run(RUN), keys.META) is None

    def test_a_split_that_was_slower_is_no_error(self, store: Store) -> None:
        chunk = finished(store)
        part = RetryChunk(chunk.spans, 1, False, NOW, ("c", "t"))
        run = a_run(plan=PlanState(chunks=1))
        tally = decided(chunk, {SUCCEEDED: 4})
        assert store.chunks.split(run, [tally], [part], Pool(2, 2, frozenset()), NOW)
        assert not store.chunks.split(run, [tally], [part], store.chunks.pool(RUN), NOW)
        assert store.runs.must_get(RUN).outcomes[SUCCEEDED] == 4


class TestRows:
    OUTCOMES = tuple(Outcome(row, UNKNOWN) for row in range(1, 11))

    def copies(self, table: Table) -> list[int]:
        return [item["row"] for item in table.query(keys.rows(RUN, 0))]

    def test_copies_while_the_chunk_is_not_settled(self, store: Store, table: Table) -> None:
        chunk = finished(store)
        for _ in range(2):
            assert store.rows.put_copies_unless_settled(chunk, self.OUTCOMES, EXPIRES)
        assert self.copies(table) == list(range(1, 11))
        assert only(store, 1) == chunk

    def test_a_copy_is_no_outcome_before_it_is_counted(self, store: Store) -> None:
        chunk = finished(store)
        store.rows.put_copies_unless_settled(chunk, self.OUTCOMES, EXPIRES)
        assert list(store.rows.between(RUN, 1, 10)) == []
        assert list(store.rows.for_a_person(RUN, 10)) == []

    def test_the_block_decides_over_a_copy(self, store: Store) -> None:
        chunk = finished(store)
        store.rows.put_copies(RUN, [Outcome(row, FAILED) for row in range(1, 11)], EXPIRES)
        outcomes = [Outcome(1, UNKNOWN), *(Outcome(row, SUCCEEDED) for row in range(2, 11))]
        store.chunks.settle(a_run(), [ChunkOutcome(chunk, outcomes)], NOW)
        assert list(store.rows.for_a_person(RUN, 10)) == outcomes[:1]

    @pytest.mark.parametrize("by", ["settle", "split", "delete"])
    def test_not_when_it_is_settled_or_gone(self, store: Store, table: Table, by: str) -> None:
        chunk = finished(store)
        if by == "settle":
            store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW)
        elif by == "split":
            part = RetryChunk(chunk.spans, 1, False, NOW, ("c", "t"))
            run = a_run(plan=PlanState(chunks=1))
            store.chunks.split(run, [ChunkOutcome(chunk, ())], [part], store.chunks.pool(RUN), NOW)
        else:
            store.runs.delete(store.runs.must_get(RUN), NOW)
        before = list(table.query(keys.run(RUN)))
        assert not store.rows.put_copies_unless_settled(chunk, self.OUTCOMES, EXPIRES)
        assert self.copies(table) == []
        assert list(table.query(keys.run(RUN))) == before

    def test_rows_of_a_run_that_is_gone_are_not_resolved(self, store: Store, table: Table) -> None:
        store.rows.put_unsent(RUN, self.OUTCOMES, EXPIRES)
        decided = [replace(outcome, status=SUCCEEDED) for outcome in self.OUTCOMES]
        assert store.rows.resolve(RUN, decided, EXPIRES).total() == 0
        assert list(table.query(keys.run(RUN))) == []
        assert tuple(store.rows.between(RUN, 1, 10)) == self.OUTCOMES

    @pytest.mark.parametrize("status", [SUCCEEDED, FAILED])
    def test_only_unknown_rows_are_resolved_and_each_once(
        self, store: Store, status: OutcomeStatus
    ) -> None:
        chunk = finished(store)
        known = [Outcome(row, status) for row in range(1, 6)]
        outcomes = [*known, *self.OUTCOMES[5:]]
        store.chunks.settle(a_run(), [ChunkOutcome(chunk, outcomes)], NOW)
        now = [Outcome(row, REJECTED) for row in range(1, 11)]
        assert store.rows.resolve(RUN, now, EXPIRES) == {REJECTED: 5}
        assert store.rows.resolve(RUN, now, EXPIRES) == {}
        run = store.runs.must_get(RUN)
        assert {s: n for s, n in run.outcomes.items() if n} == {status: 5, REJECTED: 5}
        assert list(store.rows.between(RUN, 1, 10)) == known + now[5:]

    def test_more_rows_are_resolved_than_a_transaction_takes(self, store: Store) -> None:
        store.runs.create(a_run(status=RunStatus.CLOSING))
        store.rows.put_unsent(RUN, [Outcome(row, UNKNOWN) for row in range(1, 251)], EXPIRES)
        decided = [Outcome(row, SUCCEEDED) for row in range(1, 251)]
        assert store.rows.resolve(RUN, decided, EXPIRES) == {SUCCEEDED: 250}
        assert store.runs.must_get(RUN).outcomes[SUCCEEDED] == 250


class TestGivingBack:
    @pytest.mark.parametrize("before", [False, True])
    @pytest.mark.parametrize("now", [False, True])
    def test_a_doubt_is_never_forgotten(self, store: Store, before: bool, now: bool) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        store.chunks.release(CONNECTION, chunk, maybe_applied=before)
        (again,) = claim(store, [1], now=NOW + 1)
        assert again.maybe_applied is before
        store.chunks.release(CONNECTION, again, maybe_applied=now)
        assert only(store, 1).maybe_applied is (before or now)

    def test_a_chunk_that_was_sent_is_not_sent_over(self, store: Store) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW)
        assert sent is not None
        assert store.chunks.begin_sending(sent, "token", "digest", NOW + 1) is None
        assert only(store, 1).attempt == 1


def test_a_job_belongs_to_one_chunk(store: Store) -> None:
    """A gateway may answer a second submission with what it has answered the first."""
    opened(store, 2)
    first, second = (
        store.chunks.begin_sending(chunk, f"token-{chunk.number}", "digest", NOW)
        for chunk in claim(store, [1, 2])
    )
    assert first is not None
    assert second is not None
    assert store.chunks.note_submitted(CONNECTION, first, "job-1", NOW)
    assert not store.chunks.note_submitted(CONNECTION, second, "job-1", NOW)
    assert not store.chunks.adopt(CONNECTION, second, "job-1", NOW)
    assert (only(store, 1).job_id, only(store, 2).job_id) == ("job-1", None)
