"""Claims: what a lane has in flight, known by one item for many chunks."""

from __future__ import annotations

import pytest

from jobferry.domain.chunk import (
    SEND_WINDOW,
    Chunk,
    ChunkState,
    JobEnd,
    before_sending,
)
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.store import Store, keys
from jobferry.store.operations import Item
from jobferry.store.run_lifecycle import BEHIND_SECONDS
from jobferry.store.table import Table
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

SUCCEEDED = OutcomeStatus.SUCCEEDED
SKIPPED = (OutcomeStatus.SKIPPED, "aborted", "Stopped.")


def settled(store: Store, *chunks: Chunk) -> None:
    """Their jobs have ended, and their rows are counted."""
    job_ends = [JobEnd(chunk.number, evidence="e") for chunk in chunks]
    store.chunks.finish(CONNECTION, chunks, job_ends, NOW)
    ended = store.chunks.get(RUN, [chunk.number for chunk in chunks])
    store.chunks.settle(a_run(), [decided(c, {SUCCEEDED: c.rows}) for c in ended], NOW)


def as_a_version_before_left_it(table: Table) -> None:
    """Each claim as pointers to its chunks, and each of these with an item of its own."""
    for item in table.query(keys.connection(CONNECTION), prefix=keys.JOBS):
        run_id, lane = item["run_id"], item["lane"]
        for number in item["numbers"]:
            pointer = {"pk": item["pk"], "sk": keys.job(run_id, lane, number)}
            table.put_many([{**pointer, "run_id": run_id, "lane": lane, "chunk": number}])
            key = (keys.run(run_id), keys.chunk(number))
            chunk: Item = table.get(*key) or {
                "pk": key[0],
                "sk": key[1],
                "run_id": run_id,
                "chunk": number,
                "lane": lane,
                "state": "claimed",
                "spans": "[[100,100,1,10]]",
                "attempt": 0,
                "claimed_at": item["claimed_at"],
                "in_doubt": False,
                "holds_slot": item["holds_slot"],
                "expires_at": item["kept_until"],
            }
            chunk.pop("claim", None)
            table.put_many([chunk])
        table.delete_many([(item["pk"], item["sk"])])


class TestUnits:
    def test_a_claim_costs_the_same_for_one_chunk_and_for_fifty(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 60, max_jobs=60)
        before = table.units.written
        claim(store, range(1, 51), max_jobs=60)
        assert table.units.written - before == 6
        claim(store, [51], max_jobs=60)
        assert table.units.written - before == 12

    def test_a_chunk_costs_seven_beside_its_claim(self, store: Store, table: Table) -> None:
        """The intent, the mark of its job, the job; ended and settled, in transactions."""
        opened(store, 1)
        (chunk,) = claim(store, [1])
        before = table.units.written
        sent = store.chunks.begin_sending(chunk, "t", "d", NOW)
        assert sent is not None
        assert store.chunks.note_submitted(CONNECTION, sent, "job-1", NOW)
        assert table.units.written - before == 3


