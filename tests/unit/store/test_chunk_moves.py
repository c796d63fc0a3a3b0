"""Moves of chunks that only some runs need: split, adopted, offered after a trial, forgotten."""

from __future__ import annotations

import pytest

from jobferry.domain.chunk import (
    Attempt,
    Chunk,
    ChunkState,
    JobEnd,
    Pool,
    RetryChunk,
    Span,
)
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import PlanState, Run, RunGoneError
from jobferry.store import Store
from jobferry.store.table import TRANSACTION_ITEMS
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
    tidy,
)

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED
LAST = ("busy", "Busy.")


def run_of(chunks: int) -> Run:
    return a_run(plan=PlanState(chunks=chunks))


def finished(store: Store, count: int) -> list[Chunk]:
    """Chunks 1 … `count` of a run of as many, with ended jobs."""
    opened(store, count, max_jobs=99)
    claimed = claim(store, range(1, count + 1), max_jobs=99)
    job_ends = [JobEnd(chunk.number, evidence="e") for chunk in claimed]
    store.chunks.finish(CONNECTION, claimed, job_ends, NOW)
    return store.chunks.get(RUN, range(1, count + 1))


def part(rows: int = 2, *, first: int = 1, attempt: int = 1) -> RetryChunk:
    earlier = (Attempt("t", NOW, NOW + 1, (Span(0, 9, first, rows),)),)
    return RetryChunk((Span(0, 9, first, rows),), attempt, True, NOW + 60, LAST, earlier)


