"""A file from the browser: planned, started when somebody says so; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobferry.domain.run import Run
from jobferry_cli.dashboard import actions, held_files
from tests.unit.cli.shell import ANN, client_error
from tests.unit.dashboard.conftest import OWN, Page, Seen
from virtual.world import sample_csv


def planned(page: Page, body: str = "", name: str = "file.csv") -> str:
    """The id of a file that waits."""
    answer = page.upload((body or sample_csv(5)).encode(), name=name)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["location"].rpartition("/")[2])


def started(page: Page, file_id: str, **fields: object) -> Run:
    answer = page.post("plans", file_id, "start", **fields)
    assert answer.status_code == 303, answer.text
    page.shell.states.go_on()
    return page.world.run(answer.headers["location"].rpartition("/")[2])


def files(page: Page) -> list[str]:
    return [path.name for path in page.held.folder.iterdir()]


def test_a_plan_says_what_would_be_sent_and_sends_nothing(page: Page) -> None:
    shown = page.get("plans", planned(page, sample_csv(5) + ",bad\n"))
    assert "5 of 6 rows would be sent, 1 not." in shown.text
    assert "5 rows will be sent as things.create in 3 jobs, at https://acme.example." in shown.text
    assert "1 row would not be sent" in shown.text
    assert 'ref: "r1"' in shown.text
    assert page.world.account.submissions == []
    assert list(page.world.store.runs.newest()) == []


def test_a_yes_uploads_and_runs_the_file(page: Page) -> None:
    file_id = planned(page, name="my file.csv")
    run = started(page, file_id)
    assert run.rows == 5
    assert run.source.key == "inbox/things/my file.csv"
    assert run.by["started"] == ANN
    assert files(page) == []
    assert "no longer here" in page.get("plans", file_id, expect=409).text


def test_it_may_be_a_trial_and_urgent(page: Page) -> None:
    run = started(page, planned(page), trial="2", priority="high")
    assert run.trial == 2
    assert run.priority == "high"
    assert run.paused


@pytest.mark.parametrize(
    "fields", [{"trial": "0"}, {"trial": "x"}, {"trial": "-2"}, {"priority": "x"}]
)
def test_nonsense_starts_nothing_and_keeps_the_file(page: Page, fields: dict[str, str]) -> None:
    file_id = planned(page)
    page.refused("plans", file_id, "start", **fields)
    assert page.shell.states.waiting == []
    page.get("plans", file_id)


def test_asked_twice_it_is_started_once(page: Page) -> None:
    file_id = planned(page)
    started(page, file_id)
    page.refused("plans", file_id, "start")
    assert len(list(page.world.store.runs.newest())) == 1


def test_who_comes_second_while_it_is_started_starts_nothing(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = planned(page)
    real, seconds = actions.start_file, []

    def slow(*of: Any, **options: Any) -> str:
        seconds.append(page.post("plans", file_id, "start").status_code)
        return real(*of, **options)

    monkeypatch.setattr(actions, "start_file", slow)
    started(page, file_id)
    assert seconds == [409]
    assert len(list(page.world.store.runs.newest())) == 1


def test_an_upload_that_fails_can_be_tried_again(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = planned(page)

    def refused(*_: Any, **__: Any) -> str:
        raise client_error("AccessDenied", operation="PutObject")

    with monkeypatch.context() as patch:
        patch.setattr(actions, "start_file", refused)
        shown = page.refused("plans", file_id, "start")
    assert "the right s3:PutObject is missing" in shown.text
    assert started(page, file_id).rows == 5


def test_a_no_deletes_the_file(page: Page) -> None:
    file_id = planned(page)
    assert "discarded" in page.done("plans", file_id, "discard").text
    assert files(page) == []


def test_only_a_few_files_wait(page: Page) -> None:
    ids = [planned(page, sample_csv(n + 1)) for n in range(held_files.MOST_FILES + 2)]
    assert sorted(files(page)) == sorted(ids[2:])
    assert "no longer here" in page.get("plans", ids[0], expect=409).text


def test_leaving_deletes_all_of_them(page: Page) -> None:
    planned(page)
    folder = page.held.folder
    page.held.__exit__(None, None, None)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "cannot be used with the profile things"),
        (b"Other,Columns\n1,2\n", "Name"),
        (b"PK\x03\x04\x00\x00[Content_Types].xml", "cannot be used"),
        (b"\xff\xfe\x00", "cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_is_deleted(
    page: Page, body: bytes, words: str
) -> None:
    answer = page.upload(body, name="mine.csv")
    assert answer.status_code == 409
    shown = Seen(answer.json()["refused"])
    assert words in shown.text
    assert "mine.csv" in shown.text
    assert str(page.held.folder) not in shown.text
    assert files(page) == []


def test_a_file_that_is_too_large_is_not_taken(page: Page) -> None:
    page.world.limit(max_file_bytes=100)
    page.desk.stack = page.shell._connect(None)
    answer = page.upload(b"x" * 101)
    assert answer.status_code == 409
    assert "files of up to 100 bytes are accepted" in Seen(answer.json()["refused"]).text
    assert files(page) == []


@pytest.mark.parametrize("profile", ["", "nope", "../x"])
def test_without_a_profile_nothing_is_taken(page: Page, profile: str) -> None:
    answer = page.upload(b"x", profile=profile)
    assert answer.status_code == 409
    assert "profile" in Seen(answer.json()["refused"]).text
    assert files(page) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\me\\rows.CSV", "rows.csv"),
        ("a\nb.csv", "a_b.csv"),
        ("rows", "rows.csv"),
        ("", "file.csv"),
        ("x" * 400 + ".csv", "x" * 196 + ".csv"),
    ],
)
def test_the_name_of_a_file_is_a_name(page: Page, name: str, key: str) -> None:
    run = started(page, planned(page, name=name))
    assert run.source.key == f"inbox/things/{key}"


def test_a_packed_file_is_read(page: Page) -> None:
    answer = page.upload(gzip.compress(sample_csv(7).encode()), name="rows.csv.gz")
    shown = page.get("plans", answer.json()["location"].rpartition("/")[2])
    assert "All of 7 rows would be sent." in shown.text


def test_a_file_of_which_nothing_can_be_sent_is_not_started(page: Page) -> None:
    shown = page.get("plans", planned(page, "Name,Ref\n,r1\nx,r2\n,r3\n"))
    assert "1 of 3 rows would be sent" in shown.text


def test_the_form_has_the_profiles(page: Page) -> None:
    page.world.put_profile({"name": "others"})
    shown = page.get("new", profile="others")
    assert '<option value="others" selected="selected">' in shown.html
    for name in ("others", "things"):
        page.world.store.config.delete_profile(name)
    assert "jobferry profile put FILE.yaml" in page.get("new").text


def test_a_browser_that_is_closed_while_it_sends_is_no_failure(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = iter(
        [
            {"type": "http.request", "body": b"Name,Ref\n", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {
        "host": f"127.0.0.1:{page.guard.port}",
        "cookie": f"{page.guard.cookie_name}={page.guard.session}",
        "origin": OWN,
        "sec-fetch-site": "same-origin",
        "x-jobferry-token": page.guard.token,
        "content-type": "application/octet-stream",
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": page.guard.root + "files",
        "query_string": b"profile=things&name=file.csv",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    # In a thread of its own: in that of the tests the event loop of Playwright may be running.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, page.client.app(scope, receive, send)).result()
    assert capsys.readouterr().err == ""
    assert list(page.held.folder.iterdir()) == []