class TestUnwritten:
    def test_it_is_as_planned_wherever_its_page_is(self, store: Store) -> None:
        opened(store, 250, max_jobs=250)
        for start in range(1, 251, 50):
            claim(store, range(start, start + 50), max_jobs=250)
        found = store.chunks.in_flight(CONNECTION, RUN)
        assert [(c.number, c.spans) for c in found] == [
            (n, planned(n).spans) for n in range(1, 251)
        ]
        assert list(store.chunks.all(RUN)) == []

    def test_nobody_sends_one_that_was_put_back_meanwhile(self, store: Store) -> None:
        opened(store, 2)
        first, _ = claim(store, [1, 2])
        assert store.chunks.release(CONNECTION, first)
        assert in_claims(store) == [(RUN, 0, 2)]
        assert store.chunks.begin_sending(first, "t", "d", NOW) is None
        (again,) = claim(store, [1], lane=1)
        assert store.chunks.begin_sending(first, "t", "d", NOW) is None
        assert store.chunks.begin_sending(again, "t", "d", NOW) is not None

    def test_what_was_never_sent_is_skipped_once(self, store: Store) -> None:
        opened(store, 2)
        chunks = claim(store, [1, 2])
        assert store.chunks.begin_sending(chunks[1], "t", "d", NOW) is not None
        job_ends = [JobEnd(1, verdict=SKIPPED), JobEnd(2, verdict=SKIPPED)]
        assert store.chunks.finish(CONNECTION, chunks, job_ends, NOW) == [1]
        assert store.limits.get(CONNECTION).in_flight == 1

    def test_one_of_a_run_that_was_deleted_is_not_sent_by_who_was_far_behind(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 1)
        (late,) = claim(store, [1])
        settled(store, *store.chunks.in_flight(CONNECTION, RUN))
        store.chunks.forget_all(CONNECTION, RUN)
        store.runs.close(RUN, RunStatus.COMPLETED, NOW, {}, {})
        store.runs.delete(store.runs.must_get(RUN), NOW + 60)
        assert store.chunks.begin_sending(late, "t", "d", NOW + 61) is None
        (left,) = (i for i in table.query(keys.run(RUN)) if i["sk"] != keys.DELETED)
        assert left["spans"] == "[]"
        assert left["expires_at"] == int(NOW + 60 + BEHIND_SECONDS)

    def test_of_a_run_closed_long_ago_nothing_stays(self, store: Store, table: Table) -> None:
        opened(store, 1)
        settled(store, *claim(store, [1]))
        store.runs.close(RUN, RunStatus.COMPLETED, NOW, {}, {})
        store.runs.delete(store.runs.must_get(RUN), NOW + 2 * BEHIND_SECONDS)
        assert [i["sk"] for i in table.query(keys.run(RUN))] == [keys.DELETED]


class TestSpent:
    def test_a_claim_is_removed_when_all_of_it_is_settled(self, store: Store) -> None:
        opened(store, 3)
        first, second = claim(store, [1, 2])
        claim(store, [3])
        settled(store, first)
        tidy(store)
        assert in_claims(store) == [(RUN, 0, 1), (RUN, 0, 2), (RUN, 0, 3)]
        settled(store, second)
        tidy(store)
        assert in_claims(store) == [(RUN, 0, 3)]

    def test_one_that_was_put_back_as_a_whole_is_removed(self, store: Store) -> None:
        opened(store, 2)
        for chunk in claim(store, [1, 2]):
            store.chunks.release(CONNECTION, chunk)
        tidy(store)
        assert list(store.chunks.claims(CONNECTION)) == []

    def test_one_that_holds_little_else_is_made_smaller(self, store: Store) -> None:
        opened(store, 30)
        chunks = claim(store, range(1, 31))
        settled(store, *chunks[:20])
        under_way = store.chunks.in_flight(CONNECTION, RUN)
        tidy(store)
        assert [number for _, _, number in in_claims(store)] == list(range(21, 31))
        assert store.chunks.in_flight(CONNECTION, RUN) == under_way

    def test_it_is_not_made_anew_once_its_run_is_closed(self, store: Store) -> None:
        opened(store, 30)
        settled(store, *claim(store, range(1, 31))[:20])
        spent = store.chunks.held(CONNECTION, RUN).spent
        store.chunks.forget_all(CONNECTION, RUN)
        store.chunks.forget_spent(spent)
        assert list(store.chunks.claims(CONNECTION)) == []


