"""Pictures of the report and of the page, for the documents and for looking at them.

    python -m tools.make_pictures --out build/pictures [--only run runs] [--docs]

Takes a Chromium on this machine, and a deployment in memory that looks like one of practice.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Browser

from jobferry.reporting.html import render_report
from jobferry_cli.dashboard.command import RunningPage
from tests.browser.chromium import PATH, launched
from tests.browser.scene import Scene, furnished, served, tickets
from tests.unit.reporting.report_sample import mixed_run

WIDTHS = (390, 1200)
SCHEMES = ("light", "dark")
DOCS = {"report-1200-light": "report.png", "run-1200-light": "run.png"}
"""Pictures that the documents show, and their names there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], metavar="PAGE")
    parser.add_argument("--docs", action="store_true", help="only those that the documents show")
    asked = parser.parse_args()
    if PATH is None:
        parser.error("no Chromium on this machine")
    asked.out.mkdir(parents=True, exist_ok=True)
    with furnished() as (made, _running), served(made) as served_page, launched() as browser:
        urls = addresses(made, served_page)
        for width in WIDTHS:
            for scheme in SCHEMES:
                _take(browser, served_page, urls, asked, width, scheme)


def addresses(made: Scene, page: RunningPage) -> Mapping[str, str]:
    """The pages to take pictures of, by name."""
    url = page.desk.url
    runs = {run.source.key.rpartition("/")[2]: run for _, run in made.world.store.runs.newest()}
    running = runs["november tickets.csv"].run_id
    closed = runs["tickets of monday.csv"].run_id
    paused = runs["renewals.csv"].run_id
    return {
        "runs": url("runs"),
        "run": url("runs", running),
        "closed": url("runs", closed),
        "paused": url("runs", paused),
        "rows": url("runs", closed, "rows", status="failed"),
        "abort": url("runs", running, "abort"),
        "connections": url("connections"),
        "connection": url("connections", "acme"),
        "new": url("new"),
    }


def _take(
    browser: Browser,
    served_page: RunningPage,
    urls: Mapping[str, str],
    asked: argparse.Namespace,
    width: int,
    scheme: str,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        device_scale_factor=1,
        reduced_motion="reduce",
    )
    page = context.new_page()

    def take(name: str) -> None:
        full = f"{name}-{width}-{scheme}"
        if asked.only and name not in asked.only:
            return
        if asked.docs and full not in DOCS:
            return
        file = asked.out / (DOCS[full] if asked.docs else f"{full}.png")
        # The documents show what is seen first, and no more.
        page.screenshot(path=file, full_page=not asked.docs)

    page.goto(served_page.url())
    for name, path in urls.items():
        page.goto(f"http://127.0.0.1:{served_page.port}{path}")
        take(name)
    page.goto(f"http://127.0.0.1:{served_page.port}{urls['new']}")
    body = tickets(300, start=50_000).encode()
    page.set_input_files("#file", {"name": "december.csv", "mimeType": "", "buffer": body})
    page.click("text=Show the plan")
    page.wait_for_url("**/plans/**")
    take("plan")
    page = context.new_page()
    page.set_content(render_report(mixed_run()))
    take("report")
    context.close()


if __name__ == "__main__":
    main()
