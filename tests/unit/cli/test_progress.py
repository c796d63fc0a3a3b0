"""Progress in words and as plain lines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry_cli.progress import progress_line, seconds_left, settled, shown_progress

OUTCOMES = ("succeeded", "failed", "rejected", "skipped", "unknown")


def document(
    status: str = "running",
    rows: int = 300,
    seconds: float = 10.0,
    submitted: int = 0,
    finished: int = 0,
    **outcomes: int,
) -> dict[str, Any]:
    return {
        "status": status,
        "rows": rows,
        "seconds": seconds,
        "outcomes": {**dict.fromkeys(OUTCOMES, 0), **outcomes},
        "jobs": {"planned": 3, "submitted": submitted, "finished": finished},
    }


def test_a_line_says_rows_jobs_and_time() -> None:
    line = progress_line(document(submitted=3, finished=1, succeeded=98, failed=2))

    assert line == "running: 100 of 300 rows settled, 2 jobs in flight, 10 s, about 20 s left"


def test_rows_that_were_never_sent_say_nothing_about_speed() -> None:
    assert seconds_left(document(rejected=100)) is None
    assert seconds_left(document(rejected=100, succeeded=100)) == pytest.approx(10.0)


@given(
    rows=st.integers(0, 10**7),
    parts=st.tuples(*[st.integers(0, 10**6)] * 5),
    seconds=st.floats(0, 1e6),
)
def test_time_left_is_never_negative(rows: int, parts: tuple[int, ...], seconds: float) -> None:
    found = document(rows=rows, seconds=seconds)
    found["outcomes"] = dict(zip(OUTCOMES, parts, strict=True))

    left = seconds_left(found)
    assert settled(found) == sum(parts)
    assert left is None or left >= 0
    if settled(found) >= rows:
        assert left is None


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as show:
        show(document("planning", rows=0, seconds=0))
        show(document("planning", rows=200, seconds=1))
        for second in range(2, 30):
            show(document(seconds=second, succeeded=10 * second))
        show(document("completed", seconds=30, succeeded=300))

    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0].startswith("planning")
    assert lines[-1].startswith("completed: 300 of 300 rows settled")
    assert len(lines) == 8


def test_nothing_is_repeated_while_nothing_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress() as show:
        for second in range(100):
            show(document(seconds=second))

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with shown_progress() as show:
        show(document("planning", rows=0, seconds=0))
        show(document(succeeded=150, submitted=1))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "150 of 300 rows settled, 1 job in flight" in captured.err
