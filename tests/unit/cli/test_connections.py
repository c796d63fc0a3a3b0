"""`jobferry connection`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobferry.scheduler.concurrency import max_jobs
from jobferry.vendors.answers import Ambiguous, Refused, Throttled, ThrottleReason
from jobferry.vendors.http.addresses import LOOPBACK
from tests.unit.cli.shell import ANN, SECRETS, Answer, Shell
from virtual.vendor import FakeClient
from virtual.world import CONNECTION, sample_csv

SECRET = "very-secret-token"


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"bearer": SECRET}))
    return path


def put(shell: Shell, credentials: Path, *more: object, url: str = "https://x.example/") -> Answer:
    return shell(
        *("connection", "put", "new", "--vendor", "fake", "--base-url", url),
        *("--credentials", credentials, *more),
    )


def test_put_keeps_configuration_limits_and_secret(shell: Shell, credentials: Path) -> None:
    limits = ("--max-jobs", 7, "--requests-per-minute", 400, "--share", 0.5)
    answer = put(shell, credentials, *limits, "--json")

    assert answer.code == 0
    assert answer.document == {
        "name": "new",
        "vendor": "fake",
        "base_url": "https://x.example",
        "max_jobs": 7,
        "requests_per_minute": 400,
        "share": 0.5,
        "by": ANN,
    }
    shown = shell("connection", "show", "new", "--json").document
    assert {name: shown[name] for name in answer.document} == answer.document
    assert max_jobs(shell.world.store.limits.get("new"), 0.0) == 7
    assert json.loads(shell.secrets.values[SECRETS + "new"]) == {
        "bearer": SECRET,
        "base_url": "https://x.example",
    }


def test_the_path_of_an_api_may_stand_behind_the_root(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "media.json"
    file.write_text('{"username": "admin", "password": "hush"}')
    url = ("--base-url", "https://media.example/API/")
    answer = shell(
        *("connection", "put", "media", "--vendor", "vidispine", *url),
        *("--credentials", file, "--json"),
    )

    assert answer.document["base_url"] == "https://media.example"


def test_no_command_ever_shows_a_credential(shell: Shell, credentials: Path) -> None:
    answers = [put(shell, credentials), put(shell, credentials, "--json")]
    answers += [shell("connection", word, "new") for word in ("show", "test", "delete")]
    answers.append(shell("connection", "list"))

    assert all(SECRET not in answer.stdout + answer.stderr for answer in answers)


@pytest.mark.parametrize(
    "more",
    [
        ("--max-jobs", 0),
        ("--requests-per-minute", 0),
        ("--share", 0),
        ("--share", 1.1),
        ("--share", "nan"),
        ("--vendor", "nobody"),
        ("--base-url", "ftp://x.example"),
        ("--base-url", "http://x.example"),
        ("--base-url", "http://127.0.0.1:8900"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    shell: Shell, credentials: Path, more: tuple[object, ...]
) -> None:
    answer = put(shell, credentials, *more, "--json")

    assert answer.code == 1
    assert answer.error["next"]
    assert shell.secrets.values == {}
    assert shell.world.store.config.connection("new") is None


@pytest.mark.parametrize(
    "text", ["", "no json", '{"bearer": ""}', '{"user": "x"}', '["very-secret-token"]', "\xff"]
)
def test_credentials_of_the_wrong_form_are_refused(shell: Shell, tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_bytes(text.encode("latin-1"))
    answer = put(shell, path)

    assert answer.code == 1
    assert SECRET not in answer.stderr
    assert answer.stderr.splitlines()[-1] == "Next:  jobferry connection put --help"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 49, "new\n"])
def test_names_are_plain(shell: Shell, credentials: Path, name: str) -> None:
    words = ("--vendor", "fake", "--base-url", "https://x.example", "--credentials", credentials)

    assert shell("connection", "put", *words, "--", name).code == 1


def test_http_to_loopback_is_for_local_stacks(
    shell: Shell, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    settings = replace(shell.world.deps.settings, reach=LOOPBACK)
    shell.world.deps = replace(shell.world.deps, settings=settings)

    assert put(shell, credentials, url="http://127.0.0.1:8900").code == 0


def test_put_again_changes_it(shell: Shell, credentials: Path) -> None:
    put(shell, credentials, "--max-jobs", 7)
    credentials.write_text('{"bearer": "changed"}')
    put(shell, credentials)

    secret = {"bearer": "changed", "base_url": "https://x.example"}
    assert json.loads(shell.secrets.values[SECRETS + "new"]) == secret
    assert shell("connection", "show", "new", "--json").document["max_jobs"] is None
    assert max_jobs(shell.world.store.limits.get("new"), 0.0) == 30


def test_a_deleted_connection_can_be_made_again(shell: Shell, credentials: Path) -> None:
    put(shell, credentials)
    assert shell("connection", "delete", "new", "--json").document["deleted"] is True
    assert shell.secrets.deleted == {SECRETS + "new"}
    assert shell("connection", "show", "new").code == 1

    assert put(shell, credentials).code == 0
    assert shell.secrets.deleted == set()


def test_list(shell: Shell, credentials: Path) -> None:
    put(shell, credentials)

    names = [document["name"] for document in shell("connection", "list", "--json").documents]
    assert names == [CONNECTION, "new"]
    assert "https://x.example" in shell("connection", "list").stdout


def test_a_connection_in_use_is_not_deleted(shell: Shell) -> None:
    answer = shell("connection", "delete", CONNECTION)
    assert answer.code == 1
    assert answer.stderr.splitlines()[-1] == "Next:  jobferry profile delete things"

    shell.world.store.config.delete_profile("things")
    assert shell("connection", "delete", CONNECTION).code == 0


def test_a_connection_with_jobs_in_flight_is_not_deleted(shell: Shell) -> None:
    from jobferry.lane.state import LaneState

    run = shell.world.planned(sample_csv(3))
    shell.world.submit(LaneState(run.run_id, 0))
    shell.world.store.config.delete_profile("things")
    answer = shell("connection", "delete", CONNECTION)

    assert answer.code == 1
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry watch {run.run_id}"


def test_test_says_that_it_works(shell: Shell) -> None:
    answer = shell("connection", "test", CONNECTION, "--json")

    assert answer.code == 0
    assert answer.document == {"name": CONNECTION, "ok": True, "reason": None}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Refused("vendor_unauthorized", "The key is wrong."), "The key is wrong."),
        (Throttled(ThrottleReason.RATE), "cannot be reached"),
        (Throttled(ThrottleReason.RATE, 30.0), "no request before 2026-01-01T00:00:30.000Z"),
        (Throttled(ThrottleReason.UNREACHABLE), "It cannot be reached."),
        (
            Throttled(ThrottleReason.CREDENTIALS),
            "(which takes the right secretsmanager:GetSecretValue), or were given for another "
            "address; put the connection again.",
        ),
        (Ambiguous("the vendor answered with HTTP 502"), "HTTP 502"),
    ],
)
def test_test_says_why_it_does_not_work(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    said: Refused | Throttled | Ambiguous,
    reason: str,
) -> None:
    monkeypatch.setattr(FakeClient, "test", lambda _: said)
    answer = shell("connection", "test", CONNECTION, "--json")

    assert answer.code == 2
    assert answer.document["ok"] is False
    assert reason in answer.document["reason"]
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry connection show {CONNECTION}"


def test_test_is_paid_for(shell: Shell) -> None:
    shell("connection", "test", CONNECTION)
    shown = shell("connection", "show", CONNECTION, "--json").document
    assert shown["requests_last_minute"] == 1


def test_test_asks_nobody_while_the_connection_waits(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    monkeypatch.setattr(FakeClient, "test", lambda _: asked.append(None))
    shell.world.store.limits.block(CONNECTION, shell.world.clock.now() + 60)
    answer = shell("connection", "test", CONNECTION, "--json")
    assert (answer.code, asked) == (2, [])
    assert "no request before 2026-01-01T00:01:00.000Z" in answer.error["text"]
    assert answer.error["next"] == f"jobferry connection show {CONNECTION}"


def test_a_wait_that_the_vendor_asks_for_is_kept(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Throttled(ThrottleReason.RATE, 90.0)
    monkeypatch.setattr(FakeClient, "test", lambda _: said)
    shell("connection", "test", CONNECTION)
    shown = shell("connection", "show", CONNECTION, "--json").document
    assert shown["blocked_until"] == "2026-01-01T00:01:30.000Z"


def test_show_tells_what_it_waits_for_and_unblock_ends_it(shell: Shell) -> None:
    limits, now = shell.world.store.limits, shell.world.clock.now()
    limits.ensure(CONNECTION, 30)
    limits.block(CONNECTION, now + 600)
    limits.full(CONNECTION, now + 300)
    limits.learn_jobs(CONNECTION, 5, now)
    limits.advertised_rate(CONNECTION, 700)
    shown = shell("connection", "show", CONNECTION, "--json").document
    assert (shown["blocked_until"], shown["full_until"]) == (
        "2026-01-01T00:10:00.000Z",
        "2026-01-01T00:05:00.000Z",
    )
    assert (shown["in_flight"], shown["slots"], shown["throttles"]) == (0, 5, 1)
    assert shown["learned"] == {
        "jobs": 5,
        "told_jobs": None,
        "requests_per_minute": None,
        "told_requests_per_minute": 700,
    }
    text = shell("connection", "show", CONNECTION).stdout
    assert "until 2026-01-01T00:10:00.000Z" in text
    assert text.splitlines()[-1] == f"Next:     jobferry connection unblock {CONNECTION}"

    answer = shell("connection", "unblock", CONNECTION, "--json")
    assert (answer.document["blocked_until"], answer.document["full_until"]) == (None, None)
    assert answer.document["slots"] == 5
    assert answer.document["throttles"] == 1
    limits.block(CONNECTION, now + 60)
    limits.block(CONNECTION, now + 60)
    limits.block(CONNECTION, now + 30)
    assert shell("connection", "show", CONNECTION, "--json").document["throttles"] == 2
    assert "Throttled 2 times, last until 2026-01-01 00:01 UTC" in (
        shell("connection", "show", CONNECTION).stdout
    )
    limits.unblock(CONNECTION)
    assert "Waiting" not in shell("connection", "show", CONNECTION).stdout
    assert shell("connection", "unblock", "none").code == 1


@pytest.mark.parametrize("suspended", [False, True], ids=["jobs in flight", "nothing in flight"])
def test_an_open_run_keeps_the_address(shell: Shell, credentials: Path, suspended: bool) -> None:
    from jobferry.lane.state import LaneState

    run = shell.world.planned(sample_csv(3))
    if not suspended:
        shell.world.submit(LaneState(run.run_id, 0))
    words = ("connection", "put", CONNECTION, "--vendor", "fake", "--credentials", credentials)
    before = shell.world.store.config.connection(CONNECTION)
    moved = shell(*words, "--base-url", "https://other.example", "--json")
    assert (moved.code, moved.error["code"]) == (1, "connection_in_use")
    assert run.run_id in moved.error["text"]
    assert moved.error["next"] == f"jobferry abort {run.run_id}"
    assert shell.world.store.config.connection(CONNECTION) == before
    assert shell.secrets.values == {}

    same = shell(*words, "--base-url", "https://acme.example", "--max-jobs", 3)
    assert same.code == 0, "its limits and credentials may change"


def test_a_closed_run_does_not_keep_the_address(shell: Shell, credentials: Path) -> None:
    shell.world.processed(sample_csv(3))
    answer = shell(
        *("connection", "put", CONNECTION, "--vendor", "fake", "--credentials", credentials),
        *("--base-url", "https://other.example"),
    )
    assert answer.code == 0
