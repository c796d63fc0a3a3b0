"""Other pages in the same browser, really tried: none of them reads or changes anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Visit


@dataclass
class Hostile:
    """A server of somebody else on this machine, and the cookies that browsers sent it."""

    port: int
    html: str = ""
    cookies: list[str] = field(default_factory=list)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    found = Hostile(0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.cookies.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(found.html.encode())

        def log_message(self, *_: object) -> None:
            """No lines on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_form_of_another_page_aborts_nothing_though_it_knows_everything(
    visitor: Visit, hostile: Hostile, host: str
) -> None:
    running = visitor.scene.open_run(600)
    visitor.go("runs", running.run_id)
    target = visitor.origin + visitor.served.desk.url("runs", running.run_id, "abort")
    hostile.html = f"""<form id=f method=post action="{target}">
        <input name=token value="{visitor.served.guard.token}"></form><script>f.submit()</script>"""
    page = visitor.context.new_page()
    page.goto(f"http://{host}:{hostile.port}/")
    page.wait_for_url(target)
    assert "Jobferry" in page.inner_text("h1")
    assert (
        "403" in _status(page, target)
        or "not been let in" in page.inner_text("main")
        or ("Another page" in page.inner_text("main"))
    )
    assert visitor.scene.world.run(running.run_id).stop is None


def _status(page: Page, target: str) -> str:
    return str(
        page.evaluate(
            "u => performance.getEntriesByType('navigation')[0].responseStatus + ''", target
        )
    )


def test_a_script_of_another_page_reads_and_sends_nothing(visitor: Visit, hostile: Hostile) -> None:
    running = visitor.scene.open_run(600)
    visitor.go("runs", running.run_id)
    url = visitor.origin + visitor.served.desk.url("runs")
    abort = visitor.origin + visitor.served.desk.url("runs", running.run_id, "abort")
    hostile.html = "<h1>hostile</h1>"
    page = visitor.context.new_page()
    page.goto(f"http://127.0.0.1:{hostile.port}/")
    found = page.evaluate(
        """async ([url, abort, token]) => {
          const tries = [
            () => fetch(url, {credentials: "include"}).then((a) => a.text()),
            () => fetch(abort, {method: "POST", credentials: "include",
              headers: {"X-Jobferry-Token": token}}).then((a) => a.status),
            () => fetch(abort, {method: "POST", credentials: "include", mode: "no-cors",
              body: new URLSearchParams({token})}).then((a) => a.type),
          ];
          const answers = [];
          for (const one of tries) answers.push(await one().catch((e) => "refused"));
          return answers;
        }""",
        [url, abort, visitor.served.guard.token],
    )
    assert found[:2] == ["refused", "refused"]
    assert visitor.scene.world.run(running.run_id).stop is None


def test_it_is_framed_by_nobody(visitor: Visit, hostile: Hostile) -> None:
    url = visitor.origin + visitor.served.desk.url("runs")
    hostile.html = f'<iframe src="{url}"></iframe>'
    page = visitor.context.new_page()
    page.goto(f"http://127.0.0.1:{hostile.port}/")
    page.wait_for_timeout(400)
    frame = page.frames[1]
    assert "Jobferry" not in frame.evaluate("document.body ? document.body.innerText : ''")


def test_no_other_server_of_this_machine_is_sent_the_cookie(
    visitor: Visit, hostile: Hostile
) -> None:
    page = visitor.context.new_page()
    for path in ("/", "/runs", "/x/runs"):
        page.goto(f"http://127.0.0.1:{hostile.port}{path}")
    assert not any("jobferry" in cookie for cookie in hostile.cookies)


def test_the_page_can_be_led_to_no_other(visitor: Visit, hostile: Hostile) -> None:
    visitor.go("runs")
    answer = visitor.page.evaluate(
        "url => fetch(url).then(() => 'sent').catch(() => 'refused')",
        f"http://127.0.0.1:{hostile.port}/",
    )
    assert answer == "refused"
    assert hostile.cookies == []


def test_the_address_may_be_followed_from_another_page(
    chromium: Browser, visitor: Visit, hostile: Hostile
) -> None:
    hostile.html = f'<a href="{visitor.served.url()}">the address</a>'
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"http://localhost:{hostile.port}/")
    page.click("text=the address")
    page.get_by_role("heading", name="Runs").wait_for()
    assert "token" not in page.url
    context.close()


def test_the_address_of_the_page_holds_no_secret(visitor: Visit) -> None:
    visitor.go("runs")
    assert "token" not in visitor.page.url
    assert visitor.page.evaluate("document.cookie") == ""
