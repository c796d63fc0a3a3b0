"""The breaker: failures counted by class, and when they are too many."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.breaker import CLASSES, OTHER, class_name, count_failures, tripped_by
from jobferry.model import Breaker, Outcome, OutcomeStatus

codes = st.none() | st.text(max_size=80)
outcomes = st.lists(
    st.builds(Outcome, st.just(1), st.sampled_from(OutcomeStatus), error_code=codes), max_size=60
)


@pytest.mark.parametrize(
    ("failed", "carried", "trips"),
    [(199, 199, False), (200, 200, True), (200, 399, True), (200, 400, False), (500, 999, True)],
)
def test_by_default_half_of_at_least_200_rows(failed: int, carried: int, trips: bool) -> None:
    assert tripped_by(Breaker(), {"Bad": failed}, carried) == ("Bad" if trips else None)


def test_the_worst_class_is_named() -> None:
    breaker = Breaker(share=0.1, at_least=2)

    assert tripped_by(breaker, {"few": 3, "most": 5, "one": 1}, 20) == "most"


def test_errors_that_have_nothing_in_common_are_no_reason() -> None:
    assert tripped_by(Breaker(), {OTHER: 1_000}, 1_000) is None


def test_switched_off_it_never_trips() -> None:
    assert tripped_by(None, {"Bad": 1_000}, 1_000) is None


@given(outcomes, st.sets(st.text("abc", min_size=1, max_size=3), max_size=CLASSES + 5))
def test_every_failure_is_counted_in_one_of_few_classes(
    found: list[Outcome], known: set[str]
) -> None:
    counted = count_failures(found, known)

    assert sum(counted.values()) == sum(o.status is OutcomeStatus.FAILED for o in found)
    assert len(counted.keys() - known - {OTHER}) <= max(0, CLASSES - len(known))


@given(codes)
def test_a_class_fits_into_an_attribute_name(code: str | None) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]{1,64}", class_name(code))
    assert class_name(code) != OTHER


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("TicketCreateFailed", "TicketCreateFailed"),
        ("http_422", "http_422"),
        ("not found: user", "not_found_user"),
        ("_other", "other"),
        (None, "no_code"),
        ("…", "no_code"),
    ],
)
def test_a_class_is_still_known_by_its_name(code: str | None, name: str) -> None:
    assert class_name(code) == name
