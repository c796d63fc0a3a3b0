"""What people do with the page in a real browser: by keyboard, while runs go on, with no script."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, FileChooser, Page, expect
from playwright.sync_api import TimeoutError as TooLateError

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from tests.browser.conftest import Visit
from tests.browser.scene import TICKETS, tickets

MOST_TABS = 60


def tab_to(page: Page, name: str) -> None:
    """Go to the link, button or field of this name as people do who have no mouse."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => { const e = document.activeElement;
            return e.getAttribute("aria-label") || (e.labels && e.labels[0]?.textContent)
              || e.textContent.trim(); }"""
        )
        if focused == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{name}: nobody sees where the focus is"
            return
    raise AssertionError(f"{name!r} is not reached by keyboard")


def test_a_run_is_aborted_by_keyboard(visitor: Visit) -> None:
    page, world = visitor.page, visitor.scene.world
    running = visitor.scene.open_run(1_500)
    running.go_on()
    visitor.go("runs")
    tab_to(page, "november tickets.csv")
    page.keyboard.press("Enter")
    visitor.shows("The run goes on")
    tab_to(page, "Abort")
    page.keyboard.press("Enter")
    visitor.shows("cannot go on afterwards")
    tab_to(page, "Reason")
    page.keyboard.type("The wrong file.")
    tab_to(page, "Abort the run")
    page.keyboard.press("Enter")
    visitor.shows("Nothing more of this run is sent.")
    stop = world.run(running.run_id).stop
    assert stop is not None
    assert stop.reason == "The wrong file."
    running.end()
    visitor.shows("The run was aborted")
    assert world.run(running.run_id).status is RunStatus.ABORTED


def chooser(page: Page) -> FileChooser:
    """The dialog for a file, opened by keyboard; a browser that is busy may miss a key."""
    for _ in range(3):
        with suppress(TooLateError):
            with page.expect_file_chooser(timeout=5_000) as found:
                page.keyboard.press("Enter")
            return found.value
    raise AssertionError("no dialog opens")


def test_a_file_is_planned_and_started_by_keyboard(visitor: Visit, tmp_path: Path) -> None:
    page, world = visitor.page, visitor.scene.world
    file = tmp_path / "my tickets.csv"
    file.write_text(tickets(120))
    visitor.go("runs")
    tab_to(page, "New run")
    page.keyboard.press("Enter")
    visitor.shows("Drop a file here")
    tab_to(page, "CSV file")
    chooser(page).set_files(file)
    visitor.shows("my tickets.csv,")
    tab_to(page, "Show the plan")
    page.keyboard.press("Enter")
    visitor.shows("of 120 rows would be sent")
    assert list(world.store.runs.newest()) == []
    tab_to(page, "Trial")
    page.keyboard.type("20")
    tab_to(page, "Start")
    page.keyboard.press("Enter")
    visitor.shows("Started: my tickets.csv.")
    visitor.scene.shell.states.go_on()
    visitor.shows("The run is paused")
    ((_, run),) = world.store.runs.newest()
    assert run.trial == 20
    assert run.source.key == f"inbox/{TICKETS}/my tickets.csv"
    assert visitor.elsewhere == []
    assert visitor.complaints == []


def test_progress_is_seen_while_the_run_goes_on(visitor: Visit) -> None:
    page = visitor.page
    running = visitor.scene.open_run(9_000)
    visitor.go("runs", running.run_id)
    seen = set()
    page.get_by_role("link", name="Priority").focus()
    for _ in range(3):
        running.go_on(41.0)
        settled = visitor.scene.world.run(running.run_id).settled_rows
        visitor.shows(f"{settled:,} of 9,000 rows have their outcome")
        seen.add(settled)
        expect(page).to_have_title(f"{100 * settled // 9_000} % november tickets.csv · Jobferry")
        # The focus stays where it is, although the page is another one by now.
        assert page.evaluate("document.activeElement.textContent") == "Priority"
    assert len(seen) == 3
    closed = running.end()
    visitor.shows(f"{closed.outcomes[OutcomeStatus.SUCCEEDED]:,} of 9,000 rows succeeded")
    expect(page.locator("#said")).to_contain_text("The run is completed with failures")
    expect(page.get_by_role("link", name="failed.csv")).to_be_visible()
    expect(page.locator("#errors")).to_contain_text("is not properly formatted")


def test_the_list_follows_as_well(visitor: Visit) -> None:
    running = visitor.scene.open_run(1_200)
    visitor.go("runs")
    running.go_on()
    settled = visitor.scene.world.run(running.run_id).settled_rows
    visitor.shows(f"{settled:,} of 1,200 rows")
    visitor.page.select_option("#status", "completed_with_failures")
    visitor.page.click("text=Show")
    visitor.shows("There are no such runs.")
    assert "status=completed_with_failures" in visitor.page.url


def show_as(page: Page, *, hidden: bool) -> None:
    """What a browser does when another tab comes to the front, or this one again."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_hidden_page_asks_for_nothing(visitor: Visit) -> None:
    running = visitor.scene.open_run(600)
    visitor.go("runs", running.run_id)
    show_as(visitor.page, hidden=True)
    visitor.page.wait_for_timeout(1_000)
    before = len(visitor.asked)
    visitor.page.wait_for_timeout(1_800)
    assert len(visitor.asked) == before
    with visitor.page.expect_request("**"):
        show_as(visitor.page, hidden=False)


def test_a_page_whose_server_has_ended_says_so(visitor: Visit) -> None:
    running = visitor.scene.open_run(600)
    visitor.go("runs", running.run_id)
    visitor.context.set_offline(True)
    visitor.shows("The page has lost its connection")
    visitor.context.set_offline(False)
    expect(visitor.page.locator("#trouble")).to_be_hidden(timeout=10_000)


def test_a_command_is_copied(visitor: Visit) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visitor.origin)
    run = visitor.scene.closed_run(120, "a.csv")
    visitor.go("runs", run.run_id)
    page = visitor.page
    page.get_by_text("In a terminal").first.click()
    button = page.get_by_role("button", name=re.compile("^Copy the command jobferry")).first
    command = button.get_attribute("data-copy")
    button.click()
    expect(page.locator("#said")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_a_result_file_is_downloaded(visitor: Visit) -> None:
    run = visitor.scene.closed_run(120, "a.csv")
    visitor.go("runs", run.run_id)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="failed.csv", exact=True).click()
    rows = Path(download.value.path()).read_text().splitlines()
    assert len(rows) == 1 + run.outcomes[OutcomeStatus.FAILED]


def test_the_report_is_shown_and_its_files_can_be_fetched(visitor: Visit) -> None:
    run = visitor.scene.closed_run(120, "a.csv")
    visitor.go("runs", run.run_id, "files", "report.html")
    visitor.shows("Jobferry run report")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="failed.csv", exact=True).click()
    assert Path(download.value.path()).read_text().startswith("Subject")
    assert visitor.complaints == []


def test_it_can_be_read_and_used_without_a_script(chromium: Browser, visitor: Visit) -> None:
    run = visitor.scene.closed_run(300, "tickets of monday.csv")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(visitor.served.url())
    page.get_by_role("link", name="tickets of monday.csv").click()
    expect(page.get_by_role("heading", name="Errors")).to_be_visible()
    page.get_by_role("link", name="Retry failed rows").first.click()
    page.get_by_role("button", name=re.compile("^Send .* again$")).click()
    expect(page.locator("main")).to_contain_text(f"sends rows of {run.run_id} again")
    page.get_by_role("link", name="New run").first.click()
    expect(page.locator("main")).to_contain_text("takes JavaScript")
    context.close()
