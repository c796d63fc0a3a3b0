"""The breaker: failures counted by code, and when they are too many."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import Breaker
from jobferry.settlement.circuit_breaker import (
    CODES,
    OTHER,
    Trip,
    code_name,
    count_failures,
    tripped_by,
)

codes = st.none() | st.text(max_size=80)
outcomes = st.lists(
    st.builds(Outcome, st.just(1), st.sampled_from(OutcomeStatus), error_code=codes), max_size=60
)


@pytest.mark.parametrize(
    ("failed", "processed", "trips"),
    [(199, 199, False), (200, 200, True), (200, 399, True), (200, 400, False), (500, 999, True)],
)
def test_by_default_half_of_at_least_200_rows(failed: int, processed: int, trips: bool) -> None:
    trip = Trip(failed, processed, "Bad") if trips else None
    assert tripped_by(Breaker(), {"Bad": failed}, processed) == trip


def test_codes_that_mean_the_same_are_counted_together() -> None:
    failures = {"RecordInvalid": 40, "RecordNotFound": 70, "http_422": 30, f"{OTHER}row": 60}

    assert tripped_by(Breaker(), failures, 399) == Trip(200, 399, "RecordNotFound", 4)
    assert tripped_by(Breaker(), failures, 400) is None


def test_codes_that_mean_something_else_are_not() -> None:
    failures = {"RecordInvalid": 190, "http_403": 190, "conflict": 10}

    assert tripped_by(Breaker(), failures, 391) is None
    assert tripped_by(Breaker(share=0.4), {**failures, "Forbidden": 10}, 401) == Trip(
        200, 401, "http_403", 2
    )


def test_when_no_row_does_anything_but_fail_the_codes_do_not_matter() -> None:
    failures = {"RecordInvalid": 90, "http_403": 90, "conflict": 20}

    assert tripped_by(Breaker(), failures, 200) == Trip(200, 200, "RecordInvalid", 3)
    assert tripped_by(Breaker(), failures, 201) is None


def test_failures_that_were_seen_are_not_counted() -> None:
    assert tripped_by(Breaker(), {"Bad": 200, "Seen": 0}, 200) == Trip(200, 200, "Bad")


def test_codes_without_a_name_of_their_own_are_named_last() -> None:
    failures = {"Bad": 1, f"{OTHER}row": 500}

    assert tripped_by(Breaker(), failures, 501) == Trip(501, 501, "Bad", 2)
    assert tripped_by(Breaker(), {f"{OTHER}row": 500}, 500) == Trip(500, 500, f"{OTHER}row")


def test_switched_off_it_never_trips() -> None:
    assert tripped_by(None, {"Bad": 1_000}, 1_000) is None


@given(outcomes, st.sets(st.text("abc", min_size=1, max_size=3), max_size=CODES + 5))
def test_every_failure_is_counted_under_one_of_few_names(
    found: list[Outcome], known: set[str]
) -> None:
    counted = count_failures(found, known)
    new = {name for name in counted.keys() - known if not name.startswith(OTHER)}

    assert sum(counted.values()) == sum(o.status is OutcomeStatus.FAILED for o in found)
    assert len(new) <= max(0, CODES - len(known))


@given(st.lists(codes, max_size=40), st.lists(codes, max_size=40))
def test_a_run_whose_every_row_fails_trips_it_however_many_codes_there_are(
    first: list[str | None], then: list[str | None]
) -> None:
    failures: Counter[str] = Counter()
    for settled in (first, then):
        found = [Outcome(1, OutcomeStatus.FAILED, error_code=code) for code in settled]
        failures += count_failures(found, failures)
    rows = len(first) + len(then)
    trip = tripped_by(Breaker(at_least=1), failures, rows)

    assert (trip is None) == (not rows)
    assert trip is None or (trip.failed, trip.processed) == (rows, rows)


@given(codes)
def test_a_code_fits_into_an_attribute_name(code: str | None) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]{1,64}", code_name(code))
    assert not code_name(code).startswith(OTHER)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("TicketCreateFailed", "TicketCreateFailed"),
        ("http_422", "http_422"),
        ("not found: user", "not_found_user"),
        ("_other_row", "other_row"),
        (None, "no_code"),
        ("…", "no_code"),
    ],
)
def test_a_code_is_still_known_by_its_name(code: str | None, name: str) -> None:
    assert code_name(code) == name
