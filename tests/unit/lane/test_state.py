"""The state of a lane: small, plain, and the same after a trip through JSON."""

from __future__ import annotations

import json
import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.timestamps import timestamp
from jobferry.lane.state import LaneState

GROUPS = st.lists(st.lists(st.integers(1, 100_000), min_size=1, max_size=5).map(tuple), max_size=10)


@given(
    iteration=st.integers(0, 400),
    settle=GROUPS.map(tuple),
    settling=GROUPS.map(tuple),
    last_polled_at=st.just(0.0) | st.floats(1e9, 3e9),
    troubles=st.integers(0, 5),
)
def test_a_state_survives_json(
    iteration: int,
    settle: tuple[tuple[int, ...], ...],
    settling: tuple[tuple[int, ...], ...],
    last_polled_at: float,
    troubles: int,
) -> None:
    state = LaneState(
        "run",
        3,
        iteration,
        50 * iteration,
        settle,
        settling,
        last_polled_at,
        troubles,
        "2026-01-01T00:00:00.000Z",
    )
    assert LaneState.from_payload(json.loads(json.dumps(state.to_payload()))) == state


def test_a_new_lane_is_its_run_and_number() -> None:
    assert LaneState.from_payload({"run_id": "run", "lane": 1}) == LaneState("run", 1)


def test_a_timestamp_is_utc_to_the_millisecond() -> None:
    assert timestamp(1_767_225_600.0) == "2026-01-01T00:00:00.000Z"
    assert timestamp(1_767_225_600.5) == "2026-01-01T00:00:00.500Z"


@given(st.floats())
def test_every_moment_has_a_timestamp(moment: float) -> None:
    assert datetime.fromisoformat(timestamp(moment)).tzinfo is not None


@pytest.mark.parametrize("moment", [math.inf, 1e12, 1e300])
def test_a_moment_beyond_all_dates_is_the_last_one(moment: float) -> None:
    assert timestamp(moment) == "9999-12-31T23:59:59.000Z"


def test_the_payload_of_an_execution_that_an_older_version_began_is_read() -> None:
    state = LaneState.from_payload({"run_id": "run", "lane": 3, "lap": 7, "looked_at": 5.0})
    assert (state.iteration, state.last_polled_at) == (7, 5.0)
