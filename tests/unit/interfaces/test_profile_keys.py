"""What people and scripts rely on: the keys of a profile, what a cell becomes, the operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from tests.unit.cli.shell import Shell
from tests.unit.interfaces.test_files import rows, sent
from virtual.vendor import CREATE
from virtual.world import CONNECTION, PROFILE, sample_csv

CsvFile = Callable[..., Path]

THE_EXAMPLE = """
name: new-tickets
connection: acme
operation: tickets.create
columns:
  Subject: subject
  Body: comment.body
  Ref: external_id
  Priority: {field: priority, enum: [low, normal, high, urgent]}
  Tags: {field: tags, type: list, separator: "|"}
  Due: {field: due_at, type: datetime, optional: true}
constants: {brand_id: 360000123}
row_key: Ref
batch_size: 100
max_attempts: 3
"""


def test_the_example_of_a_profile(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    vendor, url = "zendesk_support", "https://acme.zendesk.com"
    shell.world.store.config.put_connection(Connection(CONNECTION, vendor, url))
    file = tmp_path / "p.yaml"
    file.write_text(THE_EXAMPLE)
    put = shell("profile", "put", file, "--strict", "--json")
    assert put.code == 0, put.stderr
    text = (
        "Subject,Body,Ref,Priority,Tags,Due\n"
        "s,b,r1,high,a|b,2026-03-31T09:30:00Z\n"
        "s,b,r2,low,a,\n"
        "s,b,r3,higher,a,\n"
        "s,b,r1,high,a|b,2026-03-31T09:30:00Z\n"
    )
    document = shell("plan", csv_file(text), "--profile", "new-tickets", "--json").document
    assert document["first_record"] == {
        "brand_id": 360000123,
        "subject": "s",
        "comment": {"body": "b"},
        "external_id": "r1",
        "priority": "high",
        "tags": ["a", "b"],
        "due_at": "2026-03-31T09:30:00Z",
    }
    assert (document["to_send"], document["rejected"], document["skipped"]) == (2, 1, 1)


def test_without_columns_every_header_is_a_field_path(shell: Shell) -> None:
    shell.world.put_profile({"columns": None})
    shell.world.processed("name,a.b.c\n1,x\n")
    assert sent(shell.world) == [{"name": "1", "a": {"b": {"c": "x"}}}]


CELLS: Mapping[str, tuple[dict[str, Any], str, Any]] = {
    "string": ({}, "007", "007"),
    "string_said": ({"type": "string"}, "007", "007"),
    "integer": ({"type": "integer"}, "12", 12),
    "number": ({"type": "number"}, "1.5", 1.5),
    "boolean": ({"type": "boolean"}, "false", False),
    "date": ({"type": "date"}, "2026-02-03", "2026-02-03"),
    "datetime": ({"type": "datetime"}, "2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
    "email": ({"type": "email"}, "a@b.example", "a@b.example"),
    "list": ({"type": "list", "separator": "|"}, "a|b", ["a", "b"]),
    "list_by_commas": ({"type": "list"}, '"a,b"', ["a", "b"]),
    "json": ({"type": "json"}, '"{""a"": [1]}"', {"a": [1]}),
    "format_and_timezone": (
        {"type": "datetime", "format": "%d.%m.%Y %H:%M", "timezone": "Europe/Oslo"},
        "03.02.2026 04:05",
        "2026-02-03T04:05:00+01:00",
    ),
    "format_of_a_date": ({"type": "date", "format": "%d.%m.%Y"}, "03.02.2026", "2026-02-03"),
    "decimal": ({"type": "number", "decimal": ","}, '"1,5"', 1.5),
    "values": ({"values": {"Hoch": "high"}}, "Hoch", "high"),
    "enum": ({"enum": ["low", "high"]}, "high", "high"),
    "empty_clear": ({"optional": True, "empty": "clear"}, "", None),
    "trim_false": ({"trim": False}, " a ", " a "),
}


@pytest.mark.parametrize("name", CELLS)
def test_profile_cell(shell: Shell, name: str) -> None:
    entry, cell, value = CELLS[name]
    columns = {"Ref": "name", "Cell": {"field": "cell", **entry}}
    shell.world.put_profile({"columns": columns})
    run = shell.world.processed(f"Ref,Cell\n1,{cell}\n")
    assert run.status == "completed", rows(shell, run)
    assert sent(shell.world) == [{"name": "1", "cell": value}]


WRONG = {
    "integer": "1.5",
    "number": "1e",
    "boolean": "perhaps",
    "date": "2026-02-30",
    "datetime": "soon",
    "email": "nobody",
    "json": "{",
}


@pytest.mark.parametrize("kind", WRONG)
def test_profile_cell_that_is_none_of_its_type_is_rejected(shell: Shell, kind: str) -> None:
    columns = {"Ref": "name", "Cell": {"field": "cell", "type": kind}}
    shell.world.put_profile({"columns": columns, "max_rejected": 1})
    run = shell.world.processed(f"Ref,Cell\n1,{WRONG[kind]}\n")
    assert [status for status, _ in rows(shell, run)] == ["rejected"]


@pytest.mark.parametrize(
    ("entry", "status", "record"),
    [
        ({}, "rejected", None),
        ({"optional": True}, "succeeded", {"name": "1"}),
        ({"optional": True, "empty": "leave"}, "succeeded", {"name": "1"}),
        ({"empty": "clear"}, "succeeded", {"name": "1", "cell": None}),
        ({"optional": True, "empty": "reject"}, "rejected", None),
    ],
    ids=["required", "optional", "leave", "clear", "reject"],
)
def test_profile_empty(
    shell: Shell, entry: dict[str, Any], status: str, record: dict[str, Any] | None
) -> None:
    columns = {"Ref": "name", "Cell": {"field": "cell", **entry}}
    shell.world.put_profile({"columns": columns, "max_rejected": 1})
    run = shell.world.processed("Ref,Cell\n1,\n")
    assert [found for found, _ in rows(shell, run)] == [status]
    assert sent(shell.world) == ([] if record is None else [record])


def test_profile_one_cell_for_several_fields(shell: Shell) -> None:
    entries = ["memo", {"field": "level", "type": "integer"}]
    shell.world.put_profile({"columns": {"Ref": "name", "N": entries}})
    shell.world.processed("Ref,N\n1,07\n")
    assert sent(shell.world) == [{"name": "1", "memo": "07", "level": 7}]


def test_profile_trim_false_of_an_entry(shell: Shell) -> None:
    columns = {"Ref": "name", "A": "a", "B": {"field": "b", "trim": False}}
    shell.world.put_profile({"columns": columns, "trim": True})
    shell.world.processed("Ref,A,B\n1, x , y \n")
    assert sent(shell.world) == [{"name": "1", "a": "x", "b": " y "}]


def test_profile_null_values(shell: Shell) -> None:
    columns = {"Ref": "name", "A": {"field": "a", "optional": True}}
    shell.world.put_profile({"columns": columns, "null_values": ["NULL", "#N/A"]})
    shell.world.processed("Ref,A\n1,NULL\n2,#N/A\n3,x\n")
    assert sent(shell.world) == [{"name": "1"}, {"name": "2"}, {"name": "3", "a": "x"}]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "mac_roman", "shift_jis"])
def test_profile_encoding(shell: Shell, encoding: str) -> None:
    name = "日本" if encoding == "shift_jis" else "Åse"
    shell.world.put_profile({"encoding": encoding})
    run = shell.world.processed(f"Name,Ref\n{name},1\n".encode(encoding))
    assert run.status == "completed", run.error
    assert sent(shell.world) == [{"name": name, "ref": "1"}]


def test_profile_encoding_utf_8_is_seen_when_it_is_there(shell: Shell) -> None:
    shell.world.put_profile({"encoding": "cp1252"})
    shell.world.processed("Name,Ref\nÅse Øå,1\n".encode())
    assert sent(shell.world) == [{"name": "Åse Øå", "ref": "1"}]


@pytest.mark.parametrize(
    ("changes", "names", "second"),
    [
        ({}, ["a"], ("skipped", "duplicate_row_key")),
        ({"on_duplicate": "first"}, ["a"], ("skipped", "duplicate_row_key")),
        ({"on_duplicate": "last"}, ["a"], ("succeeded", None)),
        ({"on_duplicate": "reject"}, ["a"], ("rejected", "duplicate_row_key")),
    ],
    ids=["unsaid", "first", "last", "reject"],
)
def test_profile_on_duplicate(
    shell: Shell, changes: dict[str, str], names: list[str], second: tuple[str, str | None]
) -> None:
    shell.world.put_profile({"row_key": "Ref", **changes})
    run = shell.world.processed("Name,Ref\na,1\na,1\n")
    assert rows(shell, run)[1] == second
    assert [record["name"] for record in sent(shell.world)] == names


def test_profile_conflicting_row_key_is_told(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    text = "Name,Ref\na,1\nb,1\n"
    run = shell.world.processed(text)
    assert rows(shell, run)[1] == ("skipped", "conflicting_row_key")
    (bad,) = shell("plan", csv_file(text), "--profile", PROFILE, "--json").document["bad_rows"]
    assert bad["error_code"] == "conflicting_row_key"


def test_profile_keys_are_compared_as_they_are_sent(shell: Shell) -> None:
    columns = {"Name": "name", "Ref": {"field": "ref", "type": "integer"}}
    shell.world.put_profile({"columns": columns, "row_key": "Ref"})
    run = shell.world.processed("Name,Ref\na,1\na,01\na, 1\n")
    assert [status for status, _ in rows(shell, run)] == ["succeeded", "skipped", "skipped"]


def test_profile_batch_size(shell: Shell) -> None:
    shell.world.put_profile({"batch_size": 2})
    shell.world.processed(sample_csv(5))
    assert [len(each.records) for each in shell.world.account.submissions] == [2, 2, 1]


def test_profile_batch_size_is_never_above_the_vendors_limit(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({"batch_size": 5_000})
    shell.world.processed(sample_csv(150))
    assert max(len(each.records) for each in shell.world.account.submissions) == 100


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_profile_max_attempts(shell: Shell, attempts: int) -> None:
    shell.world.account.result_of = lambda _record: RecordResult(
        OutcomeStatus.FAILED, code="DatabaseConflict", text="Somebody else."
    )
    shell.world.put_profile({"max_attempts": attempts})
    run = shell.world.processed(sample_csv(1))
    (row,) = shell("rows", run.run_id, "--json").documents
    assert (row["status"], row["attempts"]) == ("failed", attempts)


def test_profile_max_rejected(shell: Shell) -> None:
    text = "Name,Ref\n" + ",x\n" * 1_000 + "a,1\n"
    run = shell.world.processed(text)
    assert (run.status, bool(run.error)) == ("failed", True)
    shell.world.put_profile({"max_rejected": 1.0})
    assert shell.world.processed(text, name="b.csv").status == "completed_with_failures"


@pytest.mark.parametrize(
    "changes",
    [
        {"trim": True},
        {"null_values": ["NULL", "#N/A"]},
        {"encoding": "cp1252"},
        {"on_duplicate": "last", "row_key": "Ref"},
        {"order": "file", "row_key": "Ref"},
        {"max_attempts": 5},
        {"breaker": {"share": 0.25, "at_least": 10}},
        {"on_error": {"conflict": "fail"}},
        {"max_rejected": 0.9},
        {"row_items": "all"},
        {"batch_size": 7},
        {"constants": {"brand_id": 1}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_profile_key_is_put_and_shown(
    shell: Shell, tmp_path: Path, changes: dict[str, Any]
) -> None:
    file = tmp_path / "p.yaml"
    smallest = {"name": "p", "connection": CONNECTION, "operation": CREATE}
    columns = {"Name": "name", "Ref": "ref"}
    file.write_text(yaml.safe_dump({**smallest, "columns": columns, **changes}))
    put = shell("profile", "put", file, "--json")
    assert put.code == 0, put.stderr
    shown = shell("profile", "show", "p", "--json").document
    assert {name: shown[name] for name in changes} == changes


def test_profile_row_items(shell: Shell) -> None:
    """One item per row in the table, where the profile asks for it."""
    shell.world.put_profile({"row_items": "all"})
    run = shell.world.processed(sample_csv(3))
    items = [item for item in shell.world.table.items() if item["pk"].startswith("ROWS#")]
    assert len([item for item in items if run.run_id in item["pk"]]) == 3


# operations

SUPPORT = [
    *(f"tickets.{n}" for n in ("create", "update", "delete", "mark_as_spam", "import")),
    "tickets.delete_permanently",
    *(f"users.{n}" for n in ("create", "create_or_update", "update", "delete")),
    *(f"organizations.{n}" for n in ("create", "update", "delete")),
    *(f"organization_memberships.{n}" for n in ("create", "delete")),
    *(f"group_memberships.{n}" for n in ("create", "delete")),
    "agents.set_attributes",
    *(f"custom_objects.<key>.{n}" for n in ("create", "update", "delete")),
    *("custom_objects.<key>.delete_by_external_id",),
    "custom_objects.<key>.create_or_update_by_external_id",
]
SUNSHINE = [
    *(f"resources.{n}" for n in ("post", "update", "delete")),
    *("resources.external_id_set", "resources.external_id_delete"),
    *("relationships.post", "relationships.delete"),
]
OPERATIONS = {
    **dict.fromkeys(SUPPORT, "zendesk_support"),
    **dict.fromkeys(SUNSHINE, "zendesk_sunshine"),
    "jobs.create": "vidispine",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation(shell: Shell, tmp_path: Path, operation: str) -> None:
    """It is listed, with fields and limits, and a profile can name it."""
    vendor = OPERATIONS[operation]
    listed = {d["operation"]: d for d in shell("operations", vendor, "--json").documents}
    assert listed[operation]["max_records"] >= 1
    assert {"fields", "required", "max_bytes", "max_jobs"} <= set(listed[operation])

    shell.world.store.config.put_connection(Connection("desk", vendor, "https://acme.example"))
    file = tmp_path / "p.yaml"
    named = operation.replace("<key>", "vehicle")
    file.write_text(yaml.safe_dump({"name": "p", "connection": "desk", "operation": named}))
    put = shell("profile", "put", file, "--json")
    assert put.code == 0, put.stderr


def test_operation_jobs_create_fields(shell: Shell) -> None:
    (document,) = shell("operations", "vidispine", "--json").documents
    assert document["max_records"] == 1
    assert {"type", "priority"} <= set(document["fields"])
    assert any(field.startswith("jobmetadata.") for field in document["fields"])
