"""`jobferry run --trial`, `resume`, and everything that tells of a paused run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry_cli import resources
from tests.unit.cli.shell import Shell, client_error
from virtual.world import sample_csv

CsvFile = Callable[..., Path]

TRIAL = {"jobferry-trial": "2"}
REASON = "The trial of 2 rows is over: 2 succeeded. 4 more rows can be sent."


def paused(shell: Shell) -> Run:
    """A run of six rows that waits after two."""
    return shell.world.execute(shell.world.drop(sample_csv(6), options=TRIAL))


def test_a_trial_ends_with_the_commands_that_come_next(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(6)
    answer = shell("run", file, "--profile", "things", "--trial", "2", "--wait", "--json")

    assert answer.code == 0
    document = answer.document
    assert document["status"] == "paused"
    assert document["paused"]["code"] == "trial"
    assert document["paused"]["reason"] == REASON
    assert document["paused"]["at"].startswith("2026-01-01T")
    assert document["closed_at"] is None
    run_id = document["run_id"]
    assert answer.stderr.splitlines()[-2:] == [
        f"Next:  jobferry resume {run_id}",
        f"Next:  jobferry abort {run_id}",
    ]
    assert len(shell.world.account.times_applied) == 2


def test_a_large_file_is_tried_too(
    shell: Shell, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "PART_BYTES", 100)
    shell("run", csv_file(50), "--profile", "things", "--trial", "7", "--wait")

    assert len(shell.world.account.times_applied) == 7


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_a_trial_has_at_least_one_row(shell: Shell, csv_file: CsvFile, rows: str) -> None:
    answer = shell("run", csv_file(6), "--profile", "things", "--trial", rows)

    assert answer.code == 1
    assert shell.states.names == set()


def test_people_are_told_why_and_what_next(shell: Shell) -> None:
    run = paused(shell)
    answer = shell("watch", run.run_id)

    assert answer.code == 0
    lines = answer.stdout.splitlines()
    assert f"Paused    {REASON}" in lines
    assert lines[-4:] == [
        "          If all is well, send the rest.",
        f"Next:     jobferry resume {run.run_id}",
        "          If not, end the run; rows not yet sent are skipped.",
        f"Next:     jobferry abort {run.run_id}",
    ]
    assert "paused: 33.3 %, 2 of 6 rows: 2 ok, 0 failed; 0 jobs in flight" in answer.stderr


def test_failed_rows_are_to_be_looked_at_first(shell: Shell) -> None:
    def result_of(_record: JsonObject) -> RecordResult:
        return RecordResult(OutcomeStatus.FAILED, code="RecordInvalid", text="No.")

    shell.world.account.result_of = result_of
    run = paused(shell)

    next_line = f"Next:     jobferry rows {run.run_id} --status failed"
    assert next_line in shell("status", run.run_id).stdout.splitlines()
    assert shell("watch", run.run_id).code == 3


def test_a_list_says_which_runs_wait(shell: Shell) -> None:
    run = paused(shell)

    assert shell("runs", "--json").document["paused"]["code"] == "trial"
    assert shell("runs", "--json", "--status", "paused").document["run_id"] == run.run_id
    assert shell("runs", "--json", "--status", "running").stdout == ""
    (line,) = [line for line in shell("runs").stdout.splitlines() if run.run_id in line]
    assert "paused" in line


def test_resume_sends_the_rest(shell: Shell) -> None:
    run = paused(shell)
    answer = shell("resume", run.run_id, "--wait", "--json")

    assert answer.code == 0
    assert answer.document["status"] == "completed"
    assert answer.document["outcomes"]["succeeded"] == 6
    assert answer.document["paused"] is None
    assert shell.world.problems(run.run_id) == []


def test_resume_answers_at_once_otherwise(shell: Shell) -> None:
    run = paused(shell)
    answer = shell("resume", run.run_id, "--json")

    assert (answer.code, answer.document) == (0, {"run_id": run.run_id})
    shell.states.go_on()
    assert len(shell.world.account.times_applied) == 6


def test_resume_twice_is_as_once(shell: Shell) -> None:
    run = paused(shell)
    shell("resume", run.run_id)
    again = shell("resume", run.run_id)

    assert again.code == 0
    assert f"Run {run.run_id} is not paused." in again.stderr
    shell.states.go_on()
    assert set(shell.world.account.times_applied.values()) == {1}
    assert shell.world.problems(run.run_id) == []


def test_an_execution_that_could_not_be_started_is_started_by_the_next_resume(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = paused(shell)

    def refuse(**_request: str) -> None:
        raise client_error("AccessDeniedException", operation="StartExecution")

    with monkeypatch.context() as patched:
        patched.setattr(shell.states, "start_execution", refuse)
        assert shell("resume", run.run_id).code == 2
    assert shell("resume", run.run_id, "--wait").code == 0


def test_only_an_open_run_can_go_on(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(2))
    answer = shell("resume", run.run_id)

    assert answer.code == 1
    assert f"Run {run.run_id} is over (completed); it cannot go on." in answer.stderr


def test_a_run_that_was_stopped_does_not_go_on(shell: Shell) -> None:
    run = paused(shell)
    shell("abort", run.run_id)
    answer = shell("resume", run.run_id)

    assert answer.code == 1
    assert "is being stopped; it cannot go on." in answer.stderr


def test_abort_closes_a_paused_run(shell: Shell) -> None:
    run = paused(shell)
    answer = shell("abort", run.run_id, "--reason", "Wrong file.", "--json")

    assert answer.code == 0
    assert (answer.document["paused"], answer.document["error"]) == (None, "Wrong file.")
    watched = shell("watch", run.run_id, "--json")
    assert watched.code == 3
    assert watched.document["status"] == "aborted"
    assert watched.document["outcomes"]["skipped"] == 4
    assert shell.world.problems(run.run_id) == []


def test_abort_of_a_run_under_way_starts_nothing(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(6))
    shell("abort", run.run_id)

    assert shell.states.resuming == []
