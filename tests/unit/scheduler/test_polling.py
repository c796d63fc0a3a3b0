"""Pacing: never before the vendor allows it, never never, and never more than there is room for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain import prices
from jobferry.domain.connection import Connection
from jobferry.domain.latency import Latency
from jobferry.scheduler import bounds, completion, concurrency, polling, rate_limit
from jobferry.scheduler import lanes as lanes_module
from jobferry.scheduler.completion import InFlight

NOW = 1_767_225_600.0
KNOWN = st.builds(
    Latency, mu=st.floats(-1, 6), spread=st.floats(0.02, 1.0), jobs=st.integers(1, 500)
)
LATENCY = st.none() | KNOWN
MOMENTS = st.floats(-5_000, 5).map(lambda seconds: NOW + seconds)
JOB = st.builds(
    lambda submitted_at, seen, expected: InFlight(
        submitted_at, max(submitted_at, seen), None if expected is None else NOW + expected
    ),
    MOMENTS,
    MOMENTS,
    st.none() | st.floats(-10, 2_000),
)
JOBS = st.lists(JOB, min_size=1, max_size=8)
SITUATION = st.fixed_dictionaries(
    {
        "scarce": st.booleans(),
        "more": st.booleans(),
        "scarce_requests": st.booleans(),
        "last_polled_at": st.just(0.0) | st.floats(NOW - 2_000, NOW),
        "retry_after_until": st.just(0.0) | st.floats(NOW - 1_000, NOW + 10_000),
        "spacing": st.floats(0, 60),
    }
)
Situation = dict[str, float]


def look(now: float, jobs: list[InFlight], latency: Latency | None, situation: Situation) -> float:
    return polling.next_poll_at(now, jobs, latency, **situation)  # type: ignore[arg-type]


def steady(seconds: float, spread: float = 0.1, jobs: int = 100) -> Latency:
    return Latency(math.log(seconds), spread, jobs)


class TestNextLook:
    @given(JOBS, LATENCY, SITUATION)
    def test_never_before_the_vendor_allows_it_nor_in_the_past(
        self, jobs: list[InFlight], latency: Latency | None, situation: Situation
    ) -> None:
        moment = look(NOW, jobs, latency, situation)
        assert moment >= max(NOW, situation["retry_after_until"])
        assert moment >= situation["last_polled_at"] + max(
            bounds.MIN_POLL_INTERVAL, situation["spacing"]
        )

    @given(JOBS, LATENCY, SITUATION)
    def test_never_much_later(
        self, jobs: list[InFlight], latency: Latency | None, situation: Situation
    ) -> None:
        """A minute after the last look, or the youngest job: longer only if it must be."""
        moment = look(NOW, jobs, latency, situation)
        gap = 0.0 if latency is None else 0.02 * latency.median
        spaced = situation["last_polled_at"] + max(situation["spacing"], gap)
        must = max(NOW, situation["retry_after_until"], spaced)
        last = max(situation["last_polled_at"], min(job.submitted_at for job in jobs))
        assert moment <= max(must, last + bounds.MAX_POLL_INTERVAL) + 0.05

    @given(JOBS, LATENCY, SITUATION, st.floats(0, 100))
    def test_waiting_for_a_look_does_not_put_it_off(
        self, jobs: list[InFlight], latency: Latency | None, situation: Situation, passed: float
    ) -> None:
        before = look(NOW, jobs, latency, situation)
        after = look(NOW + passed, jobs, latency, situation)
        assert after <= max(before, NOW + passed) + 0.05

    @given(LATENCY, SITUATION)
    def test_with_nothing_in_flight_there_is_none(
        self, latency: Latency | None, situation: Situation
    ) -> None:
        assert look(NOW, [], latency, situation) == math.inf

    @given(JOBS, KNOWN, SITUATION)
    def test_when_slots_are_scarce_it_is_no_later(
        self, jobs: list[InFlight], latency: Latency, situation: Situation
    ) -> None:
        scarce = look(NOW, jobs, latency, {**situation, "scarce": True, "more": True})
        free = look(NOW, jobs, latency, {**situation, "scarce": False, "more": True})
        assert scarce <= free + 0.05

    def test_a_job_of_known_latency_is_looked_at_when_it_should_be_done(self) -> None:
        jobs = [InFlight(NOW - 5, NOW - 5)]
        moment = polling.next_poll_at(NOW, jobs, steady(20, 0.02), scarce=True, more=True)
        assert NOW + 14.5 < moment < NOW + 16

    def test_many_jobs_that_end_one_by_one_are_not_looked_at_one_by_one(self) -> None:
        """While slots are free a look waits for many; while they are scarce, for the first."""
        jobs = [InFlight(NOW - n / 2, NOW - n / 2) for n in range(60)]
        latency = steady(40, 0.02)
        first = polling.next_poll_at(NOW, jobs, latency, scarce=True, more=True)
        many = polling.next_poll_at(NOW, jobs, latency, scarce=False, more=True)
        assert first < NOW + 11
        assert completion.expected_ended(many, jobs, latency) > 15

    def test_looks_at_a_job_that_is_overdue_thin_out(self) -> None:
        waits = []
        for age in (60, 120, 240):
            job = InFlight(NOW - age, NOW)
            moment = polling.next_poll_at(
                NOW, [job], steady(20), scarce=False, more=False, last_polled_at=NOW
            )
            waits.append(moment - NOW)
        assert waits == sorted(waits)
        assert waits[0] < waits[2] <= bounds.MAX_POLL_INTERVAL

    def test_looks_at_jobs_of_unknown_latency_thin_out(self) -> None:
        polls, at = [], NOW
        while at < NOW + 600:
            at = polling.next_poll_at(
                at, [InFlight(NOW, at)], None, scarce=True, more=True, last_polled_at=at
            )
            polls.append(at)
        gaps = [after - before for before, after in pairwise(polls)]
        assert polls[0] == NOW + 1
        assert gaps == sorted(gaps)
        assert gaps[-1] <= bounds.MAX_POLL_INTERVAL
        assert len(polls) < 25

    def test_a_vendor_that_counts_is_believed(self) -> None:
        expected = completion.estimated_end(NOW - 10, NOW, 50, 100)
        assert expected == NOW + 10
        moment = polling.next_poll_at(
            NOW, [InFlight(NOW - 10, NOW, expected)], steady(500), scarce=True, more=True
        )
        assert NOW + 8 < moment < NOW + 12

    @given(MOMENTS, st.none() | st.integers(0, 200), st.none() | st.integers(0, 200))
    def test_nothing_is_foretold_from_nothing(
        self, submitted_at: float, progress: int | None, total: int | None
    ) -> None:
        moment = completion.estimated_end(submitted_at, NOW, progress, total)
        if not progress or not total or progress >= total or submitted_at >= NOW:
            assert moment is None
        else:
            assert moment is not None
            assert moment > NOW

    @given(
        st.floats(),
        st.floats(0, 4e9),
        st.none() | st.integers() | st.just(10**400),
        st.none() | st.integers() | st.just(10**400),
    )
    def test_no_count_is_absurd_enough_to_foretell_what_cannot_be(
        self, submitted_at: float, now: float, progress: int | None, total: int | None
    ) -> None:
        moment = completion.estimated_end(submitted_at, now, progress, total)
        assert moment is None or now <= moment <= now + completion.LONGEST_FORECAST

    @pytest.mark.parametrize(
        ("progress", "total"), [(1, 10**400), (-1, 10), (1, 2**60), (10**400, 10**401), (True, 0)]
    )
    def test_counts_that_are_none(self, progress: int, total: int) -> None:
        assert completion.estimated_end(NOW - 10, NOW, progress, total) is None


class TestLanes:
    @given(st.integers(0, 5_000), st.integers(0, 1_000_000), st.integers(1, 1_000))
    def test_lanes_and_windows_fill_every_slot(
        self, max_jobs: int, chunks: int, poll_batch: int
    ) -> None:
        lanes = lanes_module.lanes_for(max_jobs, chunks, poll_batch)
        assert 0 <= lanes <= lanes_module.MAX_LANES
        assert (lanes == 0) == (min(max_jobs, chunks) == 0)
        if lanes:
            assert lanes * lanes_module.window_for(max_jobs, lanes) >= max_jobs

    @pytest.mark.parametrize(
        ("max_jobs", "chunks", "poll_batch", "lanes"),
        [(30, 1, 100, 1), (30, 9_999, 100, 1), (30, 9_999, 1, 1), (500, 9_999, 100, 5)],
    )
    def test_as_many_lanes_as_are_worth_it(
        self, max_jobs: int, chunks: int, poll_batch: int, lanes: int
    ) -> None:
        assert lanes_module.lanes_for(max_jobs, chunks, poll_batch) == lanes

    @pytest.mark.parametrize(("max_jobs", "chunks"), [(500, 9_999), (1, 1), (500, 0), (0, 9)])
    def test_jobs_in_order_need_one(self, max_jobs: int, chunks: int) -> None:
        lanes = lanes_module.lanes_for(max_jobs, chunks, 100, in_order=True)
        assert lanes == min(1, max_jobs, chunks)

    @given(*[st.integers(0, 1_000)] * 4)
    def test_a_claim_fits_everywhere(self, window: int, mine: int, free: int, left: int) -> None:
        count = lanes_module.to_claim(window, mine, free, left)
        assert 0 <= count <= min(free, left)
        assert count + mine <= max(window, mine)


class TestWaits:
    @given(st.floats(0, rate_limit.LONGEST_WAIT, allow_subnormal=False))
    def test_retry_after_is_obeyed_exactly(self, retry_after: float) -> None:
        assert rate_limit.retry_after_until(NOW, retry_after) == NOW + retry_after
        assert concurrency.no_slot_until(NOW, retry_after) == NOW + retry_after

    @pytest.mark.parametrize("retry_after", [None, math.nan])
    def test_without_one_there_is_a_wait_all_the_same(self, retry_after: float | None) -> None:
        assert rate_limit.retry_after_until(NOW, retry_after) == NOW + rate_limit.THROTTLED
        assert concurrency.no_slot_until(NOW, retry_after) == NOW + concurrency.NO_SLOT
        assert concurrency.no_slot_until(NOW, retry_after, quiet=60.0) == NOW + 12
        assert (
            concurrency.no_slot_until(NOW, retry_after, quiet=3_600.0)
            == NOW + concurrency.FULL_CEILING
        )

    @given(st.floats(), st.floats())
    def test_no_wait_is_longer_than_an_hour(self, retry_after: float, quiet: float) -> None:
        latest = NOW + rate_limit.LONGEST_WAIT
        assert NOW <= rate_limit.retry_after_until(NOW, retry_after) <= latest
        assert NOW <= concurrency.no_slot_until(NOW, retry_after, quiet) <= latest

    def test_lanes_that_do_nothing_start_later_and_later(self) -> None:
        moments = [lanes_module.relaunch_at(NOW, n) for n in range(20)]
        assert moments == sorted(moments)
        assert (moments[0], moments[-1]) == (NOW, NOW + 300)

    @given(st.floats(0, 1_000), st.floats(0.125, 10))
    def test_waiting_inside_never_costs_more_than_a_lap(
        self, wait: float, memory_gb: float
    ) -> None:
        cost = wait * memory_gb * prices.LAMBDA_GB_SECOND_ARM
        assert lanes_module.worth_staying(wait, memory_gb) == (cost <= prices.ITERATION)

    def test_short_waits_happen_inside_and_long_ones_outside(self) -> None:
        assert lanes_module.worth_staying(5.0, 0.5)
        assert not lanes_module.worth_staying(60.0, 0.5)


class TestBudget:
    @given(st.integers(1, 5_000), st.floats(0.01, 1.0))
    def test_people_keep_their_share(self, per_minute: int, share: float) -> None:
        budget = Connection(
            "acme", "v", "https://acme.example", requests_per_minute=per_minute, share=share
        ).request_budget
        assert budget is not None
        assert 2 <= budget <= max(2, per_minute * share)

    def test_no_limit_is_no_budget(self) -> None:
        assert Connection("acme", "v", "https://acme.example", share=0.5).request_budget is None

    @given(st.integers(1, 5_000))
    def test_looks_keep_some_and_submissions_most(self, per_minute: int) -> None:
        kept = rate_limit.reserve(per_minute)
        assert 0 <= kept < per_minute
        assert (kept > 0) == (per_minute > 1)
        assert kept <= max(1, 0.05 * per_minute)

    @given(st.none() | st.integers(1, 5_000), st.floats(0, 100))
    def test_looks_take_what_submissions_leave(
        self, per_minute: int | None, submissions: float
    ) -> None:
        spacing = polling.poll_spacing(per_minute, submissions)
        if per_minute is None:
            assert spacing == 0
            return
        assert 0 < spacing <= 60
        most = max(per_minute - 60 * submissions, rate_limit.reserve(per_minute), 1)
        assert 60 / spacing == pytest.approx(most)


@given(st.lists(st.integers(1, 10_000), max_size=300))
def test_groups_hold_every_chunk_once(chunks: list[int]) -> None:
    groups = lanes_module.settle_groups(chunks)
    assert [chunk for group in groups for chunk in group] == chunks
    assert all(0 < len(group) <= lanes_module.SETTLE_GROUP for group in groups)


def test_a_lane_of_full_laps_fits_into_a_history() -> None:
    iteration = lanes_module.events_of_iteration(2 * lanes_module.SETTLE_PARALLEL)
    assert iteration > lanes_module.events_of_iteration(0) > 0
    assert lanes_module.MAX_EVENTS + iteration < 25_000
