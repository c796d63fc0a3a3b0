from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from benchmarks.virtual.peers import PEERS, Waits, backing_off, every, one_poller_per_job
from benchmarks.virtual.policy import START, measure
from benchmarks.virtual.timeline import Steps, Timeline
from benchmarks.virtual.vendor import Conditions, Kind, VendorModel
from virtual.schedule import Schedule

HARD = Conditions(max_jobs=7, requests_per_minute=60, latency=6.0, storms=True)
EVEN = Conditions(5, 1_000, latency=12.0, sigma=0.0, stragglers=0.0)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_reaches_the_end_within_the_limits(name: str) -> None:
    figures = measure(PEERS[name], HARD, jobs=40, seed=3)
    assert figures.most_in_flight <= HARD.max_jobs
    assert figures.least_ratio >= 1.0
    assert figures.request_ratio >= 1.0
    assert 0.0 < figures.slot_use <= 1.0


@pytest.mark.parametrize("name", PEERS)
def test_a_seed_gives_the_same_figures_again(name: str) -> None:
    assert measure(PEERS[name], HARD, 20, seed=1) == measure(PEERS[name], HARD, 20, seed=1)


@pytest.mark.parametrize("name", PEERS)
def test_a_small_run_of_one_job(name: str) -> None:
    assert measure(PEERS[name], HARD, jobs=1, seed=5).requests >= 2


def test_a_policy_that_leaves_a_job_out_is_no_policy() -> None:
    def lazy(vendor: VendorModel, _jobs: int, schedule: Schedule) -> None:
        vendor.submit(schedule.now())

    with pytest.raises(RuntimeError, match="1 jobs were accepted, and 2"):
        measure(lazy, EVEN, jobs=2, seed=0)


def test_threads_send_at_once_and_one_poll_sees_all_of_them() -> None:
    vendor, schedule = VendorModel(EVEN, seed=1), Schedule(START)
    PEERS["threads, poll 2 s"](vendor, 10, schedule)
    # Five jobs of 12 s are seen by the sixth or seventh poll, and five more after them.
    assert vendor.requests[Kind.SUBMIT] == 10
    assert vendor.requests[Kind.POLL] <= 14
    assert schedule.now() - START < 30.0


@pytest.mark.parametrize(
    ("name", "polls", "seconds"),
    [
        # A job of 12 s: seen by the third look after 15 s, or by the first one after 60 s.
        ("AWS Job Poller 5 s", 3, 15.0),
        ("AWS Job Poller 60 s", 1, 60.0),
        ("Salesforce CLI 5 s", 3, 15.0),
        ("batched poller 5 s", 3, 15.0),
        ("sequential script", 11, 12.0),
    ],
)
def test_how_often_a_peer_looks_at_one_job(name: str, polls: int, seconds: float) -> None:
    vendor, schedule = VendorModel(EVEN, seed=1), Schedule(START)
    PEERS[name](vendor, 1, schedule)
    assert vendor.requests == {Kind.SUBMIT: 1, Kind.POLL: polls}
    assert schedule.now() - START == pytest.approx(seconds, abs=2.0)


def test_only_the_batched_poller_asks_about_many_jobs_at_once() -> None:
    polls = {}
    for name in ("Salesforce CLI 5 s", "batched poller 5 s"):
        vendor = VendorModel(EVEN, seed=1)
        PEERS[name](vendor, 5, Schedule(START))
        polls[name] = vendor.requests[Kind.POLL]
    assert polls["batched poller 5 s"] == 3
    assert polls["Salesforce CLI 5 s"] > 10


def first(waits: Waits, count: int) -> list[float]:
    return list(islice(waits(Random(1)), count))


def test_fixed_waits() -> None:
    assert first(every(5.0), 3) == [5.0, 5.0, 5.0]


def test_waits_that_back_off() -> None:
    class Most(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    longest = list(islice(backing_off(5.0, 1.5, 300.0)(Most()), 13))
    assert longest[:4] == [5.0, 8.0, 11.0, 17.0]
    assert longest[-1] == 300.0
    drawn = first(backing_off(5.0, 1.5, 300.0), 60)
    assert all(seconds >= 1 and seconds == int(seconds) for seconds in drawn)
    assert all(seconds <= most for seconds, most in zip(drawn, longest, strict=False))


def test_workers_bound_the_pollers() -> None:
    vendor = VendorModel(EVEN, seed=1)
    one_poller_per_job(every(1.0), workers=2)(vendor, 6, Schedule(START))
    assert vendor.most_in_flight == 2


def test_a_timeline_runs_whoever_waits_for_the_earliest_moment() -> None:
    timeline = Timeline(100.0)
    trace = []

    def steps(name: str, naps: list[float]) -> Steps[None]:
        for seconds in naps:
            yield seconds
            trace.append((timeline.now, name))

    timeline.start(steps("a", [2.0, 2.0]))
    timeline.start(steps("b", [1.0, 1.0, 5.0]))
    timeline.run()
    assert trace == [(101.0, "b"), (102.0, "a"), (102.0, "b"), (104.0, "a"), (107.0, "b")]
    assert timeline.now == 107.0
