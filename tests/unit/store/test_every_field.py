"""What is written is read again as it was, and each condition refuses what it is there for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from jobferry.domain.chunk import Attempt, Chunk, ChunkOutcome, ChunkState, JobEnd, RetryChunk, Span
from jobferry.domain.connection import ConnectionLimits, Demand, Learned, RequestLog
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Figures, Pause, PlanState, Resolving, Run, RunStatus, StopReason
from jobferry.domain.trouble import POLL, SOURCE, SUBMIT, Trouble
from jobferry.lane.connection_requests import lower_rate, note_requests, take_requests
from jobferry.scheduler.concurrency import max_jobs
from jobferry.scheduler.rate_limit import ACCOUNT, ENDPOINT, HOLD
from jobferry.store import Store, keys
from jobferry.store.chunk_items import CHUNK_SECONDS
from jobferry.store.operations import Update
from jobferry.store.row_items import outcome_of, row_item
from jobferry.store.table import TRANSACTION_ITEMS, Table
from jobferry.store.transitions import ForbiddenMoveError
from tests.unit.store.samples import (
    CONNECTION,
    EXPIRES,
    NOW,
    RUN,
    a_run,
    claim,
    decided,
    in_claims,
    only,
    opened,
    planned,
    tidy,
)

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
DAY = 86_400
ATTEMPT = Attempt("token", NOW - 9, NOW - 8, (Span(100, 100, 1, 10),))


def run_item(table: Table) -> dict[str, Any]:
    return dict(table.get(keys.run(RUN), keys.META) or {})


def sent(store: Store, number: int, lane: int = 0) -> Chunk:
    (chunk,) = claim(store, [number], lane=lane)
    begun = store.chunks.begin_sending(chunk, f"token-{number}", "digest", NOW + 1)
    assert begun is not None
    return begun


def submitted(store: Store, number: int, job_id: str, lane: int = 0) -> Chunk:
    begun = sent(store, number, lane)
    assert store.chunks.note_submitted(CONNECTION, begun, job_id, NOW + 2)
    return only(store, number)


def finished(store: Store, number: int, job_id: str = "", **job_end: Any) -> Chunk:
    chunk = submitted(store, number, job_id or f"job-{number}")
    done = store.chunks.finish(CONNECTION, [chunk], [JobEnd(number, **job_end)], NOW + 3)
    assert done == [number]
    return only(store, number)


class TestChunk:
    def test_a_fresh_one_is_as_it_was_claimed(self, store: Store) -> None:
        opened(store, 1)
        (claimed,) = claim(store, [1], lane=2)
        span = (Span(100, 100, 1, 10),)
        expected = Chunk(
            RUN,
            1,
            2,
            ChunkState.CLAIMED,
            span,
            claimed_at=NOW,
            expires_at=int(NOW) + CHUNK_SECONDS,
            holds_slot=True,
            claim=claimed.claim,
            unwritten=True,
        )
        assert (claimed, only(store, 1)) == (expected, expected)
        assert only(store, 1).source_bytes == 100

    def test_bytes_are_counted_from_the_first_row_to_the_last(self) -> None:
        spans = (Span(100, 20, 1, 2), Span(300, 50, 9, 5))
        assert Chunk("run", 1, 0, ChunkState.PLANNED, spans).source_bytes == 250

    def test_one_of_rows_that_go_again_keeps_their_past(self, store: Store) -> None:
        opened(store, 1)
        chunk = finished(store, 1, evidence="e")
        run = a_run(plan=PlanState(chunks=1))
        part = RetryChunk((Span(100, 50, 1, 5),), 2, True, NOW + 60, ("busy", "Busy."), (ATTEMPT,))
        pool = store.chunks.pool(RUN)
        assert store.chunks.split(run, [decided(chunk, {FAILED: 5})], [part], pool, NOW + 4)
        again = only(store, 2)
        assert again == Chunk(
            RUN,
            2,
            0,
            ChunkState.PLANNED,
            part.spans,
            attempt=2,
            sendings=2,
            maybe_applied=True,
            not_before=NOW + 60,
            last=("busy", "Busy."),
            earlier=(ATTEMPT,),
            expires_at=EXPIRES,
        )
        split = only(store, 1)
        assert (split.state, split.settled_at, split.settled_rows) == (
            ChunkState.SPLIT,
            NOW + 4,
            5,
        )
        (claimed,) = claim(store, [2])
        assert only(store, 2) == claimed
        assert (claimed.last, claimed.earlier, claimed.attempt) == (part.last, (ATTEMPT,), 2)

    def test_a_sending_is_kept(self, store: Store, table: Table) -> None:
        opened(store, 1)
        begun = sent(store, 1)
        assert (begun.token, begun.sending_at, begun.attempt, begun.sendings) == (
            "token-1",
            NOW + 1,
            1,
            1,
        )
        assert only(store, 1) == begun
        assert (table.get(keys.run(RUN), keys.chunk(1)) or {})["digest"] == "digest"
        ready = store.chunks.revert_send(begun)
        assert ready is not None
        assert only(store, 1) == ready
        assert (ready.sendings, ready.attempt) == (0, 0)

    def test_sendings_and_lost_ones_survive_the_pool(self, store: Store) -> None:
        opened(store, 1)
        begun = sent(store, 1)
        assert store.chunks.note_lost(begun, NOW + 2)
        lost = only(store, 1)
        assert (lost.lost_at, lost.lost_times) == (NOW + 2, 1)
        assert store.chunks.release(CONNECTION, lost, attempt=0, earlier=(ATTEMPT,))
        (claimed,) = claim(store, [1], now=NOW + 9)
        kept = only(store, 1)
        assert (kept.lost_times, kept.sendings, kept.attempt) == (1, 1, 0)
        assert kept == claimed
        assert kept.earlier == (ATTEMPT,)

    def test_one_of_before_sendings_were_counted(self, store: Store, table: Table) -> None:
        opened(store, 1)
        begun = sent(store, 1)
        table.write(
            Update(
                keys.run(RUN),
                keys.chunk(1),
                remove=("sendings", "in_doubt", "holds_slot", "expires_at", "lane"),
            )
        )
        kept = only(store, 1)
        assert kept == replace(begun, expires_at=0)
        assert (kept.sendings, kept.maybe_applied, kept.holds_slot) == (1, False, True)

    def test_what_searches_brought(self, store: Store) -> None:
        opened(store, 1)
        begun = sent(store, 1)
        assert store.chunks.note_search(begun, NOW + 5, unseen_at=NOW + 4, readable_at=NOW + 3)
        kept = only(store, 1)
        assert (kept.searched_at, kept.unseen_at, kept.readable_at) == (NOW + 5, NOW + 4, NOW + 3)
        assert store.chunks.note_search(begun, NOW + 6)
        kept = only(store, 1)
        assert (kept.searched_at, kept.unseen_at, kept.readable_at) == (NOW + 6, None, None)
        assert store.chunks.note_submitted(CONNECTION, begun, "job-1", NOW + 7)
        assert not store.chunks.note_search(begun, NOW + 8)

    def test_what_was_asked_of_its_job(self, store: Store) -> None:
        opened(store, 1)
        chunk = submitted(store, 1, "job-1")
        assert (chunk.end_asked, chunk.priority_asked) == (False, None)
        asked = replace(chunk, end_asked=True, priority_asked="high")
        assert store.chunks.note_asked(asked)
        assert only(store, 1) == asked
        assert store.chunks.note_asked(replace(asked, priority_asked=None))
        assert only(store, 1).priority_asked == "high"
        store.chunks.finish(CONNECTION, [asked], [JobEnd(1)], NOW)
        assert not store.chunks.note_asked(asked)

    @pytest.mark.parametrize(
        "job_end",
        [
            {"evidence": "key"},
            {"ended_at": NOW + 2.5},
            {"twice": "job-9"},
            {"bisect": True, "verdict": (FAILED, "bad", "No.")},
        ],
    )
    def test_how_it_ended(self, store: Store, table: Table, job_end: dict[str, Any]) -> None:
        opened(store, 1)
        chunk = finished(store, 1, **job_end)
        assert (chunk.state, chunk.finished_at) == (ChunkState.FINISHED, NOW + 3)
        for name in ("evidence", "ended_at", "twice", "bisect", "verdict"):
            assert getattr(chunk, name) == job_end.get(name, False if name == "bisect" else None)
            written = (table.get(keys.run(RUN), keys.chunk(1)) or {}).keys()
            stored = {"bisect": "halve"}.get(name, name)
            assert (stored in written) is (name in job_end)

    def test_a_settled_one_says_when_and_of_how_many_rows(self, store: Store, table: Table) -> None:
        opened(store, 1)
        chunk = finished(store, 1)
        tally = decided(chunk, {SUCCEEDED: 7, FAILED: 3, UNKNOWN: 0})
        assert store.chunks.settle(a_run(), [tally], NOW + 4) == [1]
        settled = only(store, 1)
        assert (settled.settled_at, settled.settled_rows) == (NOW + 4, 10)
        assert (table.get(keys.run(RUN), keys.chunk(1)) or {})["counts"] == {
            "succeeded": 7,
            "failed": 3,
        }

    def test_only_those_of_the_lane_that_are_in_flight_are(self, store: Store) -> None:
        opened(store, 4)
        (back,) = claim(store, [1], lane=1)
        claim(store, [2], lane=1)
        store.chunks.release(CONNECTION, back)
        claim(store, [1], lane=0)
        with mock.patch.object(store.chunks, "forget"):
            store.chunks.settle(a_run(), [ChunkOutcome(finished(store, 3), ())], NOW)
        stray = {"pk": keys.connection(CONNECTION), "sk": keys.job(RUN, 1, 1)}
        store.chunks._table.put_many([{**stray, "run_id": RUN, "lane": 1, "chunk": 1}])
        assert [c.number for c in store.chunks.in_flight(CONNECTION, RUN, 1)] == [2]
        assert [c.number for c in store.chunks.in_flight(CONNECTION, RUN, 0)] == [1]

    def test_one_that_was_moved_since_it_was_read_is_not_claimed(self, store: Store) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        store.chunks.release(CONNECTION, chunk)
        pool, (read,) = store.chunks.pool(RUN), store.chunks.get(RUN, [1])
        with mock.patch.object(store.chunks, "get", return_value=[read]):
            plan = [planned(1)]
            moved = Update(keys.run(RUN), keys.chunk(1), assign={"state": "settled"})
            store.chunks._table.write(moved)
            claimed = store.chunks.claim(a_run(), 0, plan, pool, NOW + 5, max_jobs=9)
        assert claimed is None

    def test_many_are_finished_and_settled_in_transactions_that_fit(self, store: Store) -> None:
        count = TRANSACTION_ITEMS + 5
        opened(store, count, max_jobs=count)
        chunks: list[Chunk] = []
        for start in range(1, count + 1, 40):
            numbers = range(start, min(start + 40, count + 1))
            chunks += claim(store, numbers, max_jobs=count)
        job_ends = [JobEnd(chunk.number, verdict=(FAILED, "x", "y")) for chunk in chunks]
        transact = store.chunks._table.transact
        with mock.patch.object(store.chunks._table, "transact", side_effect=transact) as calls:
            done = store.chunks.finish(CONNECTION, chunks, job_ends, NOW)
        assert done == [chunk.number for chunk in chunks]
        assert [len(call.args[0]) for call in calls.call_args_list] == [TRANSACTION_ITEMS, 7]
        assert store.limits.get(CONNECTION).in_flight == 0
        read = store.chunks.get(RUN, done)
        chunk_outcomes = [decided(chunk, {FAILED: 10}) for chunk in read]
        assert store.chunks.settle(a_run(), chunk_outcomes, NOW, used={"settle_calls": 1}) == done
        tidy(store)
        assert in_claims(store) == []
        run = store.runs.must_get(RUN)
        assert (run.outcomes[FAILED], run.settle_calls) == (10 * count, 1)

    def test_claims_of_those_that_another_settled_stay(self, store: Store) -> None:
        opened(store, 2)
        first, second = finished(store, 1), finished(store, 2)
        late = replace(second, claimed_at=NOW - 1)
        chunk_outcomes = [decided(first, {SUCCEEDED: 10}), decided(late, {SUCCEEDED: 10})]
        assert store.chunks.settle(a_run(), chunk_outcomes, NOW) == [1]
        tidy(store)
        assert [number for _, _, number in in_claims(store)] == [2]

    def test_what_settling_took_is_counted_only_once(self, store: Store) -> None:
        opened(store, 1)
        chunk = finished(store, 1)
        used = {"settle_calls": 1, "settle_gb_ms": 2, "settle_units": 3, "settle_reads": 4}
        store.chunks.settle(a_run(), [decided(chunk, {SUCCEEDED: 10})], NOW, used)
        run = store.runs.must_get(RUN)
        assert (run.settle_calls, run.settle_gb_ms, run.settle_units, run.settle_reads) == (
            1,
            2,
            # The chunk, its block and the run in a transaction, and the pointer.
            3 + 2 * 3 + 1,
            4,
        )


class TestJobs:
    def test_a_job_is_one_chunks(self, store: Store, table: Table) -> None:
        opened(store, 2)
        submitted(store, 1, "job-1")
        mark = table.get(keys.connection(CONNECTION), keys.job_of_chunk("job-1")) or {}
        assert {name: mark[name] for name in ("run_id", "chunk", "expires_at")} == {
            "run_id": RUN,
            "chunk": 1,
            "expires_at": int(NOW) + CHUNK_SECONDS,
        }
        other = sent(store, 2)
        assert not store.chunks.note_submitted(CONNECTION, other, "job-1", NOW + 2)

    def test_noting_a_job_goes_on_after_a_crash(self, store: Store) -> None:
        opened(store, 1)
        begun = sent(store, 1)
        with (
            mock.patch.object(store.chunks, "_all_or_none", side_effect=RuntimeError),
            pytest.raises(RuntimeError),
        ):
            store.chunks.note_submitted(CONNECTION, begun, "job-1", NOW + 2)
        assert store.chunks.note_submitted(CONNECTION, begun, "job-1", NOW + 3)
        assert only(store, 1).job_id == "job-1"

    def settled_without_a_job(self, store: Store, number: int) -> Chunk:
        chunk = sent(store, number)
        job_end = JobEnd(number, verdict=(UNKNOWN, "lost", "?"))
        store.chunks.finish(CONNECTION, [chunk], [job_end], NOW + 3)
        tally = decided(only(store, number), {UNKNOWN: 10})
        store.chunks.settle(a_run(), [tally], NOW + 4)
        return only(store, number)

    def test_a_job_that_is_found_late_is_the_chunks(self, store: Store) -> None:
        opened(store, 2)
        first, second = (self.settled_without_a_job(store, n) for n in (1, 2))
        assert store.chunks.adopt_late(CONNECTION, first, "job-1")
        assert only(store, 1).job_id == "job-1"
        assert not store.chunks.adopt_late(CONNECTION, first, "job-2"), "it has one"
        assert only(store, 1).job_id == "job-1"
        assert not store.chunks.adopt_late(CONNECTION, second, "job-1"), "it is another's"
        assert only(store, 2).job_id is None

    def test_one_that_is_not_settled_is_not_adopted_late(self, store: Store) -> None:
        opened(store, 1)
        chunk = sent(store, 1)
        with pytest.raises(ForbiddenMoveError):
            store.chunks.adopt_late(CONNECTION, chunk, "job-1")
        taken_for_settled = replace(chunk, state=ChunkState.SETTLED)
        assert not store.chunks.adopt_late(CONNECTION, taken_for_settled, "job-1")
        assert only(store, 1).job_id is None


class TestRun:
    FULL: dict[str, Any] = {  # noqa: RUF012
        "job_rows": 25,
        "trial": 10,
        "origin": "other",
        "error": "No.",
        "vendor": "fake",
        "base_url": "https://x",
        "priority": "high",
        "pause": Pause("ops", "Wait.", NOW),
        "by": {"started": "ann"},
    }

    @pytest.mark.parametrize("names", [[], *([name] for name in FULL), list(FULL)])
    def test_a_created_one_is_read_as_it_was(self, store: Store, names: list[str]) -> None:
        given = {name: self.FULL[name] for name in names}
        if "base_url" in given or "vendor" in given:
            given |= {"vendor": "fake", "base_url": "https://x"}
        run = a_run(**given)
        assert store.runs.create(run)
        kept = store.runs.must_get(RUN)
        assert kept == replace(run, outcomes=dict.fromkeys(OutcomeStatus, 0))

    def test_absent_fields_have_their_defaults(self, store: Store, table: Table) -> None:
        store.runs.create(a_run())
        table.write(Update(keys.run(RUN), keys.META, remove=("kept_until",)))
        kept = store.runs.must_get(RUN)
        plain = a_run(expires_at=0, outcomes=dict.fromkeys(OutcomeStatus, 0))
        assert kept == plain

    @pytest.mark.parametrize(
        ("name", "stored", "value"),
        [
            ("halved", 3, 3),
            ("settle_calls", 4, 4),
            ("settle_gb_ms", 5, 5),
            ("settle_units", 6, 6),
            ("settle_reads", 7, 7),
            ("figures", '{"a": 1}', {"a": 1}),
            ("by_resumed", "ann", {"resumed": "ann"}),
            ("end_jobs", True, True),
            ("warnings", '["a", "b"]', ("a", "b")),
            ("stuck_rows", 8, 8),
            ("stuck_since", 9.5, 9.5),
        ],
    )
    def test_a_field_that_was_written_is_read(
        self, store: Store, table: Table, name: str, stored: Any, value: Any
    ) -> None:
        store.runs.create(a_run())
        table.write(Update(keys.run(RUN), keys.META, assign={name: stored}))
        field = "by" if name.startswith(keys.BY) else {"halved": "bisected"}.get(name, name)
        assert getattr(store.runs.must_get(RUN), field) == value

    def test_the_trouble_of_a_run_is_the_oldest(self, store: Store) -> None:
        store.runs.create(a_run())
        for where, since in ((SUBMIT, NOW + 5), (POLL, NOW), (SOURCE, NOW + 9)):
            store.runs.note_trouble(store.runs.must_get(RUN), where, where, "No.", since)
        run = store.runs.must_get(RUN)
        assert run.trouble == Trouble(POLL, "No.", NOW, NOW)
        assert a_run().trouble is None

    def test_what_a_run_counts(self) -> None:
        run = a_run(
            plan=PlanState(row=100),
            outcomes={
                SUCCEEDED: 1,
                FAILED: 2,
                UNKNOWN: 4,
                OutcomeStatus.REJECTED: 8,
                OutcomeStatus.SKIPPED: 16,
            },
        )
        assert (run.processed, run.sendable, run.settled_rows) == (7, 69, 31)
        assert (a_run().processed, a_run().fresh_processed) == (0, 0)

    def test_the_first_with_a_content_is_remembered(self, store: Store, table: Table) -> None:
        first, second = a_run(), a_run("other")
        assert store.runs.first_with(first, "abc", NOW, EXPIRES) == (RUN, NOW)
        assert store.runs.first_with(second, "abc", NOW + 9, EXPIRES) == (RUN, NOW)
        assert store.runs.first_with(first, "abc", NOW + 9, EXPIRES) == (RUN, NOW)
        mark = table.get(keys.profile("things"), keys.content("abc")) or {}
        assert mark["expires_at"] == EXPIRES
        store.runs.carries_first(second, "abc", NOW + 10, EXPIRES)
        assert store.runs.first_with(first, "abc", NOW + 11, EXPIRES) == ("other", NOW + 10)

    def test_a_mark_that_expires_meanwhile_is_no_other_runs(self, store: Store) -> None:
        store.runs.first_with(a_run(), "abc", NOW, EXPIRES)
        with mock.patch.object(store.runs._table, "get", return_value=None):
            assert store.runs.first_with(a_run("b"), "abc", NOW + 1, 9) == ("b", NOW + 1)

    def test_pages_of_the_newest(self, store: Store) -> None:
        for n in range(5):
            store.runs.create(a_run(f"run-{n}", started_at=NOW + n))
        first = list(store.runs.newest(limit=2))
        assert [run.run_id for _, run in first] == ["run-4", "run-3"]
        second = list(store.runs.newest(before=first[-1][0], limit=2))
        assert [run.run_id for _, run in second] == ["run-2", "run-1"]
        rest = list(store.runs.newest(before=first[-1][0]))
        assert [run.run_id for _, run in rest] == ["run-2", "run-1", "run-0"]

    def test_whoever_takes_over_begins_anew(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.relaunch(RUN, 5, 40)
        assert store.runs.take_over(RUN, "arn:2", "arn:execution:1")
        run = store.runs.must_get(RUN)
        assert (run.execution, run.relaunches, run.settled_at_relaunch) == ("arn:2", 0, -1)

    def test_a_plan_is_kept_whole(self, store: Store) -> None:
        store.runs.create(a_run())
        first = PlanState(100, 10, 1, dialect={"header": ["a"]}, trial_chunks=1)
        assert store.runs.checkpoint(RUN, PlanState(), first, {}, NOW)
        assert store.runs.must_get(RUN).plan == first

    @pytest.mark.parametrize("change", ["forced", "elsewhere"])
    def test_a_plan_that_moved_goes_no_further(
        self, store: Store, table: Table, change: str
    ) -> None:
        store.runs.create(a_run())
        first = PlanState(100, 10, 1, dialect={"header": ["a"]})
        store.runs.checkpoint(RUN, PlanState(), first, {}, NOW)
        before = first if change == "forced" else replace(first, offset=50)
        if change == "forced":
            store.runs.force(RUN, StopReason("ops", "Now."))
        after = PlanState(200, 20, 2, dialect=first.dialect)
        assert not store.runs.checkpoint(RUN, before, after, {}, NOW)
        assert store.runs.must_get(RUN).plan == first

    def test_pages_of_the_plan_expire(self, store: Store, table: Table) -> None:
        opened(store, 2)
        page = table.get(keys.run(RUN), keys.page(1)) or {}
        assert page["expires_at"] == EXPIRES

    def test_a_forced_run_rests_no_more(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.pause(RUN, Pause("ops", "Wait.", NOW))
        store.runs.rest(RUN, NOW)
        assert store.runs.must_get(RUN).suspended
        assert store.runs.force(RUN, StopReason("ops", "Now."))
        run = store.runs.must_get(RUN)
        assert (run.suspended, run.forced, run.stop) == (False, True, StopReason("ops", "Now."))


class TestClosing:
    def closed(self, store: Store, **given: Any) -> Run:
        opened(store, 1)
        for where in (SUBMIT, POLL, SOURCE):
            store.runs.note_trouble(store.runs.must_get(RUN), where, "x", "X.", NOW)
        store.runs.pause(RUN, Pause("ops", "Wait.", NOW))
        store.runs.rest(RUN, NOW)
        store.runs.save_close(RUN, "key")
        assert store.runs.close(
            RUN, RunStatus.UNRESOLVED, NOW + 5, {"submit": 1}, {"a": 1}, **given
        )
        return store.runs.must_get(RUN)

    def test_it_leaves_nothing_of_the_way_there(self, store: Store, table: Table) -> None:
        run = self.closed(store, expires_at=EXPIRES + DAY)
        assert (run.status, run.closed_at) == (RunStatus.UNRESOLVED, NOW + 5)
        assert (run.troubles, run.pause, run.suspended, run.close) == ({}, None, False, None)
        assert (run.figures, run.requests) == ({"a": 1}, {"submit": 1})
        assert run_item(table)["expires_at"] == EXPIRES + DAY
        pool = table.get(keys.run(RUN), keys.POOL) or {}
        assert pool["expires_at"] == EXPIRES + DAY

    def test_without_an_end_it_stays(self, store: Store, table: Table) -> None:
        self.closed(store)
        assert "expires_at" not in run_item(table)
        assert "expires_at" not in (table.get(keys.run(RUN), keys.POOL) or {})
        assert not store.runs.close(RUN, RunStatus.COMPLETED, NOW + 9, {}, {})

    def test_a_resolve_opens_it_again(self, store: Store, table: Table) -> None:
        run = replace(self.closed(store, expires_at=EXPIRES), outcomes={UNKNOWN: 3})
        table.write(Update(keys.run(RUN), keys.META, assign={"rests": True, "close": "old"}))
        assert store.runs.ask_resolve(run, NOW + 6)
        asked = store.runs.must_get(RUN)
        assert asked.resolving == Resolving(NOW + 6, unknown=3)
        assert (asked.status, asked.closed_at) == (RunStatus.CLOSING, None)
        assert (asked.close, asked.suspended) == (None, False)
        assert "expires_at" not in run_item(table)
        assert not store.runs.ask_resolve(run, NOW + 7)

    def test_a_resolve_without_unknown_rows(self, store: Store) -> None:
        run = replace(self.closed(store), outcomes={})
        assert store.runs.ask_resolve(run, NOW + 6)
        assert store.runs.must_get(RUN).resolving == Resolving(NOW + 6)

    def test_a_resolve_goes_on_from_where_it_was_read(self, store: Store) -> None:
        run = self.closed(store)
        store.runs.ask_resolve(run, NOW + 6)
        first = store.runs.must_get(RUN).resolving
        assert first is not None
        after = replace(first, after=9, jobs=4, ended=3, done=True)
        assert store.runs.go_on_resolving(RUN, first, after)
        assert not store.runs.go_on_resolving(RUN, first, replace(first, after=1))
        assert store.runs.must_get(RUN).resolving == after
        assert store.runs.close(RUN, RunStatus.COMPLETED, NOW + 9, {}, {}, resolving=after)
        assert not store.runs.go_on_resolving(RUN, after, first)

    def test_warnings_are_of_runs_that_are_there(self, store: Store) -> None:
        store.runs.warn(RUN, "a")
        assert store.runs.get(RUN) is None
        store.runs.create(a_run())
        store.runs.warn(RUN, "a")
        store.runs.warn(RUN, "b")
        store.runs.warn(RUN, "b")
        assert store.runs.must_get(RUN).warnings == ("a", "b")

    @pytest.mark.parametrize("before", [(), ("a",)])
    def test_two_that_warn_at_once_both_are_heard(
        self, store: Store, before: tuple[str, ...]
    ) -> None:
        store.runs.create(a_run())
        for text in before:
            store.runs.warn(RUN, text)
        get, first = store.runs._table.get, iter([1])

        def contended(pk: str, sk: str) -> Any:
            found = get(pk, sk)
            for _ in first:
                store.runs.warn(RUN, "theirs")
            return found

        with mock.patch.object(store.runs._table, "get", contended):
            store.runs.warn(RUN, "ours")
        assert store.runs.must_get(RUN).warnings == (*before, "theirs", "ours")

    def test_a_warning_makes_no_run_that_is_gone(self, store: Store, table: Table) -> None:
        store.runs.create(a_run())
        get = store.runs._table.get

        def vanishing(pk: str, sk: str) -> Any:
            found = get(pk, sk)
            store.runs._table.delete_many([(pk, sk)])
            return found

        with mock.patch.object(store.runs._table, "get", vanishing):
            store.runs.warn(RUN, "a")
        assert run_item(table) == {}

    def test_halting_says_whether_it_is_open(self, store: Store) -> None:
        store.runs.create(a_run())
        assert store.runs.stop(RUN, StopReason("a", "A."))
        assert store.runs.stop(RUN, StopReason("b", "B."))
        assert store.runs.must_get(RUN).stop == StopReason("a", "A.")
        assert not store.runs.stop("nobody", StopReason("a", "A."))

    def test_halvings_are_counted_one_by_one(self, store: Store) -> None:
        store.runs.create(a_run())
        store.runs.count_bisection(RUN)
        store.runs.count_bisection(RUN)
        assert store.runs.must_get(RUN).bisected == 2

    def test_only_an_open_run_is_resumed(self, store: Store, table: Table) -> None:
        store.runs.create(a_run())
        assert not store.runs.resume(store.runs.must_get(RUN))
        store.runs.pause(RUN, Pause("ops", "Wait.", NOW))
        paused = store.runs.must_get(RUN)
        table.write(Update(keys.run(RUN), keys.META, assign={"closed_at": NOW}))
        assert not store.runs.resume(paused)
        table.write(Update(keys.run(RUN), keys.META, remove=("closed_at",)))
        assert store.runs.resume(paused)

    def test_lanes_are_counted_apart_and_expire(self, store: Store, table: Table) -> None:
        opened(store, 1)
        run = store.runs.must_get(RUN)
        store.runs.count(run, 0, {"submit": 2, "polls": 0}, alive_until=NOW)
        store.runs.count(run, 1, {"submit": 3, "poll": 1})
        table.write(Update(keys.run(RUN), keys.META, assign={"submit": 99}))
        table.write(Update(keys.run(RUN), keys.lane(2), add={"laps": 1}))
        assert store.runs.figures(RUN) == Figures(submit=5, poll=1, laps=1)
        assert store.runs.alive_until(RUN) == {0: NOW, 1: 0.0, 2: 0.0}
        assert (table.get(keys.run(RUN), keys.lane(0)) or {})["expires_at"] == EXPIRES

    def test_a_deleted_one_leaves_a_mark_that_expires(self, store: Store, table: Table) -> None:
        opened(store, 1)
        deleted: list[str] = []
        delete = store.runs._table.delete_many

        def note(found: Any) -> None:
            listed = list(found)
            deleted.extend(sk for _, sk in listed)
            delete(listed)

        with mock.patch.object(store.runs._table, "delete_many", note):
            store.runs.delete(store.runs.must_get(RUN), NOW)
        assert deleted.count(keys.META) == 1
        assert deleted[-1] == keys.META
        assert store.runs.is_deleted(RUN)
        assert (table.get(keys.run(RUN), keys.DELETED) or {})["expires_at"] == EXPIRES

    def test_what_has_no_end_gets_none(self, store: Store, table: Table) -> None:
        opened(store, 1)
        store.runs.prolong_items(a_run(), EXPIRES + 10 * DAY, NOW)
        assert "expires_at" not in run_item(table)
        page = table.get(keys.run(RUN), keys.page(1)) or {}
        assert page["expires_at"] == EXPIRES + 10 * DAY

    def test_items_that_vanish_meanwhile_are_not_made_again(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 1)
        query = store.runs._table.query

        def vanishing(*args: Any, **options: Any) -> Any:
            found = list(query(*args, **options))
            store.runs._table.delete_many([(item["pk"], item["sk"]) for item in found])
            return found

        with mock.patch.object(store.runs._table, "query", vanishing):
            store.runs.prolong_items(a_run(), EXPIRES + 10 * DAY, NOW)
        assert list(table.query(keys.run(RUN))) == []


class TestLimits:
    def test_all_that_is_learned_of_a_connection(self, store: Store) -> None:
        limits = store.limits
        limits.ensure(CONNECTION, 9)
        limits.advertised_jobs(CONNECTION, 8)
        limits.learn_jobs(CONNECTION, 7, NOW)
        limits.note_no_slot(CONNECTION, 6, NOW + 1)
        limits.note_over_limit_penalty(CONNECTION)
        limits.block(CONNECTION, NOW + 2)
        limits.full(CONNECTION, NOW + 3)
        limits.note_unclear(CONNECTION, NOW + 4, weight=2)
        limits.hold_submissions(CONNECTION, NOW + 5)
        assert limits.get(CONNECTION) == ConnectionLimits(
            in_flight=0,
            ceiling=9,
            advertised_jobs=8,
            learned_jobs=Learned(7.0, NOW),
            over_limit_penalised=True,
            retry_after_until=NOW + 2,
            no_slot_until=NOW + 3,
            no_slot_at=NOW + 1,
            no_slot_jobs=6,
            unclear=2,
            unclear_since=NOW + 4,
            outage_until=NOW + 5,
            throttles=1,
        )

    def test_nothing_is_known_of_one_that_nobody_used(self, store: Store, table: Table) -> None:
        assert store.limits.get(CONNECTION) == ConnectionLimits(0, 1)
        table.write(Update(keys.connection(CONNECTION), keys.LIMITS, assign={"told_jobs": 5}))
        assert store.limits.get(CONNECTION) == ConnectionLimits(0, 1, advertised_jobs=5)
        assert store.limits.requests(CONNECTION) == RequestLog()

    def test_a_limit_learned_in_the_future_has_not_risen(self) -> None:
        assert max_jobs(ConnectionLimits(0, 9, learned_jobs=Learned(3.0, NOW)), NOW - 100) == 3
        risen = ConnectionLimits(0, 9, learned_jobs=Learned(3.0, NOW))
        assert [max_jobs(risen, NOW + s) for s in (29.5, 30.0)] == [3, 4]

    def test_an_operator_ends_every_wait(self, store: Store, table: Table) -> None:
        store.limits.unblock(CONNECTION)
        assert table.get(keys.connection(CONNECTION), keys.LIMITS) is None
        store.limits.ensure(CONNECTION, 3)
        store.limits.block(CONNECTION, NOW)
        store.limits.full(CONNECTION, NOW)
        store.limits.hold_submissions(CONNECTION, NOW)
        store.limits.unblock(CONNECTION)
        assert store.limits.get(CONNECTION) == ConnectionLimits(0, 3, throttles=1)

    @pytest.mark.parametrize(
        ("part", "wanted", "granted"),
        [(1.0, 99, 10), (0.5, 99, 5), (0.5, 3, 3), (0.01, 9, 1), (1.5, 99, 10)],
    )
    def test_a_part_of_what_is_free(
        self, store: Store, part: float, wanted: int, granted: int
    ) -> None:
        limits = {ACCOUNT: 10, f"{ENDPOINT}x": 50}
        got, more_at = take_requests(store.limits, CONNECTION, wanted, limits, NOW, part=part)
        assert got == granted
        assert more_at == (NOW if granted < 10 else int(NOW) + HOLD)

    def test_where_none_is_free_none_is_granted(self, store: Store) -> None:
        take_requests(store.limits, CONNECTION, 10, {ACCOUNT: 10}, NOW)
        before = store.limits.requests(CONNECTION)
        answer = take_requests(store.limits, CONNECTION, 1, {ACCOUNT: 10}, NOW + 1)
        assert answer == (0, int(NOW) + HOLD)
        assert store.limits.requests(CONNECTION) == before
        assert take_requests(store.limits, CONNECTION, 0, {ACCOUNT: 20}, NOW) == (0, NOW)

    def test_a_take_that_always_meets_others_grants_nothing(self, store: Store) -> None:
        with mock.patch.object(store.limits, "_put_requests", return_value=False):
            assert take_requests(store.limits, CONNECTION, 5, {ACCOUNT: 9}, NOW) == (0, NOW)

    @pytest.mark.parametrize(
        ("told", "made", "lowered"),
        [(None, 50, True), (60, 50, False), (50, 50, True), (40, 50, True)],
    )
    def test_a_refusal_below_the_vendors_own_figure_teaches_nothing(
        self, store: Store, *, told: int | None, made: int, lowered: bool
    ) -> None:
        note_requests(store.limits, CONNECTION, made, NOW)
        if told is not None:
            store.limits.advertised_rate(CONNECTION, told)
        lower_rate(store.limits, CONNECTION, 100, NOW)
        assert (store.limits.requests(CONNECTION).learned is not None) is lowered

    @pytest.mark.parametrize(("later", "again"), [(4.0, False), (5.5, True), (30.0, True)])
    def test_refusals_at_one_moment_are_one_lesson(
        self, store: Store, *, later: float, again: bool
    ) -> None:
        note_requests(store.limits, CONNECTION, 50, NOW)
        lower_rate(store.limits, CONNECTION, 100, NOW)
        first = store.limits.requests(CONNECTION).learned
        lower_rate(store.limits, CONNECTION, 100, NOW + later)
        second = store.limits.requests(CONNECTION).learned
        assert (first != second) is again

    def test_what_a_run_needs_is_forgotten_in_the_end(self, store: Store, table: Table) -> None:
        store.limits.need(CONNECTION, Demand(RUN, "high", 3), NOW)
        item = table.get(keys.connection(CONNECTION), keys.demand(RUN)) or {}
        assert item["expires_at"] == int(NOW) + DAY


class TestRows:
    def outcome(self, row: int, status: OutcomeStatus = UNKNOWN) -> Outcome:
        return Outcome(row, status, None, "code", "Text.", "job", 1)

    def test_many_are_written_with_care_in_transactions_that_fit(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 1)
        chunk = finished(store, 1)
        outcomes = [self.outcome(row) for row in range(1, 2 * TRANSACTION_ITEMS)]
        transact = store.rows._table.transact
        with mock.patch.object(store.rows._table, "transact", side_effect=transact) as calls:
            assert store.rows.put_copies_unless_settled(chunk, outcomes, EXPIRES)
        assert [len(call.args[0]) for call in calls.call_args_list] == [100, 100, 2]
        copies = list(table.query(keys.rows(RUN, 0)))
        assert [outcome_of(item) for item in copies] == outcomes

    def of_before(self, store: Store, rows: Iterable[int]) -> None:
        """Rows of a run that was settled before there were blocks."""
        items = [row_item(RUN, self.outcome(row), EXPIRES) for row in rows]
        store.rows._table.put_many(items)

    def test_unknown_rows_of_before_are_decided_once_and_while_the_run_is_open(
        self, store: Store
    ) -> None:
        opened(store, 1)
        count = 2 * TRANSACTION_ITEMS - 2
        self.of_before(store, range(1, count + 1))
        decided = [self.outcome(row, SUCCEEDED) for row in range(1, count + 1)]
        transact = store.rows._table.transact
        with mock.patch.object(store.rows._table, "transact", side_effect=transact) as calls:
            done = store.rows.resolve(RUN, decided[:-1], EXPIRES)
        assert [len(call.args[0]) for call in calls.call_args_list] == [100, 99]
        assert done == {SUCCEEDED: count - 1}
        assert store.rows.resolve(RUN, decided[:3], EXPIRES) == {}
        store.runs.close(RUN, RunStatus.UNRESOLVED, NOW, {}, {})
        assert store.rows.resolve(RUN, decided[-1:], EXPIRES) == {}
        assert store.rows.get(RUN, count) == self.outcome(count)

    def test_rows_of_before_are_read_beside_blocks(self, store: Store) -> None:
        size = keys.ROWS_PER_BLOCK
        self.of_before(store, [1, size, size + 1])
        later = self.outcome(2, SUCCEEDED)
        store.rows.put_unsent(RUN, [later], EXPIRES)
        expected = [self.outcome(1), later, self.outcome(size), self.outcome(size + 1)]
        assert list(store.rows.between(RUN, 1, 3 * size)) == expected
        assert list(store.rows.between(RUN, 2, size)) == expected[1:3]
        unknown = [expected[0], *expected[2:]]
        assert list(store.rows.for_a_person(RUN, 3 * size)) == unknown

    def test_where_every_row_is_in_a_block_no_other_item_is_read(self, store: Store) -> None:
        rows = range(1, keys.ROWS_PER_PARTITION + 3)
        store.rows.put_unsent(RUN, [self.outcome(row) for row in rows], EXPIRES)
        query, seen = store.rows._table.query, []

        def note(pk: str, **options: Any) -> Any:
            seen.append(pk)
            return query(pk, **options)

        with mock.patch.object(store.rows._table, "query", note):
            assert len(list(store.rows.between(RUN, 2, rows[-1]))) == len(rows) - 1
        assert seen == [keys.outcomes(RUN, 0), keys.outcomes(RUN, 1)]
        assert list(store.rows.for_a_person("nobody", 0)) == []

    def test_rows_for_a_person_are_found_in_every_block(self, store: Store) -> None:
        last = next(n for n in range(1, 10**7, 1000) if keys.person_block_of(n) == 2)
        rows = [1, last // 2, last]
        store.rows.put_unsent(RUN, [self.outcome(row) for row in rows], EXPIRES)
        assert [o.row for o in store.rows.for_a_person(RUN, last)] == rows

    @pytest.mark.parametrize(("kept", "prolonged"), [(DAY, False), (DAY + 1, True), (9e6, True)])
    def test_rows_are_kept_for_longer(
        self, store: Store, table: Table, *, kept: int, prolonged: bool
    ) -> None:
        size = keys.ROWS_PER_PARTITION
        rows = [1, size + 1, 2 * size + 1]
        store.rows.put_unsent(RUN, [self.outcome(row) for row in rows], EXPIRES)
        self.of_before(store, [2])
        store.rows.prolong(RUN, 1, 2 * size, EXPIRES + int(kept))

        def until(pk: str, sk: str) -> int:
            return (table.get(pk, sk) or {})["expires_at"]

        later = EXPIRES + int(kept) if prolonged else EXPIRES
        for row, expected in ((1, later), (size + 1, later), (2 * size + 1, EXPIRES)):
            block = keys.outcomes(RUN, keys.partition_of(row)), keys.outcome_block(row)
            assert until(*block) == expected
            assert until(keys.rows(RUN, keys.block_of(row)), keys.row(row)) == expected
        assert until(keys.rows(RUN, 0), keys.row(2)) == later

    def test_a_row_that_vanishes_meanwhile_is_not_made_again(self, store: Store) -> None:
        store.rows.put_unsent(RUN, [self.outcome(1)], EXPIRES)
        query = store.rows._table.query

        def vanishing(*args: Any, **options: Any) -> Any:
            found = list(query(*args, **options))
            store.rows._table.delete_many([(item["pk"], item["sk"]) for item in found])
            return found

        with mock.patch.object(store.rows._table, "query", vanishing):
            store.rows.prolong(RUN, 1, 1, EXPIRES + 9 * DAY)
        assert store.rows.get(RUN, 1) is None

    @pytest.mark.parametrize("last", [1, keys.ROWS_PER_BLOCK, keys.ROWS_PER_PARTITION + 1])
    def test_a_run_of_so_many_rows_is_forgotten(
        self, store: Store, table: Table, last: int
    ) -> None:
        size = keys.ROWS_PER_BLOCK
        rows = sorted({*range(1, last + 1, size), *range(max(1, last - size), last + 1)})
        store.rows.put_unsent(RUN, [self.outcome(row) for row in rows], EXPIRES)
        self.of_before(store, [last])
        store.rows.purge(RUN, last)
        assert list(store.rows.between(RUN, 1, last)) == []
        assert list(store.rows.for_a_person(RUN, last)) == []
        assert list(table.query(keys.rows(RUN, 0))) == []
