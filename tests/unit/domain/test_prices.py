"""Prices: what a run costs by its counts."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain import prices
from jobferry.domain.prices import Used, cost

COUNTS = st.floats(0, 1e9)
USED = st.builds(Used, *[COUNTS] * len(asdict(Used())))


@given(USED, st.sampled_from(sorted(asdict(Used()))), COUNTS)
def test_whatever_is_used_more_costs_more(used: Used, kind: str, more: float) -> None:
    costlier = replace(used, **{kind: getattr(used, kind) + more})
    before, after = cost(used), cost(costlier)
    assert all(0 <= before[item] <= after[item] for item in before)


@pytest.mark.parametrize("kind", sorted(asdict(Used())))
def test_nothing_that_is_used_is_free(kind: str) -> None:
    assert sum(cost(Used()).values()) == 0
    assert sum(cost(replace(Used(), **{kind: 1.0})).values()) > 0


@pytest.mark.parametrize(
    ("used", "dollars"),
    [
        (Used(write_units=1_000_000), 0.625),
        (Used(read_units=1_000_000), 0.125),
        (Used(transitions=1_000_000), 25.0),
        (Used(invocations=1_000_000), 0.20),
        (Used(gb_seconds=1_000_000), 13.3334),
        (Used(puts=1_000_000), 5.0),
        (Used(gets=1_000_000), 0.40),
        (Used(index_units=1_000_000), 0.625),
        (Used(table_months=1), 0.45),
        (Used(index_months=1), 0.25),
        (Used(object_months=1), 0.023),
        (Used(secret_reads=10_000), 0.05),
    ],
    ids=str,
)
def test_a_million_of_each_at_list_price(used: Used, dollars: float) -> None:
    assert sum(cost(used).values()) == pytest.approx(dollars)


def test_an_iteration_costs_its_transitions_and_two_invocations() -> None:
    iteration = cost(Used(transitions=prices.ITERATION_TRANSITIONS, invocations=2))
    assert sum(iteration.values()) == pytest.approx(prices.ITERATION)