class TestUpgrade:
    """Runs in flight when a version with pointers was replaced."""

    @pytest.fixture
    def before(self, store: Store, table: Table) -> list[Chunk]:
        opened(store, 6)
        _, second, third, fourth = claim(store, [1, 2, 3, 4])
        sent = store.chunks.begin_sending(second, "t2", "d", NOW)
        assert sent is not None
        store.chunks.note_submitted(CONNECTION, sent, "job-2", NOW)
        store.chunks.begin_sending(third, "t3", "d", NOW)
        store.chunks.finish(CONNECTION, [fourth], [JobEnd(4, evidence="e")], NOW)
        as_a_version_before_left_it(table)
        return store.chunks.in_flight(CONNECTION, RUN, 0)

    def test_all_of_it_is_found(self, store: Store, before: list[Chunk]) -> None:
        assert [(c.number, c.state, c.claim, c.unwritten) for c in before] == [
            (1, ChunkState.CLAIMED, "", False),
            (2, ChunkState.SUBMITTED, "", False),
            (3, ChunkState.CLAIMED, "", False),
            (4, ChunkState.FINISHED, "", False),
        ]
        assert store.chunks.runs_in_flight(CONNECTION) == [RUN]
        assert store.chunks.holders(CONNECTION) == store.limits.get(CONNECTION).in_flight == 3

    def test_it_goes_on_beside_what_is_claimed_from_now_on(
        self, store: Store, before: list[Chunk]
    ) -> None:
        (fresh,) = claim(store, [5], now=NOW + 1)
        assert [c.number for c in store.chunks.in_flight(CONNECTION, RUN)] == [1, 2, 3, 4, 5]
        assert store.chunks.holders(CONNECTION) == 4
        assert store.chunks.release(CONNECTION, before[2])
        assert store.chunks.begin_sending(before[0], "t1", "d", NOW) is not None
        settled(store, *store.chunks.get(RUN, [1, 2]))
        assert [c.number for c in store.chunks.in_flight(CONNECTION, RUN)] == [4, 5]
        (again,) = claim(store, [3], now=NOW + 2)
        assert again.claim
        settled(store, again, fresh)
        store.chunks.settle(a_run(), [decided(before[3], {SUCCEEDED: 10})], NOW)
        tidy(store)
        assert list(store.chunks.claims(CONNECTION)) == []

    def test_a_pointer_of_a_claim_that_failed_is_passed_over(
        self, store: Store, before: list[Chunk], table: Table
    ) -> None:
        stray = {"run_id": RUN, "lane": 0, "chunk": 5}
        table.put_many([{"pk": keys.connection(CONNECTION), "sk": keys.job(RUN, 0, 5), **stray}])
        assert store.chunks.in_flight(CONNECTION, RUN, 0) == before
        assert store.chunks.holders(CONNECTION) == 3


def test_a_claim_by_numbers_that_are_not_next_takes_nothing(store: Store) -> None:
    opened(store, 3)
    claim(store, [1])
    pool = store.chunks.pool(RUN)
    for numbers in ([1], [3], [2, 2], [4], []):
        plan = [planned(number) for number in numbers]
        assert store.chunks.claim(a_run(), 0, plan, pool, NOW, max_jobs=9) is None
    assert [chunk.number for chunk in standing(store)] == [1]
    assert only(store, 1).unwritten


