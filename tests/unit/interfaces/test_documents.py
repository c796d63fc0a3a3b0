"""What people and scripts rely on: exit codes, and the documents that commands print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus
from jobferry.steps.open_run import open_run
from jobferry.vendors.answers import Ambiguous
from tests.contract.documents.bench import DOCUMENT, SHELF_DOCUMENT
from tests.contract.documents.simulator import simulator_of
from tests.unit.cli.shell import ANN, Shell, client_error
from tests.unit.cli.test_rows import mixed
from vendorsim import ManualClock, RunningSimulator
from virtual.vendor import Behaviour, Reply
from virtual.world import CONNECTION, INBOX, PROFILE, sample_csv

CsvFile = Callable[..., Path]

OUTCOMES = ["succeeded", "failed", "rejected", "skipped", "unknown"]


def nothing_said(_record: object) -> RecordResult | None:
    """The vendor's answer does not say what became of the record."""
    return None


# exit codes


@pytest.mark.parametrize(
    ("text", "result_of", "code"),
    [
        (sample_csv(3), None, 0),
        (sample_csv(3) + "thing 1,r1\n", None, 0),
        (sample_csv(9), mixed, 3),
        (sample_csv(3) + ",nameless\n", None, 3),
        (sample_csv(3), nothing_said, 4),
        (sample_csv(3) + ",nameless\n", nothing_said, 4),
    ],
    ids=["succeeded", "skipped", "failed", "rejected", "unknown", "unknown_and_rejected"],
)
@pytest.mark.parametrize("word", ["run", "watch"])
def test_exit_code_of_rows(
    shell: Shell, csv_file: CsvFile, text: str, result_of: Any, code: int, word: str
) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    if result_of is not None:
        shell.world.account.result_of = result_of
    answer = shell("run", csv_file(text), "--profile", PROFILE, "--wait", "--json")
    run_id = answer.documents[-1]["run_id"]
    if word == "watch":
        answer = shell("watch", run_id, "--json")
    assert answer.code == code
    # It showed what it was asked for, whatever became of the rows.
    assert shell("status", run_id, "--json").code == 0
    assert shell("rows", run_id, "--json").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("run",),
        ("run", "no-such-file.csv", "--profile", "things"),
        ("status", "things-000000000000"),
        ("profile", "show", "nobody"),
        ("rows", "things-000000000000", "--limit", "many"),
        ("runs", "--status", "no-such-status"),
        ("connection", "show", "nobody"),
    ],
    ids=" ".join,
)
def test_exit_code_1_and_the_error_of_a_command_that_fails(
    shell: Shell, words: tuple[str, ...]
) -> None:
    answer = shell(*words, "--json")
    assert answer.code == 1
    assert list(answer.document) == ["error"]
    assert list(answer.error) == ["code", "text", "next"]
    assert answer.error["text"]
    assert (answer.error["next"] or "jobferry").startswith("jobferry")


def test_exit_code_2_a_service_that_cannot_be_reached(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise client_error("InternalServerError", "no", "Query")

    monkeypatch.setattr(shell.world.store.runs.__class__, "get", fails)
    answer = shell("status", "things-000000000000", "--json")
    assert answer.code == 2
    assert list(answer.error) == ["code", "text", "next"]


def test_exit_code_2_a_vendor_that_cannot_be_reached(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "virtual.vendor.FakeClient.test", lambda *_: Ambiguous("It does not answer.")
    )
    assert shell("connection", "test", CONNECTION, "--json").code == 2


@pytest.mark.parametrize("reached", [True, False])
def test_every_command_that_fails_prints_an_error_whatever_else_it_prints(
    shell: Shell, tmp_path: Path, reached: bool
) -> None:
    file = tmp_path / "k.json"
    file.write_text('{"bearer": "nobody"}')
    with RunningSimulator(simulator_of(SHELF_DOCUMENT)(clock=ManualClock())) as running:
        url = running.url if reached else "http://127.0.0.1:9"
        words = ("vendor", "check", DOCUMENT, "--base-url", url, "--credentials", file)
        answer = shell(*words, "--operation", "books.add", "--json")
    assert (answer.code, answer.document["ok"]) == (2, False)
    assert list(answer.error) == ["code", "text", "next"]
    assert answer.document["steps"][-1]["problem"] in answer.error["text"]
    again = " ".join(str(word) for word in words)
    assert answer.error["next"] == f"jobferry {again} --operation books.add"
    assert answer.error["text"] in answer.stderr


# the status document


STATUS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "status": str,
    "profile": str,
    "priority": str,
    "rows": int,
    "outcomes": dict,
    "jobs": dict,
    "requests": dict,
    "started_at": str,
    "closed_at": str,
    "seconds": (int, float),
    "source": dict,
    "waiting": list,
    "next": list,
    "warnings": list,
    "by": dict,
}


