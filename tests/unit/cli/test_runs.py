"""`jobferry runs`, `status`, `watch`, `abort`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobferry.domain.inbox import UNKNOWN
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run_request import RunRequest
from jobferry.domain.types import JsonObject
from tests.unit.cli.shell import Shell, client_error
from virtual.world import INBOX, sample_csv


def fail_all(_: JsonObject) -> RecordResult:
    return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="Name: is wrong")


def test_status_is_the_status_document(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(3))
    answer = shell("status", run.run_id, "--json")

    assert answer.code == 0
    assert answer.document["run_id"] == run.run_id
    assert answer.document["status"] == "completed"
    assert answer.document["closed_at"] is not None


def test_status_of_failed_rows_is_still_a_success_of_the_command(shell: Shell) -> None:
    shell.world.account.result_of = fail_all
    run = shell.world.processed(sample_csv(3))
    answer = shell("status", run.run_id)

    assert answer.code == 0
    assert "3 failed" in answer.stdout
    assert f"jobferry rows {run.run_id} --status failed" in answer.stdout
    assert f"jobferry results {run.run_id} --out results/{run.run_id}" in answer.stdout


def test_status_of_several_runs_is_json_lines(shell: Shell) -> None:
    ids = [shell.world.processed(sample_csv(n)).run_id for n in (1, 2)]
    answer = shell("status", *ids, "--json")

    assert [d["run_id"] for d in answer.documents] == ids
    assert [d["rows"] for d in answer.documents] == [1, 2]


def test_status_of_an_open_run_says_how_to_follow_it(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(5))
    answer = shell("status", run.run_id)

    assert answer.stdout.splitlines()[-1] == f"Next:     jobferry watch {run.run_id}"
    assert "0 of 5 rows" in answer.stdout
    assert shell("status", run.run_id, "--json").document["closed_at"] is None


def test_status_of_an_unusable_file_says_why_and_what_to_try(shell: Shell) -> None:
    run = shell.world.processed("Title\nx\n")
    answer = shell("status", run.run_id)

    assert "Reason    " in answer.stdout
    assert answer.stdout.splitlines()[-2:] == [
        "Next:     jobferry plan ./file.csv --profile things",
        "Next:     jobferry profile show things",
    ]


@pytest.mark.parametrize("command", ["status", "watch", "rows", "abort"])
def test_an_unknown_run_is_exit_code_1(shell: Shell, command: str) -> None:
    answer = shell(command, "things-000000000000", "--json")

    assert answer.code == 1
    assert answer.document == {
        "error": {
            "code": "input",
            "text": "There is no run 'things-000000000000'.",
            "next": "jobferry runs",
        }
    }
    assert "There is no run 'things-000000000000'" in answer.stderr
    assert answer.stderr.splitlines()[-1] == "Next:  jobferry runs"
    assert not [item for item in shell.world.table.items() if item["pk"].startswith("RUN#")]


@pytest.mark.parametrize("command", ["status", "watch", "rows"])
def test_a_run_that_was_started_a_moment_ago_is_waited_for(
    shell: Shell, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "file.csv"
    file.write_text(sample_csv(1))
    run_id = shell("run", file, "--profile", "things", "--json").document["run_id"]
    assert shell.world.store.runs.get(run_id) is None

    answer = shell(command, run_id, "--json")
    assert answer.code == 0
    assert answer.document["status"] in ("completed", "succeeded")


def test_watch_follows_to_the_end(shell: Shell) -> None:
    shell.world.account.result_of = fail_all
    run = shell.world.planned(sample_csv(3))
    shell.while_sleeping = lambda: continue_run(shell, run.run_id)
    answer = shell("watch", run.run_id, "--json")

    assert answer.code == 3
    assert answer.document["status"] == "completed_with_failures"
    assert "running: 0 %, 0 of 3 rows: 0 ok, 0 failed; 0 jobs in flight" in answer.stderr
    assert "3 of 3 rows" in answer.stderr


def continue_run(shell: Shell, run_id: str) -> None:
    run = shell.world.run(run_id)
    if run.closed_at is None:
        shell.world.restarts.append((run_id, run.execution))
        shell.world.run_restarts()


def test_abort_halts_with_the_reason(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell("abort", run.run_id, "--reason", "Wrong file.", "--json")

    assert answer.code == 0
    assert answer.document["error"] == "Wrong file."
    stop = shell.world.run(run.run_id).stop
    assert stop is not None
    assert (stop.code, stop.reason) == ("aborted", "Wrong file.")


def test_an_aborted_run_is_exit_code_3(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell("abort", run.run_id)
    shell.while_sleeping = lambda: continue_run(shell, run.run_id)
    answer = shell("watch", run.run_id, "--json")

    assert answer.code == 3
    assert answer.document["status"] == "aborted"
    assert answer.document["outcomes"]["skipped"] == 3
    assert shell("abort", run.run_id).code == 0


def test_a_finished_run_cannot_be_aborted(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(1))
    answer = shell("abort", run.run_id)

    assert answer.code == 1
    assert shell.world.run(run.run_id).stop is None


def test_runs_are_listed_newest_first_and_paged(shell: Shell) -> None:
    ids = [shell.world.processed(sample_csv(n)).run_id for n in (1, 2, 3, 4, 5)]
    seen: list[str] = []
    words: list[str] = []
    for _ in range(3):
        page = shell("runs", "--limit", 2, "--json", *words).documents
        seen += [document["run_id"] for document in page]
        words = ["--after", page[-1]["cursor"]]

    assert seen == ids[::-1]


def test_runs_can_be_filtered(shell: Shell) -> None:
    shell.world.put_profile({"name": "others"})
    good = shell.world.processed(sample_csv(1)).run_id
    other = shell.world.processed(sample_csv(1), profile="others").run_id
    shell.world.account.result_of = fail_all
    bad = shell.world.processed(sample_csv(2)).run_id

    def listed(*words: str) -> list[str]:
        return [document["run_id"] for document in shell("runs", "--json", *words).documents]

    assert listed("--status", "completed_with_failures") == [bad]
    assert listed("--profile", "things") == [bad, good]
    assert listed("--profile", "things", "--limit", "1") == [bad]
    assert listed("--profile", "others", "--status", "completed") == [other]
    assert listed("--status", "failed") == []


def test_a_list_for_people_says_how_to_go_on(shell: Shell) -> None:
    for rows in (1, 2, 3):
        shell.world.processed(sample_csv(rows))
    answer = shell("runs", "--limit", 2)

    assert len(answer.stdout.splitlines()) == 3
    assert "jobferry runs --limit 2 --after" in answer.stderr
    assert shell("runs", "--limit", 3).stderr == ""


def test_a_file_without_a_profile_leads_to_the_profiles(shell: Shell) -> None:
    version = shell.world.objects.upload(INBOX, "inbox/a.csv", b"Name,Ref\n")
    run = shell.world.execute(RunRequest(UNKNOWN, INBOX, "inbox/a.csv", version))

    answer = shell("status", run.run_id, "--json")
    assert answer.document["next"] == ["jobferry profile list"]
    report = shell.world.objects.get(f"results/{run.run_id}/report.html").decode()
    assert "jobferry profile list" in report
    assert "jobferry plan" not in report


def test_whoever_may_not_ask_the_vendor_is_told_all_the_rest(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shell.world.planned(sample_csv(3))

    def refused(*_: object) -> None:
        said = "User: x is not authorized to perform: dynamodb:UpdateItem on resource: y"
        raise client_error("AccessDeniedException", said)

    monkeypatch.setattr("jobferry_cli.runs.waiting_jobs", refused)
    answer = shell("status", run.run_id, "--json")
    assert (answer.code, answer.document["rows"]) == (0, 3)
    assert "What jobs wait for is not known." in answer.stderr
    assert "the right dynamodb:UpdateItem is missing" in answer.stderr


def test_a_table_that_fails_is_no_matter_of_rights(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shell.world.planned(sample_csv(3))

    def fails(*_: object) -> None:
        raise client_error("InternalError")

    monkeypatch.setattr("jobferry_cli.runs.waiting_jobs", fails)
    assert shell("status", run.run_id).code == 2
