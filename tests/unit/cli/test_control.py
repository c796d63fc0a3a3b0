"""`jobferry abort`, `priority`, `problems`, `delete` with a vendor that can do none of it."""

from __future__ import annotations

import pytest

from jobferry_cli import control
from tests.unit.cli.shell import Shell
from virtual.world import CONNECTION, sample_csv


def test_abort_says_that_jobs_are_seen_through(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell("abort", run.run_id, "--json")

    assert answer.document["error"] == "Stopped by an operator."
    assert "Fake cannot end jobs; those that it has are seen through." in answer.stderr


def test_priority_is_kept_with_the_run_alone(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell("priority", run.run_id, "high", "--json")

    assert answer.document == {"run_id": run.run_id, "priority": "high", "jobs": 0}
    assert "Fake gives jobs no priority" in answer.stderr
    assert shell.world.run(run.run_id).priority == "high"


def test_problems_are_not_told(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell("problems", run.run_id, "--json")

    assert (answer.code, answer.stdout) == (0, "")
    assert "Fake does not report what its jobs wait for." in answer.stderr
    assert shell("problems").stdout == "No job waits for anybody.\n"


def test_delete_forgets_runs(shell: Shell) -> None:
    runs = [shell.world.processed(sample_csv(rows)) for rows in (2, 3)]
    answer = shell("delete", *(run.run_id for run in runs), "--yes", "--json")

    assert answer.code == 0
    assert [(d["run_id"], d["deleted"], d["rows"]) for d in answer.documents] == [
        (runs[0].run_id, True, 2),
        (runs[1].run_id, True, 3),
    ]
    assert shell("runs", "--json").stdout == ""
    for command in ("status", "rows", "delete", "retry"):
        gone = shell(command, runs[0].run_id)
        assert gone.code == 1
        assert "has been deleted" in gone.stderr


def test_delete_asks_on_a_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shell.world.processed(sample_csv(2))
    monkeypatch.setattr(control, "can_ask", lambda: True)
    answer = shell("delete", run.run_id, "--vendor-jobs")

    assert answer.code == 130
    assert f"Delete {run.run_id} for good?" in answer.stderr
    assert shell.world.run(run.run_id).rows == 2
    assert shell("delete", run.run_id, "--yes").code == 0


def test_a_script_is_not_asked(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(2))
    assert shell("delete", run.run_id).code == 0
    assert shell("status", run.run_id).code == 1


def test_one_open_run_keeps_all_of_them(shell: Shell) -> None:
    closed = shell.world.processed(sample_csv(2))
    open_one = shell.world.planned(sample_csv(3))
    answer = shell("delete", closed.run_id, open_one.run_id, "--yes")

    assert answer.code == 1
    assert shell.world.run(closed.run_id).rows == 2


def test_delete_says_what_the_vendor_keeps(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(2))
    answer = shell("delete", run.run_id, "--vendor-jobs", "--yes")

    assert answer.code == 0
    assert "Fake keeps its records of jobs" in answer.stderr
    assert answer.stdout == f"Run {run.run_id} is deleted: 2 rows.\n"


def test_a_connection_that_is_gone_is_a_sentence(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell.world.store.config.delete_connection(CONNECTION)
    answer = shell("problems", run.run_id)

    assert answer.code == 2
    assert f"There is no connection '{CONNECTION}'" in answer.stderr
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry connection test {CONNECTION}"


def test_abort_needs_no_connection(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell.world.store.config.delete_connection(CONNECTION)
    answer = shell("abort", run.run_id, "--json")
    assert (answer.code, answer.document["error"]) == (0, "Stopped by an operator.")


def test_abort_by_force_closes_the_run(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell("abort", run.run_id, "--force", "--reason", "Stuck.", "--json")
    assert (answer.code, answer.document["error"]) == (0, "Stuck.")
    shell.states.go_on()
    document = shell("status", run.run_id, "--json").document
    assert (document["status"], document["outcomes"]["skipped"]) == ("aborted", 3)
    assert shell.world.account.submissions == []


def test_the_priority_of_a_run_that_is_over_changes_nothing(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(2))
    answer = shell("priority", run.run_id, "high", "--json")
    assert answer.code == 1
    assert "is over" in answer.error["text"]
    assert shell.world.run(run.run_id) == run
