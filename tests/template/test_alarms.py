"""Every alarm leads to a section of the runbook, and no section names one that there is not."""

from __future__ import annotations

import re

import pytest

from tests.documents import ROOT, RUNBOOK, commands, sections
from tests.template.conftest import ALARM, Template

_NAMED = re.compile(r"^\*Alarms? ([A-Z]\w+(?:, [A-Z]\w+)*)", re.MULTILINE)
_SEE = re.compile(r' See docs/runbook\.md, "([^"]+)"\.$')
_ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def named_in(text: str) -> set[str]:
    return {name for names in _NAMED.findall(text) for name in names.split(", ")}


@pytest.fixture(scope="module")
def described(template: Template) -> dict[str, str]:
    """Each alarm, without the word in its logical id → the section that its description names."""
    found = {}
    for name, alarm in template.properties(ALARM).items():
        see = _SEE.search(alarm["AlarmDescription"])
        assert see, name
        found[name.removesuffix("Alarm")] = see[1]
    return found


def test_each_alarm_names_the_section_that_names_it(described: dict[str, str]) -> None:
    runbook = sections(RUNBOOK)
    assert {
        alarm: title for title, text in runbook.items() for alarm in named_in(text)
    } == described


def test_a_section_of_an_alarm_says_what_to_type(described: dict[str, str]) -> None:
    runbook = sections(RUNBOOK)
    dead = {
        title
        for title in described.values()
        if not commands(runbook[title], "jobferry") + commands(runbook[title], "aws")
    }
    assert dead == set()


def test_the_table_of_alarms_is_that_of_the_template(described: dict[str, str]) -> None:
    table = sections(ROOT / "docs" / "monitoring.md")["Alarms"]
    _header, *rows = _ROW.findall(table)
    listed = {name: title for names, title in rows for name in names.split(", ")}
    assert listed == described
