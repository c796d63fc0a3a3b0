from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.virtual.vendor import (
    POLL_BATCH,
    SECONDS,
    STORM_EVERY,
    STORM_LASTS,
    Conditions,
    Kind,
    Reading,
    Reason,
    Refusal,
    VendorModel,
)

PLENTY = Conditions(max_jobs=30, requests_per_minute=10_000, latency=15.0)
EVEN = Conditions(2, 10_000, latency=10.0, sigma=0.0, stragglers=0.0)


def test_one_job_more_than_allowed_is_refused_and_nothing_is_done() -> None:
    vendor = VendorModel(EVEN, seed=1)
    assert [vendor.submit(0.0) for _ in range(3)] == [0, 1, Refusal(Reason.JOBS, None)]
    assert vendor.accepted == 2
    assert vendor.submit(9.9) == Refusal(Reason.JOBS, None)
    assert vendor.submit(10.1) == 2


def test_a_job_goes_on_evenly_until_it_ends() -> None:
    vendor = VendorModel(EVEN, seed=1)
    vendor.submit(0.0)
    assert [vendor.poll(moment, [0]) for moment in (0.0, 2.55, 9.99, 10.1)] == [
        [Reading(False, 0)],
        [Reading(False, 25)],
        [Reading(False, 99)],
        [Reading(True, 100)],
    ]


def test_requests_beyond_the_minutes_allowance_are_told_to_wait_for_the_next() -> None:
    vendor = VendorModel(Conditions(30, 3, latency=15.0), seed=1)
    answers = [vendor.submit(moment) for moment in (61.0, 62.0, 63.0, 75.0, 119.0, 120.0)]
    assert answers == [0, 1, 2, Refusal(Reason.RATE, 45.0), Refusal(Reason.RATE, 1.0), 3]
    assert vendor.refused == {Reason.RATE: 2}
    assert vendor.requests == {Kind.SUBMIT: 6}
    assert vendor.most_in_window == 5
    assert vendor.most_in_any_minute == 6


def test_in_a_storm_everything_is_refused() -> None:
    vendor = VendorModel(Conditions(30, 700, 15.0, storms=True), seed=1)
    storm = 4 * STORM_EVERY
    assert vendor.submit(storm - 1) == 0
    assert vendor.poll(storm, [0]) == Refusal(Reason.STORM, 5.0)
    assert vendor.submit(storm + STORM_LASTS - 0.1) == Refusal(Reason.STORM, 5.0)
    assert vendor.submit(storm + STORM_LASTS) == 1


def test_a_poll_may_ask_about_a_hundred_jobs() -> None:
    vendor = VendorModel(PLENTY, seed=1)
    for _ in range(2):
        vendor.submit(0.0)
    with pytest.raises(ValueError, match="101 jobs in one poll"):
        vendor.poll(0.0, [0] * (POLL_BATCH + 1))
    assert len(vendor.poll(100.0, [0, 1])) == 2


def test_the_nth_job_takes_as_long_whoever_sent_it_and_whenever() -> None:
    early, late = VendorModel(PLENTY, seed=7), VendorModel(PLENTY, seed=7)
    for number in range(30):
        early.submit(0.0)
        late.request_seconds(Kind.POLL)
        late.submit(float(number))
    assert late.latencies == pytest.approx(early.latencies)
    other = VendorModel(PLENTY, seed=8)
    other.submit(0.0)
    assert other.latencies[0] != early.latencies[0]


def test_latencies_have_the_mean_that_was_asked_for_and_some_take_five_times_as_long() -> None:
    conditions = Conditions(20_000, 100_000, latency=15.0, sigma=0.3)
    vendor = VendorModel(conditions, seed=1)
    for _ in range(20_000):
        vendor.submit(0.0)
    assert mean(vendor.latencies) == pytest.approx(15.0 * (1 + 0.02 * 4), rel=0.02)
    slow = sum(seconds > 45.0 for seconds in vendor.latencies)
    assert slow / 20_000 == pytest.approx(0.02, rel=0.2)


def test_requests_take_about_their_time() -> None:
    vendor = VendorModel(PLENTY, seed=1)
    for kind in Kind:
        taken = [vendor.request_seconds(kind) for _ in range(1_000)]
        assert mean(taken) == pytest.approx(SECONDS[kind], rel=0.02)


def test_slots_in_use_while_work_is_left() -> None:
    vendor = VendorModel(EVEN, seed=1)
    vendor.submit(0.0)
    vendor.submit(5.0)
    vendor.submit(20.0)
    # Of two slots for 20 s, the first job used 10 s and the second 10 s.
    assert vendor.slot_use(0.0) == pytest.approx(0.5)


def test_no_slots_are_used_in_no_time() -> None:
    vendor = VendorModel(EVEN, seed=1)
    vendor.submit(0.0)
    assert vendor.slot_use(0.0) == 0.0


@given(
    max_jobs=st.integers(1, 4),
    requests_per_minute=st.integers(1, 40),
    storms=st.booleans(),
    seed=st.integers(0, 100),
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=80),
)
def test_limits_hold_whatever_a_client_does(
    max_jobs: int, requests_per_minute: int, storms: bool, seed: int, pauses: list[float]
) -> None:
    conditions = Conditions(max_jobs, requests_per_minute, latency=12.0, storms=storms)
    vendor = VendorModel(conditions, seed)
    now, passed = 0.0, []
    in_flight: list[float] = []
    for pause in pauses:
        now += pause
        in_flight = [ends_at for ends_at in in_flight if ends_at > now]
        answer = vendor.submit(now)
        if isinstance(answer, int):
            passed.append(now)
            in_flight.append(now + vendor.latencies[answer])
            assert len(in_flight) <= max_jobs
        elif answer.retry_after is not None:
            assert answer.retry_after > 0
    windows = [int(moment // 60) for moment in passed]
    assert all(windows.count(window) <= requests_per_minute for window in windows)
    assert vendor.most_in_flight <= max_jobs
    assert vendor.requests[Kind.SUBMIT] == len(pauses)
    assert vendor.refused.total() == len(pauses) - len(passed)
