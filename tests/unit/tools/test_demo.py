"""What the demo says of its runs."""

from __future__ import annotations

from typing import Any

import pytest

from tools.demo_mending import Mend, Mended
from tools.demo_words import arrived, cost_lines, mend_lines, outcome_lines


def run(rows: int, **outcomes: int) -> dict[str, Any]:
    none = dict.fromkeys(("succeeded", "failed", "rejected", "skipped", "unknown"), 0)
    return {"rows": rows, "seconds": 12.3, "outcomes": {**none, **outcomes}}


FIRST = run(300, succeeded=287, failed=2, rejected=9, skipped=2)


def test_the_totals_say_whether_they_add_up() -> None:
    lines = outcome_lines(FIRST, adds_up=True)
    assert lines[0] == "300 rows in 12.3 s:"
    assert lines[1].split() == ["succeeded", "287"]
    assert lines[-1].split() == ["sum", "300", "adds", "up"]
    assert "DOES NOT ADD UP" in outcome_lines(FIRST, adds_up=False)[-1]


ALL = "All 300 rows are there."
MORE, LESS = "no more and no less.", "1 row of 300 did not get there."


@pytest.mark.parametrize(
    ("second", "repeated", "records", "said"),
    [
        (run(13, succeeded=13), 0, 300, (True, f"{ALL} The vendor holds 300 tickets, {MORE}")),
        (run(12, succeeded=12), 1, 299, (True, f"{ALL} The vendor holds 299 tickets, {MORE}")),
        (run(13, succeeded=13), 0, None, (True, ALL)),
        (run(13, succeeded=13), 0, 301, (False, "The vendor holds 301 tickets, not 300.")),
        (run(13, succeeded=12, failed=1), 0, 299, (False, LESS)),
        (None, 0, 287, (False, "13 rows of 300 did not get there.")),
    ],
)
def test_whether_all_rows_are_there(
    second: dict[str, Any] | None, repeated: int, records: int | None, said: tuple[bool, str]
) -> None:
    assert arrived(FIRST, second, repeated, records, "ticket") == said


def test_mended_cells_are_named() -> None:
    mended = Mended([], [Mend(17, "Priority", "asap", "normal"), Mend(9, "A", "\x1b[2J", "b")], 1)
    lines = mend_lines(mended)
    assert lines[0].split() == ["row", "17", "Priority", "'asap'", "→", "'normal'"]
    assert "\x1b" not in lines[1]
    assert "1 row repeated another" in lines[2]


def test_what_a_million_rows_would_cost() -> None:
    document = {
        "assumed": {"rows": 1_000_000, "jobs": 10_000, "job_seconds": 10.0, "max_jobs": 30},
        "run": {"seconds": 3483.1, "together": 0.18955},
    }
    said = " ".join(cost_lines(document, ["cost", "--rows", "1000000"]))
    for part in ("100 rows", "take 10 s", "30 of them", "58 min", "$0.19"):
        assert part in said
    assert ".venv/bin/jobferry cost --rows 1000000" in said
