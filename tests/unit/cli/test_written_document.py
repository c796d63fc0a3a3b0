"""Faults of files that people write: the line, our own words, and a command that leads on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.shell import Shell

PROFILE = """\
# a comment
name: p
connection: acme
operation: {operation}
columns:
  Name: name
  Level:
    - {{field: custom.level, type: integr}}
    - field: other
      feild: x
breaker: 3
max_attempts: no
"""


@pytest.fixture
def put(shell: Shell, tmp_path: Path) -> Callable[[str], list[str]]:
    """What `profile put` says of a file with this text, the last line the next command."""

    def said(text: str) -> list[str]:
        file = tmp_path / "p.yaml"
        file.write_bytes(text.encode())
        answer = shell("profile", "put", file, "--json")
        assert answer.code == 1
        return [*answer.error["text"].split("\n  ")[1:], answer.error["next"]]

    return said


def test_each_fault_has_its_line(put: Callable[[str], list[str]]) -> None:
    *problems, next_command = put(PROFILE.format(operation="things.create"))
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["line 8", "columns.Level.0.type"],
        ["line 10", "columns.Level.1.feild"],
        ["line 11", "breaker"],
        ["line 12", "max_attempts"],
    ]
    assert next_command == "jobferry profile put --help"


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_key_that_is_missing_is_said_of_the_document(
    put: Callable[[str], list[str]], mark: str
) -> None:
    problems = put(f"{mark}connection: acme\noperation: things.create\n")
    assert problems[0] == "line 1: name: is missing."


def test_json_has_lines_too(put: Callable[[str], list[str]]) -> None:
    text = '{"name": "p",\n "connection": "acme",\n "operation": "things.create",\n "trim": "x"}'
    assert put(text)[0].startswith("line 4: trim: must be true or false")


def test_an_operation_that_is_none_is_answered_with_the_one_meant(
    put: Callable[[str], list[str]],
) -> None:
    problem, next_command = put("name: p\nconnection: acme\noperation: things.creat\n")
    assert "did you mean 'things.create'?" in problem
    assert next_command == "jobferry operations fake"


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\x00", "- \ud7ff\n  -: ["])
def test_what_is_no_yaml_is_said(shell: Shell, tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    for words in (("profile", "put", file), ("vendor", "check", file)):
        answer = shell(*words, "--json")
        assert answer.code == 1
        assert "cannot be read" in answer.error["text"]


@pytest.mark.parametrize("text", ["[" * 1_500, "&a [*a]", "x" * 1_100_000, "1", "", "[1]"])
def test_odd_files_are_refused_and_nothing_breaks(shell: Shell, tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    for words in (("profile", "put", file), ("vendor", "put", file)):
        assert shell(*words, "--json").error["code"] == "input"


def test_a_file_that_does_not_fit_shows_its_header_and_the_nearest_names(
    shell: Shell, csv_file: Callable[..., Path], tmp_path: Path
) -> None:
    profile = tmp_path / "p.yaml"
    profile.write_text(
        "name: p\nconnection: acme\noperation: things.create\n"
        "columns: {Name: name, Priority: level}\n"
    )
    assert shell("profile", "put", profile).code == 0
    file = csv_file("name ,Prioritty,Other\na,b,c\n")
    for words in (("plan",), ("run",)):
        answer = shell(*words, file, "--profile", "p", "--json")
        assert answer.code == 1
        assert answer.error["code"] == "missing_column"
        assert answer.error["next"] == "jobferry profile show p"
        text = answer.error["text"]
        assert 'Found: "name", "Prioritty", "Other".' in text
        assert '"Priority" may be "Prioritty" in this file.' in text


def test_a_file_that_is_no_csv_shows_no_header(shell: Shell, csv_file: Callable[..., Path]) -> None:
    answer = shell("plan", csv_file(""), "--profile", "things", "--json")
    assert answer.error["code"] == "empty_file"
    assert "Found" not in answer.error["text"]
