"""Shares: every slot is used, by priority, and nobody is starved."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.connection import WEIGHTS, Demand
from jobferry.scheduler.fair_share import is_first, part, shares

DEMANDS = st.lists(
    st.builds(
        Demand,
        run_id=st.integers(0, 99).map("run-{:02}".format),
        priority=st.sampled_from([*WEIGHTS, "a word that nobody knows"]),
        need=st.integers(0, 60),
    ),
    max_size=8,
    unique_by=lambda demand: demand.run_id,
)
SLOTS = st.integers(0, 120)


@given(SLOTS, DEMANDS)
def test_every_slot_that_anyone_can_use_is_given_once(slots: int, demands: list[Demand]) -> None:
    given_to = shares(slots, demands)
    assert set(given_to) == {demand.run_id for demand in demands}
    assert sum(given_to.values()) == min(slots, sum(demand.need for demand in demands))
    assert all(0 <= given_to[demand.run_id] <= demand.need for demand in demands)


@given(SLOTS, DEMANDS)
def test_nobody_is_starved_while_there_are_enough(slots: int, demands: list[Demand]) -> None:
    wanting = [demand for demand in demands if demand.need]
    given_to = shares(slots, demands)
    served = [demand for demand in wanting if given_to[demand.run_id]]
    assert len(served) == min(slots, len(wanting))
    left_out = [demand.weight for demand in wanting if not given_to[demand.run_id]]
    assert max(left_out, default=0) <= min((d.weight for d in served), default=64)


@given(SLOTS, DEMANDS)
def test_nobody_could_complain(slots: int, demands: list[Demand]) -> None:
    """A run that wants more is within one slot of what any other has for its weight."""
    given_to = shares(slots, demands)
    for poor in demands:
        if given_to[poor.run_id] >= poor.need:
            continue
        for rich in demands:
            had = given_to[rich.run_id]
            assert had <= 1 or had / rich.weight <= (given_to[poor.run_id] + 1) / poor.weight


@given(SLOTS, st.lists(st.sampled_from([*WEIGHTS]), min_size=1, max_size=6))
def test_who_can_use_everything_gets_by_weight(slots: int, priorities: list[str]) -> None:
    demands = [Demand(f"run-{i}", priority, 1_000) for i, priority in enumerate(priorities)]
    given_to = shares(slots, demands)
    every = sum(demand.weight for demand in demands)
    if min(slots * demand.weight / every for demand in demands) >= 1:
        # Nobody lives on the one slot that everybody gets: then shares are proportional.
        for demand in demands:
            fair = slots * demand.weight / every
            assert fair - 1 < given_to[demand.run_id] < fair + len(demands)


@given(SLOTS, DEMANDS, st.randoms(use_true_random=False))
def test_every_run_computes_the_same(slots: int, demands: list[Demand], random: Random) -> None:
    shuffled = random.sample(demands, len(demands))
    assert shares(slots, shuffled) == shares(slots, demands)


@given(SLOTS, DEMANDS)
def test_one_more_slot_takes_none_from_anybody(slots: int, demands: list[Demand]) -> None:
    before, after = shares(slots, demands), shares(slots + 1, demands)
    assert all(after[run_id] >= n for run_id, n in before.items())


@pytest.mark.parametrize(
    ("priorities", "needs", "expected"),
    [
        (["medium", "medium"], [100, 100], [15, 15]),
        (["medium", "high"], [100, 100], [10, 20]),
        (["immediate", "lowest"], [100, 100], [29, 1]),
        (["immediate", "lowest"], [3, 100], [3, 27]),
        (["medium"], [100], [30]),
    ],
)
def test_thirty_slots(priorities: list[str], needs: list[int], expected: list[int]) -> None:
    demands = [
        Demand(f"run-{i}", priority, need)
        for i, (priority, need) in enumerate(zip(priorities, needs, strict=True))
    ]
    assert list(shares(30, demands).values()) == expected


class TestPart:
    @given(DEMANDS)
    def test_parts_of_those_who_want_make_a_whole(self, demands: list[Demand]) -> None:
        wanting = [demand for demand in demands if demand.need]
        parts = [part(demand.run_id, demands) for demand in wanting]
        assert all(0 < each <= 1 for each in parts)
        assert sum(parts) == pytest.approx(1.0 if wanting else 0.0)

    def test_a_run_that_nobody_knows_of_is_alone(self) -> None:
        assert part("new", [Demand("old", "high", 5)]) == 1.0


@pytest.mark.parametrize(
    ("priorities", "first"),
    [
        (["medium"], False),
        (["medium", "medium"], False),
        (["immediate", "medium", "low"], True),
        (["medium", "high"], False),
    ],
)
def test_only_one_that_others_come_after_is_first(priorities: list[str], first: bool) -> None:
    demands = [Demand(f"run-{n}", priority, 5) for n, priority in enumerate(priorities)]
    assert is_first("run-0", demands) is first
    idle = [demands[0], *(Demand(d.run_id, d.priority, 0) for d in demands[1:])]
    assert not is_first("run-0", idle)
