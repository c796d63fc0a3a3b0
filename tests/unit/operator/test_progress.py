"""The speed of a run and what is left of it, from its status documents alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.operator.progress import Pace, forecast_seconds, jobs_in_flight, pace, settled

OUTCOMES = ("succeeded", "failed", "rejected", "skipped", "unknown")


def document(
    seconds: float = 10.0,
    status: str = "running",
    rows: int = 300,
    forecast: Any = None,
    paused: Any = None,
    **outcomes: int,
) -> dict[str, Any]:
    return {
        "status": status,
        "rows": rows,
        "seconds": seconds,
        "outcomes": {**dict.fromkeys(OUTCOMES, 0), **outcomes},
        "jobs": {"planned": 3, "submitted": 2, "finished": 1},
        "forecast": forecast,
        "paused": paused,
    }


def test_the_last_minute_counts_and_not_what_was_before() -> None:
    seen = [
        document(10, succeeded=10),
        document(100, succeeded=100),
        document(130, succeeded=130, failed=20),
        document(160, succeeded=180, failed=20),
    ]

    assert pace(seen) == Pace(pytest.approx(100.0), pytest.approx(60.0))


def test_one_document_is_judged_by_the_whole_run() -> None:
    assert pace([document(10, succeeded=100)]) == Pace(pytest.approx(600.0), pytest.approx(20.0))


def test_a_minute_in_which_nothing_was_settled_is_judged_by_the_whole_run() -> None:
    seen = [document(100, succeeded=100), document(150, succeeded=100)]
    assert pace(seen).rows_per_minute == pytest.approx(40.0)


def test_before_any_row_the_forecast_says_what_is_left() -> None:
    seen = pace([document(10, forecast={"seconds": 70.0})])
    assert seen == Pace(None, pytest.approx(60.0), by_forecast=True)
    assert pace([document(80, forecast={"seconds": 70.0})]) == Pace()
    assert pace([document(10)]) == Pace()


def test_rows_that_were_never_sent_say_nothing_about_speed() -> None:
    assert pace([document(rejected=100)]) == Pace()
    assert pace([document(rejected=100, succeeded=100)]).seconds_left == pytest.approx(10.0)


@pytest.mark.parametrize("how", [{"status": "paused"}, {"paused": {"code": "trial"}}])
def test_nothing_is_left_to_wait_for_while_paused(how: dict[str, Any]) -> None:
    seen = [document(10, succeeded=10), document(20, succeeded=20, **how)]
    assert pace(seen) == Pace()


def test_hours_of_a_pause_are_no_work() -> None:
    """`seconds` counts work alone, so that a run that goes on has the speed it had."""
    seen = [
        document(10, succeeded=50),
        document(20, succeeded=100, paused={"code": "trial"}),
        document(30, succeeded=150),
    ]
    assert pace(seen) == Pace(pytest.approx(300.0), pytest.approx(30.0))


@pytest.mark.parametrize("status", ["completed", "aborted", "failed", "unresolved"])
def test_of_a_closed_run_nothing_is_left(status: str) -> None:
    seen = pace([document(60, status, succeeded=200, forecast={"seconds": 500})])
    assert seen == Pace(pytest.approx(200.0))


def test_planning_and_closing_promise_nothing() -> None:
    assert pace([document(5, "planning", forecast={"seconds": 50})]).seconds_left is None
    assert pace([document(50, "closing", succeeded=300)]).seconds_left is None


@pytest.mark.parametrize("found", [None, {}, {"seconds": None}, {"seconds": 0}, {"seconds": "x"}])
def test_a_forecast_that_is_none(found: Any) -> None:
    assert forecast_seconds(document(forecast=found)) is None


def test_what_is_counted() -> None:
    found = document(succeeded=3, rejected=2)
    assert (settled(found), jobs_in_flight(found)) == (5, 1)


seconds_and_rows = st.lists(
    st.tuples(st.floats(0, 1e6), st.tuples(*[st.integers(0, 10**6)] * 5)), min_size=1, max_size=6
)


@given(rows=st.integers(0, 10**7), seen=seconds_and_rows)
def test_nothing_is_ever_negative(rows: int, seen: list[tuple[float, tuple[int, ...]]]) -> None:
    documents = [
        document(seconds, rows=rows, **dict(zip(OUTCOMES, parts, strict=True)))
        for seconds, parts in sorted(seen)
    ]
    found = pace(documents)
    assert found.rows_per_minute is None or found.rows_per_minute > 0
    assert found.seconds_left is None or found.seconds_left > 0
