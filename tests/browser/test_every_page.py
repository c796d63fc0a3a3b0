"""Each page in a real browser: accessible, as narrow as a phone, light and dark; nothing leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from jobferry_cli.dashboard.command import RunningPage
from tests.browser.chromium import problems
from tests.browser.conftest import Visit, visit
from tests.browser.scene import OpenRun, Scene, tickets

PAGES = (
    "runs",
    "no runs",
    "running",
    "paused",
    "closed",
    "failed",
    "rows",
    "no rows",
    "abort",
    "resume",
    "retry",
    "rerun",
    "priority",
    "new",
    "plan",
    "refused file",
    "connections",
    "connection",
    "not there",
)


@pytest.fixture(scope="module")
def at(chromium: Browser, looked_at: tuple[Scene, OpenRun, RunningPage]) -> Iterator[Visit]:
    made, _, page = looked_at
    found = visit(chromium, made, page)
    yield found
    found.context.close()


def show(at: Visit, name: str) -> None:
    """Go to a page of this name."""
    runs = {
        r.source.key.rpartition("/")[2]: r.run_id for _, r in at.scene.world.store.runs.newest()
    }
    running, closed = runs["november tickets.csv"], runs["tickets of monday.csv"]
    match name:
        case "running":
            at.go("runs", running)
        case "paused":
            at.go("runs", runs["renewals.csv"])
        case "closed":
            at.go("runs", closed)
        case "failed":
            at.go("runs", runs["export.csv"])
        case "no runs":
            at.go("runs", status="unresolved")
        case "rows":
            at.go("runs", closed, "rows", status="failed")
        case "no rows":
            at.go("runs", closed, "rows", find="nowhere")
        case "abort" | "priority":
            at.go("runs", running, name)
        case "retry" | "rerun":
            at.go("runs", closed, name)
        case "resume":
            at.go("runs", runs["renewals.csv"], name)
        case "plan" | "refused file":
            at.go("new")
            body = tickets(120) if name == "plan" else "Nothing,of,this\n1,2,3\n"
            file = {"name": "chosen.csv", "mimeType": "text/csv", "buffer": body.encode()}
            at.page.set_input_files("#file", file)  # type: ignore[arg-type]
            at.page.click("text=Show the plan")
            at.shows("would be sent" if name == "plan" else "cannot be planned")
        case "connection":
            at.go("connections", "acme")
        case "not there":
            at.go("nowhere")
        case _:
            at.go(name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(at: Visit, name: str) -> None:
    """And it asks nothing of other hosts, and no script of it fails."""
    asked = len(at.asked)
    at.complaints.clear()
    show(at, name)
    assert problems(at.page) == []
    assert len(at.asked) > asked
    assert at.elsewhere == []
    # The browser itself complains of an answer that is an error.
    expected = {"not there": "404", "refused file": "409"}.get(name)
    assert [each for each in at.complaints if not expected or expected not in each] == []


def test_a_page_in_the_dark_at_a_desk(at: Visit) -> None:
    for name in ("runs", "running", "plan"):
        show(at, name)
        assert problems(at.page, {1200: "dark"}) == []


def test_a_page_is_printed_without_its_buttons(at: Visit) -> None:
    show(at, "closed")
    at.page.emulate_media(media="print")
    try:
        assert not at.page.locator("nav").is_visible()
        assert not at.page.get_by_role("link", name="Retry failed rows").first.is_visible()
        assert at.page.get_by_role("heading", name="tickets of monday.csv").is_visible()
    finally:
        at.page.emulate_media(media="screen")