@pytest.fixture
def document(shell: Shell, csv_file: CsvFile) -> dict[str, Any]:
    """Of a run of nine rows, one of which the vendor refused, and one row that was rejected."""
    shell.world.account.result_of = mixed
    file = csv_file(sample_csv(9) + ",nameless\n")
    run_id = shell("run", file, "--profile", PROFILE, "--wait", "--json").document["run_id"]
    shown: dict[str, Any] = shell("status", run_id, "--json").document
    return shown


@pytest.mark.parametrize("name", STATUS)
def test_status_field(document: dict[str, Any], name: str) -> None:
    assert isinstance(document[name], STATUS[name])


def test_status_values(document: dict[str, Any]) -> None:
    outcomes = {"succeeded": 8, "failed": 1, "rejected": 1, "skipped": 0, "unknown": 0}
    assert document["outcomes"] == outcomes
    assert list(document["outcomes"]) == OUTCOMES
    assert document["jobs"] == {"planned": 1, "submitted": 1, "finished": 1}
    assert set(document["requests"]) == {"submit", "poll", "other"}
    assert document["rows"] == sum(outcomes.values()) == 10
    assert set(document["source"]) == {"bucket", "key", "version_id"}
    assert document["source"]["bucket"] == INBOX
    assert document["priority"] == "medium"
    assert document["error"] is None


