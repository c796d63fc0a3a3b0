"""Writes that come late: they make no item of a run that is gone, and undo nothing that is decided.

Whoever writes may have been stopped for a while by the platform; its run may have been closed,
deleted or forgotten by the table since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobferry.domain.chunk import Chunk, ChunkState, Ending, Part, Pool, Tally
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Halt, Pause, PlanState, Run, RunStatus
from jobferry.store import Ledger, keys
from jobferry.store.table import Table
from tests.unit.store.samples import CONNECTION, EXPIRES, NOW, RUN, a_run, claim, only, opened

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
REJECTED = OutcomeStatus.REJECTED
PLANNED = PlanState(900, 10, 1, True, {"header": ["a"]})

WRITES: dict[str, Callable[[Ledger, Run], Any]] = {
    "checkpoint": lambda ledger, run: ledger.runs.checkpoint(
        run.run_id, PlanState(), PLANNED, {OutcomeStatus.REJECTED: 2}, NOW
    ),
    "begin": lambda ledger, run: ledger.runs.begin(run.run_id, 3, {}),
    "relaunch": lambda ledger, run: ledger.runs.relaunch(run.run_id, 1, 7),
    "prioritise": lambda ledger, run: ledger.runs.prioritise(run.run_id, "high", NOW),
    "halt": lambda ledger, run: ledger.runs.halt(run.run_id, Halt("aborted", "Stop.")),
    "count_halving": lambda ledger, run: ledger.runs.count_halving(run.run_id),
    "pause": lambda ledger, run: ledger.runs.pause(run.run_id, Pause("trial", "Look.", NOW)),
    "rest": lambda ledger, run: ledger.runs.rest(run.run_id),
    "resume": lambda ledger, run: ledger.runs.resume(run),
    "take_over": lambda ledger, run: ledger.runs.take_over(run.run_id, "new", run.execution),
    "save_close": lambda ledger, run: ledger.runs.save_close(run.run_id, "key"),
    "close": lambda ledger, run: ledger.runs.close(
        run.run_id, RunStatus.COMPLETED, NOW, {}, {}, expires_at=EXPIRES
    ),
    "note_stuck": lambda ledger, run: ledger.runs.note_stuck(run, NOW),
    "note_trouble": lambda ledger, run: ledger.runs.note_trouble(run, "submit", "c", "t", NOW),
    "end_trouble": lambda ledger, run: ledger.runs.end_trouble(run, "submit"),
    "prolong": lambda ledger, run: ledger.runs.prolong(run, EXPIRES),
    "prolong_items": lambda ledger, run: ledger.runs.prolong_items(run, EXPIRES),
    "abort": lambda ledger, run: ledger.runs.abort(run.run_id, Halt("a", "b"), end_jobs=True),
    "force": lambda ledger, run: ledger.runs.force(run.run_id, Halt("a", "b")),
    "ask_resolve": lambda ledger, run: ledger.runs.ask_resolve(run, NOW),
    "warn": lambda ledger, run: ledger.runs.warn(run.run_id, "Look."),
    "fail": lambda ledger, run: ledger.runs.fail(run.run_id, "no header"),
    "offer_rest": lambda ledger, run: ledger.chunks.offer_rest(run),
}
MAY_CHANGE_A_CLOSED_RUN = {"ask_resolve", "offer_rest", "prolong", "warn"}


@pytest.mark.parametrize("name", WRITES)
def test_no_write_makes_an_item_of_a_run_that_is_gone(
    ledger: Ledger, table: Table, name: str
) -> None:
    WRITES[name](ledger, a_run())
    assert list(table.query(keys.run(RUN))) == []


@pytest.mark.parametrize("name", sorted(WRITES.keys() - MAY_CHANGE_A_CLOSED_RUN))
def test_no_write_changes_a_run_that_is_closed(ledger: Ledger, name: str) -> None:
    ledger.runs.create(a_run(status=RunStatus.RUNNING))
    ledger.runs.close(RUN, RunStatus.COMPLETED, NOW, {}, {}, expires_at=EXPIRES)
    closed = ledger.runs.must_get(RUN)
    WRITES[name](ledger, closed)
    assert ledger.runs.must_get(RUN) == closed


class TestFail:
    @pytest.mark.parametrize("after", [PLANNED, replace(PLANNED, done=False)])
    def test_only_a_run_that_is_being_planned(self, ledger: Ledger, after: PlanState) -> None:
        ledger.runs.create(a_run())
        ledger.runs.checkpoint(RUN, PlanState(), after, {OutcomeStatus.REJECTED: 2}, NOW)
        assert ledger.runs.fail(RUN, "no such connection") is not after.done
        run = ledger.runs.must_get(RUN)
        assert run.outcomes[OutcomeStatus.REJECTED] == (2 if after.done else 0)
        assert run.status is (RunStatus.PLANNING if after.done else RunStatus.FAILED)

    def test_not_one_that_has_begun(self, ledger: Ledger) -> None:
        ledger.runs.create(a_run())
        ledger.runs.begin(RUN, 1, {})
        assert not ledger.runs.fail(RUN, "no such connection")
        assert ledger.runs.must_get(RUN).status is RunStatus.RUNNING

    def test_a_run_fails_once(self, ledger: Ledger) -> None:
        ledger.runs.create(a_run())
        assert ledger.runs.fail(RUN, "no header")
        assert not ledger.runs.fail(RUN, "another reason")
        assert ledger.runs.must_get(RUN).error == "no header"

    def test_a_planner_behind_counts_nothing_of_a_failed_run(self, ledger: Ledger) -> None:
        ledger.runs.create(a_run())
        ledger.runs.fail(RUN, "no header")
        moved = ledger.runs.checkpoint(RUN, PlanState(), PLANNED, {OutcomeStatus.REJECTED: 2}, NOW)
        assert not moved
        assert ledger.runs.must_get(RUN).settled_rows == 0


def finished(ledger: Ledger) -> Chunk:
    opened(ledger, 1)
    (chunk,) = claim(ledger, [1])
    ledger.chunks.finish(CONNECTION, [chunk], [Ending(1, evidence="e")], NOW)
    return only(ledger, 1)


def forget_run(table: Table) -> None:
    table.delete_many([(keys.run(RUN), keys.META)])


class TestSettlingWithoutARun:
    """The table forgot the run, but not yet the chunk."""

    def test_settle(self, ledger: Ledger, table: Table) -> None:
        chunk = finished(ledger)
        forget_run(table)
        with pytest.raises(LookupError, match=RUN):
            ledger.chunks.settle(CONNECTION, RUN, [Tally(chunk, {SUCCEEDED: 10})], NOW)
        assert only(ledger, 1).state is ChunkState.FINISHED
        assert table.get(keys.run(RUN), keys.META) is None

    def test_settle_of_what_is_settled(self, ledger: Ledger, table: Table) -> None:
        chunk = finished(ledger)
        ledger.chunks.settle(CONNECTION, RUN, [Tally(chunk, {SUCCEEDED: 10})], NOW)
        forget_run(table)
        assert ledger.chunks.settle(CONNECTION, RUN, [Tally(chunk, {SUCCEEDED: 10})], NOW) == []

    def test_split(self, ledger: Ledger, table: Table) -> None:
        chunk = finished(ledger)
        forget_run(table)
        part = Part(chunk.spans, 1, False, NOW, ("c", "t"))
        run = a_run(plan=PlanState(chunks=1))
        with pytest.raises(LookupError, match=RUN):
            ledger.chunks.split(
                run, [Tally(chunk, {SUCCEEDED: 4})], [part], ledger.chunks.pool(RUN), NOW
            )
        assert only(ledger, 1).state is ChunkState.FINISHED
        assert table.get(keys.run(RUN), keys.META) is None

    def test_a_split_that_was_slower_is_no_error(self, ledger: Ledger) -> None:
        chunk = finished(ledger)
        part = Part(chunk.spans, 1, False, NOW, ("c", "t"))
        run = a_run(plan=PlanState(chunks=1))
        tally = Tally(chunk, {SUCCEEDED: 4})
        assert ledger.chunks.split(run, [tally], [part], Pool(2, 2, frozenset()), NOW)
        assert not ledger.chunks.split(run, [tally], [part], ledger.chunks.pool(RUN), NOW)
        assert ledger.runs.must_get(RUN).outcomes[SUCCEEDED] == 4


class TestRows:
    OUTCOMES = tuple(Outcome(row, UNKNOWN) for row in range(1, 11))

    def test_while_the_chunk_is_not_settled(self, ledger: Ledger) -> None:
        chunk = finished(ledger)
        for _ in range(2):
            assert ledger.rows.put_unless_settled(chunk, self.OUTCOMES, EXPIRES)
        assert tuple(ledger.rows.between(RUN, 1, 10)) == self.OUTCOMES
        assert only(ledger, 1) == chunk

    def test_more_rows_than_a_transaction_takes(self, ledger: Ledger) -> None:
        chunk = finished(ledger)
        outcomes = [Outcome(row, FAILED, error="x") for row in range(1, 251)]
        assert ledger.rows.put_unless_settled(chunk, outcomes, EXPIRES)
        assert list(ledger.rows.between(RUN, 1, 250)) == outcomes

    @pytest.mark.parametrize("by", ["settle", "split", "delete"])
    def test_not_when_it_is_settled_or_gone(self, ledger: Ledger, table: Table, by: str) -> None:
        chunk = finished(ledger)
        if by == "settle":
            ledger.chunks.settle(CONNECTION, RUN, [Tally(chunk, {SUCCEEDED: 10})], NOW)
        elif by == "split":
            part = Part(chunk.spans, 1, False, NOW, ("c", "t"))
            run = a_run(plan=PlanState(chunks=1))
            ledger.chunks.split(run, [Tally(chunk, {})], [part], ledger.chunks.pool(RUN), NOW)
        else:
            ledger.runs.delete(ledger.runs.must_get(RUN))
        before = list(table.query(keys.run(RUN)))
        assert not ledger.rows.put_unless_settled(chunk, self.OUTCOMES, EXPIRES)
        assert list(ledger.rows.between(RUN, 1, 10)) == []
        assert list(table.query(keys.run(RUN))) == before

    def test_rows_of_a_run_that_is_gone_are_not_resolved(
        self, ledger: Ledger, table: Table
    ) -> None:
        ledger.rows.put(RUN, self.OUTCOMES, EXPIRES)
        decided = [replace(outcome, status=SUCCEEDED) for outcome in self.OUTCOMES]
        assert ledger.rows.resolve(RUN, decided, EXPIRES).total() == 0
        assert list(table.query(keys.run(RUN))) == []
        assert tuple(ledger.rows.between(RUN, 1, 10)) == self.OUTCOMES

    @pytest.mark.parametrize("status", [SUCCEEDED, FAILED])
    def test_only_unknown_rows_are_resolved_and_each_once(
        self, ledger: Ledger, status: OutcomeStatus
    ) -> None:
        chunk = finished(ledger)
        known = [Outcome(row, status) for row in range(1, 6)]
        ledger.rows.put(RUN, known, EXPIRES)
        ledger.rows.put(RUN, self.OUTCOMES[5:], EXPIRES)
        ledger.chunks.settle(CONNECTION, RUN, [Tally(chunk, {status: 5, UNKNOWN: 5})], NOW)
        decided = [Outcome(row, REJECTED) for row in range(1, 11)]
        assert ledger.rows.resolve(RUN, decided, EXPIRES) == {REJECTED: 5}
        assert ledger.rows.resolve(RUN, decided, EXPIRES) == {}
        run = ledger.runs.must_get(RUN)
        assert {s: n for s, n in run.outcomes.items() if n} == {status: 5, REJECTED: 5}
        assert list(ledger.rows.between(RUN, 1, 10)) == known + decided[5:]

    def test_more_rows_are_resolved_than_a_transaction_takes(self, ledger: Ledger) -> None:
        ledger.runs.create(a_run(status=RunStatus.CLOSING))
        ledger.rows.put(RUN, [Outcome(row, UNKNOWN) for row in range(1, 251)], EXPIRES)
        decided = [Outcome(row, SUCCEEDED) for row in range(1, 251)]
        assert ledger.rows.resolve(RUN, decided, EXPIRES) == {SUCCEEDED: 250}
        assert ledger.runs.must_get(RUN).outcomes[SUCCEEDED] == 250


class TestGivingBack:
    @pytest.mark.parametrize("before", [False, True])
    @pytest.mark.parametrize("now", [False, True])
    def test_a_doubt_is_never_forgotten(self, ledger: Ledger, before: bool, now: bool) -> None:
        opened(ledger, 1)
        (chunk,) = claim(ledger, [1])
        ledger.chunks.give_back(CONNECTION, chunk, in_doubt=before)
        (again,) = claim(ledger, [1], now=NOW + 1)
        assert again.in_doubt is before
        ledger.chunks.give_back(CONNECTION, again, in_doubt=now)
        assert only(ledger, 1).in_doubt is (before or now)

    def test_a_chunk_that_was_sent_is_not_sent_over(self, ledger: Ledger) -> None:
        opened(ledger, 1)
        (chunk,) = claim(ledger, [1])
        sent = ledger.chunks.begin_sending(chunk, "token", "digest", NOW)
        assert sent is not None
        assert ledger.chunks.begin_sending(sent, "token", "digest", NOW + 1) is None
        assert only(ledger, 1).attempt == 1


def test_a_job_belongs_to_one_chunk(ledger: Ledger) -> None:
    """A gateway may answer a second submission with what it has answered the first."""
    opened(ledger, 2)
    first, second = (
        ledger.chunks.begin_sending(chunk, f"token-{chunk.number}", "digest", NOW)
        for chunk in claim(ledger, [1, 2])
    )
    assert first is not None
    assert second is not None
    assert ledger.chunks.note_submitted(CONNECTION, first, "job-1", NOW)
    assert not ledger.chunks.note_submitted(CONNECTION, second, "job-1", NOW)
    assert not ledger.chunks.adopt(CONNECTION, second, "job-1", NOW)
    assert (only(ledger, 1).job_id, only(ledger, 2).job_id) == ("job-1", None)
