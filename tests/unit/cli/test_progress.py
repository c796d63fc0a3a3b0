"""Progress in words, as a block for a terminal of any width, and as plain lines."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobferry_cli import output
from jobferry_cli.output import _Block
from jobferry_cli.progress import progress_line, progress_lines, shown_progress

OUTCOMES = ("succeeded", "failed", "rejected", "skipped", "unknown")
WIDTHS = (40, 80, 100, 200)


def document(
    status: str = "running",
    rows: int = 300,
    seconds: float = 10.0,
    submitted: int = 0,
    finished: int = 0,
    forecast: float | None = None,
    **outcomes: int,
) -> dict[str, Any]:
    return {
        "status": status,
        "rows": rows,
        "seconds": seconds,
        "outcomes": {**dict.fromkeys(OUTCOMES, 0), **outcomes},
        "jobs": {"planned": 3, "submitted": submitted, "finished": finished},
        "forecast": None if forecast is None else {"seconds": forecast},
    }


LARGE = document(
    rows=20_000,
    seconds=240,
    submitted=130,
    finished=100,
    forecast=400,
    succeeded=12_000,
    failed=200,
    rejected=43,
    unknown=3,
)
SAID = (
    "running",
    "61.2 %",
    "12,246 of 20,000 rows",
    "12,000 ok",
    "200 failed",
    "43 rejected",
    "3 unknown",
    "30 jobs in flight",
    "4 min",
    "3,051 rows/min",
    "about 2 min 33 s left",
    "forecast 6 min 40 s",
)


def rendered(found: dict[str, Any], width: int, *, ascii_only: bool = False) -> list[str]:
    """The block as a terminal of this width shows it."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)

    def lines(columns: int, _: bool) -> Any:
        return progress_lines(found, (), columns, ascii_only)

    console.print(_Block(lines))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [*WIDTHS, 60, 120])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    lines = rendered(LARGE, width)
    whole = "\n".join(lines)
    for text in SAID:
        assert text in whole, (width, text)
    assert "…" not in whole
    assert all(len(line) <= width for line in lines)
    assert "━━━━━━" in lines[0], "there is a bar at every width"


def test_a_wide_terminal_gets_one_line_and_a_narrow_one_a_few() -> None:
    assert {width: len(rendered(LARGE, width)) for width in WIDTHS} == {
        200: 1,
        100: 3,
        80: 3,
        40: 6,
    }


def test_the_bar_is_full_when_all_is_done_and_not_before() -> None:
    nearly = rendered(document(rows=10_000, succeeded=9_999), 80)[0]
    done = rendered(document("completed", rows=10_000, succeeded=10_000), 80)[0]
    assert "╌" in nearly
    assert "> 99.9 %" in nearly
    assert "╌" not in done
    assert "100 %" in done


def test_a_terminal_without_unicode_gets_a_bar_in_ascii() -> None:
    first = rendered(LARGE, 80, ascii_only=True)[0]
    assert "####" in first
    assert "----" in first


def test_that_nothing_failed_is_said() -> None:
    assert "0 failed" in "\n".join(rendered(document(succeeded=3), 80))


def test_failures_are_coloured_and_their_absence_is_not() -> None:
    def styles(found: dict[str, Any]) -> dict[str, str]:
        return {text: style for line in progress_lines(found, (), 80) for text, style in line}

    assert styles(document(failed=2))["2 failed"] == "red"
    assert styles(document(succeeded=2))["0 failed"] == ""


@given(
    width=st.integers(20, 250),
    rows=st.integers(0, 10**7),
    parts=st.tuples(*[st.integers(0, 10**6)] * 5),
    seconds=st.floats(0, 1e6),
    status=st.sampled_from(["planning", "running", "paused", "closing", "unresolved"]),
)
def test_any_run_fits_any_terminal(
    width: int, rows: int, parts: tuple[int, ...], seconds: float, status: str
) -> None:
    outcomes = dict(zip(OUTCOMES, parts, strict=True))
    found = document(status, rows=max(rows, sum(parts)), seconds=seconds, **outcomes)
    lines = rendered(found, width)
    assert 1 <= len(lines) <= 12
    assert all(len(line) <= width for line in lines)
    assert progress_line(found)


def test_a_line_says_rows_by_outcome_jobs_and_time() -> None:
    line = progress_line(document(submitted=3, finished=1, succeeded=98, failed=2, forecast=25))

    assert line == (
        "running: 33.3 %, 100 of 300 rows: 98 ok, 2 failed; 2 jobs in flight; "
        "10 s, 600 rows/min, about 20 s left, forecast 25 s"
    )


def test_a_paused_run_is_not_told_to_end() -> None:
    found = {**document(succeeded=100, forecast=60), "paused": {"code": "trial"}}
    assert progress_line(found).startswith("paused: 33.3 %")
    assert "left" not in progress_line(found)


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
    assert lines[-1].startswith("completed: 100 %, 300 of 300 rows: 300 ok")
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
    monkeypatch.setenv("TERM", "xterm")
    with shown_progress() as show:
        show(document("planning", rows=0, seconds=0))
        show(document(succeeded=150, submitted=1))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "150 of 300 rows" in captured.err


SCRIPT = """
from jobferry_cli.progress import shown_progress
from tests.unit.cli.test_progress import LARGE, document
with shown_progress() as show:
    show(document("planning", rows=0, seconds=0))
    show(LARGE)
"""


def in_a_terminal(columns: int, **environ: str) -> str:
    """What the script writes to a real terminal."""
    ours, theirs = pty.openpty()
    settings = {"COLUMNS": str(columns), "LINES": "24", "TERM": "xterm-256color", **environ}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **settings},
    ) as process:
        os.close(theirs)
        said = b"".join(_read(ours))
        assert process.wait(30) == 0
    os.close(ours)
    return said.decode()


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux: the other side is closed
            return
        if not part:
            return
        yield part


def test_on_a_real_terminal() -> None:
    said = in_a_terminal(80)
    assert "━━━━" in said
    assert "\x1b[" in said
    assert "200 failed" in said


def test_on_a_dumb_terminal_there_are_plain_lines() -> None:
    said = in_a_terminal(80, TERM="dumb")
    assert "\x1b" not in said
    first, second = said.splitlines()
    assert first.startswith("planning")
    assert second.startswith("running: 61.2 %, 12,246 of 20,000 rows: 12,000 ok, 200 failed")


def test_without_colour_there_is_none() -> None:
    said = in_a_terminal(80, NO_COLOR="1")
    assert "━━━━" in said
    assert "\x1b[31m" not in said
    assert "\x1b[36m" not in said


def test_a_block_passes_what_steers_no_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=40, force_terminal=True, color_system=None)
    console.print(output._Block(lambda *_: [[("a\x1b[2Jb", "")]]))
    assert "\x1b[2J" not in stream.getvalue()
