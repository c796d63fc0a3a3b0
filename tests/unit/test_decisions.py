"""Decisions have one form: a number, a status, the module that they concern; links go both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "jobferry" / "jobferry"
FOLDER = ROOT / "docs" / "decisions"
FILES = {int(path.name[:4]): path for path in sorted(FOLDER.glob("0*.md"))}
LINK = re.compile(r"\[(\d+)\]\((\d{4}-[a-z0-9-]+\.md)\)")
STATUS = re.compile(
    r"Status: (?P<state>accepted|(?:superseded|amended) by .+?)"
    r"(?: · (?:supersedes|amends) (?P<changes>.+?))? · concerns `(?P<module>[^`]+)`"
)


def status_of(number: int) -> re.Match[str]:
    lines = FILES[number].read_text().splitlines()
    found = STATUS.fullmatch(lines[2])
    assert found, lines[2]
    return found


@pytest.mark.parametrize("number", FILES)
def test_a_decision_has_its_number_and_a_status(number: int) -> None:
    assert FILES[number].read_text().startswith(f"# {number}. ")
    module = status_of(number)["module"]
    assert (PACKAGE / module).exists() or (ROOT / module).exists(), module


@pytest.mark.parametrize("number", FILES)
def test_links_between_decisions_go_both_ways(number: int) -> None:
    status = status_of(number)
    for other, name in LINK.findall(f"{status['state']} {status['changes'] or ''}"):
        assert FILES[int(other)].name == name
    for other, _ in LINK.findall(status["state"]):
        assert f"[{number}](" in (status_of(int(other))["changes"] or "")
    for other, _ in LINK.findall(status["changes"] or ""):
        assert f"[{number}](" in status_of(int(other))["state"]


def test_the_table_lists_all_of_them_in_order() -> None:
    rows = re.findall(
        r"^\| \[(\d+)\]\((\S+)\) \| 2\d{3}-\d\d-\d\d \| (.+) \|$",
        (FOLDER / "README.md").read_text(),
        re.MULTILINE,
    )
    assert [(int(number), name) for number, name, _ in rows] == [
        (number, path.name) for number, path in FILES.items()
    ]
