"""What people and scripts rely on: each command, used once as it is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from jobferry.domain.connection import Connection
from jobferry.domain.run import Run, StopReason
from jobferry_cli.dashboard.command import RunningPage
from tests.contract.documents.bench import DOCUMENT, SHELF_DOCUMENT
from tests.contract.documents.simulator import GOOD, simulator_of
from tests.unit.cli.shell import Answer, Shell
from tests.unit.cli.test_rows import mixed
from vendorsim import ManualClock, RunningSimulator
from virtual.vendor import UPSERT
from virtual.world import CONNECTION, INBOX, PROFILE, sample_csv

CsvFile = Callable[..., Path]


def ok(answer: Answer) -> Answer:
    """The answer of a command that did its work."""
    assert answer.code == 0, answer.stderr
    return answer


@pytest.fixture
def closed(shell: Shell) -> Run:
    """A run of 150 good rows, three of which the vendor refuses, and one that is rejected."""
    shell.world.account.result_of = mixed
    return shell.world.processed(sample_csv(150) + ",nameless\n")


@pytest.fixture
def held(shell: Shell, csv_file: CsvFile) -> str:
    """A run that waits after two of its six rows."""
    words = ("run", csv_file(6), "--profile", PROFILE, "--trial", 2, "--wait", "--json")
    run_id: str = ok(shell(*words)).document["run_id"]
    return run_id


def test_json_alone_stands_on_stdout(shell: Shell, closed: Run) -> None:
    for words in (("runs",), ("watch", closed.run_id), ("status", closed.run_id)):
        answer = shell(*words, "--json")
        assert answer.documents
        assert all(isinstance(document, dict) for document in answer.documents)
    assert "Next:" in shell("watch", closed.run_id, "--json").stderr


@pytest.mark.parametrize(
    ("vendor", "url", "credentials"),
    [
        ("zendesk_support", "https://acme.zendesk.com", {"email": "a@b.example", "token": "t"}),
        ("zendesk_support", "https://acme.zendesk.com/", {"bearer": "t"}),
        ("zendesk_sunshine", "https://acme.zendesk.com", {"client_id": "i", "client_secret": "s"}),
        ("vidispine", "https://media.example", {"username": "u", "password": "p"}),
        ("vidispine", "https://media.example/API", {"username": "u", "password": "p"}),
        ("vidispine", "https://media.example/API/", {"username": "u", "password": "p"}),
    ],
)
def test_connection_put(
    shell: Shell, tmp_path: Path, vendor: str, url: str, credentials: dict[str, str]
) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(credentials))
    document = ok(
        shell(
            *("connection", "put", "new", "--vendor", vendor, "--base-url", url),
            *("--credentials", file, "--max-jobs", 3, "--requests-per-minute", 90),
            *("--share", "0.5", "--json"),
        )
    ).document
    root = url.rstrip("/").removesuffix("/API")
    assert (document["name"], document["vendor"], document["base_url"]) == ("new", vendor, root)
    assert (document["max_jobs"], document["requests_per_minute"], document["share"]) == (
        *(3, 90),
        0.5,
    )


@pytest.mark.parametrize("url", ["http://acme.example", "http://127.0.0.1:8900"])
def test_connection_put_takes_http_to_loopback_on_a_local_stack_only(
    shell: Shell, tmp_path: Path, url: str
) -> None:
    file = tmp_path / "file.json"
    file.write_text('{"bearer": "t"}')
    words = ("connection", "put", "new", "--vendor", "zendesk_support", "--base-url", url)
    assert shell(*words, "--credentials", file, "--json").code == 1


def test_connection_list_show_test_unblock_delete(shell: Shell, tmp_path: Path) -> None:
    assert [d["name"] for d in ok(shell("connection", "list", "--json")).documents] == [CONNECTION]
    shown = ok(shell("connection", "show", CONNECTION, "--json")).document
    assert {"blocked_until", "in_flight", "slots", "learned"} <= set(shown)
    assert ok(shell("connection", "test", CONNECTION, "--json")).document["ok"] is True

    shell.world.store.limits.block(CONNECTION, shell.world.clock.now() + 3600)
    assert shell("connection", "show", CONNECTION, "--json").document["blocked_until"] is not None
    assert (
        ok(shell("connection", "unblock", CONNECTION, "--json")).document["blocked_until"] is None
    )
    ok(shell("profile", "delete", PROFILE))
    assert ok(shell("connection", "delete", CONNECTION, "--json")).document["deleted"] is True


def test_vendor_put_list_show_check_delete(shell: Shell, tmp_path: Path) -> None:
    put = ok(shell("vendor", "put", DOCUMENT, "--json")).document
    assert put["name"] == "shelf"
    assert [d["name"] for d in ok(shell("vendor", "list", "--json")).documents] == ["shelf"]
    assert ok(shell("vendor", "show", "shelf", "--json")).document["title"] == put["title"]
    ok(shell("vendor", "check", DOCUMENT, "--json"))
    assert ok(shell("vendor", "delete", "shelf", "--json")).document["deleted"] is True
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\n")
    assert shell("vendor", "check", wrong, "--json").code == 1


def test_profile_put_list_show_delete(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    shell.world.store.config.put_connection(
        Connection("desk", "zendesk_support", "https://acme.zendesk.com")
    )
    document = {"name": "p", "connection": "desk", "operation": "tickets.create"}
    columns = {"A": "description", "B": "no_such_field"}
    file.write_text(yaml.safe_dump({**document, "columns": columns}))
    assert "no_such_field" in ok(shell("profile", "put", file)).stderr
    (warning,) = ok(shell("profile", "put", file, "--json")).document["warnings"]
    assert "no_such_field" in warning
    refused = shell("profile", "put", file, "--strict", "--json")
    assert refused.code == 1
    assert "no_such_field" in refused.error["text"]
    assert [d["name"] for d in shell("profile", "list", "--json").documents] == ["p", PROFILE]
    assert ok(shell("profile", "show", "p", "--json")).document["connection"] == "desk"
    assert ok(shell("profile", "delete", "p", "--json")).document["deleted"] is True


def test_profile_new(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    out = tmp_path / "new.yaml"
    ok(
        shell(
            *("profile", "new", csv_file("Ref,Subject,Body\nK1,a,b\nK2,c,d\n")),
            *("--operation", "tickets.create", "--vendor", "zendesk_support"),
            *("--connection", "desk", "--out", out, "--json"),
        )
    )
    drafted = yaml.safe_load(out.read_text())
    assert (drafted["connection"], drafted["operation"]) == ("desk", "tickets.create")
    assert drafted["columns"]["Body"] == "comment.body"
    assert "#" in out.read_text()
    assert shell.stack_names == []


def test_plan(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    file = csv_file(sample_csv(5) + ",nameless\n")
    out = tmp_path / "plan.html"
    document = ok(shell("plan", file, "--profile", PROFILE, "--out", out, "--json")).document
    assert (document["rows"], document["to_send"], document["rejected"]) == (6, 5, 1)
    (bad,) = document["bad_rows"]
    assert (bad["row"], bad["status"], bad["error_code"]) == (6, "rejected", "missing_value")
    assert {"jobs", "requests", "seconds", "cost"} <= set(document["forecast"])
    assert not shell.world.account.submissions
    assert out.exists()


def test_run(shell: Shell, csv_file: CsvFile) -> None:
    answer = ok(shell("run", csv_file(3), "--profile", PROFILE, "--priority", "high", "--json"))
    assert list(answer.document) == ["run_id"]
    (key,) = shell.world.objects.keys("inbox/", INBOX)
    assert key.startswith(f"inbox/{PROFILE}/")
    waited = ok(shell("run", csv_file(4, "b.csv"), "--profile", PROFILE, "--wait", "--json"))
    assert (waited.document["status"], waited.document["rows"]) == ("completed", 4)
    assert shell("status", answer.document["run_id"], "--json").document["priority"] == "high"


def test_run_trial(shell: Shell, csv_file: CsvFile) -> None:
    words = ("run", csv_file(6), "--profile", PROFILE, "--trial", 2, "--wait", "--json")
    answer = ok(shell(*words))
    assert answer.document["status"] == "paused"
    assert answer.document["outcomes"]["succeeded"] == 2
    assert len(shell.world.account.times_applied) == 2


def test_run_trial_some_of_which_failed_is_exit_code_3(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.account.result_of = mixed
    words = ("run", csv_file(20), "--profile", PROFILE, "--trial", 8, "--wait", "--json")
    answer = shell(*words)
    assert (answer.code, answer.document["outcomes"]["failed"]) == (3, 1)


def test_runs(shell: Shell, closed: Run, held: str) -> None:
    def listed(*words: object) -> list[str]:
        return [d["run_id"] for d in ok(shell("runs", *words, "--json")).documents]

    assert listed() == [held, closed.run_id]
    assert listed("--status", "paused") == [held]
    assert listed("--status", "completed_with_failures") == [closed.run_id]
    assert listed("--profile", PROFILE, "--since", "2026-01-01", "--until", "2026-02-01") == [
        *(held, closed.run_id),
    ]
    assert listed("--until", "2025-12-31") == []
    first = shell("runs", "--limit", 1, "--json").document
    assert listed("--limit", 1, "--after", first["cursor"]) == [closed.run_id]


def test_report(shell: Shell, closed: Run, held: str, tmp_path: Path) -> None:
    failed = shell.world.processed("Title\nx\n", name="failed.csv")
    still_open = shell.world.planned(sample_csv(4))
    for run_id in (closed.run_id, held, failed.run_id, still_open.run_id):
        out = tmp_path / f"{run_id}.html"
        ok(shell("report", run_id, "--out", out, "--json"))
        assert run_id in out.read_text(encoding="utf-8")


def test_report_open(
    shell: Shell, closed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def opens(url: str, *_: object, **__: object) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", opens)
    ok(shell("report", closed.run_id, "--out", tmp_path / "r.html", "--open", "--json"))
    assert opened == [(tmp_path / "r.html").as_uri()]


def test_dashboard(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunningPage, "wait", lambda _page: None)
    document = ok(shell("dashboard", "--port", 0, "--no-open", "--json")).document
    assert list(document) == ["url"]
    assert document["url"].startswith("http://127.0.0.1:")


def test_doctor(shell: Shell) -> None:
    answer = shell("doctor", "--json")
    results = {check["result"] for check in answer.document["checks"]}
    assert answer.code == (0 if "wrong" not in results else 1)
    assert results <= {"ok", "warning", "wrong"}
    assert all({"name", "result", "text", "next"} <= set(c) for c in answer.document["checks"])


def test_status(shell: Shell, closed: Run, held: str) -> None:
    documents = ok(shell("status", closed.run_id, held, "--json")).documents
    assert [document["run_id"] for document in documents] == [closed.run_id, held]


@pytest.mark.parametrize("named", [True, False])
def test_watch(shell: Shell, closed: Run, named: bool) -> None:
    answer = shell("watch", *([closed.run_id] if named else []), "--json")
    assert (answer.code, answer.documents[-1]["run_id"]) == (3, closed.run_id)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (("--status", "failed"), [7, 57, 107]),
        (("--row", "9"), [9]),
        (("--error-code", "Invalid"), [7, 57, 107]),
        (("--error-code", "Invalid", "--limit", "2"), [7, 57]),
        (("--find", "1009"), [9]),
        (("--find", "wrong"), [7, 57, 107]),
    ],
)
def test_rows(shell: Shell, closed: Run, words: tuple[str, ...], rows: list[int]) -> None:
    answer = ok(shell("rows", closed.run_id, *words, "--json"))
    assert [document["row"] for document in answer.documents] == rows


def test_rows_find_looks_in_row_keys(shell: Shell) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    run = shell.world.processed(sample_csv(20))
    assert ok(shell("rows", run.run_id, "--find", "r17", "--json")).document["row"] == 17


def test_rows_after(shell: Shell, closed: Run) -> None:
    first = shell("rows", closed.run_id, "--limit", 3, "--json")
    rows = [document["row"] for document in first.documents]
    assert rows == [1, 2, 3]
    later = ok(shell("rows", closed.run_id, "--limit", 2, "--after", 3, "--json"))
    assert [document["row"] for document in later.documents] == [4, 5]


def test_results(shell: Shell, closed: Run, tmp_path: Path) -> None:
    ok(shell("results", closed.run_id, "--out", tmp_path / "out", "--json"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"succeeded.csv", "failed.csv", "rejected.csv"} <= names


@pytest.mark.parametrize("word", ["retry", "rerun"])
@pytest.mark.parametrize("waits", [False, True])
def test_retry_and_rerun(shell: Shell, word: str, waits: bool) -> None:
    run = shell.world.processed("Name,Ref\n,r1\nb,r2\n")
    assert run.status == "completed_with_failures"
    shell.world.account.result_of = mixed
    failed = shell.world.processed(sample_csv(9), name="other.csv")
    answer = shell(word, failed.run_id, *(["--wait"] if waits else []), "--json")
    document = answer.documents[-1]
    assert document["origin"] == failed.run_id != document["run_id"]
    assert answer.code == (3 if waits else 0)
    if waits:
        assert document["status"] == "completed_with_failures"


def test_rerun_is_the_whole_run(shell: Shell) -> None:
    """Of what can be repeated; of a create, where that is said."""
    shell.world.account.result_of = mixed
    run = shell.world.processed(sample_csv(9))
    again = ok(shell("rerun", run.run_id, "--repeat-succeeded", "--json")).document["run_id"]
    shell.states.go_on()
    assert shell.world.run(again).rows == 9
    shell.world.put_profile({"operation": UPSERT})
    upserted = shell.world.processed(sample_csv(8), name="b.csv")
    again = ok(shell("rerun", upserted.run_id, "--json")).document["run_id"]
    shell.states.go_on()
    assert shell.world.run(again).rows == 8


def test_abort(shell: Shell, held: str) -> None:
    other = shell.world.planned(sample_csv(5)).run_id
    ok(shell("abort", other, "--reason", "a mistake", "--no-cleanup", "--json"))
    assert shell.world.run(other).stop == StopReason("aborted", "a mistake")
    ok(shell("abort", held, "--json"))


@pytest.mark.parametrize("level", ["lowest", "low", "medium", "high", "highest", "immediate"])
def test_priority(shell: Shell, level: str) -> None:
    run_id = shell.world.planned(sample_csv(5)).run_id
    ok(shell("priority", run_id, level, "--json"))
    assert shell("status", run_id, "--json").document["priority"] == level


def test_problems(shell: Shell, closed: Run) -> None:
    assert ok(shell("problems", "--json")).documents == []
    assert ok(shell("problems", closed.run_id, "--json")).documents == []


def test_delete(shell: Shell, closed: Run) -> None:
    other = shell.world.processed(sample_csv(2), name="two.csv")
    words = ("delete", closed.run_id, other.run_id, "--source", "--json")
    documents = ok(shell(*words)).documents
    assert [d["run_id"] for d in documents] == [closed.run_id, other.run_id]
    assert shell("status", closed.run_id, "--json").code == 1
    assert shell.world.objects.keys("inbox/", INBOX) == []


@pytest.mark.parametrize(
    "when",
    [
        ("--cron", "0 6 ? * MON-FRI *", "--timezone", "Europe/Oslo"),
        ("--rate", "1 day"),
    ],
)
def test_schedule_put_list_run_now_delete(shell: Shell, when: tuple[str, ...]) -> None:
    shell.world.objects.upload(INBOX, "scheduled/a.csv", sample_csv(2).encode())
    source = f"s3://{INBOX}/scheduled/a.csv"
    put = ("schedule", "put", "nightly", *when, "--profile", PROFILE, "--source", source)
    document = ok(shell(*put, "--json")).document
    assert (document["name"], document["profile"], document["source"]) == (
        *("nightly", PROFILE),
        source,
    )
    assert [d["name"] for d in ok(shell("schedule", "list", "--json")).documents] == ["nightly"]
    assert "run_id" in ok(shell("schedule", "run-now", "nightly", "--json")).document
    assert ok(shell("schedule", "delete", "nightly", "--json")).document["deleted"] is True


def test_operations(shell: Shell) -> None:
    all_of_them = ok(shell("operations", "--json")).documents
    assert {d["vendor"] for d in all_of_them} == {
        *("zendesk_support", "zendesk_sunshine", "vidispine"),
    }
    for vendor in ("zendesk_support", "zendesk_sunshine", "vidispine"):
        documents = ok(shell("operations", vendor, "--json")).documents
        assert {document["vendor"] for document in documents} == {vendor}
        assert all({"operation", "fields", "max_records"} <= set(d) for d in documents)


def test_vendor_check_with_an_address(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "k.json"
    file.write_text(json.dumps(GOOD["bearer"]))
    clock = ManualClock()
    shell.while_sleeping = lambda: clock.advance(1)
    with RunningSimulator(simulator_of(SHELF_DOCUMENT)(clock=clock)) as running:
        words = ("vendor", "check", DOCUMENT, "--base-url", running.url, "--credentials", file)
        document = ok(shell(*words, "--json")).document
    steps = {step["step"]: step["found"] for step in document["steps"]}
    assert {"submit", "poll"} <= set(steps)
    assert all(steps.values())