def test_status_closed_at_is_null_until_the_run_is_closed(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    assert shell("status", run.run_id, "--json").document["closed_at"] is None


def test_run_wait_prints_the_status_document(shell: Shell, csv_file: CsvFile) -> None:
    waited = shell("run", csv_file(3), "--profile", PROFILE, "--wait", "--json").document
    assert waited == shell("status", waited["run_id"], "--json").document


def _planning(shell: Shell) -> Run:
    request = shell.world.drop(sample_csv(3))
    return shell.world.run(open_run(request, "arn:execution:0", shell.world.deps)["run_id"])


def _running(shell: Shell) -> Run:
    return shell.world.planned(sample_csv(3))


def _paused(shell: Shell) -> Run:
    return shell.world.execute(shell.world.drop(sample_csv(6), options={"jobferry-trial": "2"}))


def _completed(shell: Shell) -> Run:
    shell.world.put_profile({"row_key": "Ref"})
    return shell.world.processed(sample_csv(3) + "thing 1,r1\n")


def _with_failures(shell: Shell) -> Run:
    return shell.world.processed(sample_csv(3) + ",nameless\n")


def _unresolved(shell: Shell) -> Run:
    shell.world.account.result_of = nothing_said
    return shell.world.processed(sample_csv(3))


def _aborted(shell: Shell) -> Run:
    run = _paused(shell)
    assert shell("abort", run.run_id, "--json").code == 0
    shell.states.go_on()
    shell.world.sweep()
    shell.world.run_restarts()
    return shell.world.run(run.run_id)


def _failed(shell: Shell) -> Run:
    return shell.world.processed("Title\nx\n")


@pytest.mark.parametrize(
    ("make", "status", "is_open"),
    [
        (_planning, "planning", True),
        (_running, "running", True),
        (_paused, "paused", True),
        (_completed, "completed", False),
        (_with_failures, "completed_with_failures", False),
        (_unresolved, "unresolved", False),
        (_aborted, "aborted", False),
        (_failed, "failed", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_run_status(shell: Shell, make: Callable[[Shell], Run], status: str, is_open: bool) -> None:
    run = make(shell)
    document = shell("status", run.run_id, "--json").document
    assert document["status"] == status
    assert (document["closed_at"] is None) is is_open
    assert bool(document["error"]) is (status in ("failed", "aborted"))
    listed = shell("runs", "--status", status, "--json").documents
    assert [each["run_id"] for each in listed] == [run.run_id]


def test_run_statuses_are_these_and_no_others() -> None:
    assert {status.value for status in RunStatus} == {
        *("planning", "running", "paused", "closing", "completed", "completed_with_failures"),
        *("unresolved", "aborted", "failed"),
    }


def test_waiting(shell: Shell) -> None:
    paused = shell("status", _paused(shell).run_id, "--json").document
    (entry,) = paused["waiting"]
    assert set(entry) == {"for", "since", "until", "text"}
    assert entry["for"] == "confirmation"
    assert f"jobferry resume {paused['run_id']}" in paused["next"]


def test_waiting_for_the_vendors_limit(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell.world.store.limits.block(CONNECTION, shell.world.clock.now() + 60)
    (entry,) = shell("status", run.run_id, "--json").document["waiting"]
    assert (entry["for"], entry["until"]) == ("rate_limit", "2026-01-01T00:01:00.000Z")


def test_warnings_of_the_vendor(shell: Shell) -> None:
    shell.world.account.will_reply(Reply(Behaviour.ACCEPT, warnings=("priority was ignored",)))
    run = shell.world.processed(sample_csv(2))
    (warning,) = shell("status", run.run_id, "--json").document["warnings"]
    assert "priority was ignored" in warning


def test_by(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(6)
    words = ("run", file, "--profile", PROFILE, "--trial", 2, "--wait", "--json")
    document = shell(*words).document
    assert document["by"]["started"] == ANN
    assert shell("resume", document["run_id"], "--wait", "--json").document["by"]["resumed"] == ANN
    other = shell.world.planned(sample_csv(3))
    shell("abort", other.run_id)
    assert shell("status", other.run_id, "--json").document["by"]["aborted"] == ANN


# rows


def test_rows_document(shell: Shell) -> None:
    shell.world.account.result_of = lambda record: (
        RecordResult(OutcomeStatus.FAILED, code="TicketCreateFailed", text="Body: cannot be blank")
        if record["ref"] == "r7"
        else RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="1")
    )
    run = shell.world.processed(sample_csv(8))
    (row,) = shell("rows", run.run_id, "--status", "failed", "--json").documents
    assert row == {
        "row": 7,
        "status": "failed",
        "vendor_id": None,
        "error_code": "TicketCreateFailed",
        "error": "Body: cannot be blank",
        "job_id": "job-1",
        "attempts": 1,
    }


# an account that refuses for good


@pytest.mark.parametrize("http_status", [401, 403])
def test_an_account_that_refuses_for_good_stops_the_run(shell: Shell, http_status: int) -> None:
    reply = Reply(Behaviour.REFUSE_RUN, code="forbidden", http_status=http_status)
    shell.world.account.will_reply(*[reply] * 50)
    shell.world.put_profile({"batch_size": 2})
    run = shell.world.processed(sample_csv(40))
    document = shell("status", run.run_id, "--json").document

    assert len(shell.world.account.submissions) < 10
    assert document["outcomes"]["failed"] > 0
    assert document["outcomes"]["skipped"] > 0
    assert document["outcomes"]["failed"] + document["outcomes"]["skipped"] == 40
    assert document["error"]
