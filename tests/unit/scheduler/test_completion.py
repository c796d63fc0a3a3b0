"""Slots are tried when jobs should have ended, and what an answer proves is believed."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.latency import Latency
from jobferry.scheduler.completion import (
    CompletionEstimate,
    Correction,
    InFlight,
    can_estimate,
)
from jobferry.scheduler.others import OthersJobs
from jobferry.scheduler.settings import USUAL, SchedulerSettings

NOW = 1_767_225_600.0
LATENCIES = st.builds(
    Latency, mu=st.floats(-1, 6), spread=st.floats(0.02, 1.0), jobs=st.integers(1, 500)
)
MOMENTS = st.floats(-5_000, 0).map(lambda seconds: NOW + seconds)
JOBS = st.builds(
    lambda submitted_at, seen: InFlight(submitted_at, max(submitted_at, seen)), MOMENTS, MOMENTS
)
ESTIMATES = st.builds(
    CompletionEstimate,
    in_flight=st.lists(JOBS, max_size=8),
    latency=LATENCIES,
    max_jobs=st.integers(1, 8),
    others=st.builds(
        lambda held, part, at: OthersJobs(held, held * part, at),
        st.integers(0, 8),
        st.floats(0, 1),
        MOMENTS,
    ),
    answer_seconds=st.floats(0.01, 5),
    correction=st.builds(Correction, at=MOMENTS, jobs=st.floats(0, 8)),
    scarce_requests=st.booleans(),
)


def steady(seconds: float, jobs: int = 100) -> Latency:
    return Latency(math.log(seconds), 0.1, jobs)


def sent(*ages: float) -> list[InFlight]:
    return [InFlight(NOW - age) for age in ages]


@given(ESTIMATES)
def test_never_more_than_there_are(estimate: CompletionEstimate) -> None:
    most = len(estimate.in_flight) + estimate.others.held
    assert 0 <= estimate.ended(NOW) <= most
    assert 0 <= estimate.own(NOW) <= len(estimate.in_flight)


@given(ESTIMATES, st.integers(1, 9))
def test_the_moment_is_right(estimate: CompletionEstimate, wanted: int) -> None:
    moment = estimate.when(wanted, NOW)
    assert moment >= NOW
    if moment < math.inf:
        assert moment < NOW + USUAL.max_poll_interval
        assert estimate.ended(moment) >= wanted
        if moment > NOW + 0.05:
            assert estimate.ended(moment - 0.05) < wanted


@given(ESTIMATES, st.integers(0, 40))
def test_after_a_refusal_as_many_are_expected_as_it_has_proven(
    estimate: CompletionEstimate, held: int
) -> None:
    after = estimate.after_refusal(NOW, held)
    assert after.expected(NOW) == pytest.approx(max(0, held - estimate.max_jobs), abs=1e-6)


@given(ESTIMATES)
def test_after_an_acceptance_at_least_so_many_are_expected_as_must_have_ended(
    estimate: CompletionEstimate,
) -> None:
    after = estimate.after_acceptance(NOW)
    proven = len(estimate.in_flight) + estimate.others.held - estimate.max_jobs
    assert after.expected(NOW) >= estimate.expected(NOW) - 1e-6
    if proven > 0 and not estimate.scarce_requests:
        assert after.expected(NOW) >= proven - 1e-6
    else:
        assert after == estimate


def test_a_slot_is_tried_when_its_job_should_have_ended() -> None:
    estimate = CompletionEstimate(sent(5), steady(20), 1)
    assert estimate.ended(NOW) == 0
    assert NOW + 14 < estimate.when(1, NOW) < NOW + 18


def test_what_was_refused_is_tried_again_when_another_job_should_have_ended() -> None:
    """Six jobs, one a second, five slots: the first should have ended, and had not."""
    estimate = CompletionEstimate(sent(20, 19, 18, 17, 16, 15), steady(17), 5)
    assert estimate.ended(NOW) >= 3
    refused = estimate.after_refusal(NOW, 6)
    assert refused.ended(NOW) == 1
    assert NOW < refused.when(2, NOW) < NOW + 3


def test_a_slot_that_was_found_makes_another_likelier() -> None:
    estimate = CompletionEstimate(sent(*range(10, 20)), steady(30), 7)
    found = estimate.after_acceptance(NOW)
    assert found.when(4, NOW) < estimate.when(4, NOW)


def test_where_requests_are_scarce_only_certain_slots_are_tried() -> None:
    likely = CompletionEstimate(sent(*[21] * 6), steady(20), 6)
    certain = replace(likely, scarce_requests=True)
    assert likely.ended(NOW) >= 4
    assert certain.ended(NOW) == 0
    assert certain.ended(NOW + 60) == 2


def test_other_lanes_jobs_end_at_a_rate() -> None:
    """Ten run, twenty seconds each: one ends every two seconds."""
    alone = CompletionEstimate([], steady(20), 10, OthersJobs(10, 0.0, NOW))
    assert alone.ended(NOW) == 0
    assert NOW + 0.5 < alone.when(1, NOW) < NOW + 2
    assert alone.when(1, NOW) < alone.when(1, NOW, 0.5) < alone.when(2, NOW)
    assert alone.when(11, NOW) == math.inf
    assert alone.own(NOW + 60) == 0


@pytest.mark.parametrize(("threshold", "ended"), [(0.0, 1), (0.5, 1), (0.8, 0), (1.0, 0)])
def test_a_lower_threshold_tries_sooner(threshold: float, ended: int) -> None:
    """The job ends by now with a probability of 0.6 to 0.7."""
    settings = SchedulerSettings(submit_threshold=threshold, threshold_growth=0.0)
    estimate = CompletionEstimate(sent(20.7), steady(20), 1, settings=settings)
    assert 0.6 < estimate.expected(NOW + 0.15) < 0.7
    assert estimate.ended(NOW) == ended


@pytest.mark.parametrize(("seconds", "threshold"), [(1, 0.31), (60, 0.4), (300, 0.8), (9e3, 0.8)])
def test_the_rarer_jobs_end_the_surer_it_must_be(seconds: float, threshold: float) -> None:
    estimate = CompletionEstimate([], Latency(math.log(seconds), 0.02, 100), 30)
    assert estimate.threshold == pytest.approx(threshold, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_the_estimate_is_about_what_has_ended(seed: int) -> None:
    """Jobs that really take what was learned; a refusal at a random moment tells how many."""
    random = Random(seed)
    latency = Latency(math.log(20), 0.3, 500)
    away = []
    for _ in range(40):
        ages = [random.uniform(0, 60) for _ in range(60)]
        refused_at = NOW - random.uniform(0, 10)
        ends = [(age, age - 20 * math.exp(random.gauss(0, 0.3))) for age in ages]
        ended = sum(past >= 0 for _, past in ends)
        then = sum(past >= NOW - refused_at for _, past in ends)
        estimate = CompletionEstimate(sent(*ages), latency, 60, answer_seconds=0.0)
        told = estimate.after_refusal(refused_at, 60 + then)
        away.append(told.expected(NOW) - ended)
    assert abs(sum(away) / len(away)) < 2


def test_nothing_is_estimated_of_jobs_that_nobody_knows() -> None:
    assert not can_estimate(None, USUAL)
    assert not can_estimate(steady(1, jobs=4), USUAL)
    assert can_estimate(steady(1, jobs=5), USUAL)
