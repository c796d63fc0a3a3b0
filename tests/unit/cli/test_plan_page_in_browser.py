"""The page of a plan in a real browser: readable for everybody, at every width, by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.shell import Shell

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe here")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

FILE = (
    "Name,Ref,Notes\n"
    + "".join(f"thing {n},r{n},{'a long cell without an end ' * 9}\n" for n in range(7))
    + "".join(f",{'x' * 90},<b>é</b>\n" for _ in range(9))
)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def address(shell: Shell, tmp_path: Path) -> str:
    file = tmp_path / "things.csv"
    file.write_text(FILE, encoding="utf-8")
    answer = shell("plan", file, "--profile", "things", "--out", tmp_path / "out")
    assert answer.code == 0, answer.stderr
    return (tmp_path / "out" / "plan.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_nothing_is_cut_off_and_axe_finds_nothing(
    browser: sync_api.Browser, address: str, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)

    found = axe.Axe().run(page).response
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [address]
    context.close()