class TestSplit:
    def test_what_is_decided_is_counted_and_the_rest_is_offered(self, store: Store) -> None:
        (chunk,) = finished(store, 1)
        outcome = decided(chunk, {SUCCEEDED: 7, FAILED: 1}, {"bad": 1})
        assert store.chunks.split(run_of(1), [outcome], [part()], store.chunks.pool(RUN), NOW + 5)
        run = store.runs.must_get(RUN)
        assert (run.outcomes[SUCCEEDED], run.outcomes[FAILED], run.failures) == (7, 1, {"bad": 1})
        after = only(store, 1)
        assert (after.state, after.settled_at, after.settled_rows) == (
            ChunkState.SPLIT,
            NOW + 5,
            8,
        )
        assert store.chunks.pool(RUN) == Pool(2, 2, frozenset(), frozenset({2}), 1)
        tidy(store)
        assert in_claims(store) == []

    def test_the_new_chunk_is_as_its_part_says(self, store: Store) -> None:
        (chunk,) = finished(store, 1)
        outcome = decided(chunk, {SUCCEEDED: 8})
        store.chunks.split(run_of(1), [outcome], [part()], store.chunks.pool(RUN), NOW)
        made = only(store, 2)
        given = part()
        assert (made.state, made.spans, made.attempt) == (ChunkState.PLANNED, given.spans, 1)
        assert (made.maybe_applied, made.not_before, made.last) == (True, NOW + 60, LAST)
        assert (made.earlier, made.expires_at) == (given.earlier, a_run().expires_at)

    def test_a_new_chunk_is_claimed_with_what_is_known_of_its_rows(self, store: Store) -> None:
        (chunk,) = finished(store, 1)
        outcome = decided(chunk, {SUCCEEDED: 8})
        store.chunks.split(run_of(1), [outcome], [part()], store.chunks.pool(RUN), NOW)
        (claimed,) = claim(store, [2], now=NOW + 90)
        assert (claimed.attempt, claimed.maybe_applied, claimed.last) == (1, True, LAST)
        assert store.chunks.pool(RUN) == Pool(2, 2, frozenset(), frozenset(), 1)

    def test_new_chunks_are_numbered_on(self, store: Store) -> None:
        first, second = finished(store, 2)
        for chunk in (first, second):
            outcome = decided(chunk, {SUCCEEDED: 6})
            parts = [part(), part(first=3)]
            assert store.chunks.split(run_of(2), [outcome], parts, store.chunks.pool(RUN), NOW)
        assert store.chunks.pool(RUN).again == {3, 4, 5, 6}
        assert store.chunks.pool(RUN).made == 4

    def test_it_happens_once(self, store: Store) -> None:
        (chunk,) = finished(store, 1)
        outcome = decided(chunk, {SUCCEEDED: 8})
        assert store.chunks.split(run_of(1), [outcome], [part()], store.chunks.pool(RUN), NOW)
        assert not store.chunks.split(run_of(1), [outcome], [part()], store.chunks.pool(RUN), NOW)
        assert store.runs.must_get(RUN).outcomes[SUCCEEDED] == 8
        assert store.chunks.pool(RUN).again == {2}

    def test_not_with_the_pool_of_before_another_split(self, store: Store) -> None:
        first, second = finished(store, 2)
        pool = store.chunks.pool(RUN)
        one, other = (decided(chunk, {SUCCEEDED: 8}) for chunk in (first, second))
        assert store.chunks.split(run_of(2), [one], [part()], pool, NOW)
        assert not store.chunks.split(run_of(2), [other], [part()], pool, NOW)
        assert only(store, 2).state is ChunkState.FINISHED
        assert store.chunks.split(run_of(2), [other], [part()], store.chunks.pool(RUN), NOW)

    def test_one_that_is_settled_stops_all_of_them(self, store: Store) -> None:
        first, second = finished(store, 2)
        one, other = (decided(chunk, {SUCCEEDED: 8}) for chunk in (first, second))
        store.chunks.settle(a_run(), [other], NOW)
        pool = store.chunks.pool(RUN)
        assert not store.chunks.split(run_of(2), [one, other], [part()], pool, NOW)
        assert only(store, 1).state is ChunkState.FINISHED
        assert store.chunks.pool(RUN) == pool

    def test_as_many_as_a_transaction_takes(self, store: Store) -> None:
        chunks = finished(store, 40)
        outcomes = [decided(chunk, {SUCCEEDED: 8}) for chunk in chunks]
        parts = [part(first=n) for n in range(TRANSACTION_ITEMS - len(chunks) - 3)]
        assert store.chunks.split(run_of(40), outcomes, parts, store.chunks.pool(RUN), NOW)
        assert store.chunks.pool(RUN).made == len(parts)
        assert store.runs.must_get(RUN).outcomes[SUCCEEDED] == 320

    def test_a_run_that_is_gone(self, store: Store) -> None:
        (chunk,) = finished(store, 1)
        pool = store.chunks.pool(RUN)
        store.chunks._table.delete_many([(f"RUN#{RUN}", "META")])
        with pytest.raises(RunGoneError):
            store.chunks.split(run_of(1), [decided(chunk, {SUCCEEDED: 8})], [part()], pool, NOW)
        assert only(store, 1).state is ChunkState.FINISHED


