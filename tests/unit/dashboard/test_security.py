"""Nobody but the user's own browser is answered, and nothing but the page's own forms changes."""

from __future__ import annotations

from typing import Any

import pytest

from jobferry.reporting.html.markup import join
from jobferry_cli.dashboard.security import Entry, Guard
from tests.unit.dashboard.conftest import OWN, PORT, Page, Seen
from virtual.world import sample_csv

SAME = {"Sec-Fetch-Site": "same-origin", "Origin": OWN}


def path_of(page: Page) -> str:
    return page.desk.url("runs")


def an_abort(page: Page, **changes: Any) -> Any:
    """An abort as the page's own form sends it, but for changes; the answer and the run."""
    run = page.world.planned(sample_csv(4))
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null", **changes.get("headers", {})}
    answer = page.client.post(
        page.desk.url("runs", run.run_id, "abort"),
        data={"token": changes.get("token", page.guard.token)},
        headers={name: value for name, value in headers.items() if value is not None},
    )
    return answer, page.world.run(run.run_id)


class TestHost:
    @pytest.mark.parametrize(
        "host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}"]
    )
    def test_its_own_names_are_answered(self, page: Page, host: str) -> None:
        assert page.client.get(path_of(page), headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            f"evil.example:{PORT}",
            f"127.0.0.1.evil.example:{PORT}",
            f"localhost.evil.example:{PORT}",
            "127.0.0.1",
            "localhost",
            f"127.0.0.1:{PORT + 1}",
            f"127.0.0.2:{PORT}",
            f"0.0.0.0:{PORT}",
            f"[::1]:{PORT}",
            f"user@127.0.0.1:{PORT}",
            "",
        ],
    )
    def test_a_name_that_leads_here_is_refused(self, page: Page, host: str) -> None:
        for path in (path_of(page), f"/?token={page.entry.token}"):
            answer = page.client.get(path, headers={"Host": host})
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


