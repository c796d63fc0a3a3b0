"""When to poll: never before the vendor allows it, and never never."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.latency import Latency
from jobferry.scheduler import completion, polling, rate_limit
from jobferry.scheduler.completion import InFlight
from jobferry.scheduler.settings import USUAL

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
        "not_before": st.just(0.0) | st.floats(NOW - 1_000, NOW + 10_000),
        "spacing": st.floats(0, 60),
    }
)
Situation = dict[str, float]


def poll_at(
    now: float, jobs: list[InFlight], latency: Latency | None, situation: Situation
) -> float:
    return polling.next_poll_at(now, jobs, latency, **situation)  # type: ignore[arg-type]


def steady(seconds: float, spread: float = 0.1, jobs: int = 100) -> Latency:
    return Latency(math.log(seconds), spread, jobs)


class TestNextPoll:
    @given(JOBS, LATENCY, SITUATION)
    def test_never_before_the_vendor_allows_it_nor_in_the_past(
        self, jobs: list[InFlight], latency: Latency | None, situation: Situation
    ) -> None:
        moment = poll_at(NOW, jobs, latency, situation)
        assert moment >= max(NOW, situation["not_before"])
        assert moment >= situation["last_polled_at"] + max(
            USUAL.min_poll_interval, situation["spacing"]
        )

    @given(JOBS, LATENCY, SITUATION)
    def test_never_much_later(
        self, jobs: list[InFlight], latency: Latency | None, situation: Situation
    ) -> None:
        """A minute after the last poll, or the youngest job: longer only if it must be."""
        moment = poll_at(NOW, jobs, latency, situation)
        gap = 0.0 if latency is None else 0.02 * latency.median
        spaced = situation["last_polled_at"] + max(situation["spacing"], gap)
        must = max(NOW, situation["not_before"], spaced)
        last = max(situation["last_polled_at"], min(job.submitted_at for job in jobs))
        assert moment <= max(must, last + USUAL.max_poll_interval) + 0.05

    @given(JOBS, LATENCY, SITUATION, st.floats(0, 100))
    def test_waiting_for_a_poll_does_not_put_it_off(
        self, jobs: list[InFlight], latency: Latency | None, situation: Situation, passed: float
    ) -> None:
        before = poll_at(NOW, jobs, latency, situation)
        after = poll_at(NOW + passed, jobs, latency, situation)
        assert after <= max(before, NOW + passed) + 0.05

    @given(LATENCY, SITUATION)
    def test_with_nothing_in_flight_there_is_none(
        self, latency: Latency | None, situation: Situation
    ) -> None:
        assert poll_at(NOW, [], latency, situation) == math.inf

    @given(JOBS, KNOWN, SITUATION)
    def test_when_slots_are_scarce_it_is_no_later(
        self, jobs: list[InFlight], latency: Latency, situation: Situation
    ) -> None:
        scarce = poll_at(NOW, jobs, latency, {**situation, "scarce": True, "more": True})
        free = poll_at(NOW, jobs, latency, {**situation, "scarce": False, "more": True})
        assert scarce <= free + 0.05

    def test_a_job_of_known_latency_is_polled_when_it_should_be_done(self) -> None:
        jobs = [InFlight(NOW - 5, NOW - 5)]
        moment = polling.next_poll_at(NOW, jobs, steady(20, 0.02), scarce=True, more=True)
        assert NOW + 14.5 < moment < NOW + 16

    def test_many_jobs_that_end_one_by_one_are_not_polled_one_by_one(self) -> None:
        """While slots are free a poll waits for many; while they are scarce, for the first."""
        jobs = [InFlight(NOW - n / 2, NOW - n / 2) for n in range(60)]
        latency = steady(40, 0.02)
        first = polling.next_poll_at(NOW, jobs, latency, scarce=True, more=True)
        many = polling.next_poll_at(NOW, jobs, latency, scarce=False, more=True)
        assert first < NOW + 11
        assert completion.expected_ended(many, jobs, latency) > 15

    def test_polls_of_a_job_that_is_overdue_thin_out(self) -> None:
        waits = []
        for age in (60, 120, 240):
            job = InFlight(NOW - age, NOW)
            moment = polling.next_poll_at(
                NOW, [job], steady(20), scarce=False, more=False, last_polled_at=NOW
            )
            waits.append(moment - NOW)
        assert waits == sorted(waits)
        assert waits[0] < waits[2] <= USUAL.max_poll_interval

    def test_polls_of_jobs_of_unknown_latency_thin_out(self) -> None:
        polls, at = [], NOW
        while at < NOW + 600:
            at = polling.next_poll_at(
                at, [InFlight(NOW, at)], None, scarce=True, more=True, last_polled_at=at
            )
            polls.append(at)
        gaps = [after - before for before, after in pairwise(polls)]
        assert polls[0] == NOW + 1
        assert gaps == sorted(gaps)
        assert gaps[-1] <= USUAL.max_poll_interval
        assert len(polls) < 25

    def test_a_vendor_that_counts_is_believed(self) -> None:
        expected = completion.estimated_end(NOW - 10, NOW, 50, 100)
        assert expected == NOW + 10
        moment = polling.next_poll_at(
            NOW, [InFlight(NOW - 10, NOW, expected)], steady(500), scarce=True, more=True
        )
        assert NOW + 8 < moment < NOW + 12

    @given(MOMENTS, st.none() | st.integers(0, 200), st.none() | st.integers(0, 200))
    def test_nothing_is_estimated_from_nothing(
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
    def test_no_count_is_absurd_enough_to_estimate_what_cannot_be(
        self, submitted_at: float, now: float, progress: int | None, total: int | None
    ) -> None:
        moment = completion.estimated_end(submitted_at, now, progress, total)
        assert moment is None or now <= moment <= now + completion.LONGEST_FORECAST

    @pytest.mark.parametrize(
        ("progress", "total"), [(1, 10**400), (-1, 10), (1, 2**60), (10**400, 10**401), (True, 0)]
    )
    def test_counts_that_are_none(self, progress: int, total: int) -> None:
        assert completion.estimated_end(NOW - 10, NOW, progress, total) is None

    @given(st.none() | st.integers(1, 5_000), st.floats(0, 100))
    def test_polls_take_what_submissions_leave(
        self, per_minute: int | None, submissions: float
    ) -> None:
        spacing = polling.poll_spacing(per_minute, submissions)
        if per_minute is None:
            assert spacing == 0
            return
        assert 0 < spacing <= 60
        most = max(per_minute - 60 * submissions, rate_limit.reserve(per_minute), 1)
        assert 60 / spacing == pytest.approx(most)
