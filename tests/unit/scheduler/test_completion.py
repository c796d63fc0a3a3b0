"""Presuming: slots are tried when jobs should have ended, and what an answer tells is believed."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.latency import Latency
from jobferry.scheduler.bounds import MAX_POLL_INTERVAL
from jobferry.scheduler.completion import CompletionEstimate, InFlight, Known, can_estimate

NOW = 1_767_225_600.0
LATENCIES = st.builds(
    Latency, mu=st.floats(-1, 6), spread=st.floats(0.02, 1.0), jobs=st.integers(1, 500)
)
MOMENTS = st.floats(-5_000, 0).map(lambda seconds: NOW + seconds)
JOBS = st.builds(
    lambda submitted_at, seen: InFlight(submitted_at, max(submitted_at, seen)), MOMENTS, MOMENTS
)
PRESUMPTIONS = st.builds(
    CompletionEstimate,
    in_flight=st.lists(JOBS, max_size=8),
    latency=LATENCIES,
    answer_seconds=st.floats(0.01, 5),
    slots=st.floats(1, 8),
    known=st.none() | st.builds(Known, at=MOMENTS, ended=st.floats(0, 8)),
    scale=st.floats(1, 4),
    scarce_requests=st.booleans(),
)


def steady(seconds: float, jobs: int = 100) -> Latency:
    return Latency(math.log(seconds), 0.1, jobs)


def sent(*ages: float) -> list[InFlight]:
    return [InFlight(NOW - age) for age in ages]


@given(PRESUMPTIONS)
def test_never_more_than_there_are(completion_estimate: CompletionEstimate) -> None:
    most = completion_estimate.scale * len(completion_estimate.in_flight)
    assert 0 <= completion_estimate.ended(NOW) <= math.ceil(most)


@given(PRESUMPTIONS, st.integers(1, 9))
def test_the_moment_is_right(completion_estimate: CompletionEstimate, wanted: int) -> None:
    moment = completion_estimate.when(wanted, NOW)
    assert moment >= NOW
    if moment < math.inf:
        assert moment < NOW + MAX_POLL_INTERVAL
        assert completion_estimate.ended(moment) >= wanted
        if moment > NOW + 0.05:
            assert completion_estimate.ended(moment - 0.05) < wanted


@given(PRESUMPTIONS)
def test_after_a_refusal_no_slot_is_presumed_that_it_denied(
    completion_estimate: CompletionEstimate,
) -> None:
    known = completion_estimate.after_refusal(NOW, len(completion_estimate.in_flight))
    told = replace(completion_estimate, known=known, answer_seconds=0.0)
    there = max(0.0, len(completion_estimate.in_flight) - completion_estimate.slots)
    assert told.ended(NOW) <= completion_estimate.scale * there + 1


@given(PRESUMPTIONS)
def test_after_an_acceptance_at_least_so_many_have_ended(
    completion_estimate: CompletionEstimate,
) -> None:
    known = completion_estimate.after_acceptance(NOW)
    least = len(completion_estimate.in_flight) - completion_estimate.slots
    if least <= 0 or completion_estimate.scarce_requests:
        assert known == completion_estimate.known
    else:
        assert known is not None
        assert least - 1e-9 <= known.ended <= len(completion_estimate.in_flight)


def test_a_slot_is_tried_when_its_job_should_have_ended() -> None:
    completion_estimate = CompletionEstimate(sent(5), steady(20), 0.2, slots=1)
    assert completion_estimate.ended(NOW) == 0
    assert NOW + 15 < completion_estimate.when(1, NOW) < NOW + 18


def test_what_was_refused_is_tried_again_when_another_job_should_have_ended() -> None:
    """Six jobs, one a second, five slots: the first should have ended, and had not."""
    completion_estimate = CompletionEstimate(sent(20, 19, 18, 17, 16, 15), steady(17), 0.2, slots=5)
    assert completion_estimate.ended(NOW) >= 3
    told = replace(
        completion_estimate,
        known=completion_estimate.after_refusal(NOW, len(completion_estimate.in_flight)),
    )
    assert told.ended(NOW) == 1
    assert NOW < told.when(2, NOW) < NOW + 2


def test_a_slot_that_was_found_makes_another_likelier() -> None:
    completion_estimate = CompletionEstimate(sent(*range(10, 20)), steady(19), 0.2, slots=7)
    known = completion_estimate.after_acceptance(NOW)
    assert known is not None
    before, after = (
        completion_estimate.when(4, NOW),
        replace(completion_estimate, known=known).when(4, NOW),
    )
    assert after < before


def test_where_requests_are_scarce_only_sure_slots_are_tried() -> None:
    likely = CompletionEstimate(sent(*[21] * 6), steady(20), 0.2, slots=6)
    sure = replace(likely, scarce_requests=True)
    assert likely.ended(NOW) >= 4
    assert sure.ended(NOW) == 0
    assert sure.ended(NOW + 60) == 2


def test_other_lanes_jobs_end_as_ours() -> None:
    ours = CompletionEstimate(sent(30, 30, 1, 1), steady(20), 0.2, slots=2, scale=2.0)
    assert ours.ended(NOW) == 4


@pytest.mark.parametrize("seed", range(5))
def test_presumed_is_about_what_has_ended(seed: int) -> None:
    """Jobs that really take what was learned, told of at random moments."""
    random = Random(seed)
    latency = Latency(math.log(20), 0.3, 500)
    away = []
    for _ in range(40):
        ages = [random.uniform(0, 60) for _ in range(60)]
        known_at = NOW - random.uniform(0, 10)
        ends = [(age, age - 20 * math.exp(random.gauss(0, 0.3))) for age in ages]
        ended = sum(past >= 0 for _, past in ends)
        then = sum(past >= NOW - known_at for _, past in ends)
        told = CompletionEstimate(sent(*ages), latency, 0.0, slots=60, known=Known(known_at, then))
        away.append(told.ended(NOW) - ended)
    assert abs(sum(away) / len(away)) < 2


def test_nothing_is_presumed_of_jobs_that_nobody_knows() -> None:
    assert not can_estimate(None)
    assert not can_estimate(steady(1, jobs=4))
    assert can_estimate(steady(1, jobs=5))
