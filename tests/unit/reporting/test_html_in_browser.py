"""The report in a real browser: it shows what it says, and asks nobody for anything."""

from __future__ import annotations

import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from jobferry.reporting.html import render_report
from tests.unit.reporting.report_sample import SAMPLES

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A loopback server for one page, and the paths that a browser asked it for."""
    asked: list[str] = []
    page = tmp_path / "report.html"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/report.html" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            if self.path == "/report.html":
                self.wfile.write(page.read_bytes())

        def log_message(self, *_: object) -> None:
            """No lines on stderr."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/report.html", page, asked
        server.shutdown()


@pytest.mark.parametrize("name", ["mixed", "hostile"])
def test_a_browser_shows_the_report_and_asks_for_nothing_else(
    name: str, site: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    url, page, asked = site
    page.write_text(render_report(SAMPLES[name]()), encoding="utf-8")
    shot = tmp_path / "report.png"
    browser = [str(BROWSER), *QUIET, f"--user-data-dir={tmp_path / 'profile'}"]
    shown = subprocess.run(
        [*browser, "--window-size=400,1600", f"--screenshot={shot}", "--dump-dom", url],
        capture_output=True,
        check=True,
        timeout=90,
    )

    assert set(asked) <= {"/report.html", "/favicon.ico"}
    assert shot.read_bytes().startswith(b"\x89PNG")
    dom = shown.stdout.decode()
    assert "Outcomes" in dom
    # What strangers wrote into cells is text, never an element.
    assert "<script" not in dom
    assert "<img" not in dom
