"""The page on the deployed stack: let in by its address, a file planned, started and followed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import Desk, good_tickets, ticket_csv


@contextmanager
def served(desk: Desk) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`jobferry dashboard` as a process; its address."""
    command = [str(Path(sys.executable).parent / "jobferry"), "dashboard", "--no-open", "--json"]
    environment = {**os.environ, "JOBFERRY_STACK": desk.stack.state.stack}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.terminate()


def the_token(text: str) -> str:
    found = re.search(r'data-token="([^"]+)"', text)
    assert found is not None
    return found[1]


def test_a_file_goes_from_the_page_to_its_results(desk: Desk) -> None:
    rows = good_tickets(40)
    rows[7][3] = "asap"
    body = ticket_csv(rows)
    desk.stack.canaries.dropped(body)
    with served(desk) as (url, process), httpx.Client(follow_redirects=True) as browser:
        home = browser.get(url, timeout=30)
        assert home.status_code == 200
        token, area = the_token(home.text), str(home.url).removesuffix("runs")
        origin = f"http://{home.url.host}:{home.url.port}"

        def sent(path: str, **more: Any) -> httpx.Response:
            headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
            return browser.post(
                path, timeout=60, **{**more, "headers": {**headers, **more.get("headers", {})}}
            )

        kind = {"Content-Type": "application/octet-stream", "X-Jobferry-Token": token}
        query = f"?profile={desk.profile}&name=from-the-page.csv"
        answer = sent(f"{area}files{query}", content=body, headers=kind)
        assert answer.status_code == 200, answer.text
        plan = origin + answer.json()["location"]
        assert "39 of 40 rows would be sent, 1 not." in browser.get(plan).text

        started = sent(f"{plan}/start", data={"token": token, "priority": "high"})
        assert started.status_code == 200, started.text
        run_id = str(started.url).rpartition("/")[2]
        document = desk.wait(run_id)
        assert document["priority"] == "high"
        assert document["outcomes"]["succeeded"] == 39

        shown = browser.get(str(started.url)).text
        assert "39 of 40 rows succeeded and 1 was rejected." in shown
        rejected = browser.get(f"{started.url}/files/rejected.csv").text
        assert "asap" in rejected
        assert "Jobferry run report" in browser.get(f"{started.url}/files/report.html").text
        assert desk.name in browser.get(f"{area}connections/{desk.name}").text

        stranger = httpx.get(f"{area}runs")
        assert stranger.status_code == 403
        process.terminate()
        assert process.wait(timeout=15) == 0
        desk.stack.canaries.shown(process.stderr.read() if process.stderr else "")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            httpx.get(origin)
        except httpx.ConnectError:
            return
        time.sleep(0.1)
    raise AssertionError("the page is still there")
