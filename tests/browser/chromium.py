"""A real browser without a window, and what is asked of every page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)

WIDTHS = {320: "light", 390: "dark", 1200: "light"}
"""Widths at which pages are looked at, and the colours that they have there: each width and each
scheme once, as looking for what is wrong takes a second."""

_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launched() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


def problems(page: Page, widths: Mapping[int, str] = WIDTHS) -> list[str]:
    """What keeps somebody from using a page at one of these widths."""
    found = []
    for width, scheme in widths.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        wrong = [*too_wide(page), *violations(page)]
        found += [f"{width} px, {scheme}: {each}" for each in wrong]
    return found


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    # Only what is wrong is brought over: all that is right is long.
    found: list[str] = page.evaluate(
        """() => axe.run({resultTypes: ["violations"]}).then((all) => all.violations.map(
          (each) => `${each.id}: ${each.help} at ${each.nodes.map((n) => n.target).slice(0, 4)}`
        ))"""
    )
    return found


def too_wide(page: Page) -> list[str]:
    """Elements that stand out of the page to the right; none where it scrolls only downwards."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll("body *")]
          .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
          .map((e) => e.outerHTML.slice(0, 100)).slice(0, 5)
          .concat([`${document.documentElement.scrollWidth} > ${innerWidth}`])"""
    )
    return found
