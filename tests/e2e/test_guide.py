"""The guide's own way from a spreadsheet without a profile to mended rows, and the demo's.

The commands are those of `docs/guide.md`, read from the page and typed in its order by the people
who may: a profile author, an operator, a viewer. Between two commands a person does what the page
says in words: saves a spreadsheet, completes the draft, mends cells, mends something at the vendor.
"""

from __future__ import annotations

import csv
import re
import secrets
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobferry_cli.app import App
from tests.documents import GUIDE, sections, shown_commands
from tests.e2e.conftest import Desk, Stack, open_desk
from tests.e2e.people import Person
from tools import demo
from tools.demo_samples import SAMPLES

SECTION = "1. Your own file, on this machine"
STACK_COMMANDS = ("jobferry local up", "jobferry local down")
"""What the fixture of these tests does, with the code of these commands."""

SPREADSHEET = """\
Subject;Description;External ID;Requester e-mail;Requester name;Priority;Due date
Printer on fire;It burns again.;A-1;ann.miller@example.com;Ann;high;31.12.2027
Größe passt nicht;Bitte tauschen;A-2;bo.berger@example.com;Bo;normal;
Refund for the lamp;Where is it?;A-3;cy.carter@example.com;Cy;low;15.01.2028
Login impossible;Password lost; again;A-4;di.dorsey@example.com;Di;low;
Address is wrong;The letter came back;A-5;ed.evans@example.invalid;Ed;urgent;
Invoice twice;Twice the same;A-6;flo.fuller@example.com;Flo;asap;
Camera is dark;Nothing to be seen;A-7;gil.garner@example.com;Gil;normal;
Street is closed;Since Monday;A-8;hal.harris@example.com;Hal;normal;
"""
KEYS = [f"A-{number}" for number in range(1, 9)]


@dataclass
class Desktop:
    """What a person does between two commands of the guide, in the folder of the files."""

    desk: Desk
    folder: Path

    def saves_the_spreadsheet(self) -> None:
        body = SPREADSHEET.encode("utf-8-sig")
        self.desk.stack.canaries.dropped(body)
        (self.folder / f"{self.desk.name}.csv").write_bytes(body)

    def completes_the_draft(self) -> None:
        """The draft doubts one word of a column; its allowed words are said."""
        file = self.folder / f"{self.desk.name}.yaml"
        text = file.read_text(encoding="utf-8")
        assert re.search(r'# \? Priority: "asap"', text), text
        entry = "  Priority: {field: priority, enum: [low, normal, high, urgent]}"
        text, count = re.subn(r"^  Priority: priority$", entry, text, flags=re.MULTILINE)
        assert count == 1, text
        file.write_text(text, encoding="utf-8")

    def mends_what_was_rejected(self) -> None:
        """In one row the cells have moved, as a text with a delimiter had no quotation marks."""
        moved = {
            "Description": "Password lost; again",
            "External ID": "A-4",
            "Requester e-mail": "di.dorsey@example.com",
            "Requester name": "Di",
            "Priority": "low",
            "Due date": "",
        }
        self._mend("rejected", {"4": moved, "6": {"Priority": "urgent"}})

    def mends_what_failed_while_the_vendor_has_a_trouble(self) -> None:
        self._mend("failed", {"5": {"Requester e-mail": "ed.evans@example.com"}})
        refusing = {"fail_rows": {"indexes": [0], "details": "Requester: is suspended"}}
        self.desk.simulator.set_faults({"match": {"path": "create_many"}, "effect": refusing})

    def mends_the_vendor(self) -> None:
        self.desk.simulator.set_faults()

    def _mend(self, name: str, cells: Mapping[str, Mapping[str, str]]) -> None:
        """Write other cells into rows of a result file, as a spreadsheet would.

        Args:
            cells: by the row's number in the source.
        """
        file = self.folder / "results" / f"{name}.csv"
        with file.open(newline="", encoding="utf-8-sig") as text:
            header, *rows = csv.reader(text, delimiter=";")
        mended = []
        for row in rows:
            whole = dict(zip(header, row, strict=True))
            mended.append({**whole, **cells[whole["jobferry_row"]]})
        assert [each["jobferry_row"] for each in mended] == list(cells)
        with file.open("w", newline="", encoding="utf-8-sig") as text:
            writer = csv.DictWriter(text, header, delimiter=";")
            writer.writeheader()
            writer.writerows(mended)


BEFORE: Mapping[str, Callable[[Desktop], None]] = {
    "jobferry profile new": Desktop.saves_the_spreadsheet,
    "jobferry profile put": Desktop.completes_the_draft,
    "jobferry run results/rejected.csv": Desktop.mends_what_was_rejected,
    "jobferry run results/failed.csv": Desktop.mends_what_failed_while_the_vendor_has_a_trouble,
    "jobferry retry": Desktop.mends_the_vendor,
}
ROLES = {
    "profile": "ProfileAuthor",
    "rows": "Viewer",
    "report": "Viewer",
    "plan": "Viewer",
    "results": "Viewer",
}
"""Who types a command, where an operator need not."""

