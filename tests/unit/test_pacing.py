"""Pacing: never before the vendor allows it, never never, and never more than there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry import pacing
from jobferry.pacing import InFlight

NOW = 1_767_225_600.0
SECONDS = st.floats(0, 100_000, allow_subnormal=False)
JOBS = st.lists(
    st.builds(
        InFlight,
        submitted_at=st.floats(NOW - 100_000, NOW + 5),
        progress=st.none() | st.integers(0, 200),
        total=st.none() | st.integers(0, 200),
    ),
    max_size=6,
)
BLOCKED = st.floats(NOW - 1_000, NOW + 100_000)


class TestNextLook:
    @given(JOBS, st.none() | SECONDS, BLOCKED)
    def test_never_earlier_than_the_vendor_allows(
        self, jobs: list[InFlight], latency: float | None, blocked: float
    ) -> None:
        assert pacing.next_look(NOW, jobs, latency, blocked_until=blocked) >= blocked

    @given(JOBS, st.none() | SECONDS, BLOCKED)
    def test_never_at_once_and_never_much_later(
        self, jobs: list[InFlight], latency: float | None, blocked: float
    ) -> None:
        moment = pacing.next_look(NOW, jobs, latency, blocked_until=blocked)
        assert moment >= NOW + pacing.FLOOR
        assert moment <= max(NOW + pacing.CEILING, blocked)

    @given(JOBS, st.none() | SECONDS, SECONDS)
    def test_time_does_not_bring_a_look_closer_to_the_past(
        self, jobs: list[InFlight], latency: float | None, passed: float
    ) -> None:
        before = pacing.next_look(NOW, jobs, latency)
        after = pacing.next_look(NOW + passed, jobs, latency)
        assert after >= min(before, NOW + passed)

    @given(JOBS, JOBS, st.none() | SECONDS)
    def test_one_more_job_never_delays_the_look(
        self, jobs: list[InFlight], more: list[InFlight], latency: float | None
    ) -> None:
        if jobs:
            every = pacing.next_look(NOW, [*jobs, *more], latency)
            assert every <= pacing.next_look(NOW, jobs, latency)

    def test_a_job_of_known_latency_is_looked_at_when_it_should_be_done(self) -> None:
        jobs = [InFlight(NOW - 5), InFlight(NOW - 2)]
        assert pacing.next_look(NOW, jobs, 20.0) == NOW + 15

    def test_looks_at_a_job_that_is_overdue_thin_out(self) -> None:
        waits = [
            pacing.next_look(NOW, [InFlight(NOW - age)], 20.0) - NOW for age in (30, 60, 120, 240)
        ]
        assert waits == sorted(waits)
        assert len(set(waits)) == 4

    def test_a_vendor_that_counts_is_believed(self) -> None:
        assert pacing.next_look(NOW, [InFlight(NOW - 10, 50, 100)], None) == NOW + 10
        assert pacing.next_look(NOW, [InFlight(NOW - 10, 100, 100)], 5.0) == NOW + pacing.FLOOR

    def test_with_nothing_in_flight_it_is_soon(self) -> None:
        assert pacing.next_look(NOW, [], 20.0) == NOW + pacing.FLOOR


class TestLanes:
    @given(st.integers(0, 5_000), st.integers(0, 1_000_000))
    def test_lanes_and_windows_fill_every_slot(self, max_jobs: int, chunks: int) -> None:
        lanes = pacing.lanes_for(max_jobs, chunks)
        assert 0 <= lanes <= pacing.MAX_LANES
        assert (lanes == 0) == (min(max_jobs, chunks) == 0)
        if lanes:
            assert lanes * pacing.window_for(max_jobs, lanes) >= min(max_jobs, chunks)

    @pytest.mark.parametrize(
        ("max_jobs", "chunks", "lanes"), [(30, 1, 1), (30, 15, 1), (30, 16, 2), (30, 9_999, 2)]
    )
    def test_as_many_lanes_as_are_worth_it(self, max_jobs: int, chunks: int, lanes: int) -> None:
        assert pacing.lanes_for(max_jobs, chunks) == lanes

    @given(*[st.integers(0, 1_000)] * 4)
    def test_a_claim_fits_everywhere(self, window: int, mine: int, free: int, left: int) -> None:
        count = pacing.to_claim(window, mine, free, left)
        assert 0 <= count <= min(free, left)
        assert count + mine <= max(window, mine)


class TestLearned:
    @given(st.none() | SECONDS, st.lists(SECONDS))
    def test_the_latency_lies_within_what_was_seen(
        self, latency: float | None, observed: list[float]
    ) -> None:
        known = [*([] if latency is None else [latency]), *observed]
        learned = pacing.learned(latency, observed)
        if not known:
            assert learned is None
        else:
            assert learned is not None
            assert min(known) * 0.999 - 1e-6 <= learned <= max(known) * 1.001 + 1e-6

    def test_it_follows_a_vendor_that_gets_slower(self) -> None:
        assert pacing.learned(10.0, [60.0] * 10) == pytest.approx(60.0, rel=0.05)


class TestWaits:
    @given(st.none() | SECONDS)
    def test_retry_after_is_obeyed_exactly(self, retry_after: float | None) -> None:
        if retry_after is None:
            assert pacing.blocked_until(NOW, None) == NOW + pacing.THROTTLED
            assert pacing.full_until(NOW, None) == NOW + pacing.NO_SLOT
        else:
            assert pacing.blocked_until(NOW, retry_after) == NOW + retry_after
            assert pacing.full_until(NOW, retry_after) == NOW + retry_after

    def test_lanes_that_do_nothing_start_later_and_later(self) -> None:
        moments = [pacing.relaunch_at(NOW, n) for n in range(20)]
        assert moments == sorted(moments)
        assert (moments[0], moments[-1]) == (NOW, NOW + 300)


class TestBudget:
    @given(st.integers(1, 5_000), st.floats(0.01, 1.0))
    def test_people_keep_their_share(self, per_minute: int, share: float) -> None:
        budget = pacing.request_budget(per_minute, share)
        assert budget is not None
        assert 2 <= budget <= max(2, per_minute * share)
        assert 1 <= pacing.submission_budget(budget) < budget

    def test_no_limit_is_no_budget(self) -> None:
        assert pacing.request_budget(None, 0.5) is None

    @given(st.floats(0, 2e9))
    def test_the_next_minute_is_another(self, now: float) -> None:
        after = pacing.next_window(now)
        assert now < after <= now + pacing.WINDOW
        assert pacing.window_of(after) == pacing.window_of(now) + 1


def test_groups_hold_every_chunk_once() -> None:
    groups = pacing.settle_groups(list(range(12)))
    assert groups == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    assert pacing.settle_groups([]) == []


def test_a_lane_of_full_laps_fits_into_a_history() -> None:
    lap = pacing.events_of_lap(10)
    assert lap > pacing.events_of_lap(0) > 0
    assert pacing.MAX_EVENTS + lap < 25_000
