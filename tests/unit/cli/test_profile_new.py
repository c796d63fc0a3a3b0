"""`jobferry profile new`: from a spreadsheet to a profile that `put` and `plan` take."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
import yaml

from jobferry.domain.connection import Connection
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli import profile_new
from tests.contract.documents.bench import DOCUMENT
from tests.examples import EXAMPLES
from tests.unit.cli.draft_files import spreadsheet, write
from tests.unit.cli.shell import Answer, Shell

CsvFile = Callable[..., Path]

TICKETS = "Ref,Subject,Body,E-Mail,Prio\nK-1,a,b,ann@example.com,High\nK-2,c,d,,low\n"

OPERATIONS = [
    (vendor.name, operation.replace("<key>", "vehicle"))
    for vendor in BUILT_IN.built_in()
    for operation in vendor.operations
]


def connect(shell: Shell, vendor: str) -> None:
    shell.world.store.config.put_connection(Connection("desk", vendor, "https://a.example.com"))


def plan_of(shell: Shell, profile: Path, file: Path) -> Answer:
    """The plan of a file by a profile, which is put as it stands."""
    put = shell("profile", "put", profile, "--strict", "--json")
    assert put.code == 0, put.stderr
    return shell("plan", file, "--profile", put.document["name"], "--json")


def test_a_draft_is_put_and_plans_its_file(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    connect(shell, "zendesk_support")
    file, out = csv_file(TICKETS), tmp_path / "new-tickets.yaml"
    words = ("--operation", "tickets.create", "--connection", "desk", "--out", out)
    answer = shell("profile", "new", file, *words)

    assert answer.code == 0
    assert yaml.safe_load(out.read_text()) == {
        "name": "new-tickets",
        "connection": "desk",
        "operation": "tickets.create",
        "columns": {
            "Ref": "external_id",
            "Subject": "subject",
            "Body": "comment.body",
            "E-Mail": {"field": "requester.email", "type": "email", "optional": True},
            "Prio": {"field": "priority", "enum": ["low", "normal", "high", "urgent"]},
        },
        "row_key": "Ref",
    }
    assert "5 of 5 columns have a field" in answer.stdout
    assert f"Next:  jobferry profile put {out}" in answer.stderr
    planned = plan_of(shell, out, file).document
    assert (planned["rows"], planned["to_send"], planned["warnings"]) == (2, 2, [])
    assert planned["first_record"]["priority"] == "high"


@pytest.mark.parametrize(("vendor", "operation"), OPERATIONS, ids=str)
def test_rows_of_a_clean_file_are_not_rejected(
    shell: Shell, tmp_path: Path, vendor: str, operation: str
) -> None:
    connect(shell, vendor)
    found = BUILT_IN.named(vendor).operation(operation)
    assert found is not None
    random = Random(operation)
    mapped = 0
    for number in range(6):
        header, rows = spreadsheet(found, random)
        file = write(tmp_path / f"f{number}.csv", header, rows, random.choice(",;\t"))
        out = tmp_path / f"p{number}.yaml"
        answer = shell(
            *("profile", "new", file, "--operation", operation, "--connection", "desk"),
            *("--timezone", "Europe/Oslo", "--out", out, "--json"),
        )
        document = answer.document
        assert yaml.safe_load(document["yaml"]) == document["profile"]
        fields = [
            each if isinstance(each, str) else each["field"]
            for each in document["profile"]["columns"].values()
        ]
        needed = [names for names in found.required if not set(names) & set(fields)]
        if needed:
            # A header that fits two fields is left to a person.
            assert [d for d in document["doubts"] if d["about"] == "constants"]
            continue
        mapped += 1
        planned = plan_of(shell, out, file)
        assert planned.code == 0, (header, planned.stderr)
        assert planned.document["bad_rows"] == [], (header, rows, document["yaml"])
        assert planned.document["rows"] == len(rows)
    assert mapped >= 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_can_be_drafted(shell: Shell, tmp_path: Path, name: str) -> None:
    example = EXAMPLES[name]
    connect(shell, example.vendor)
    out = tmp_path / "p.yaml"
    said = [
        word
        for field, value in example.document.get("constants", {}).items()
        for word in ("--constant", f"{field}={json.dumps(value)}")
    ]
    words = ("--operation", example.operation, "--connection", "desk", "--out", out, *said)
    document = shell("profile", "new", example.csv, *words, "--json").document

    if any(each["about"] == "constants" for each in document["doubts"]):
        assert name == "vidispine-imports" or "needs" in json.dumps(document["doubts"])
        return
    assert document["profile"].get("constants", {}) == example.document.get("constants", {})
    assert plan_of(shell, out, example.csv).code == 0


def test_without_out_the_yaml_is_on_stdout(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("profile", "new", csv_file(TICKETS), "--operation", "tickets.create")

    assert yaml.safe_load(answer.stdout)["connection"] == "my-connection"
    assert "connection: my-connection      # ? " in answer.stdout
    assert "Next:  jobferry connection list" in answer.stderr


def test_scripts_get_one_document(shell: Shell, csv_file: CsvFile) -> None:
    document = shell(
        "profile", "new", csv_file(TICKETS), "--operation", "tickets.create", "--json"
    ).document

    assert document.keys() == {"profile", "yaml", "doubts", "out"}
    assert document["out"] is None
    assert yaml.safe_load(document["yaml"]) == document["profile"]
    assert [each["about"] for each in document["doubts"]] == ["connection"]


def test_it_needs_no_stack(shell: Shell, csv_file: CsvFile) -> None:
    shell("profile", "new", csv_file(TICKETS), "--operation", "tickets.create")
    document = csv_file(DOCUMENT.read_text(), "shelf.yaml")
    books = csv_file("Title,Author\nEmma,Austen\n", "books.csv")
    answer = shell("profile", "new", books, "--operation", "books.add", "--vendor", document)

    assert yaml.safe_load(answer.stdout)["columns"] == {"Title": "title", "Author": "author"}
    assert shell.stack_names == []


def test_a_vendor_that_the_stack_holds(shell: Shell, csv_file: CsvFile) -> None:
    words = ("--operation", "things.create", "--vendor", "fake")
    answer = shell("profile", "new", csv_file(3), *words)

    assert yaml.safe_load(answer.stdout)["columns"]["Name"] == "name"
    unknown = shell("profile", "new", csv_file(3), "--operation", "x.y", "--vendor", "other-one")
    assert unknown.code == 1
    assert "Next:  jobferry vendor list" in unknown.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tickets.updte", "tickets.update"),
        ("ticket.create", "tickets.create"),
        ("users.create_or_udpate", "users.create_or_update"),
        ("resource.post", "resources.post"),
        ("custom_objects.car.creat", "custom_objects.<key>.create"),
        ("custom_objects.<key>.create", "custom_objects.<key>.create"),
    ],
)
def test_a_misspelt_operation(shell: Shell, csv_file: CsvFile, typed: str, meant: str) -> None:
    answer = shell("profile", "new", csv_file(TICKETS), "--operation", typed, "--json")

    assert answer.code == 1
    assert meant in answer.error["text"]
    assert answer.error["next"].startswith("jobferry profile new ")
    assert f"--operation {meant.replace('<key>', 'KEY')}" in answer.error["next"]


def test_an_operation_of_nobody(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("profile", "new", csv_file(TICKETS), "--operation", "zzz")
    assert answer.code == 1
    assert "Next:  jobferry operations" in answer.stderr
    wrong = shell("profile", "new", csv_file(TICKETS), "--operation", "zzz", "--vendor", "vidispin")
    assert "Did you mean vidispine?" in wrong.stderr


def test_two_vendors_with_the_same_operation(
    shell: Shell, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    sunshine = BUILT_IN.named("zendesk_sunshine")
    monkeypatch.setattr(
        type(BUILT_IN), "built_in", lambda _: [sunshine, shell.world.vendor, sunshine]
    )
    answer = shell("profile", "new", csv_file("id\na\n"), "--operation", "resources.delete")

    assert answer.code == 1
    assert "Several vendors have the operation resources.delete" in answer.stderr
    assert "--vendor zendesk_sunshine" in answer.stderr


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04xl/workbook", "excel_workbook"),
        (b"", "empty_file"),
        (b"Export of today\n\nRef,Body\n1,a\n2,b\n", "text_before_header"),
        (b"<html><table></table></html>", "web_page"),
        (b"%PDF-1.7 \x00 and so on", "binary_file"),
    ],
)
def test_a_file_that_cannot_be_used(
    shell: Shell, tmp_path: Path, content: bytes, code: str
) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    words = ("profile", "new", file, "--operation", "tickets.create", "--json")
    shell.world.put_profile({})
    as_planned = shell("plan", file, "--profile", "things", "--json").error["text"]

    error = shell(*words).error
    assert error["code"] == code
    assert error["text"].split(". ", 1)[1] == as_planned.split(". ", 1)[1]


def test_a_packed_file_and_a_result_file(shell: Shell, tmp_path: Path) -> None:
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(TICKETS.encode() * 1))
    answer = shell("profile", "new", packed, "--operation", "tickets.create")
    assert yaml.safe_load(answer.stdout)["name"] == "t"

    mended = tmp_path / "failed.csv"
    mended.write_text("Ref,Body,jobferry_row,jobferry_status\n1,'=a,7,failed\n")
    answer = shell("profile", "new", mended, "--operation", "tickets.create")
    assert list(yaml.safe_load(answer.stdout)["columns"]) == ["Ref", "Body"]


def test_an_old_encoding_is_said_and_doubted(shell: Shell, tmp_path: Path) -> None:
    connect(shell, "zendesk_support")
    file, out = tmp_path / "t.csv", tmp_path / "t.yaml"
    file.write_bytes("Ref,Body\n1,Grüße aus Köln\n".encode("cp1252"))
    words = ("--operation", "tickets.create", "--connection", "desk", "--out", out)
    document = shell("profile", "new", file, *words, "--json").document

    assert document["profile"]["encoding"] == "cp1252"
    assert "encoding" in [each["about"] for each in document["doubts"]]
    planned = plan_of(shell, out, file).document
    assert planned["first_record"]["comment"]["body"] == "Grüße aus Köln"


def test_only_the_first_rows_are_read(shell: Shell, csv_file: CsvFile) -> None:
    good = "".join(f"{n},open\n" for n in range(1_000))
    file = csv_file("Ticket,Status\n" + good + "x,what\n")
    answer = shell("profile", "new", file, "--operation", "tickets.update")

    assert "its header and 1,000 rows" in answer.stdout
    assert yaml.safe_load(answer.stdout)["columns"]["Ticket"]["type"] == "integer"


def test_a_file_that_is_there_is_not_overwritten(
    shell: Shell, csv_file: CsvFile, tmp_path: Path
) -> None:
    out = tmp_path / "p.yaml"
    out.write_text("mine")
    (tmp_path / "p-2.yaml").write_text("mine, too")
    answer = shell(
        *("profile", "new", csv_file(TICKETS), "--operation", "tickets.create"),
        *("--out", out, "--json"),
    )

    assert answer.code == 1
    assert answer.error["code"] == "file_exists"
    assert answer.error["next"].endswith(f"--out {tmp_path / 'p-3.yaml'}")
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    "value",
    ["2026-01-02", "2026-13-45", "2026-01-02T10:00:00Z", "{a: 2026-01-01}", ".nan", "[" * 1_500,
     "!!binary aGk="],
)  # fmt: skip
def test_a_constant_that_json_does_not_hold_is_the_text_as_typed(
    shell: Shell, csv_file: CsvFile, value: str
) -> None:
    words = ("profile", "new", csv_file(TICKETS), "--operation", "tickets.create")
    answer = shell(*words, "--constant", f"external_id={value}", "--json")
    assert answer.code == 0
    assert answer.document["profile"]["constants"] == {"external_id": value}
    assert yaml.safe_load(answer.document["yaml"])["constants"] == {"external_id": value}


def test_wrong_options(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(TICKETS)
    words = ("profile", "new", file, "--operation", "tickets.create")
    assert "is no name of a connection" in shell(*words, "--connection", "a b").stderr
    assert "is no FIELD=VALUE" in shell(*words, "--constant", "x").stderr
    due = csv_file("Body,Due\na,2026-03-31 09:30\n", "due.csv")
    words = ("profile", "new", due, "--operation", "tickets.create")
    nowhere = shell(*words, "--timezone", "Mars/Base")
    assert nowhere.code == 1
    assert "time zone" in nowhere.stderr
    assert shell(*words, "--out", file.parent / "none" / "p.yaml").code == 1


def test_on_a_terminal_it_asks(
    shell: Shell, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_new, "is_terminal", lambda: True)
    asked: list[str] = []

    def ask(question: str, choices: Sequence[str], default: str | None) -> str:
        asked.append(question)
        return "desk" if "connection" in question else choices[1]

    monkeypatch.setattr(profile_new, "ask", ask)
    file = csv_file("id,target_id,Note\n1,2,same\n")
    answer = shell("profile", "new", file, "--operation", "tickets.merge")

    assert len(asked) == 2
    assert yaml.safe_load(answer.stdout)["columns"]["Note"] == "source_comment"
    assert "connection: desk\n" in answer.stdout


def on_a_terminal(*words: object, typed: str) -> tuple[int, str]:
    """The command in a process of its own, with a terminal on stdin and stderr: how it ended, and
    what the terminal showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "from jobferry_cli.main import main; main()", *map(str, words)],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        with suppress(OSError):  # the other end is closed
            while block := os.read(ours, 1_000):
                shown += block
        os.close(ours)
        return process.wait(30), shown.decode()


def test_a_terminal_is_asked_and_an_answer_is_taken(csv_file: CsvFile, tmp_path: Path) -> None:
    out = tmp_path / "p.yaml"
    out.write_text("mine")
    file = csv_file("Agent,Skill\n1,a\n")
    words = ("profile", "new", file, "--operation", "agents.set_attributes", "--out", out)
    code, shown = on_a_terminal(*words, typed="desk\nnonsense\nupsert\nn\n")
    assert "Name of the connection" in shown
    assert "Overwrite it?" in shown
    assert code == 130
    assert out.read_text() == "mine"

    code, shown = on_a_terminal(*words, typed="desk\nupsert\ny\n")
    assert code == 0
    assert yaml.safe_load(out.read_text())["constants"] == {"action": "upsert"}


def test_what_the_file_is_called_cannot_break_the_comment(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(TICKETS, "a\nname: x.csv")
    answer = shell("profile", "new", file, "--operation", "tickets.create")

    assert yaml.safe_load(answer.stdout)["name"] == "a-name-x"
