"""`jobferry rows` and `jobferry results`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from tests.unit.cli.shell import Shell
from virtual.world import sample_csv

ROWS = 150


def mixed(record: JsonObject) -> RecordResult:
    number = int(record["ref"][1:])
    if number % 50 == 7:
        return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="Name: \x1b[31mwrong")
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=str(1000 + number))


@pytest.fixture
def run(shell: Shell) -> Run:
    shell.world.account.result_of = mixed
    return shell.world.processed(sample_csv(ROWS) + ",nameless\n")


def test_every_row_has_one_line_in_order(shell: Shell, run: Run) -> None:
    documents = shell("rows", run.run_id, "--json").documents

    assert [document["row"] for document in documents] == list(range(1, ROWS + 2))
    assert documents[6] == {
        "row": 7,
        "status": "failed",
        "vendor_id": None,
        "error_code": "Invalid",
        "error": "Name: \x1b[31mwrong",
        "job_id": "job-1",
        "attempts": 1,
    }


@pytest.mark.parametrize(
    ("status", "rows"), [("failed", [7, 57, 107]), ("rejected", [151]), ("unknown", [])]
)
def test_rows_by_status(shell: Shell, run: Run, status: str, rows: list[int]) -> None:
    documents = shell("rows", run.run_id, "--status", status, "--json").documents

    assert [document["row"] for document in documents] == rows


def test_succeeded_rows_and_a_limit(shell: Shell, run: Run) -> None:
    words = ("rows", run.run_id, "--status", "succeeded", "--limit", 7, "--json")

    assert [d["row"] for d in shell(*words).documents] == [1, 2, 3, 4, 5, 6, 8]


def test_one_row(shell: Shell, run: Run) -> None:
    assert shell("rows", run.run_id, "--row", 9, "--json").document["vendor_id"] == "1009"


def test_a_row_that_is_not_there(shell: Shell, run: Run) -> None:
    answer = shell("rows", run.run_id, "--row", 152, "--json")

    assert answer.code == 1
    assert "there is no row 152" in answer.stderr


def test_a_row_without_an_outcome_yet(shell: Shell) -> None:
    open_run = shell.world.planned(sample_csv(3))
    answer = shell("rows", open_run.run_id, "--row", 2)

    assert answer.code == 1
    assert "no outcome yet" in answer.stderr


def test_people_see_a_hundred_rows_and_how_to_see_more(shell: Shell, run: Run) -> None:
    answer = shell("rows", run.run_id)

    assert len(answer.stdout.splitlines()) == 100
    assert f"jobferry rows {run.run_id} --limit 1000" in answer.stderr


def test_a_vendors_text_cannot_steer_the_terminal(shell: Shell, run: Run) -> None:
    assert "\x1b" not in shell("rows", run.run_id, "--status", "failed").stdout
    assert "\x1b" not in shell("rows", run.run_id, "--status", "failed", "--json").stdout


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