class TestAdopt:
    @pytest.fixture
    def lost(self, store: Store) -> list[Chunk]:
        """Two chunks whose submissions got no clear answer."""
        opened(store, 2)
        sent = [
            store.chunks.begin_sending(chunk, f"t{chunk.number}", "d", NOW)
            for chunk in claim(store, [1, 2])
        ]
        for chunk in sent:
            assert chunk is not None
            assert store.chunks.note_lost(chunk, NOW + 1)
        return store.chunks.get(RUN, [1, 2])

    def test_the_chunk_has_the_job_and_keeps_its_slot(
        self, store: Store, lost: list[Chunk]
    ) -> None:
        assert store.chunks.adopt(CONNECTION, lost[0], "job-1", NOW + 9)
        found = only(store, 1)
        assert (found.state, found.job_id, found.submitted_at) == (
            ChunkState.SUBMITTED,
            "job-1",
            NOW + 9,
        )
        assert store.limits.get(CONNECTION).in_flight == 2
        assert [chunk.number for chunk in store.chunks.in_flight(CONNECTION, RUN)] == [1, 2]

    def test_a_job_has_one_chunk(self, store: Store, lost: list[Chunk]) -> None:
        assert store.chunks.adopt(CONNECTION, lost[0], "job-1", NOW)
        assert not store.chunks.adopt(CONNECTION, lost[1], "job-1", NOW)
        assert (only(store, 2).state, only(store, 2).job_id) == (ChunkState.CLAIMED, None)

    def test_a_chunk_has_one_job(self, store: Store, lost: list[Chunk]) -> None:
        assert store.chunks.adopt(CONNECTION, lost[0], "job-1", NOW)
        assert not store.chunks.adopt(CONNECTION, lost[0], "job-2", NOW)
        assert only(store, 1).job_id == "job-1"
        assert store.chunks.adopt(CONNECTION, lost[1], "job-2", NOW), "the job is still free"

    def test_not_after_it_was_sent_again(self, store: Store, lost: list[Chunk]) -> None:
        assert store.chunks.release(CONNECTION, lost[0])
        (again,) = claim(store, [1], now=NOW + 5)
        assert store.chunks.begin_sending(again, "t3", "d", NOW + 6)
        assert not store.chunks.adopt(CONNECTION, lost[0], "job-1", NOW + 7)
        assert only(store, 1).job_id is None


class TestOfferRest:
    TRIAL = PlanState(chunks=5, trial_chunks=2)

    def test_after_a_trial_all_are_offered(self, store: Store) -> None:
        store.runs.create(a_run())
        store.chunks.open_pool(a_run(plan=self.TRIAL))
        assert store.chunks.pool(RUN) == Pool(1, 3, frozenset())
        store.limits.ensure(CONNECTION, 30)
        claim(store, [1, 2])
        store.chunks.offer_rest(a_run(plan=self.TRIAL))
        assert store.chunks.pool(RUN) == Pool(3, 6, frozenset())
        assert [chunk.number for chunk in claim(store, [3, 4, 5])] == [3, 4, 5]

    def test_repeating_it_changes_nothing(self, store: Store) -> None:
        opened(store, 5)
        claim(store, [1, 2, 3])
        for _ in range(2):
            store.chunks.offer_rest(run_of(5))
            assert store.chunks.pool(RUN) == Pool(4, 6, frozenset())

    def test_a_run_that_is_deleted_gets_no_pool(self, store: Store) -> None:
        store.chunks.offer_rest(run_of(5))
        assert store.chunks.pool(RUN) == Pool(1, 1, frozenset())


class TestForgetAll:
    def test_only_the_claims_of_that_run(self, store: Store) -> None:
        opened(store, 3)
        opened(store, 1, run_id="other")
        claim(store, [1], lane=0)
        claim(store, [2, 3], lane=1)
        claim(store, [1], run_id="other")
        store.chunks.forget_all(CONNECTION, RUN)
        assert in_claims(store) == [("other", 0, 1)]
        assert store.chunks.in_flight(CONNECTION, RUN) == []

    def test_more_than_one_batch(self, store: Store) -> None:
        opened(store, 30)
        claim(store, range(1, 31))
        store.chunks.forget_all(CONNECTION, RUN)
        assert in_claims(store) == []

    def test_nothing_to_forget(self, store: Store) -> None:
        store.chunks.forget_all(CONNECTION, RUN)
        assert in_claims(store) == []


def test_a_pointer_of_before_to_a_chunk_of_another_lane_is_passed_over(store: Store) -> None:
    opened(store, 1)
    (chunk,) = claim(store, [1], lane=1)
    pointer = {"pk": f"CONN#{CONNECTION}", "run_id": RUN, "lane": 0, "chunk": 1}
    store.chunks._table.put_many([{**pointer, "sk": f"JOB#{RUN}#0000#stray"}])
    assert store.chunks.in_flight(CONNECTION, RUN, 0) == []
    assert store.chunks.in_flight(CONNECTION, RUN, 1) == [chunk]
    assert store.chunks.holders(CONNECTION) == 1
