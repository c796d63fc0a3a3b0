"""The page of a run's rows finds them as `jobferry rows` does."""

from __future__ import annotations

import pytest

from jobferry.domain.run import Run
from tests.unit.dashboard.conftest import Page
from virtual.world import sample_csv


@pytest.fixture
def run(page: Page) -> Run:
    page.world.put_profile({"row_key": "Ref"})
    return page.world.processed(sample_csv(120))


def test_a_row_is_found_by_its_key(page: Page, run: Run) -> None:
    shown = page.get("runs", run.run_id, "rows", find="R117").text
    assert "id-r117" in shown
    assert "id-r116" not in shown


def test_pages_follow_each_other(page: Page, run: Run) -> None:
    shown = page.get("runs", run.run_id, "rows", find="r", after="100").text
    assert "id-r101" in shown
    assert "id-r100" not in shown


def test_an_address_that_somebody_has_typed_shows_the_first_rows(page: Page, run: Run) -> None:
    shown = page.get("runs", run.run_id, "rows", after="nonsense").text
    assert "id-r1 " in shown


def test_keys_that_were_not_searched_are_told(page: Page, run: Run) -> None:
    page.world.objects.lose(run.source)
    assert "keys were not searched" in page.get("runs", run.run_id, "rows", find="r117").text
