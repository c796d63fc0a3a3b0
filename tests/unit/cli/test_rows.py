"""`jobferry rows`: which rows, what is said of them, and how the list goes on."""

from __future__ import annotations

import shlex

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.operator.find_rows import find_rows
from tests.unit.cli.shell import Answer, Shell
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


@pytest.fixture
def keyed(shell: Shell) -> Run:
    """The same with a `row_key`."""
    shell.world.account.result_of = mixed
    shell.world.put_profile({"row_key": "Ref"})
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

    assert len(answer.stdout.splitlines()) == 1 + 100
    assert f"jobferry rows {run.run_id} --limit 100 --after 100" in answer.stderr


def test_a_vendors_text_cannot_steer_the_terminal(shell: Shell, run: Run) -> None:
    assert "\x1b" not in shell("rows", run.run_id, "--status", "failed").stdout
    assert "\x1b" not in shell("rows", run.run_id, "--status", "failed", "--json").stdout


def next_of(answer: Answer) -> list[str]:
    """The words of the command that the answer names."""
    (line,) = [each for each in answer.stderr.splitlines() if each.startswith("Next:")]
    words = shlex.split(line.removeprefix("Next:"))
    assert words[0] == "jobferry"
    return words[1:]


def rows_in(answer: Answer) -> list[int]:
    return [int(line.split()[0]) for line in answer.stdout.splitlines()[1:]]


def test_the_next_lines_lead_through_all_rows_once(shell: Shell, run: Run) -> None:
    words: list[str] = ["rows", run.run_id, "--limit", "40"]
    found: list[int] = []
    for _ in range(4):
        answer = shell(*words)
        found += rows_in(answer)
        words = next_of(answer) if "Next:" in answer.stderr else []
    assert found == list(range(1, ROWS + 2))
    assert not words


def test_the_next_line_keeps_what_was_asked(shell: Shell, keyed: Run) -> None:
    words = ("--status", "failed", "--error-code", "Invalid", "--find", "r 1; x", "--limit", "1")
    assert "no such rows" in shell("rows", keyed.run_id, *words).stdout
    words = (*words[:4], "--find", "Wrong", "--limit", "1")
    first = shell("rows", keyed.run_id, *words)
    assert next_of(first) == ["rows", keyed.run_id, *words, "--after", "7"]
    assert rows_in(shell(*next_of(first))) == [57]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (("--find", "r107"), [107]),
        (("--find", "1033"), [33]),
        (("--find", "WRONG"), [7, 57, 107]),
        (("--find", "wrong", "--after", "7"), [57, 107]),
        (("--error-code", "Invalid"), [7, 57, 107]),
        (("--error-code", "Invalid", "--limit", "2"), [7, 57]),
        (("--error-code", "missing_value"), [151]),
        (("--find", ""), list(range(1, ROWS + 2))),
    ],
)
def test_rows_are_found(
    shell: Shell, keyed: Run, words: tuple[object, ...], rows: list[int]
) -> None:
    documents = shell("rows", keyed.run_id, *words, "--json").documents
    assert [document["row"] for document in documents] == rows


def test_a_search_says_the_keys(shell: Shell, keyed: Run) -> None:
    document = shell("rows", keyed.run_id, "--find", "r107", "--json").document
    assert document["key"] == "r107"


def test_cells_on_demand(shell: Shell, keyed: Run) -> None:
    words = ("--status", "failed", "--limit", 1, "--cells", "--json")
    document = shell("rows", keyed.run_id, *words).document
    assert (document["row"], document["key"]) == (7, "r7")
    assert document["cells"] == {"Name": "thing 7", "Ref": "r7"}


def test_scripts_are_given_all_rows_of_many_pages(
    shell: Shell, keyed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry_cli.rows.ROWS_OF_A_PAGE", 13)
    for words, last in (((), ROWS + 1), (("--find", "r"), ROWS), (("--cells",), ROWS + 1)):
        documents = shell("rows", keyed.run_id, *words, "--json").documents
        assert [document["row"] for document in documents] == list(range(1, last + 1))
    documents = shell("rows", keyed.run_id, "--limit", 30, "--json").documents
    assert len(documents) == 30


def test_people_see_the_key_and_the_wrong_cell(shell: Shell, keyed: Run) -> None:
    header, *lines = shell("rows", keyed.run_id, "--status", "failed").stdout.splitlines()
    assert header.split() == ["ROW", "STATUS", "KEY", "ERROR", "CELL"]
    assert " ".join(lines[0].split()) == "7 failed r7 Invalid: Name: ␛[31mwrong Name: thing 7"
    (line,) = shell("rows", keyed.run_id, "--status", "rejected").stdout.splitlines()[1:]
    assert "Name: (empty)" in line


def test_long_texts_are_cut_in_a_table_and_whole_by_themselves(shell: Shell) -> None:
    text = "Name: " + "é" * 450
    shell.world.account.result_of = lambda _: RecordResult(
        OutcomeStatus.FAILED, code="Invalid", text=text
    )
    run = shell.world.processed(f"Name,Ref\n{'x' * 200},1\n")
    table = shell("rows", run.run_id).stdout
    assert "é" * 150 in table
    assert "…" in table
    assert "é" * 200 not in table
    assert "x" * 60 not in table
    assert "é" * 450 in shell("rows", run.run_id, "--row", 1).stdout


def test_one_row_with_all_its_cells(shell: Shell, keyed: Run) -> None:
    lines = shell("rows", keyed.run_id, "--row", 7).stdout.splitlines()
    assert lines[:5] == [
        f"Row       7 of run {keyed.run_id}",
        "Status    failed",
        "Error     Invalid: Name: ␛[31mwrong",
        "Job       job-1",
        "Sent      1 time",
    ]
    assert [line.split() for line in lines[6:]] == [["→", "Name", "thing", "7"], ["Ref", "r7"]]


def test_without_its_file_rows_are_shown_without_cells(shell: Shell, keyed: Run) -> None:
    shell.world.objects.lose(keyed.source)
    answer = shell("rows", keyed.run_id, "--status", "failed")
    assert rows_in(answer) == [7, 57, 107]
    assert "cells are not shown" in answer.stderr
    answer = shell("rows", keyed.run_id, "--find", "r107", "--json")
    assert (answer.documents, answer.code) == ([], 0)
    assert "keys were not searched" in answer.stderr


def test_a_search_that_takes_long_says_how_far_it_came(
    shell: Shell, keyed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.operator.find_rows.ROWS_PER_CLOCK_CHECK", 50)
    monkeypatch.setattr(
        "jobferry_cli.rows.find_rows",
        lambda *args, **kwargs: find_rows(*args, **kwargs, seconds=0.0),
    )
    answer = shell("rows", keyed.run_id, "--find", "r107")
    assert "Rows up to 50 of 151 were searched" in answer.stderr
    for _ in range(2):
        answer = shell(*next_of(answer))
    assert rows_in(answer) == [107]


@pytest.mark.parametrize("cursor", ["x", "7;8", ""])
def test_a_cursor_of_nobody(shell: Shell, run: Run, cursor: str) -> None:
    answer = shell("rows", run.run_id, "--after", cursor, "--status", "failed", "--json")
    assert answer.code == 1
    assert "is no cursor" in answer.stderr
    assert answer.error["next"] == f"jobferry rows {run.run_id} --status failed"