class TestEntry:
    def test_the_address_is_exchanged_for_a_cookie_and_leads_elsewhere(self, page: Page) -> None:
        token = page.entry.token
        page.client.cookies.clear()
        answer = page.client.get(f"/?token={token}")
        assert answer.status_code == 303
        assert token not in answer.headers["location"]
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert f"Path=/{page.guard.area}/" in cookie
        assert "Domain" not in cookie
        assert page.client.get(answer.headers["location"]).status_code == 303
        assert page.client.get(path_of(page)).status_code == 200

    def test_it_lets_one_in_once_and_a_new_one_is_told_where_it_runs(self, page: Page) -> None:
        token = page.entry.token
        page.client.cookies.clear()
        assert page.client.get(f"/?token={token}").status_code == 303
        again = page.client.get(f"/?token={token}")
        assert again.status_code == 403
        assert "set-cookie" not in again.headers
        assert page.renewed == 1
        assert page.entry.token not in again.text
        assert page.entry.token != token

    @pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%ff", "?x=1"])
    def test_without_it_nobody_gets_in(self, page: Page, query: str) -> None:
        answer = page.client.get(f"/{query}")
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert page.renewed == 0

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_a_link_on_another_page_leads_in_by_a_page_of_ours(self, page: Page, site: str) -> None:
        page.client.cookies.clear()
        answer = page.client.get(f"/?token={page.entry.token}", headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 200
        assert f'url={page.guard.root}"' in answer.text
        assert page.client.get(path_of(page)).status_code == 200

    def test_a_head_request_does_not_use_it_up(self, page: Page) -> None:
        page.client.head(f"/?token={page.entry.token}")
        page.client.cookies.clear()
        assert page.client.get(f"/?token={page.entry.token}").status_code == 303

    def test_only_one_of_many_at_once_gets_in(self) -> None:
        entry = Entry()
        token = entry.token
        assert [entry.take(token) for _ in range(5)] == [True, False, False, False, False]


class TestCookie:
    @pytest.mark.parametrize(
        "path", ["runs", "new", "connections", "static/app.js", "static/style.css"]
    )
    def test_every_request_needs_it(self, page: Page, path: str) -> None:
        page.client.cookies.clear()
        assert page.client.get(page.guard.root + path).status_code == 403

    @pytest.mark.parametrize("value", ["", "wrong", "a=b; c", "\xff"])
    def test_a_wrong_one_will_not_do(self, page: Page, value: str) -> None:
        page.client.cookies.clear()
        cookie = f"{page.guard.cookie_name}={value}".encode("latin-1")
        answer = page.client.get(path_of(page), headers={"Cookie": cookie})
        assert answer.status_code == 403

    @pytest.mark.parametrize(
        "others",
        ["{own}; flag", "flag; {own}", '{own}; a={{"x": 1}}', 'a={{"x": 1}}; {own}', "{own}; =x",
         "path=/x; {own}", 'q="open; {own}', "a@b=1;{own}"],
    )  # fmt: skip
    def test_cookies_of_other_servers_of_this_machine_are_in_nobodys_way(
        self, page: Page, others: str
    ) -> None:
        own = f"{page.guard.cookie_name}={page.guard.session}"
        page.client.cookies.clear()
        answer = page.client.get(path_of(page), headers={"Cookie": others.format(own=own)})
        assert answer.status_code == 200

    def test_outside_of_its_area_there_is_nothing(self, page: Page) -> None:
        for path in ("/runs", "/static/app.js", "/other/runs", f"/{page.guard.area}"):
            answer = page.client.get(path)
            assert answer.status_code in (404, 307)
            assert "Jobferry</title>" in answer.text or answer.status_code == 307

    def test_two_pages_have_secrets_of_their_own(self) -> None:
        one, other = Guard(1), Guard(1)
        assert {one.area, one.session, one.token}.isdisjoint(
            {other.area, other.session, other.token}
        )


class TestSender:
    def test_the_pages_own_form_is_carried_out(self, page: Page) -> None:
        answer, run = an_abort(page)
        assert answer.status_code == 303
        assert run.stop is not None

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
            {"Sec-Fetch-Site": "same-site", "Origin": f"http://127.0.0.1:{PORT + 1}"},
            {"Sec-Fetch-Site": "same-site", "Origin": "null"},
            {"Sec-Fetch-Site": "none", "Origin": None},
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": None, "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": None, "Origin": f"http://127.0.0.1:{PORT + 1}"},
            {"Sec-Fetch-Site": None, "Origin": f"https://127.0.0.1:{PORT}"},
            {"Sec-Fetch-Site": None, "Origin": "null"},
            {"Sec-Fetch-Site": None, "Origin": None},
        ],
    )
    def test_another_page_changes_nothing_even_with_cookie_and_token(
        self, page: Page, headers: dict[str, str | None]
    ) -> None:
        answer, run = an_abort(page, headers=headers)
        assert answer.status_code == 403
        assert run.stop is None

    def test_an_old_browser_says_its_origin(self, page: Page) -> None:
        answer, run = an_abort(page, headers={"Sec-Fetch-Site": None, "Origin": OWN})
        assert answer.status_code == 303
        assert run.stop is not None

    @pytest.mark.parametrize("token", ["", "wrong", "\xff"])
    def test_without_the_pages_token_nothing_changes(self, page: Page, token: str) -> None:
        answer, run = an_abort(page, token=token)
        assert answer.status_code == 403
        assert run.stop is None

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_another_page_reads_nothing(self, page: Page, site: str) -> None:
        answer = page.client.get(path_of(page), headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    def test_there_are_no_other_methods(self, page: Page, method: str) -> None:
        answer = page.client.request(method, path_of(page), headers=SAME)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]

    def test_what_changes_something_is_not_got(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        page.get("runs", run.run_id, "abort")
        page.client.get(page.desk.url("plans", "x", "start"))
        assert page.world.run(run.run_id).stop is None

    def test_a_form_is_bounded(self, page: Page) -> None:
        answer = page.post("runs", "x", "abort", reason="x" * 70_000)
        assert answer.status_code == 413

    def test_a_file_needs_the_token_too(self, page: Page) -> None:
        url = page.desk.url("files", profile="things", name="a.csv")
        kind = {"Content-Type": "application/octet-stream"}
        for headers in (
            SAME,
            {**SAME, "X-Jobferry-Token": "wrong"},
            {"X-Jobferry-Token": page.guard.token},
        ):
            assert (
                page.client.post(url, content=b"x", headers={**kind, **headers}).status_code == 403
            )
        assert list(page.held.folder.iterdir()) == []


class TestAnswers:
    def answers(self, page: Page) -> list[Any]:
        run = page.world.processed(sample_csv(3))
        url, get = page.desk.url, page.client.get
        return [
            get(path_of(page)),
            get(url("runs", run.run_id)),
            get(url("runs", run.run_id, part="run")),
            get(url("runs", run.run_id, "files", "succeeded.csv")),
            get(url("runs", run.run_id, "files", "report.html")),
            get(url("runs", "nothing")),
            get(url("nowhere")),
            get(url("static", "app.js")),
            get("/"),
            get("/", headers={"Host": "evil.example"}),
            an_abort(page)[0],
        ]

    def test_each_says_the_same_to_the_browser(self, page: Page) -> None:
        for answer in self.answers(page):
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "base-uri 'none'" in policy
            assert "unsafe-eval" not in policy
            assert "access-control-allow-origin" not in headers

    def test_no_page_allows_what_stands_inline(self, page: Page) -> None:
        for answer in self.answers(page):
            policy = answer.headers["content-security-policy"]
            if "sandbox" not in policy:
                assert "unsafe" not in policy
                assert "<style" not in answer.text
                assert ' style="' not in answer.text
                assert " onclick=" not in answer.text

    def test_the_report_runs_nothing(self, page: Page) -> None:
        run = page.world.processed(sample_csv(3))
        answer = page.client.get(page.desk.url("runs", run.run_id, "files", "report.html"))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox ")
        assert "script" not in policy

    def test_no_secret_stands_on_a_page(self, page: Page) -> None:
        page.shell.secrets.values["secrets/acme"] = '{"bearer": "very-secret"}'
        for answer in self.answers(page):
            assert page.guard.session not in answer.text
            assert page.entry.token not in answer.text
            assert "very-secret" not in answer.text

    def test_markup_of_strangers_is_text(self, page: Page) -> None:
        name = "<img src=x onerror=alert(1)>.csv"
        run = page.world.processed(sample_csv(3), name=name)
        for shown in (
            page.get("runs"),
            page.get("runs", run.run_id),
            page.get("runs", run.run_id, "rows", find='"><script>alert(1)</script>'),
            page.get("runs", profile="<script>"),
            page.get("connections", "<script>alert(1)", expect=409),
            page.get("runs", "<img src=x>", expect=409),
        ):
            assert "<img" not in shown.html
            assert "<script>" not in shown.html

    def test_a_notice_is_markup_of_ours_alone(self, page: Page) -> None:
        page.desk.notices.add(join("<b>", "x"))
        assert "&lt;b&gt;x" in page.get("runs").html


def test_a_refusal_says_what_to_do(page: Page) -> None:
    page.client.cookies.clear()
    answer = page.client.get(path_of(page))
    assert "Open the address that the terminal shows" in Seen(answer.text).text
