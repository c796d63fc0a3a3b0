"""What a step writes is what the next one reads: no attribute is lost on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobferry.domain.chunk import (
    Chunk,
    ChunkOutcome,
    ChunkState,
    JobEnd,
    PlannedChunk,
    RetryChunk,
    Span,
)
from jobferry.domain.connection import OUTAGE_FROM
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import PlanState
from jobferry.settlement.retention import is_due, kept_seconds
from jobferry.store import Store, keys
from jobferry.store.chunk_items import CHUNK_SECONDS
from jobferry.store.connection_limits import OUTAGES
from jobferry.store.run_notes import MOST_WARNINGS
from jobferry.store.table import Table
from tests.unit.store.samples import (
    CONNECTION,
    EXPIRES,
    NOW,
    RUN,
    a_run,
    claim,
    in_claims,
    only,
    opened,
    planned,
    tidy,
)

SUCCEEDED, SKIPPED = OutcomeStatus.SUCCEEDED, OutcomeStatus.SKIPPED
VERDICT = (SKIPPED, "aborted", "Stopped.")
OTHER = "things-ba9876543210"


def slots(store: Store) -> int:
    return store.limits.get(CONNECTION).in_flight


def sent(store: Store, chunk: Chunk, now: float = NOW) -> Chunk:
    begun = store.chunks.begin_sending(chunk, "token", "digest", now)
    assert begun is not None
    return begun


class TestChunk:
    def test_one_without_a_slot_gives_none_back(self, store: Store) -> None:
        opened(store, 1)
        claim(store, [1], max_jobs=None)
        kept = only(store, 1)
        assert not kept.holds_slot
        store.chunks.finish(CONNECTION, [kept], [JobEnd(1, verdict=VERDICT)], NOW)
        assert slots(store) == 0

    def test_a_part_keeps_its_past(self, store: Store) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        store.chunks.finish(CONNECTION, [chunk], [JobEnd(1, evidence="e")], NOW)
        part = RetryChunk(
            (Span(0, 9, 1, 10),), 2, True, NOW + 60, ("DatabaseConflict", "Collision")
        )
        run = a_run(plan=PlanState(chunks=1))
        tally = ChunkOutcome(only(store, 1), ())
        assert store.chunks.split(run, [tally], [part], store.chunks.pool(RUN), NOW)
        tidy(store)
        assert in_claims(store) == []
        waits = only(store, 2)
        assert (waits.spans, waits.attempt, waits.maybe_applied) == (part.spans, 2, True)
        assert (waits.not_before, waits.last) == (part.not_before, part.last)
        assert waits.expires_at == run.expires_at
        claimed = store.chunks.claim(
            run,
            0,
            [PlannedChunk(2, waits.spans)],
            store.chunks.pool(RUN),
            NOW + 61,
            max_jobs=3,
        )
        assert claimed == [only(store, 2)]
        assert store.chunks.pool(RUN).left == 0
        assert only(store, 2) == replace(
            waits,
            state=ChunkState.CLAIMED,
            claimed_at=NOW + 61,
            holds_slot=True,
            claim=claimed[0].claim,
            expires_at=int(NOW + 61) + CHUNK_SECONDS,
        )

    def test_lost_submissions_are_counted_over_all_attempts(self, store: Store) -> None:
        opened(store, 1)
        for times in (1, 2):
            (chunk,) = claim(store, [1], now=NOW + times)
            assert store.chunks.note_lost(sent(store, chunk, NOW + times), NOW + times)
            kept = only(store, 1)
            assert (kept.lost_times, kept.lost_at) == (times, NOW + times)
            assert store.chunks.release(CONNECTION, kept)

    def test_taken_back_it_is_as_if_it_had_never_been_sent(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 1)
        (chunk,) = claim(store, [1])
        before = replace(only(store, 1), unwritten=False)
        assert store.chunks.revert_send(sent(store, chunk)) == before == only(store, 1)
        item = table.get(keys.run(RUN), keys.chunk(1)) or {}
        assert not {"sending_at", "token", "digest"} & item.keys()


class TestHolders:
    def test_slots_are_counted_by_what_holds_one(self, store: Store) -> None:
        opened(store, 5)
        opened(store, 2, run_id=OTHER)
        first, second, third = claim(store, [1, 2, 3])
        claim(store, [4], max_jobs=None)
        claim(store, [1], run_id=OTHER, lane=2)
        store.chunks.finish(CONNECTION, [first], [JobEnd(1, verdict=VERDICT)], NOW)
        store.chunks.note_submitted(CONNECTION, sent(store, second), "job-1", NOW)
        assert store.chunks.holders(CONNECTION) == slots(store) == 3
        store.chunks.release(CONNECTION, third)
        assert store.chunks.holders(CONNECTION) == slots(store) == 2

    def test_a_pointer_of_another_lane_counts_nothing_twice(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 1)
        claim(store, [1], lane=0)
        stray = {"run_id": RUN, "lane": 1, "chunk": 1}
        table.put_many([{"pk": keys.connection(CONNECTION), "sk": keys.job(RUN, 1, 1), **stray}])
        assert store.chunks.holders(CONNECTION) == 1
        store.chunks.forget_all(CONNECTION, RUN)
        assert store.chunks.holders(CONNECTION) == 0

    def test_slots_are_set_right_only_as_they_were_seen(self, store: Store) -> None:
        opened(store, 3)
        claim(store, [1, 2])
        store.limits.note_miscount(CONNECTION, 2, 1)
        assert store.limits.miscount(CONNECTION) == (2, 1)
        assert not store.limits.set_in_flight(CONNECTION, 3, 1)
        assert slots(store) == 2
        assert store.limits.set_in_flight(CONNECTION, 2, 1)
        assert slots(store) == 1
        assert store.limits.miscount(CONNECTION) is None


class TestOutage:
    def test_it_begins_with_the_first_unclear_answer(self, store: Store) -> None:
        for i in range(OUTAGE_FROM):
            assert not store.limits.get(CONNECTION).in_outage
            store.limits.note_unclear(CONNECTION, NOW + i)
        limits = store.limits.get(CONNECTION)
        assert (limits.in_outage, limits.unclear_since) == (True, NOW)
        assert [limits.was_outage(NOW + i) for i in (-0.1, 0, 9_999)] == [False, True, True]

    def test_one_answer_may_say_it(self, store: Store) -> None:
        assert store.limits.note_unclear(CONNECTION, NOW, weight=OUTAGE_FROM).in_outage

    def test_what_is_over_is_remembered(self, store: Store) -> None:
        limits = store.limits.note_unclear(CONNECTION, NOW, weight=OUTAGE_FROM)
        store.limits.hold_submissions(CONNECTION, NOW + 300)
        assert store.limits.get(CONNECTION).outage_until == NOW + 300
        store.limits.end_outage(CONNECTION, limits, NOW + 60)
        after = store.limits.get(CONNECTION)
        assert (after.unclear, after.unclear_since, after.outage_until) == (0, 0.0, 0.0)
        assert after.outages == ((NOW, NOW + 60),)
        seen = [after.was_outage(NOW + i) for i in (-0.1, 0, 60, 60.1)]
        assert seen == [False, True, True, False]

    def test_a_few_unclear_answers_are_none(self, store: Store) -> None:
        limits = store.limits.note_unclear(CONNECTION, NOW)
        store.limits.end_outage(CONNECTION, limits, NOW + 60)
        after = store.limits.get(CONNECTION)
        assert (after.unclear, after.outages) == (0, ())

    def test_what_became_unclear_since_then_still_counts(self, store: Store) -> None:
        limits = store.limits.note_unclear(CONNECTION, NOW)
        store.limits.note_unclear(CONNECTION, NOW + 1)
        store.limits.end_outage(CONNECTION, limits, NOW + 2)
        assert store.limits.get(CONNECTION).unclear == 2

    def test_only_the_last_ones_are_remembered(self, store: Store) -> None:
        for i in range(OUTAGES + 2):
            limits = store.limits.note_unclear(CONNECTION, NOW + 10 * i, weight=OUTAGE_FROM)
            store.limits.end_outage(CONNECTION, limits, NOW + 10 * i + 5)
        outages = store.limits.get(CONNECTION).outages
        assert len(outages) == OUTAGES
        assert outages[-1] == (NOW + 10 * (OUTAGES + 1), NOW + 10 * (OUTAGES + 1) + 5)


class TestRun:
    @pytest.fixture(autouse=True)
    def _run(self, store: Store) -> None:
        store.runs.create(a_run())

    def test_each_warning_is_kept_once_and_not_too_many(self, store: Store) -> None:
        for i in (0, 1, 0, 1):
            store.runs.warn(RUN, f"warning {i}")
        assert store.runs.must_get(RUN).warnings == ("warning 0", "warning 1")
        for i in range(MOST_WARNINGS + 3):
            store.runs.warn(RUN, f"warning {i}")
        warnings = store.runs.must_get(RUN).warnings
        assert warnings == tuple(f"warning {i}" for i in range(MOST_WARNINGS))

    def test_a_run_that_is_gone_is_not_warned_of(self, store: Store, table: Table) -> None:
        store.runs.warn("nobody", "warning")
        assert table.get(keys.run("nobody"), keys.META) is None

    def test_it_is_kept_for_longer(self, store: Store) -> None:
        run = store.runs.must_get(RUN)
        assert run.expires_at == EXPIRES
        store.runs.prolong(run, EXPIRES + 86_400)
        assert store.runs.must_get(RUN).expires_at == EXPIRES + 86_400

    def test_its_items_are_kept_for_longer_where_it_matters(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 2)
        run = store.runs.must_get(RUN)

        def ends() -> set[int]:
            items = table.query(keys.run(RUN))
            return {item["expires_at"] for item in items if "expires_at" in item}

        assert ends() == {EXPIRES}
        store.runs.prolong_items(run, EXPIRES + 86_400, NOW)
        assert ends() == {EXPIRES}  # a day is not worth the writes
        store.runs.prolong_items(run, EXPIRES + 86_401, NOW)
        assert ends() == {EXPIRES + 86_401}

    def test_chunks_are_kept_for_a_month_from_when_they_are_claimed(
        self, store: Store, table: Table
    ) -> None:
        opened(store, 2)
        first, _ = claim(store, [1, 2])
        sent_one = sent(store, first, NOW + 9)
        store.chunks.note_submitted(CONNECTION, sent_one, "job-1", NOW + 9)
        mark = table.get(keys.connection(CONNECTION), keys.job_of_chunk("job-1")) or {}
        until = int(NOW) + CHUNK_SECONDS
        assert (only(store, 1).expires_at, mark["expires_at"]) == (until, until)
        assert [claim.kept_until for claim in store.chunks.claims(CONNECTION)] == [until]
        half = CHUNK_SECONDS // 2
        store.runs.prolong_items(store.runs.must_get(RUN), EXPIRES, NOW + half)
        assert only(store, 1).expires_at == until + half

    def test_none_outlives_its_run(self, store: Store) -> None:
        opened(store, 1)
        run, plan = a_run(expires_at=int(NOW) + 86_400), [planned(1)]
        store.chunks.claim(run, 0, plan, store.chunks.pool(RUN), NOW, max_jobs=9)
        assert only(store, 1).expires_at == run.expires_at

    @pytest.mark.parametrize("days", [1, 7, 90, 365, 3_650])
    def test_a_run_is_prolonged_before_anything_of_it_expires(self, days: int) -> None:
        retention = days * 86_400
        kept = kept_seconds(retention)
        run = a_run(expires_at=int(NOW) + kept)
        assert not is_due(run, retention, NOW + min(retention // 4, CHUNK_SECONDS // 2) - 9)
        assert is_due(run, retention, NOW + min(retention // 4, CHUNK_SECONDS // 2) + 9)
        assert is_due(run, retention, NOW + CHUNK_SECONDS // 2 + 9)
        assert is_due(run, retention, NOW + kept - retention + 9)

    def test_lanes_say_when_they_will_be_heard_of_again(self, store: Store) -> None:
        run = store.runs.must_get(RUN)
        store.runs.count(run, 0, {"laps": 1}, alive_until=NOW + 60)
        store.runs.count(run, 1, {"laps": 1})
        assert store.runs.alive_until(RUN) == {0: NOW + 60, 1: 0.0}

    def test_since_when_nothing_is_settled_any_more(self, store: Store) -> None:
        assert store.runs.note_stuck(store.runs.must_get(RUN), NOW) == NOW
        assert store.runs.note_stuck(store.runs.must_get(RUN), NOW + 9) == NOW
        store.runs.checkpoint(RUN, PlanState(), PlanState(9, 5, 1, False, {}), {SKIPPED: 1}, NOW)
        assert store.runs.note_stuck(store.runs.must_get(RUN), NOW + 20) == NOW + 20