class TestClaimAsIntent:
    """Where a job can be found by a token that is known beforehand, the claim is the intent."""

    @pytest.fixture
    def sending(self, store: Store) -> list[Chunk]:
        opened(store, 5)
        plan = [planned(number) for number in (1, 2, 3)]
        pool = store.chunks.pool(RUN)
        got = store.chunks.claim(a_run(), 0, plan, pool, NOW, max_jobs=9, sending=True)
        assert got is not None
        return got

    def test_whoever_reads_it_takes_them_for_sent(self, store: Store, sending: list[Chunk]) -> None:
        assert standing(store) == sending
        assert [(c.token, c.sending_at, c.attempt, c.sendings) for c in sending] == [
            (f"{RUN}.{number}.1", NOW, 1, 1) for number in (1, 2, 3)
        ]

    def test_the_first_write_is_the_job(
        self, store: Store, table: Table, sending: list[Chunk]
    ) -> None:
        before = table.units.written
        assert store.chunks.note_submitted(CONNECTION, sending[0], "job-1", NOW + 1)
        assert table.units.written - before == 2, "the mark of the job, and the chunk"
        kept = only(store, 1)
        assert (kept.state, kept.job_id, kept.token) == (
            ChunkState.SUBMITTED,
            "job-1",
            sending[0].token,
        )
        assert (kept.sending_at, kept.attempt, kept.unwritten) == (NOW, 1, False)

    def test_what_was_not_sent_is_said_so_once_for_all(
        self, store: Store, table: Table, sending: list[Chunk]
    ) -> None:
        assert store.chunks.note_submitted(CONNECTION, sending[0], "job-1", NOW + 1)
        before = table.units.written
        assert store.chunks.keep_claimed(CONNECTION, sending[1])
        assert table.units.written - before == 1
        second, third = (only(store, number) for number in (2, 3))
        assert (second.sending_at, second.attempt, third.sending_at) == (None, 0, None)
        assert only(store, 1).job_id == "job-1"
        assert store.chunks.write_lost(CONNECTION, RUN, 0, NOW + 9 * SEND_WINDOW) == standing(store)
        assert only(store, 2).unwritten

    def test_what_is_left_of_a_crash_is_written_as_lost_when_no_request_can_be_on_its_way(
        self, store: Store, sending: list[Chunk]
    ) -> None:
        assert store.chunks.note_submitted(CONNECTION, sending[0], "job-1", NOW + 1)
        store.chunks.write_lost(CONNECTION, RUN, 0, NOW + SEND_WINDOW - 1)
        assert only(store, 2).unwritten
        found = store.chunks.write_lost(CONNECTION, RUN, 0, NOW + SEND_WINDOW)
        assert found == standing(store)
        lost = only(store, 2)
        assert (lost.unwritten, lost.sending_at, lost.token) == (False, NOW, sending[1].token)
        assert only(store, 1).state is ChunkState.SUBMITTED
        # From here on it is searched for as any other.
        assert store.chunks.note_search(lost, NOW + 60)
        assert store.chunks.adopt(CONNECTION, only(store, 3), "job-3", NOW + 61)

    def test_once_it_is_taken_for_lost_nobody_says_that_it_was_not_sent(
        self, store: Store, sending: list[Chunk]
    ) -> None:
        store.chunks.write_lost(CONNECTION, RUN, 0, NOW + SEND_WINDOW)
        assert not store.chunks.keep_claimed(CONNECTION, sending[0])
        assert not store.chunks.release(CONNECTION, before_sending(sending[0]))
        assert store.chunks.begin_sending(before_sending(sending[0]), "t", "d", NOW) is None
        assert only(store, 1).sending_at == NOW

    def test_an_answer_that_comes_late_is_still_noted(
        self, store: Store, sending: list[Chunk]
    ) -> None:
        store.chunks.write_lost(CONNECTION, RUN, 0, NOW + SEND_WINDOW)
        assert store.chunks.note_submitted(CONNECTION, sending[0], "job-1", NOW + 70)
        assert only(store, 1).job_id == "job-1"
        later = only(store, 2)
        assert store.chunks.release(CONNECTION, later)
        assert not store.chunks.note_submitted(CONNECTION, sending[1], "job-2", NOW + 700)

    def test_refused_or_without_an_answer_it_is_written(
        self, store: Store, sending: list[Chunk]
    ) -> None:
        first, second, third = sending
        assert store.chunks.finish(CONNECTION, [first], [JobEnd(1, verdict=SKIPPED)], NOW) == [1]
        assert store.chunks.note_lost(second, NOW + 3)
        assert store.chunks.release(CONNECTION, third, attempt=0)
        assert (only(store, 1).attempt, only(store, 1).token) == (1, first.token)
        assert (only(store, 2).lost_at, only(store, 2).token) == (NOW + 3, second.token)
        back = only(store, 3)
        assert (back.attempt, back.sendings, back.sending_at, back.token) == (0, 1, None, "")
        assert in_claims(store) == [(RUN, 0, 1), (RUN, 0, 2)]

    def test_those_that_were_put_back_before_get_an_intent_each(self, store: Store) -> None:
        opened(store, 2)
        (chunk,) = claim(store, [1])
        assert store.chunks.release(CONNECTION, chunk)
        pool, plan = store.chunks.pool(RUN), [planned(1), planned(2)]
        got = store.chunks.claim(a_run(), 0, plan, pool, NOW + 1, max_jobs=9, sending=True)
        assert [(c.number, c.sending_at) for c in got or ()] == [(1, None), (2, NOW + 1)]
        assert standing(store) == got
