"""`jobferry results`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from tests.unit.cli.shell import Shell
from tests.unit.cli.test_rows import ROWS, mixed
from virtual.world import sample_csv


@pytest.fixture
def run(shell: Shell) -> Run:
    shell.world.account.result_of = mixed
    return shell.world.processed(sample_csv(ROWS) + ",nameless\n")


def test_results_lie_directly_in_the_folder(shell: Shell, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    answer = shell("results", run.run_id, "--out", folder, "--json")

    names = [f"{status}.csv" for status in OutcomeStatus] + ["report.html"]
    assert answer.document == {"run_id": run.run_id, "out": str(folder), "files": names}
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    with (folder / "failed.csv").open(newline="", encoding="utf-8") as file:
        assert [row["jobferry_row"] for row in csv.DictReader(file)] == ["7", "57", "107"]


def test_results_come_when_the_run_is_closed(shell: Shell, tmp_path: Path) -> None:
    open_run = shell.world.planned(sample_csv(3))
    answer = shell("results", open_run.run_id, "--out", tmp_path / "out")

    assert answer.code == 1
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry watch {open_run.run_id}"
    assert not (tmp_path / "out").exists()


def test_an_unusable_file_has_a_report_only(shell: Shell, tmp_path: Path) -> None:
    failed = shell.world.processed("Title\nx\n")
    answer = shell("results", failed.run_id, "--out", tmp_path / "out", "--json")

    assert answer.document["files"] == ["report.html"]


def test_results_that_have_expired(shell: Shell, run: Run, tmp_path: Path) -> None:
    shell.world.objects.delete(f"results/{run.run_id}/failed.csv")
    answer = shell("results", run.run_id, "--out", tmp_path)

    assert answer.code == 1
    assert "failed.csv" in answer.stderr
    assert not list(tmp_path.glob("*.part"))
    assert not (tmp_path / "failed.csv").exists()


def test_a_folder_that_cannot_be_made(shell: Shell, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = shell("results", run.run_id, "--out", tmp_path / "file" / "below")

    assert answer.code == 1
    assert "cannot be written" in answer.stderr
