"""What a lane does next, as a table of situations, and what must hold in each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.connection import ConnectionLimits, Demand, Learned, RequestLog
from jobferry.domain.latency import Latency
from jobferry.scheduler import concurrency, policy
from jobferry.scheduler.completion import InFlight
from jobferry.scheduler.others import OthersJobs
from jobferry.scheduler.policy import (
    Decision,
    Finish,
    Poll,
    Submit,
    Wait,
    decide,
)
from jobferry.scheduler.settings import USUAL, SchedulerSettings
from jobferry.scheduler.snapshot import NEVER, LaneSnapshot, Offer

NOW = 1_767_225_600.0
TWENTY = Latency(math.log(20.0), 0.02, 100)
OTHERS = (Demand("run", "low", 99), Demand("other", "high", 99))


def jobs(*ages: float) -> tuple[InFlight, ...]:
    return tuple(InFlight(NOW - age, NOW - age, None, f"job-{age:g}") for age in ages)


def lane(**changes: Any) -> LaneSnapshot:
    """A lane of a run that has three slots to itself, and ten chunks left."""
    usual = LaneSnapshot(
        left=10,
        offer=Offer(claimable=10),
        limits=ConnectionLimits(in_flight=0, ceiling=3),
        run_id="run",
        vendor_max_jobs=3,
        poll_batch=100,
        last_polled_at=NOW - 1.0,
        latency=TWENTY,
        proven=True,
    )
    return replace(usual, **changes)


def full(*ages: float, **changes: Any) -> LaneSnapshot:
    """The same with its slots taken by its own jobs."""
    limits = ConnectionLimits(in_flight=len(ages), ceiling=3)
    return lane(jobs=jobs(*ages), limits=limits, **changes)


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        (lane(left=0), Finish()),
        (lane(), Submit(3, 3)),
        (lane(proven=False), Submit(3, 3, alone=True)),
        (lane(doubtful=True), Submit(1, 3, alone=True)),
        (lane(left=2, offer=Offer(2)), Submit(2, 3)),
        (lane(left=0, ready=1, offer=Offer(0), limits=ConnectionLimits(1, 3)), Submit(1, 3)),
        (lane(in_order=True), Submit(1, 3)),
        (lane(ramping=True, offer=Offer(1)), Submit(1, 3)),
        (lane(limits=ConnectionLimits(2, 3)), Submit(1, 3)),
        (lane(limits=ConnectionLimits(0, 3, advertised_jobs=2)), Submit(2, 2)),
        (lane(limits=ConnectionLimits(0, 3, learned_jobs=Learned(1, NOW))), Submit(1, 1)),
        (lane(demands=OTHERS), Submit(1, 3)),
        (full(1, 2), Submit(1, 3)),
        # The jobs should have ended.
        (full(25, 26, 27), Poll(("job-25", "job-26", "job-27"))),
        (full(25, stopped=True, left=0), Poll(("job-25",))),
        (full(25, left=0), Poll(("job-25",))),
        # Slots of jobs that should have ended are tried before a poll.
        (full(25, 1, 2, refuses_excess=True), Submit(1, 4)),
        # Nothing before this moment.
        (lane(limits=ConnectionLimits(0, 3, retry_after_until=NOW + 9)), Wait(NOW + 9)),
        (lane(limits=ConnectionLimits(0, 3, no_slot_until=NOW + 9)), Wait(NOW + 9)),
        (lane(limits=ConnectionLimits(0, 3, outage_until=NOW + 9)), Wait(NOW + 9)),
        (lane(submit_not_before=NOW + 9), Wait(NOW + 9)),
        (lane(failing_until=NOW + 9), Wait(NOW + 9)),
        (lane(failing_until=NOW + 9, ready=1), Wait(NOW + 9, release=True)),
        (lane(stale=True), Wait(NOW + USUAL.stale_check_seconds)),
        (lane(limits=ConnectionLimits(3, 3)), Wait(NOW + USUAL.others_slots_seconds)),
        (
            lane(limits=ConnectionLimits(4, 3), ready=1),
            Wait(NOW + USUAL.others_slots_seconds, release=True),
        ),
        (lane(refused=3, refused_at=NOW - 1), Wait(NOW + USUAL.no_slot_wait - 1)),
        (lane(refused=3, refused_at=NOW - 9), Submit(3, 3)),
        (lane(offer=Offer(0, more_at=NOW + 9)), Wait(NOW + 9)),
        (lane(offer=Offer(0, held=True)), Wait(NOW + USUAL.settling_seconds)),
        (lane(offer=Offer(0, held=True), to_settle=1), Wait(NEVER)),
        (lane(stopped=True), Wait(NOW)),
        (lane(left=0, searches=(NOW + 9,), stopped=True), Wait(NOW + 9)),
        (lane(ramping=True, lane=1, lanes=2), Wait(NEVER)),
        # Another lane of the run fills the only slot.
        (lane(lane=1, lanes=2, limits=ConnectionLimits(0, 1)), Wait(NEVER)),
    ],
)
def test_what_comes_next(situation: LaneSnapshot, decision: Decision) -> None:
    assert decide(situation, NOW) == decision


def test_a_job_that_is_not_due_is_waited_for() -> None:
    decision = decide(full(1, 2, 3), NOW)
    assert isinstance(decision, Wait)
    assert NOW + 15 < decision.until < NOW + 19


def test_another_lanes_refusal_counts() -> None:
    limits = ConnectionLimits(3, 3, no_slot_at=NOW - 0.5, no_slot_jobs=3)
    situation = replace(full(25, 26, 27, refuses_excess=True), limits=limits)
    assert not isinstance(decide(situation, NOW), Submit)


@pytest.mark.parametrize(
    "changes",
    [
        {"refuses_excess": False},
        {"vendor_max_jobs": 4},
        {"latency": None},
        {"latency": replace(TWENTY, jobs=4)},
        {"limits": ConnectionLimits(3, 3, over_limit_penalised=True)},
    ],
)
def test_where_no_job_is_estimated_complete(changes: dict[str, Any]) -> None:
    situation = full(25, 26, 27, refuses_excess=True)
    assert policy.estimate_of(situation, NOW) is not None
    assert policy.estimate_of(replace(situation, **changes), NOW) is None


def test_requests_bind_where_slots_could_take_more_jobs() -> None:
    for per_minute, scarce in ((9, True), (30, False)):
        situation = full(25, refuses_excess=True, request_budget=per_minute)
        estimate = policy.estimate_of(situation, NOW)
        assert estimate is not None
        assert estimate.scarce_requests is scarce


def test_no_poll_before_a_request_is_left() -> None:
    log = RequestLog({"account": ((int(NOW) - 10, 5),)})
    situation = full(25, 26, 27, left=0, requests=log, request_budget=5)
    assert decide(situation, NOW) == Wait(NOW - 10 + 61)


def test_numbers_are_injected() -> None:
    settings = SchedulerSettings(others_slots_seconds=7.0)
    situation = lane(limits=ConnectionLimits(3, 3))
    assert decide(situation, NOW, settings) == Wait(NOW + 7.0)


MOMENTS = st.floats(-100, 100).map(lambda seconds: NOW + seconds)
JOBS = st.builds(
    lambda age, seen, number: InFlight(NOW - age, NOW - age * seen, None, f"job-{number}"),
    st.floats(0, 1_000),
    st.floats(0, 1),
    st.integers(),
)
LIMITS = st.builds(
    ConnectionLimits,
    in_flight=st.integers(0, 60),
    ceiling=st.integers(1, 40),
    advertised_jobs=st.none() | st.integers(1, 40),
    learned_jobs=st.none() | st.builds(Learned, value=st.floats(1, 40), at=MOMENTS),
    over_limit_penalised=st.booleans(),
    retry_after_until=MOMENTS,
    no_slot_until=MOMENTS,
    no_slot_at=MOMENTS,
    no_slot_jobs=st.integers(0, 40),
    outage_until=MOMENTS,
)
SNAPSHOTS = st.builds(
    LaneSnapshot,
    jobs=st.lists(JOBS, max_size=6),
    ready=st.integers(0, 3),
    searches=st.lists(MOMENTS, max_size=2),
    to_settle=st.integers(0, 3),
    left=st.integers(0, 20),
    stopped=st.booleans(),
    offer=st.builds(
        Offer,
        claimable=st.integers(0, 20),
        more_at=st.just(NEVER) | MOMENTS.map(lambda at: max(at, NOW + 0.01)),
        held=st.booleans(),
    ),
    limits=LIMITS,
    request_budget=st.none() | st.integers(2, 500),
    run_id=st.just("run"),
    demands=st.sampled_from([(), OTHERS]),
    lane=st.integers(0, 2),
    lanes=st.just(3),
    in_order=st.booleans(),
    ramping=st.booleans(),
    latency=st.none() | st.just(TWENTY),
    others=st.builds(
        lambda held, part, before: OthersJobs(held, held * part, NOW - before),
        st.integers(0, 40),
        st.floats(0, 1),
        st.floats(0, 10),
    ),
    vendor_max_jobs=st.integers(1, 40),
    refuses_excess=st.booleans(),
    poll_batch=st.integers(1, 3),
    last_polled_at=MOMENTS.map(lambda at: min(at, NOW)),
    poll_not_before=MOMENTS,
    submit_not_before=MOMENTS,
    refused=st.integers(0, 4),
    refused_at=MOMENTS.map(lambda at: min(at, NOW)),
    failing_until=MOMENTS,
    doubtful=st.booleans(),
    stale=st.booleans(),
)


@given(SNAPSHOTS)
def test_nothing_is_asked_before_the_vendor_allows_it(snapshot: LaneSnapshot) -> None:
    decision, limits = decide(snapshot, NOW), snapshot.limits
    if isinstance(decision, Poll | Submit):
        assert limits.retry_after_until <= NOW
    if isinstance(decision, Poll):
        assert snapshot.poll_not_before <= NOW
        assert set(decision.job_ids) <= {job.job_id for job in snapshot.jobs}
        assert decision.job_ids
    if isinstance(decision, Submit):
        waits = (limits.no_slot_until, limits.outage_until, snapshot.failing_until)
        assert max(*waits, snapshot.submit_not_before) <= NOW
        assert not snapshot.stopped
        assert not snapshot.stale


@given(SNAPSHOTS)
def test_no_more_is_sent_than_there_is_room_for(snapshot: LaneSnapshot) -> None:
    decision = decide(snapshot, NOW)
    if not isinstance(decision, Submit):
        return
    estimate = policy.estimate_of(snapshot, NOW)
    ended = 0 if estimate is None else estimate.ended(NOW)
    assert 0 < decision.count <= snapshot.offer.claimable + snapshot.ready
    assert decision.max_jobs <= concurrency.max_jobs(snapshot.limits, NOW) + ended
    held = snapshot.limits.in_flight - snapshot.ready
    assert held + decision.count <= max(decision.max_jobs, held)
    assert not (snapshot.ramping and snapshot.lane)


@given(SNAPSHOTS)
def test_no_lane_sends_more_than_its_share(snapshot: LaneSnapshot) -> None:
    """So what comes free goes to whoever is below its share, and nobody estimates for another."""
    decision = decide(snapshot, NOW)
    if isinstance(decision, Submit):
        estimate = policy.estimate_of(snapshot, NOW)
        ended = 0.0 if estimate is None else estimate.own(NOW + snapshot.answer_seconds / 2)
        running = len(snapshot.jobs) + len(snapshot.searches) - ended
        assert running + decision.count < policy.window_of(snapshot, NOW) + 1


@given(SNAPSHOTS, st.integers(1, 9))
def test_without_a_share_nothing_is_sent_and_own_jobs_are_polled(
    snapshot: LaneSnapshot, more: int
) -> None:
    """Others of more weight want every slot."""
    slots = concurrency.max_jobs(snapshot.limits, NOW)
    demands = [Demand(f"run-{i}", "immediate", more) for i in range(slots)]
    demands.append(Demand("run", "low", 9))
    snapshot = replace(snapshot, demands=demands, ramping=False)
    assert policy.window_of(snapshot, NOW) == 0
    decision = decide(snapshot, NOW)
    ended = (policy.estimate_of(snapshot, NOW), len(snapshot.jobs))
    if isinstance(decision, Submit):
        # Only for what of its own should have ended.
        estimate, jobs = ended
        assert estimate is not None
        assert decision.count <= math.ceil(estimate.own(NOW + snapshot.answer_seconds / 2)) <= jobs
    if isinstance(decision, Poll):
        assert set(decision.job_ids) <= {job.job_id for job in snapshot.jobs}


def newcomer(**changes: Any) -> LaneSnapshot:
    """A lane with nothing in flight, beside others that have all slots, and 20 estimated."""
    usual = lane(
        limits=ConnectionLimits(50, 30),
        vendor_max_jobs=30,
        refuses_excess=True,
        others=OthersJobs(50, 20.0, NOW),
    )
    return replace(usual, **changes)


def test_a_newcomer_finds_the_next_slot_that_comes_free() -> None:
    """Thirty jobs of twenty seconds: one ends every 0.7 seconds."""
    now = decide(newcomer(), NOW)
    assert isinstance(now, Wait)
    assert NOW < now.until <= NOW + 1.0
    assert isinstance(decide(newcomer(), NOW + 1.0), Submit)


def test_who_has_its_share_lets_others_go_first() -> None:
    """Ten of its jobs run, and its share has become five."""
    demands = (Demand("run", "medium", 99), Demand("urgent", "immediate", 25))
    held = newcomer(jobs=jobs(*range(1, 11)), demands=demands, others=OthersJobs(40, 20.0, NOW))
    assert policy.window_of(held, NOW) <= 5
    assert not isinstance(decide(held, NOW + 3.0), Submit)
    assert isinstance(decide(newcomer(run_id="urgent", demands=demands), NOW + 3.0), Submit)


def test_what_others_did_sets_the_estimate_right() -> None:
    start = policy.followed(newcomer(others=OthersJobs()), 0, NOW)[1]
    assert (start.held, start.ended) == (50, 20.0)
    polled = newcomer(limits=ConnectionLimits(42, 30, taken=50), others=replace(start, freed=0))
    assert policy.followed(polled, 0, NOW)[1].ended == pytest.approx(12.0)
    refused = newcomer(
        limits=ConnectionLimits(50, 30, no_slot_at=NOW + 2, no_slot_jobs=49),
        others=replace(start, freed=-50),
    )
    assert policy.followed(refused, 0, NOW + 2)[1].ended == pytest.approx(19.0)


@given(SNAPSHOTS)
def test_a_lane_finishes_only_when_nothing_is_left(snapshot: LaneSnapshot) -> None:
    empty = not snapshot.busy and not snapshot.left
    assert isinstance(decide(snapshot, NOW), Finish) is empty


@given(SNAPSHOTS, st.floats(0.01, 50))
def test_a_wait_is_not_put_off_by_waiting(snapshot: LaneSnapshot, passed: float) -> None:
    """Whoever asks again in between is not told to wait much longer for a poll."""
    before = policy.next_poll_at(snapshot, NOW)
    after = policy.next_poll_at(snapshot, NOW + passed)
    if before < math.inf and snapshot.limits.learned_jobs is None:
        assert after <= max(before, NOW + passed) + 0.05


@given(SNAPSHOTS)
def test_no_wait_lies_in_the_past(snapshot: LaneSnapshot) -> None:
    decision = decide(snapshot, NOW)
    if isinstance(decision, Wait):
        assert decision.until >= NOW
