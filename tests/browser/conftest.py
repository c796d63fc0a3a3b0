"""One browser for all tests of this folder, and a deployment in memory for those that only look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from jobferry_cli.dashboard.command import RunningPage
from tests.browser.chromium import PATH, launched
from tests.browser.scene import OpenRun, Scene, furnished, scene, served


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if PATH is not None:
        return
    skip = pytest.mark.skip(reason="no Chromium on this machine (Debian: apt install chromium)")
    for item in items:
        if "browser" in item.nodeid.split("/"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@dataclass
class Visit:
    """A browser that was let in, and what it asked for and complained of.

    Attributes:
        asked: addresses of all requests
        complaints: errors of scripts, and what the policy has kept from happening
    """

    scene: Scene
    served: RunningPage
    context: BrowserContext
    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda line: self.complaints.append(line.text) if line.type == "error" else None,
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.served.port}"

    def go(self, *parts: object, **query: object) -> None:
        self.page.goto(self.origin + self.served.desk.url(*parts, **query))

    @property
    def elsewhere(self) -> list[str]:
        """Requests to other hosts."""
        return [url for url in self.asked if not url.startswith((self.origin, "data:", "blob:"))]

    def shows(self, text: str) -> None:
        """Wait until the page shows it."""
        self.page.get_by_text(re.compile(re.escape(text))).first.wait_for(timeout=10_000)


def visit(chromium: Browser, made: Scene, page: RunningPage) -> Visit:
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    found = Visit(made, page, context, context.new_page())
    found.page.goto(page.url())
    return found


@pytest.fixture(scope="module")
def looked_at() -> Iterator[tuple[Scene, OpenRun, RunningPage]]:
    """A deployment with runs of all kinds. Nobody changes it."""
    with furnished() as (made, running), served(made) as page:
        yield made, running, page


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visit]:
    """A browser before a deployment of its own, without runs."""
    with scene() as made, served(made) as page:
        found = visit(chromium, made, page)
        try:
            yield found
        finally:
            found.context.close()
