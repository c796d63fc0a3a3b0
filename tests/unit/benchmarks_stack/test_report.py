from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import report

STACK: dict[str, Any] = {
    "results": [
        {
            "tool": "jobferry",
            "rows": 3000,
            "rows_per_second": 321.6,
            "submit_requests": 30,
            "poll_requests": 8,
            "transitions": 63,
        }
    ],
    "ratios": [
        {
            "tool": "job poller, 5 s",
            "rows": 3000,
            "seconds": 0.62,
            "submit_requests": 1.0,
            "poll_requests": 3.75,
            "transitions": 2.38,
        }
    ],
}
PLANNING: dict[str, Any] = {
    "targets": {"rows_per_cpu_second": 100_000, "peak_rss_mb": 256},
    "results": [
        {
            "rows": 10,
            "case": "keys at random",
            "rows_per_cpu_second": 125_000,
            "times_csv_reader": 4.24,
            "peak_rss_mb": 300.0,
            "held": False,
        },
        {
            "rows": 10,
            "case": "200 columns",
            "rows_per_cpu_second": 40_000,
            "times_csv_reader": 3.81,
            "peak_rss_mb": 80.0,
            "held": None,
        },
    ],
}


def test_sections_that_ran_are_joined(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "stack.json").write_text(json.dumps(STACK))
    document = report.join(tmp_path)
    assert document["sections"] == {"stack": STACK}
    assert document["machine"]["cores"]


def test_targets_are_judged_one_by_one() -> None:
    speed, memory, wide = report.planning_figures(PLANNING)
    assert (speed.value, speed.held) == ("125,000 (CPU 4.2 × csv.reader)", True)
    assert (memory.value, memory.held) == ("300", False)
    assert (wide.value, wide.held) == ("40,000 (CPU 3.8 × csv.reader)", None)


def test_the_table_shows_every_section() -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(report.table({"sections": {"stack": STACK, "planning": PLANNING}}))
    text = console.export_text()
    assert "322 (38, 63)" in text
    assert "time 0.62, submits 1.0, polls 3.75, transitions 2.38" in text
    assert text.count(" met") == 1


def test_every_section_has_a_script() -> None:
    assert all((report.FOLDER / section.script).exists() for section in report.SECTIONS.values())
