"""Limits of a connection, shared by all its runs."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.domain.chunk import Chunk, JobEnd
from jobferry.domain.connection import ConnectionLimits, Demand, Learned, RequestLog
from jobferry.lane.connection_requests import (
    learn_latencies,
    lower_rate,
    note_requests,
    take_requests,
)
from jobferry.scheduler.concurrency import free_slots, max_jobs
from jobferry.scheduler.rate_limit import ACCOUNT, ENDPOINT, HOLD, per_minute
from jobferry.store import Store
from jobferry.store.connection_limits import ConnectionLimitsStore
from jobferry.store.demands import DEMAND_SECONDS
from tests.unit.store.samples import CONNECTION, NOW, RUN, a_run, claim, opened, planned
from virtual.schedule import Schedule
from virtual.table import FakeTable, fake_store

TEN = {ACCOUNT: 10}


class TestSlots:
    def test_a_connection_nobody_has_used_allows_one_job(self, store: Store) -> None:
        assert store.limits.get(CONNECTION) == ConnectionLimits(in_flight=0, ceiling=1)

    def test_the_ceiling_can_be_changed_while_slots_are_taken(self, store: Store) -> None:
        opened(store, 5, max_jobs=4)
        claim(store, [1, 2, 3], max_jobs=4)
        store.limits.ensure(CONNECTION, 2)
        limits = store.limits.get(CONNECTION)
        assert (limits.in_flight, max_jobs(limits, NOW), free_slots(limits, NOW)) == (3, 2, 0)

    def test_the_vendors_own_word_counts_below_the_ceiling(self, store: Store) -> None:
        store.limits.ensure(CONNECTION, 30)
        store.limits.advertised_jobs(CONNECTION, 20)
        assert max_jobs(store.limits.get(CONNECTION), NOW) == 20
        store.limits.advertised_jobs(CONNECTION, 500)
        assert max_jobs(store.limits.get(CONNECTION), NOW) == 30

    def test_slots_found_to_be_missing_are_tried_again_one_by_one(self, store: Store) -> None:
        store.limits.ensure(CONNECTION, 8)
        store.limits.learn_jobs(CONNECTION, 3, NOW)
        limits = store.limits.get(CONNECTION)
        assert [max_jobs(limits, NOW + seconds) for seconds in (0, 29, 30, 60, 9_999)] == [
            *(3, 3, 4, 5),
            8,
        ]

    def test_one_slot_is_always_left_to_try(self, store: Store) -> None:
        store.limits.ensure(CONNECTION, 8)
        store.limits.learn_jobs(CONNECTION, 0, NOW)
        assert max_jobs(store.limits.get(CONNECTION), NOW) == 1

    def test_that_excess_costs_is_remembered(self, store: Store) -> None:
        assert not store.limits.get(CONNECTION).over_limit_penalised
        store.limits.note_over_limit_penalty(CONNECTION)
        assert store.limits.get(CONNECTION).over_limit_penalised

    def test_connections_do_not_know_of_each_other(self, store: Store) -> None:
        store.limits.ensure("one", 5)
        store.limits.block("one", 100.0)
        take_requests(store.limits, "one", 10, TEN, NOW)
        assert store.limits.get("two").retry_after_until == 0
        assert take_requests(store.limits, "two", 10, TEN, NOW)[0] == 10

    def test_the_longest_wait_counts(self, store: Store) -> None:
        store.limits.ensure(CONNECTION, 5)
        for until in (100.0, 300.5, 200.0):
            store.limits.block(CONNECTION, until)
            store.limits.full(CONNECTION, until + 1)
        limits = store.limits.get(CONNECTION)
        assert (limits.retry_after_until, limits.no_slot_until) == (300.5, 301.5)


class TestRequests:
    def test_requests_of_a_minute_are_shared_out_once(self, store: Store) -> None:
        taken = [take_requests(store.limits, CONNECTION, 4, TEN, NOW + n) for n in range(4)]
        more_at = float(int(NOW) + HOLD)
        assert [granted for granted, _ in taken] == [4, 4, 2, 0]
        assert taken[-1][1] == more_at
        assert take_requests(store.limits, CONNECTION, 4, TEN, more_at - 0.01)[0] == 0
        assert take_requests(store.limits, CONNECTION, 9, TEN, more_at)[0] == 4

    def test_each_request_counts_once(self, store: Store) -> None:
        take_requests(store.limits, CONNECTION, 4, TEN, NOW)
        assert store.limits.requests(CONNECTION).logs == {ACCOUNT: ((int(NOW), 4),)}

    def test_an_endpoint_has_a_limit_of_its_own(self, store: Store) -> None:
        both = {ACCOUNT: 10, ENDPOINT + "imports": 3}
        assert take_requests(store.limits, CONNECTION, 9, both, NOW)[0] == 3
        assert take_requests(store.limits, CONNECTION, 9, both, NOW)[0] == 0
        assert take_requests(store.limits, CONNECTION, 9, TEN, NOW)[0] == 7
        alone = {ENDPOINT + "exports": 5}
        assert take_requests(store.limits, CONNECTION, 9, alone, NOW)[0] == 5

    def test_some_are_kept_for_looks(self, store: Store) -> None:
        assert take_requests(store.limits, CONNECTION, 99, TEN, NOW, kept=3)[0] == 7
        assert take_requests(store.limits, CONNECTION, 99, TEN, NOW)[0] == 3
        assert take_requests(store.limits, "tiny", 9, {ACCOUNT: 1}, NOW, kept=1)[0] == 1

    @pytest.mark.parametrize(("part", "granted"), [(0.5, 5), (0.01, 1), (1.0, 10)])
    def test_a_run_takes_its_part_and_at_least_one(
        self, store: Store, part: float, granted: int
    ) -> None:
        assert take_requests(store.limits, CONNECTION, 99, TEN, NOW, part=part)[0] == granted

    def test_lanes_that_take_at_once_share_what_is_left(self, store: Store) -> None:
        take_requests(store.limits, CONNECTION, 3, TEN, NOW)
        stale = iter([store.limits.requests(CONNECTION)])
        take_requests(store.limits, CONNECTION, 3, TEN, NOW)
        current = store.limits.requests
        with mock.patch.object(
            store.limits, "requests", lambda name: next(stale, None) or current(name)
        ):
            assert take_requests(store.limits, CONNECTION, 9, TEN, NOW)[0] == 4
        assert next(stale, None) is None

    def test_requests_that_had_to_be_made_count_too(self, store: Store) -> None:
        note_requests(store.limits, CONNECTION, 0, NOW)
        assert store.limits.requests(CONNECTION) == RequestLog()
        note_requests(store.limits, CONNECTION, 12, NOW)
        granted, more_at = take_requests(store.limits, CONNECTION, 1, TEN, NOW)
        assert (granted, more_at) == (0, int(NOW) + HOLD)

    def test_a_refusal_lowers_the_rate_once_for_all_lanes(self, store: Store) -> None:
        note_requests(store.limits, CONNECTION, 100, NOW)
        lower_rate(store.limits, CONNECTION, 200, NOW)
        known = store.limits.requests(CONNECTION)
        assert known.learned is not None
        assert known.learned.value == pytest.approx(70)
        lower_rate(store.limits, CONNECTION, 200, NOW + 1)
        assert store.limits.requests(CONNECTION).learned == known.learned
        assert per_minute(known, 200, 1.0, NOW) == 70
        assert per_minute(known, 200, 1.0, NOW + 3_600) == 200

    def test_who_was_quiet_lowers_nothing(self, store: Store) -> None:
        note_requests(store.limits, CONNECTION, 5, NOW)
        lower_rate(store.limits, CONNECTION, 200, NOW)
        assert store.limits.requests(CONNECTION).learned is None

    def test_of_what_the_headers_name_a_part_is_ours(self, store: Store) -> None:
        store.limits.advertised_rate(CONNECTION, 700)
        known = store.limits.requests(CONNECTION)
        assert per_minute(known, None, 0.5, NOW) == 350
        assert per_minute(known, 100, 0.5, NOW) == 100
        assert per_minute(RequestLog(), None, 0.5, NOW) is None
        assert per_minute(RequestLog(learned=Learned(7.9, NOW)), None, 0.5, NOW) == 7


class TestDemands:
    def test_what_runs_need_is_known_to_all(self, store: Store) -> None:
        store.limits.need(CONNECTION, Demand("a", "high", 7), NOW)
        store.limits.need(CONNECTION, Demand("b", "low", 9), NOW)
        store.limits.need(CONNECTION, Demand("a", "high", 3), NOW + 20)
        assert store.limits.demands(CONNECTION, NOW + 20) == [
            Demand("a", "high", 3),
            Demand("b", "low", 9),
        ]
        store.limits.need(CONNECTION, Demand("a", "high", 0), NOW + 21)
        assert store.limits.demands(CONNECTION, NOW) == [Demand("b", "low", 9)]

    def test_a_run_that_nobody_carries_has_no_share(self, store: Store) -> None:
        store.limits.need(CONNECTION, Demand("dead", "immediate", 7), NOW)
        assert store.limits.demands(CONNECTION, NOW + DEMAND_SECONDS) == []


class TestLatencies:
    def test_lessons_are_kept_by_operation_and_size(self, store: Store) -> None:
        assert store.limits.latencies(CONNECTION, "things.create") == {}
        ages = [(9.0, 11.0)] * 5
        learn_latencies(store.limits, CONNECTION, "things.create", {100: ages, 90: ages})
        learn_latencies(store.limits, CONNECTION, "things.create", {10: [(0.9, 1.1)] * 3})
        known = store.limits.latencies(CONNECTION, "things.create")
        assert {name: latency.jobs for name, latency in known.items()} == {
            "": 13,
            "128": 10,
            "16": 3,
        }
        assert known["128"].median == pytest.approx(10, rel=0.05)
        assert known["16"].median == pytest.approx(1, rel=0.05)
        assert store.limits.latencies(CONNECTION, "things.delete") == {}

    def test_lost_answers_are_counted_by_size(self, store: Store) -> None:
        store.limits.learn_lost(CONNECTION, "things.create", 100)
        store.limits.learn_lost(CONNECTION, "things.create", 70)
        store.limits.learn_lost(CONNECTION, "things.create", 3)
        assert store.limits.lost(CONNECTION, "things.create") == {"128": 2, "4": 1}
        assert store.limits.lost(CONNECTION, "things.delete") == {}


class Interleaved(FakeTable):
    """Others have their turn between any two requests to the table."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule

    def get(self, pk: str, sk: str) -> dict[str, object] | None:
        item = super().get(pk, sk)
        self.schedule.give_way()
        return item


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    limit=st.integers(1, 30),
    lanes=st.lists(
        st.lists(st.tuples(st.integers(1, 12), st.floats(0, 40)), max_size=8),
        min_size=2,
        max_size=4,
    ),
)
def test_no_minute_holds_more_whatever_the_lanes_do_at_once(
    seed: int, limit: int, lanes: list[list[tuple[int, float]]]
) -> None:
    schedule = Schedule(NOW, seed)
    limits = ConnectionLimitsStore(Interleaved(schedule))
    grants: list[tuple[float, int]] = []

    def lane(takes: list[tuple[int, float]]) -> None:
        for wanted, pause in takes:
            now = schedule.now()
            granted, more_at = take_requests(limits, CONNECTION, wanted, {ACCOUNT: limit}, now)
            assert granted <= wanted
            assert more_at >= now
            grants.append((now, granted))
            schedule.sleep(pause)

    schedule.run(lambda: schedule.parallel_map(lane, lanes, len(lanes)))
    for begin, _ in grants:
        assert sum(n for at, n in grants if begin <= at < begin + 60) <= limit


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), max_jobs=st.integers(1, 6), chunks=st.integers(1, 14))
def test_claims_of_many_lanes_never_exceed_the_slots(seed: int, max_jobs: int, chunks: int) -> None:
    """Lanes claim, send, and finish or give back in any order; in the end no slot is taken."""
    schedule = Schedule(NOW, seed)
    store = fake_store(Interleaved(schedule))
    opened(store, chunks, max_jobs=max_jobs)
    processed: list[int] = []

    def lane(number: int) -> None:
        while (pool := store.chunks.pool(RUN)).left:
            offered = [*sorted(pool.released), *range(pool.cursor, pool.end)][:2]
            claimed = store.chunks.claim(
                a_run(),
                number,
                [planned(n) for n in offered[:max_jobs]],
                pool,
                schedule.now(),
                max_jobs=max_jobs,
            )
            assert store.limits.get(CONNECTION).in_flight <= max_jobs
            schedule.sleep(0.5 + number)
            for chunk in claimed or ():
                carry(chunk, number)

    def carry(chunk: Chunk, lane_number: int) -> None:
        chunk_number = chunk.number
        sent = store.chunks.begin_sending(chunk, "token", "digest", schedule.now())
        assert sent is not None
        if chunk.attempt == 0 and (chunk_number + lane_number) % 3 == 0:
            assert store.chunks.release(CONNECTION, sent)
            assert not store.chunks.release(CONNECTION, sent)
            return
        processed.append(chunk_number)
        assert store.chunks.note_submitted(CONNECTION, sent, f"job-{chunk_number}", schedule.now())
        schedule.sleep(1)
        finish(chunk_number)

    def finish(chunk_number: int) -> None:
        (chunk,) = store.chunks.get(RUN, [chunk_number])
        job_end = JobEnd(chunk_number, evidence="evidence.json")
        assert store.chunks.finish(CONNECTION, [chunk], [job_end], schedule.now()) == [chunk_number]
        assert store.chunks.finish(CONNECTION, [chunk], [job_end], schedule.now()) == []

    schedule.run(lambda: schedule.parallel_map(lane, [0, 1, 2], 3))
    assert sorted(processed) == list(range(1, chunks + 1))
    assert store.limits.get(CONNECTION).in_flight == 0
