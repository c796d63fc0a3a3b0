"""Chunks and slots: claimed once, sent once per attempt, finished and counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobferry.domain.chunk import Chunk, ChunkState, JobEnd, Pool
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Pause, PlanState
from jobferry.store import Store
from jobferry.store.chunk_moves import CLAIM_BATCH
from jobferry.store.chunk_settling import SETTLE_BATCH
from jobferry.store.operations import Operation
from jobferry.store.table import Table
from jobferry.store.transitions import ForbiddenMoveError
from tests.unit.store.samples import (
    CONNECTION,
    NOW,
    RUN,
    a_run,
    claim,
    decided,
    in_claims,
    only,
    opened,
    planned,
    standing,
    tidy,
)
from virtual.table import fake_store

SUCCEEDED = OutcomeStatus.SUCCEEDED
VERDICT = (OutcomeStatus.FAILED, "bad", "It is bad.")


def slots(store: Store) -> int:
    return store.limits.get(CONNECTION).in_flight


class TestPool:
    def test_the_pool_of_a_run_that_is_not_planned_is_empty(self, store: Store) -> None:
        assert store.chunks.pool(RUN).left == 0

    def test_opening_it_again_changes_nothing(self, store: Store) -> None:
        opened(store, 5)
        claim(store, [1, 2])
        store.chunks.open_pool(a_run(plan=PlanState(chunks=5)))
        assert store.chunks.pool(RUN) == Pool(3, 6, frozenset())


class TestClaim:
    def test_claimed_chunks_leave_the_pool_and_take_slots(self, store: Store) -> None:
        opened(store, 5)
        claimed = claim(store, [1, 2, 3], lane=1)
        assert [c.number for c in claimed] == [1, 2, 3]
        assert standing(store) == claimed
        assert store.chunks.pool(RUN).left == 2
        assert slots(store) == 3
        assert store.chunks.in_flight(CONNECTION, RUN, 1) == claimed
        assert store.chunks.in_flight(CONNECTION, RUN, 0) == []
        assert in_claims(store) == [(RUN, 1, n) for n in (1, 2, 3)]

    def test_a_lane_that_was_slower_gets_nothing(self, store: Store) -> None:
        opened(store, 5)
        pool = store.chunks.pool(RUN)
        claim(store, [1, 2])
        got = store.chunks.claim(a_run(), 1, [planned(1)], pool, NOW, max_jobs=30)
        assert got is None
        assert slots(store) == 2
        assert only(store, 1).lane == 0

    def test_never_more_jobs_than_allowed(self, store: Store) -> None:
        opened(store, 5, max_jobs=3)
        claim(store, [1, 2], max_jobs=3)
        got = store.chunks.claim(
            a_run(),
            0,
            [planned(3), planned(4)],
            store.chunks.pool(RUN),
            NOW,
            max_jobs=3,
        )
        assert got is None
        assert slots(store) == 2
        assert store.chunks.pool(RUN).left == 3

    def test_the_largest_claim_fits_into_one_transaction(self, store: Store) -> None:
        opened(store, CLAIM_BATCH, max_jobs=CLAIM_BATCH)
        assert len(claim(store, range(1, CLAIM_BATCH + 1), max_jobs=CLAIM_BATCH)) == CLAIM_BATCH

    def test_chunks_that_are_never_sent_take_no_slot(self, store: Store) -> None:
        opened(store, 3, max_jobs=1)
        claimed = claim(store, [1, 2, 3], max_jobs=None)
        assert slots(store) == 0
        job_ends = [JobEnd(c.number, verdict=VERDICT) for c in claimed]
        store.chunks.finish(CONNECTION, claimed, job_ends, NOW)
        assert slots(store) == 0

    def test_returned_and_fresh_chunks_are_claimed_together(self, store: Store) -> None:
        opened(store, 5)
        first, second, _ = claim(store, [1, 2, 3])
        assert store.chunks.release(CONNECTION, first)
        assert store.chunks.release(CONNECTION, second)
        assert store.chunks.pool(RUN) == Pool(4, 6, frozenset({1, 2}))
        claim(store, [1, 2, 4], lane=1, now=NOW + 1)
        assert store.chunks.pool(RUN) == Pool(5, 6, frozenset())
        assert [c.number for c in store.chunks.in_flight(CONNECTION, RUN, 1)] == [1, 2, 4]
        assert slots(store) == 4

    def test_a_returned_chunk_is_claimed_once(self, store: Store) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        store.chunks.release(CONNECTION, chunk)
        pool = store.chunks.pool(RUN)
        claim(store, [1], now=NOW + 1)
        got = store.chunks.claim(a_run(), 1, [planned(1)], pool, NOW + 2, max_jobs=30)
        assert got is None
        assert slots(store) == 1

    def test_a_late_claim_takes_nothing_that_was_claimed_and_given_back_since(
        self, store: Store, table: Table, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From the pool it looks the same; its item says when it was claimed last."""
        opened(store, 1)
        store.chunks.release(CONNECTION, claim(store, [1])[0])
        pool, transact = store.chunks.pool(RUN), table.transact

        def slow(writes: Sequence[Operation]) -> None:
            monkeypatch.undo()
            store.chunks.release(CONNECTION, claim(store, [1], now=NOW + 1)[0])
            transact(writes)

        monkeypatch.setattr(table, "transact", slow)
        late = store.chunks.claim(a_run(), 0, [planned(1)], pool, NOW, max_jobs=30)
        assert late is None
        assert slots(store) == 0
        assert store.chunks.pool(RUN) == pool

    def test_a_chunk_is_not_claimed_as_it_was_in_another_lane(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is read while another lane is about to send it, and has gone back since."""
        opened(store, 1)
        store.chunks.release(CONNECTION, claim(store, [1])[0])
        pool, get = store.chunks.pool(RUN), store.chunks.get

        def late(run_id: str, numbers: Sequence[int]) -> list[Chunk]:
            monkeypatch.undo()
            (theirs,) = claim(store, [1], lane=1, now=NOW + 1)
            sent = store.chunks.begin_sending(theirs, "token", "digest", NOW + 1)
            assert sent is not None
            found = get(run_id, numbers)
            store.chunks.release(CONNECTION, sent, attempt=0)
            return found

        monkeypatch.setattr(store.chunks, "get", late)
        assert store.chunks.claim(a_run(), 0, [planned(1)], pool, NOW, max_jobs=30) is None
        assert claim(store, [1], now=NOW + 2)[0].attempt == 0


class TestSending:
    @pytest.fixture
    def chunk(self, store: Store) -> Chunk:
        opened(store, 2)
        return claim(store, [1])[0]

    def test_the_intent_is_kept(self, store: Store, chunk: Chunk) -> None:
        assert store.chunks.begin_sending(chunk, "token", "digest", NOW + 1)
        kept = only(store, 1)
        assert (kept.token, kept.sending_at, kept.attempt) == ("token", NOW + 1, 1)

    def test_only_one_may_send(self, store: Store, chunk: Chunk) -> None:
        assert store.chunks.begin_sending(chunk, "mine", "digest", NOW + 1)
        assert not store.chunks.begin_sending(chunk, "theirs", "digest", NOW + 2)
        assert only(store, 1).token == "mine"

    def test_who_held_it_before_may_not_send(self, store: Store, chunk: Chunk) -> None:
        store.chunks.release(CONNECTION, chunk)
        claim(store, [1], now=NOW + 5)
        assert not store.chunks.begin_sending(chunk, "late", "digest", NOW + 6)
        assert not store.chunks.note_submitted(CONNECTION, chunk, "job-late", NOW + 6)
        assert not store.chunks.note_lost(chunk, NOW + 6)
        assert only(store, 1).sending_at is None

    def test_the_job_is_noted(self, store: Store, chunk: Chunk) -> None:
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW + 1)
        assert sent is not None
        assert store.chunks.note_submitted(CONNECTION, sent, "job-1", NOW + 2)
        kept = only(store, 1)
        assert (kept.state, kept.job_id, kept.submitted_at) == (
            ChunkState.SUBMITTED,
            "job-1",
            NOW + 2,
        )

    def test_what_the_vendor_did_nothing_with_is_in_hand_again(
        self, store: Store, chunk: Chunk
    ) -> None:
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW + 1)
        assert sent is not None
        assert store.chunks.revert_send(sent) == only(store, 1) == replace(chunk, unwritten=False)
        assert store.chunks.revert_send(sent) is None
        assert (slots(store), store.chunks.pool(RUN).left) == (1, 1)
        again = store.chunks.begin_sending(only(store, 1), "again", "digest", NOW + 2)
        assert again is not None
        assert again.attempt == 1

    def test_what_was_submitted_cannot_be_taken_back(self, store: Store, chunk: Chunk) -> None:
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW + 1)
        assert sent is not None
        store.chunks.note_submitted(CONNECTION, sent, "job-1", NOW + 2)
        assert store.chunks.revert_send(sent) is None
        assert only(store, 1).job_id == "job-1"

    def test_a_lost_answer_is_noted(self, store: Store, chunk: Chunk) -> None:
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW + 1)
        assert sent is not None
        assert store.chunks.note_lost(sent, NOW + 9)
        kept = only(store, 1)
        assert (kept.state, kept.lost_at) == (ChunkState.CLAIMED, NOW + 9)


class TestGiveBack:
    def test_the_slot_comes_back_and_the_attempts_stay(self, store: Store) -> None:
        opened(store, 2)
        (chunk,) = claim(store, [1])
        store.chunks.begin_sending(chunk, "token", "digest", NOW)
        assert store.chunks.release(CONNECTION, only(store, 1))
        assert slots(store) == 0
        assert in_claims(store) == []
        again = claim(store, [1], now=NOW + 1)[0]
        assert (again.attempt, again.sending_at, again.token) == (1, None, "")

    def test_an_attempt_that_did_nothing_does_not_count(self, store: Store) -> None:
        opened(store, 2)
        (chunk,) = claim(store, [1])
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW)
        assert sent is not None
        store.chunks.release(CONNECTION, sent, attempt=chunk.attempt)
        assert claim(store, [1], now=NOW + 1)[0].attempt == 0

    def test_it_is_given_back_once(self, store: Store) -> None:
        opened(store, 2)
        (chunk,) = claim(store, [1])
        assert store.chunks.release(CONNECTION, chunk)
        assert not store.chunks.release(CONNECTION, chunk)
        assert slots(store) == 0
        assert store.chunks.pool(RUN).left == 2

    def test_a_submitted_chunk_stays(self, store: Store) -> None:
        opened(store, 2)
        (chunk,) = claim(store, [1])
        sent = store.chunks.begin_sending(chunk, "token", "digest", NOW)
        assert sent is not None
        store.chunks.note_submitted(CONNECTION, sent, "job-1", NOW)
        assert not store.chunks.release(CONNECTION, sent)
        assert slots(store) == 1


class TestFinish:
    def test_slots_come_free_once(self, store: Store) -> None:
        opened(store, 3)
        claimed = claim(store, [1, 2, 3])
        one = [JobEnd(1, evidence="e.json")]
        assert store.chunks.finish(CONNECTION, claimed, one, NOW + 9) == [1]
        both = [JobEnd(1, verdict=VERDICT), JobEnd(2, verdict=VERDICT)]
        assert store.chunks.finish(CONNECTION, claimed, both, NOW + 10) == [2]
        assert slots(store) == 1
        first, second = store.chunks.get(RUN, [1, 2])
        assert (first.state, first.evidence, first.verdict) == (
            ChunkState.FINISHED,
            "e.json",
            None,
        )
        assert (second.verdict, second.finished_at) == (VERDICT, NOW + 10)

    def test_nothing_to_finish(self, store: Store) -> None:
        opened(store, 3)
        assert store.chunks.finish(CONNECTION, [], [], NOW) == []

    def test_more_than_one_transaction_takes(self, store: Store) -> None:
        opened(store, 120, max_jobs=200)
        claimed = [
            chunk
            for start in range(1, 121, 40)
            for chunk in claim(store, range(start, start + 40), max_jobs=200)
        ]
        job_ends = [JobEnd(c.number, verdict=VERDICT) for c in claimed]
        assert len(store.chunks.finish(CONNECTION, claimed, job_ends, NOW)) == 120
        assert slots(store) == 0

    def test_a_chunk_claimed_anew_is_not_finished_by_who_held_it_before(self, store: Store) -> None:
        opened(store, 1)
        (first,) = claim(store, [1])
        store.chunks.release(CONNECTION, first)
        (before,) = claim(store, [1], now=NOW + 2)  # now it has an item of its own
        store.chunks.release(CONNECTION, before)
        claim(store, [1], now=NOW + 5)
        assert store.chunks.finish(CONNECTION, [before], [JobEnd(1, verdict=VERDICT)], NOW) == []
        assert slots(store) == 1


class TestSettle:
    @pytest.fixture
    def chunk(self, store: Store) -> Chunk:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        store.chunks.finish(CONNECTION, [chunk], [JobEnd(1, evidence="e")], NOW)
        return only(store, 1)

    def test_outcomes_are_counted_once(self, store: Store, chunk: Chunk) -> None:
        tally = decided(replace(chunk, job_id="job-1"), {SUCCEEDED: 9, OutcomeStatus.UNKNOWN: 1})
        assert store.chunks.settle(a_run(), [tally], NOW + 1) == [1]
        assert store.chunks.settle(a_run(), [tally], NOW + 2) == []
        run = store.runs.must_get(RUN)
        assert (run.outcomes[SUCCEEDED], run.outcomes[OutcomeStatus.UNKNOWN]) == (9, 1)
        assert (run.settled_rows, run.jobs_settled) == (10, 1)
        assert store.chunks.in_flight(CONNECTION, RUN) == []
        tidy(store)
        assert in_claims(store) == []
        assert [c.state for c in store.chunks.all(RUN)] == [ChunkState.SETTLED]

    def test_failures_are_counted_by_class_and_once(self, store: Store, chunk: Chunk) -> None:
        tally = decided(chunk, {OutcomeStatus.FAILED: 10}, {"RecordInvalid": 7, "http_422": 3})
        for _ in range(2):
            store.chunks.settle(a_run(), [tally], NOW)
        run = store.runs.must_get(RUN)
        assert run.failures == run.fresh_failures == {"RecordInvalid": 7, "http_422": 3}
        assert (run.processed, run.fresh_processed) == (10, 10)
        store.runs.pause(RUN, Pause("breaker", "Stop.", NOW))
        run = store.runs.must_get(RUN)
        store.runs.resume(run)
        run = store.runs.must_get(RUN)
        assert run.fresh_failures == {"RecordInvalid": 0, "http_422": 0}
        assert (run.processed, run.fresh_processed) == (10, 0)

    def test_a_chunk_without_a_job_counts_no_job(self, store: Store, chunk: Chunk) -> None:
        store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW)
        assert store.runs.must_get(RUN).jobs_settled == 0

    def test_what_is_not_finished_is_not_settled(self, store: Store) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        with pytest.raises(ForbiddenMoveError):
            store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW)
        taken_for_finished = replace(chunk, state=ChunkState.FINISHED)
        tally = decided(taken_for_finished, {SUCCEEDED: 10})
        assert store.chunks.settle(a_run(), [tally], NOW) == []
        assert store.runs.must_get(RUN).settled_rows == 0

    def test_many_are_settled_together_each_once(self, store: Store) -> None:
        many = 2 * SETTLE_BATCH + 10
        opened(store, many, max_jobs=many)
        claimed = [
            chunk
            for start in range(1, many + 1, 22)
            for chunk in claim(store, range(start, start + 22), max_jobs=many)
        ]
        store.chunks.finish(
            CONNECTION, claimed, [JobEnd(c.number, verdict=VERDICT) for c in claimed], NOW
        )
        chunk_outcomes = [decided(chunk, {SUCCEEDED: 10}) for chunk in store.chunks.all(RUN)]
        others = [chunk_outcomes[3], chunk_outcomes[SETTLE_BATCH + 7]]
        used = {"settle_calls": 1}
        assert store.chunks.settle(a_run(), others, NOW, used) == [t.chunk.number for t in others]
        settled = store.chunks.settle(a_run(), chunk_outcomes, NOW, used)
        assert sorted([*settled, *(t.chunk.number for t in others)]) == list(range(1, many + 1))
        run = store.runs.must_get(RUN)
        assert (run.settled_rows, run.settle_calls) == (10 * many, 2)
        tidy(store)
        assert in_claims(store) == []

    def test_nothing_to_settle(self, store: Store) -> None:
        opened(store, 1)
        assert store.chunks.settle(a_run(), [], NOW) == []


RACES = {
    "begins to send": lambda store, chunk: store.chunks.begin_sending(chunk, "t", "d", NOW + 1),
    "is submitted": lambda store, chunk: store.chunks.note_submitted(
        CONNECTION, store.chunks.begin_sending(chunk, "t", "d", NOW + 1), "job-1", NOW + 2
    ),
}


class TestOthersAtWork:
    """What one invocation read may be old when it writes: a slow twin may be sending by now."""

    def test_a_chunk_being_sent_is_not_given_back_as_unsent(self, store: Store) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        store.chunks.begin_sending(chunk, "theirs", "digest", NOW + 1)
        store.chunks.release(CONNECTION, chunk)
        assert store.chunks.pool(RUN).left == 0

    @pytest.mark.parametrize("race", RACES.values(), ids=RACES)
    def test_a_chunk_that_was_sent_is_not_finished_as_skipped(
        self, store: Store, race: Any
    ) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        assert race(store, chunk)
        job_end = JobEnd(1, verdict=(OutcomeStatus.SKIPPED, "stopped", "Never sent."))
        store.chunks.finish(CONNECTION, [chunk], [job_end], NOW + 3)
        assert only(store, 1).state is not ChunkState.FINISHED


def test_rows_of_a_chunk_are_numbered_through_its_spans() -> None:
    spans = (*planned(1, rows=2).spans, *planned(3, rows=2).spans)
    chunk = Chunk(RUN, 1, 0, ChunkState.CLAIMED, spans)
    assert (chunk.rows, chunk.row_numbers()) == (4, [1, 2, 5, 6])


class Slots(RuleBasedStateMachine):
    """Whatever happens in whatever order: slots in use are the chunks that hold one."""

    CHUNKS = 6

    @initialize()
    def open(self) -> None:
        self.now = NOW
        self.store = fake_store()
        self.held: list[Chunk] = []
        opened(self.store, self.CHUNKS, max_jobs=4)

    def some(self, data: st.DataObject) -> Chunk | None:
        return data.draw(st.sampled_from(self.held)) if self.held else None

    @rule(count=st.integers(1, 4), lane=st.integers(0, 1), free=st.booleans())
    def claim(self, count: int, lane: int, free: bool) -> None:
        self.now += 1
        pool = self.store.chunks.pool(RUN)
        numbers = [*sorted(pool.released), *range(pool.cursor, pool.end)][:count]
        chunks = [planned(n) for n in numbers]
        self.held += (
            self.store.chunks.claim(
                a_run(),
                lane,
                chunks,
                pool,
                self.now,
                max_jobs=None if free else 4,
            )
            or []
        )

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        if chunk := self.some(data):
            sent = self.store.chunks.begin_sending(chunk, "t", "d", self.now)
            self.held += [sent] if sent is not None else []

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        if chunk := self.some(data):
            self.store.chunks.note_submitted(CONNECTION, chunk, f"job-{self.now}", self.now)

    @rule(data=st.data())
    def revert_send(self, data: st.DataObject) -> None:
        """The vendor did nothing with what was sent: the chunk is in hand again."""
        if (chunk := self.some(data)) and chunk.sending_at is not None:
            ready = self.store.chunks.revert_send(chunk)
            self.held += [ready] if ready is not None else []

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if chunk := self.some(data):
            self.store.chunks.release(CONNECTION, chunk)

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        if self.held:
            picked = data.draw(st.lists(st.sampled_from(self.held), unique_by=lambda c: c.number))
            job_ends = [JobEnd(c.number, verdict=VERDICT) for c in picked]
            self.store.chunks.finish(CONNECTION, picked, job_ends, self.now)

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        if chunk := self.some(data):
            taken_for_finished = replace(chunk, state=ChunkState.FINISHED)
            tally = decided(taken_for_finished, {SUCCEEDED: chunk.rows})
            self.store.chunks.settle(a_run(), [tally], self.now)

    @rule()
    def tidy(self) -> None:
        tidy(self.store)

    @invariant()
    def every_slot_belongs_to_a_chunk(self) -> None:
        in_flight = (ChunkState.CLAIMED, ChunkState.SUBMITTED)
        chunks = list(standing(self.store))
        holders = sum(c.state in in_flight and c.holds_slot for c in chunks)
        assert slots(self.store) == holders <= 4
        assert self.store.chunks.holders(CONNECTION) == holders

    @invariant()
    def every_chunk_is_in_one_place(self) -> None:
        pool = self.store.chunks.pool(RUN)
        chunks = {c.number: c for c in standing(self.store)}
        waiting = {n for n, c in chunks.items() if c.state is ChunkState.PLANNED}
        assert waiting == pool.released
        assert set(chunks) == set(range(1, pool.cursor))
        settled = {n for n, c in chunks.items() if c.state is ChunkState.SETTLED}
        processed = set(chunks) - waiting - settled
        claimed = [n for _, _, n in in_claims(self.store)]
        assert processed <= set(claimed)
        assert len(claimed) == len(set(claimed))
        found = [c.number for n in (0, 1) for c in self.store.chunks.in_flight(CONNECTION, RUN, n)]
        assert sorted(found) == sorted(processed)

    @invariant()
    def rows_are_counted_once(self) -> None:
        settled = [c for c in standing(self.store) if c.state is ChunkState.SETTLED]
        assert self.store.runs.must_get(RUN).settled_rows == sum(c.rows for c in settled)


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