EXITS = {
    "jobferry run my-tickets.csv": 3,
    "jobferry resume": 3,
    "jobferry run results/failed.csv": 3,
}
"""Commands after which some rows are rejected or have failed; the plan rejects before a trial."""


def of(table: Mapping[str, Any], command: str, otherwise: Any) -> Any:
    """The entry of a table whose beginning the command has."""
    return next((table[each] for each in table if command.startswith(f"{each} ")), otherwise)


def test_from_a_spreadsheet_without_a_profile_to_mended_rows(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_commands(sections(GUIDE)[SECTION], "jobferry")
    assert (shown[0], shown[-1]) == STACK_COMMANDS
    to_type = [command for command in shown if command not in STACK_COMMANDS]
    monkeypatch.chdir(tmp_path)
    name, run_id = f"guide-{secrets.token_hex(3)}", ""
    people = {role: Person(stack, role) for role in {*ROLES.values(), "Operator"}}
    said: dict[str, list[dict[str, Any]]] = {}
    with open_desk(stack, name) as desk:
        desktop = Desktop(desk, tmp_path)
        for command in to_type:
            of(BEFORE, command, lambda _: None)(desktop)
            text = re.sub(r"\bRUN\b", run_id, command)
            text = re.sub(r"\b(my-tickets|acme)\b", name, text)
            words = shlex.split(text)[1:]
            person = people[ROLES.get(words[0], "Operator")]
            code, said[command], noted = person(*words)
            assert code == of(EXITS, command, 0), (text, said[command], noted)
            if words[0] in ("run", "resume", "retry"):
                run_id = said[command][0]["run_id"]
                stack.canaries.ended(run_id)
        _check(desk, said, tmp_path)


def _check(desk: Desk, said: Mapping[str, list[dict[str, Any]]], folder: Path) -> None:
    """What the commands have said and done: every row of the spreadsheet is there, once."""

    def answers(beginning: str) -> list[dict[str, Any]]:
        return next(said[command] for command in said if command.startswith(beginning))

    (plan,) = answers("jobferry plan ")
    assert {(each["row"], each["error_code"]) for each in plan["bad_rows"]} == {
        (4, "wrong_cell_count"),
        (6, "not_allowed"),
    }
    (trial,) = answers("jobferry run my-tickets.csv")
    assert (trial["status"], trial["outcomes"]["succeeded"]) == ("paused", 3)
    (first,) = answers("jobferry resume")
    assert first["outcomes"] == {
        "succeeded": 5,
        "failed": 1,
        "rejected": 2,
        "skipped": 0,
        "unknown": 0,
    }
    (refused,) = answers("jobferry rows RUN --status failed")
    assert (refused["row"], "cannot receive mail" in refused["error"]) == (5, True)
    assert "cannot receive mail" in (folder / "report.html").read_text(encoding="utf-8")
    (again,) = answers("jobferry retry")
    assert (again["rows"], again["outcomes"]["succeeded"]) == (1, 1)

    made = desk.effects(kind="ticket", action="created")
    assert sorted(each["external_id"] for each in made) == KEYS
    sent = {each["external_id"]: each["fields"] for each in made}
    assert sent["A-2"]["subject"] == "Größe passt nicht"
    assert sent["A-4"]["comment"]["body"] == "Password lost; again"
    assert sent["A-5"]["requester"]["email"] == "ed.evans@example.com"
    assert sent["A-6"]["priority"] == "urgent"


def test_the_demo_sends_mends_and_sends_again(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"demo-{secrets.token_hex(3)}"
    sample = SAMPLES["zendesk_support"]
    document = yaml.safe_load(sample.csv.with_suffix(".yaml").read_text(encoding="utf-8"))
    with open_desk(stack, name) as desk:
        desk.put_profile(**{**document, "name": name, "connection": name})
        app = App(stack_name=stack.state.stack)

        def upload(file: Path, key: str) -> tuple[str, str]:
            body, bucket = file.read_bytes(), stack.outputs["InboxBucketName"]
            stack.canaries.dropped(body)
            answer = stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
            return bucket, answer["VersionId"]

        def records() -> int:
            return len(desk.effects(kind="ticket", action="created"))

        stage = demo.Stage(app, upload, records)
        code = demo.play(stage, replace(sample, profile=name), tmp_path)

    shown = capsys.readouterr().out
    assert code == 0, shown
    for part in (
        f"--profile {name}",
        "Priority: must be one of: low, normal, high, urgent.",
        "cannot receive mail",
        "'asap' → 'normal'",
        "All 300 rows are there. The vendor holds 300 tickets, no more and no less.",
        (tmp_path / "report.html").as_uri(),
        "A million rows",
        ".venv/bin/jobferry cost --rows 1000000",
    ):
        assert part in shown, part
    for left in ("summary.json", "results/failed.csv", "mended.csv", "mended/succeeded.csv"):
        assert (tmp_path / left).exists(), left
