"""The request budget: no minute ever holds too many, and nobody waits longer than that takes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain import connection
from jobferry.scheduler import rate_limit

START = 1_767_225_600.25
ENDPOINT = rate_limit.ENDPOINT + "imports"
LIMITS = st.fixed_dictionaries(
    {rate_limit.ACCOUNT: st.integers(1, 40)}, optional={ENDPOINT: st.integers(1, 40)}
)
TAKES = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 50)), max_size=40)
"""Seconds since the take before, and the requests wanted."""


def taken(
    limits: Mapping[str, int], takes: list[tuple[float, int]]
) -> tuple[list[tuple[float, int]], dict[str, connection.Log], float]:
    """(moment, requests) of every grant, the logs after all of them, and the moment of the last."""
    logs: dict[str, connection.Log] = {}
    grants: list[tuple[float, int]] = []
    now = START
    for passed, wanted in takes:
        now += passed
        granted = rate_limit.granted(logs, limits, wanted, now)
        assert 0 <= granted <= wanted
        if granted:
            logs = rate_limit.noted(logs, set(limits), granted, now)
            grants.append((now, granted))
    return grants, logs, now


@given(LIMITS, TAKES)
def test_no_sixty_seconds_hold_more_than_any_limit(
    limits: dict[str, int], takes: list[tuple[float, int]]
) -> None:
    grants, _, _ = taken(limits, takes)
    for begin, _ in grants:
        in_window = sum(n for moment, n in grants if begin <= moment < begin + 60)
        assert in_window <= min(limits.values())


@given(LIMITS, TAKES)
def test_the_next_grant_is_known_exactly(
    limits: dict[str, int], takes: list[tuple[float, int]]
) -> None:
    _, logs, now = taken(limits, takes)
    moment = rate_limit.next_grant(logs, limits, now)
    assert moment >= now
    assert rate_limit.granted(logs, limits, 1, moment) == 1
    if moment > now:
        assert rate_limit.granted(logs, limits, 1, now) == 0
        assert rate_limit.granted(logs, limits, 1, moment - 0.001) == 0


@given(LIMITS, TAKES)
def test_nobody_waits_longer_than_a_minute_and_a_second(
    limits: dict[str, int], takes: list[tuple[float, int]]
) -> None:
    _, logs, now = taken(limits, takes)
    assert rate_limit.next_grant(logs, limits, now) <= now + rate_limit.HOLD


@given(LIMITS, TAKES)
def test_a_log_holds_no_more_than_what_counts(
    limits: dict[str, int], takes: list[tuple[float, int]]
) -> None:
    _, logs, now = taken(limits, [*takes, (0.0, 1)])
    assert all(len(log) <= 2 * rate_limit.HOLD for log in logs.values())
    later = rate_limit.noted(logs, {rate_limit.ACCOUNT}, 1, now + rate_limit.HOLD + 1)
    assert later == {rate_limit.ACCOUNT: ((int(now + rate_limit.HOLD + 1), 1),)}


def test_a_burst_may_use_the_whole_minute_after_a_quiet_one() -> None:
    grants, logs, now = taken({rate_limit.ACCOUNT: 40}, [(0.0, 40), (0.0, 1), (59.0, 1)])
    assert grants == [(START, 40)]
    assert (
        rate_limit.next_grant(logs, {rate_limit.ACCOUNT: 40}, now) == int(START) + rate_limit.HOLD
    )


def test_without_a_limit_everything_passes() -> None:
    assert rate_limit.granted({}, {}, 1_000, START) == 1_000
    assert rate_limit.next_grant({}, {}, START) == START


class TestLearned:
    @given(st.none() | st.integers(1, 1_000), st.integers(0, 2_000))
    def test_after_a_refusal_fewer_are_tried(self, limit: int | None, made: int) -> None:
        lower = rate_limit.lowered(limit, made, START)
        if lower is None:
            return
        most = made if limit is None else limit
        assert 1 <= lower.value < max(2, most)
        assert lower.value <= max(10.0, 0.7 * most)
        # Nobody learns so little of a limit that a run would stand still.
        assert lower.value >= min(10, most - 1, made - 1)

    @pytest.mark.parametrize(("limit", "made"), [(None, 0), (None, 1), (100, 49), (700, 2)])
    def test_who_was_quiet_is_not_the_cause(self, limit: int | None, made: int) -> None:
        assert rate_limit.lowered(limit, made, START) is None

    @given(st.none() | st.integers(1, 1_000), st.floats(1, 2_000), st.lists(st.floats(0, 1e6)))
    def test_the_limit_rises_again_and_never_above_the_ceiling(
        self, ceiling: int | None, value: float, later: list[float]
    ) -> None:
        learned = connection.Learned(value, START)
        moments = sorted([0.0, *later])
        limits = [rate_limit.effective(ceiling, learned, START + passed) or 0 for passed in moments]
        assert limits == sorted(limits)
        assert limits[0] >= 1
        assert ceiling is None or limits[-1] <= ceiling

    def test_a_day_later_the_ceiling_is_in_force_again(self) -> None:
        assert rate_limit.effective(700, connection.Learned(1.0, START), START + 86_400) == 700

    @given(st.none() | st.integers(1, 1_000))
    def test_nothing_learned_leaves_the_ceiling(self, ceiling: int | None) -> None:
        assert rate_limit.effective(ceiling, None, START) == ceiling
