"""Each page shows what the table says, in words."""

from __future__ import annotations

from tests.unit.dashboard.conftest import Page
from virtual.world import sample_csv


def test_runs_are_listed(page: Page) -> None:
    run = page.world.processed(sample_csv(5))
    shown = page.get("runs")
    assert run.run_id in shown.text
    assert "5 rows" in shown.text


def test_every_page_of_a_run(page: Page) -> None:
    run = page.world.processed(sample_csv(5))
    for parts in ((), ("rows",), ("rerun",), ("retry",), ("priority",), ("abort",)):
        page.get("runs", run.run_id, *parts)
    for part in ("run", "errors", "course"):
        page.get("runs", run.run_id, part=part)
    page.get("new")
    page.get("connections")
    page.get("connections", "acme")
