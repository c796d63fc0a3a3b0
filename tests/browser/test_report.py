"""The report in a real browser: it shows what it says, to everybody, and asks nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from jobferry.reporting.html import render_report
from tests.browser.chromium import WIDTHS, problems
from tests.thorough import THOROUGH
from tests.unit.reporting.report_sample import SAMPLES

TELLING = ("mixed", "paused", "refused", "hostile")
"""Reports that have everything that a page can have."""

LONG = ("crowded", "hostile")
ADDRESS = "http://report.example/report.html"


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def opened(page: Page, name: str) -> list[str]:
    """Show a sample as a file from a server; returns the list of what the browser asks for."""
    asked: list[str] = []
    html = render_report(SAMPLES[name]())

    def answer(route: object) -> None:
        asked.append(route.request.url)  # type: ignore[attr-defined]
        route.fulfill(body=html, content_type="text/html; charset=utf-8")  # type: ignore[attr-defined]

    page.unroute_all()
    page.route("**/*", answer)
    page.goto(ADDRESS)
    return asked


@pytest.mark.parametrize("name", SAMPLES if THOROUGH else TELLING)
def test_it_is_for_everybody(page: Page, name: str) -> None:
    opened(page, name)
    # More of the same takes long to look through.
    assert problems(page, {320: "dark"} if name in LONG else WIDTHS) == []


@pytest.mark.parametrize("name", ["mixed", "hostile"])
def test_a_browser_shows_it_and_asks_for_nothing_else(page: Page, name: str) -> None:
    asked = opened(page, name)
    assert set(asked) == {ADDRESS}
    assert page.get_by_role("heading", name="Outcomes").is_visible()
    # What strangers wrote into cells is text, never an element.
    assert page.locator("script, img, iframe, object, embed, form").count() == 0


def test_it_is_printed_in_black_on_white(page: Page) -> None:
    opened(page, "mixed")
    page.emulate_media(media="print", color_scheme="dark")
    try:
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert body == "rgb(255, 255, 255)"
    finally:
        page.emulate_media(media="screen", color_scheme="light")
