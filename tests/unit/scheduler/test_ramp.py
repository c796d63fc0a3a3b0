"""The ramp: how many chunks may be sent before a run is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.profile import Breaker, Profile
from jobferry.scheduler import ramp
from jobferry.vendors.operation import Operation

UPDATE = Operation("things.update", "", max_records=100, max_bytes=1_000, repeatable=True)
PROFILE = Profile("things", "acme", UPDATE.name)


@pytest.mark.parametrize(
    ("cursor", "judged", "until"),
    [
        (1, False, 2),
        (2, False, 2),
        (2, True, 5),
        (3, False, 5),
        (4, True, 5),
        (5, False, 5),
        (5, True, None),
        (6, False, None),
    ],
)
def test_one_chunk_then_three_then_all(cursor: int, judged: bool, until: int | None) -> None:
    assert ramp.sent_until(cursor, judged=judged) == until


@given(st.integers(1, 20))
def test_only_before_a_step_it_matters_whether_the_run_is_judged(cursor: int) -> None:
    same = ramp.sent_until(cursor, judged=True) == ramp.sent_until(cursor, judged=False)

    assert ramp.is_step(cursor) is not same
    assert ramp.is_on(cursor) is (ramp.sent_until(cursor, judged=False) is not None)


@pytest.mark.parametrize(("chunks", "slots"), [(0, 0), (1, 1), (3, 3), (1_000, 3)])
def test_no_more_slots_are_asked_for_than_it_uses(chunks: int, slots: int) -> None:
    assert ramp.need(chunks) == slots


def test_it_is_for_what_nothing_takes_back() -> None:
    assert ramp.applies(PROFILE, undoable=False)
    assert not ramp.applies(PROFILE, undoable=True)


def test_a_profile_switches_it_off_and_so_does_having_nobody_to_judge() -> None:
    assert not ramp.applies(replace(PROFILE, ramp=False), undoable=False)
    assert not ramp.applies(replace(PROFILE, breaker=None), undoable=False)


@pytest.mark.parametrize(
    ("breaker", "judge"),
    [
        (Breaker(), Breaker(0.5, 4)),
        (Breaker(share=0.9, at_least=2), Breaker(0.9, 2)),
        (Breaker(share=0.0, at_least=50), Breaker(0.5, 4)),
    ],
)
def test_few_rows_are_enough_to_judge_by_but_not_a_small_part_of_them(
    breaker: Breaker, judge: Breaker
) -> None:
    assert ramp.breaker_for(breaker) == judge
