"""What `jobferry plan` shows beyond counts: records beside rows, consequences, page and CSV."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from jobferry.domain.connection import Connection
from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Notifies
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli import plan_text, planning
from jobferry_cli.moments import both_times
from jobferry_cli.plan_document import NOT_SENT, contents_of, side_by_side, undo_of
from jobferry_cli.plan_page import MOST_BAD_ROWS, plan_page
from jobferry_cli.resources import PART_BYTES
from tests.unit.cli.shell import Shell
from virtual.world import sample_csv

CsvFile = Callable[..., Path]


def desk(shell: Shell, operation: str, columns: dict[str, Any] | None, **more: Any) -> None:
    """The profile `things` for an operation of Zendesk Support."""
    shell.world.store.config.put_connection(
        Connection("desk", "zendesk_support", "https://acme.zendesk.com")
    )
    profile = {"connection": "desk", "operation": operation, "columns": columns, "constants": {}}
    shell.world.put_profile({**profile, **more})


def planned(shell: Shell, file: Path, *words: object) -> dict[str, Any]:
    answer = shell("plan", file, "--profile", "things", "--json", *words)
    assert answer.code == 0, answer.stderr
    return answer.document


# First records


def test_the_first_records_stand_beside_their_rows(shell: Shell, csv_file: CsvFile) -> None:
    document = planned(shell, csv_file(8))

    assert len(document["first_records"]) == 5
    assert document["first_records"][1] == {
        "row": 2,
        "cells": {"Name": "thing 2", "Ref": "r2"},
        "record": {"name": "thing 2", "ref": "r2"},
    }
    assert document["columns"] == [
        {"header": "Name", "fields": ["name"]},
        {"header": "Ref", "fields": ["ref"]},
    ]
    assert document["first_record"] == document["first_records"][0]["record"]
    people = shell("plan", csv_file(8), "--profile", "things").stdout
    assert 'Row 2 is sent as\n  Name: thing 2  ->  name: "thing 2"\n' in people


def test_records_of_jobs_with_one_row_and_rows_between_that_are_bad(
    shell: Shell, csv_file: CsvFile
) -> None:
    shell.world.put_profile({"batch_size": 2})
    file = csv_file("Name,Ref\n,bad\na,1\n,bad\nb,2\nc,3\nd,4\n,bad\ne,5\nf,6\n")

    assert [each["row"] for each in planned(shell, file)["first_records"]] == [2, 4, 5, 6, 8]


def test_a_record_beside_a_row_of_every_form(shell: Shell, csv_file: CsvFile) -> None:
    desk(
        shell,
        "tickets.create",
        {
            "Text": [{"field": "comment.body"}, {"field": "subject"}],
            "Plan": "custom_fields[360001]",
            "Due": {"field": "due_at", "type": "datetime", "optional": True},
        },
        constants={"priority": "low"},
    )
    file = csv_file("Text,Plan,Due,,Other,Other,jobferry_row\nhi,gold,,x,y,z,7\n")
    document = planned(shell, file)
    (first,) = document["first_records"]

    assert first["cells"] == {
        "Text": "hi",
        "Plan": "gold",
        "Due": "",
        "Column D": "x",
        "Other": "y",
        "Other (F)": "z",
    }
    assert list(side_by_side(first, document["columns"])) == [
        ("Text", "hi", "comment.body", "hi"),
        ("Text", "hi", "subject", "hi"),
        ("Plan", "gold", "custom_fields[360001]", "gold"),
        ("Due", "", "due_at", NOT_SENT),
        ("Column D", "x", None, NOT_SENT),
        ("Other", "y", None, NOT_SENT),
        ("Other (F)", "z", None, NOT_SENT),
        (None, "", "priority", "low"),
        (None, "", "external_id", "jobferry:<run>:1"),
    ]


def test_a_profile_without_columns(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"columns": None})
    document = planned(shell, csv_file("name,ref\na,1\n"))

    assert [each["fields"] for each in document["columns"]] == [["name"], ["ref"]]


# What it does that somebody may regret


@pytest.mark.parametrize(
    ("operation", "by", "deletes"),
    [
        ("tickets.create", "tickets.delete", False),
        ("tickets.update", None, False),
        ("tickets.delete", None, True),
        ("organizations.create", "organizations.delete", False),
    ],
)
def test_what_can_be_undone(operation: str, by: str | None, deletes: bool) -> None:
    found = BUILT_IN.named("zendesk_support").operations[operation]
    undo = undo_of(found)

    assert (undo["by"], undo["deletes"]) == (by, deletes)
    assert found.cannot_undo in undo["text"]


NOTIFIES = {
    name: operation.notifies
    for name, operation in BUILT_IN.named("zendesk_support").operations.items()
    if operation.notifies is not None
}


@pytest.mark.parametrize(
    ("operation", "record", "person"),
    [
        ("tickets.create", {"requester": {"email": "Ann@example.com"}}, "ann@example.com"),
        ("tickets.create", {"requester_id": 7}, "7"),
        ("tickets.create", {"subject": "no requester but the agent"}, None),
        (
            "tickets.create",
            {"requester_id": 7, "comment": {"body": "x", "public": False}},
            None,
        ),
        ("tickets.update", {"id": 7, "status": "solved"}, None),
        ("tickets.update", {"id": 7, "comment": {"body": "x"}}, "7"),
        ("tickets.update", {"id": 7, "comment": {"html_body": "x", "public": True}}, "7"),
        ("tickets.update", {"id": 7, "comment": {"body": "x", "public": False}}, None),
        ("tickets.update", {"id": 7, "comment": {"body": ""}}, None),
        ("tickets.update", {"id": 7, "comment": "odd"}, None),
        ("users.create", {"name": "Ann", "email": "ann@example.com"}, "ann@example.com"),
        ("users.create", {"name": "Ann"}, None),
        ("users.create", {"email": "a@b.com", "skip_verify_email": True}, None),
        ("users.create_or_update", {"email": "a@b.com"}, "a@b.com"),
    ],
)
def test_whom_a_record_may_notify(operation: str, record: JsonObject, person: str | None) -> None:
    found = NOTIFIES[operation].person(record)

    assert (found and found.partition(":")[2]) == person


@pytest.mark.parametrize("operation", ["tickets.import", "tickets.delete", "organizations.create"])
def test_what_notifies_nobody(operation: str) -> None:
    assert operation not in NOTIFIES


def test_a_person_is_nobody_where_no_field_names_one() -> None:
    assert Notifies("user", "mails").person({"email": "a@b.com"}) is None


def test_people_who_may_be_notified_are_counted(shell: Shell, csv_file: CsvFile) -> None:
    columns = {
        "Body": "comment.body",
        "Mail": {"field": "requester.email", "optional": True},
        "Public": {"field": "comment.public", "type": "boolean", "optional": True},
    }
    desk(shell, "tickets.create", columns)
    file = csv_file(
        "Body,Mail,Public\na,ann@b.com,\nb,ANN@b.com,\nc,bob@b.com,\nd,,\n,cid@b.com,\n"
        "e,dan@b.com,no\n"
    )
    notifies = planned(shell, file)["notifies"]

    assert (notifies["people"], notifies["rows"]) == (2, 3)
    people = shell("plan", file, "--profile", "things").stdout
    assert "Notifies  up to 2 requesters, by 3 rows. Zendesk's triggers may mail them" in people
    desk(shell, "tickets.create", columns, constants={})
    desk(shell, "tickets.import", columns)
    assert planned(shell, file)["notifies"] is None


@pytest.mark.parametrize(
    ("constants", "people"),
    [
        ({}, 2),
        ({"comment.public": False}, None),
        ({"comment": {"public": False}}, None),
        ({"priority": "low"}, 2),
        ({"comment.body": "the same for all"}, 3),
        ({"comment.body": ""}, 2),
    ],
)
def test_constants_decide_as_well(
    shell: Shell, csv_file: CsvFile, constants: dict[str, Any], people: int | None
) -> None:
    columns: dict[str, Any] = {"Ticket": "id"}
    if "comment" not in constants:
        columns["Note"] = {"field": "comment.html_body", "optional": True}
    desk(shell, "tickets.update", columns, constants=constants)
    file = csv_file("Ticket,Note\n1,a\n2,b\n3,\n1,a\n")
    notifies = planned(shell, file)["notifies"]

    assert (notifies and notifies["people"]) == people


def test_a_result_file_and_a_profile_without_columns_name_people_too(
    shell: Shell, csv_file: CsvFile
) -> None:
    desk(shell, "users.create", {"Name": "name", "=Mail": "email"})
    file = csv_file("Name,'=Mail,jobferry_row\nAnn,ann@b.com,1\nBob,bob@b.com,2\n")
    assert planned(shell, file)["notifies"]["people"] == 2
    desk(shell, "users.create", None)
    file = csv_file("name,email\nAnn,ann@b.com\nBob,\n")
    assert planned(shell, file)["notifies"]["people"] == 1


def test_an_update_without_comments_notifies_nobody(shell: Shell, csv_file: CsvFile) -> None:
    desk(shell, "tickets.update", {"Ticket": "id", "Status": "status"})
    file = csv_file("Ticket,Status\n1,open\n2,open\n")

    assert planned(shell, file)["notifies"] is None
    assert "Notifies" not in shell("plan", file, "--profile", "things").stdout


def test_duplicates_and_conflicts_are_counted(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    file = csv_file("Name,Ref\na,r1\na,r1\na,r1\nb,r1\nc,r2\n")
    document = planned(shell, file)

    assert (document["duplicates"], document["conflicts"]) == (2, 1)
    people = shell("plan", file, "--profile", "things").stdout
    assert "Repeats   2 rows as another one is, 1 row with the row_key of another one" in people


def test_the_same_file_was_sent_before(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(3)
    assert planned(shell, file)["same_content"] is None
    run_id = shell("run", file, "--profile", "things", "--wait", "--json").document["run_id"]

    before = planned(shell, file)["same_content"]
    assert before["run_id"] == run_id
    people = shell("plan", file, "--profile", "things").stdout
    assert f"Warning   The very same content was sent by the run {run_id} with this pro" in people
    assert planned(shell, csv_file(4, "other.csv"))["same_content"] is None
    # And so a run of it is paused.
    again = shell("run", file, "--profile", "things", "--wait", "--json").document
    assert again["status"] == "paused"


@pytest.mark.parametrize("size", [0, 5, PART_BYTES // 2 + 1, PART_BYTES, PART_BYTES + 3])
def test_the_content_of_a_file_as_s3_names_it(tmp_path: Path, size: int) -> None:
    file = tmp_path / "f"
    data = b"x" * size
    file.write_bytes(data)
    parts = [data[at : at + PART_BYTES] for at in range(0, size, PART_BYTES)]
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    of_parts = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    whole = hashlib.md5(data, usedforsecurity=False).hexdigest()

    found = contents_of(file)
    assert f"{whole}-{size}" in found
    assert (f"{of_parts}-{len(parts)}-{size}" in found) == (size >= PART_BYTES)


def test_times_are_shown_as_the_local_clock_has_them() -> None:
    oslo = timezone(timedelta(hours=2), "CEST")
    assert both_times("2026-03-31T09:30:00.000Z", oslo) == "2026-03-31 09:30 UTC (11:30 CEST)"
    late = both_times("2026-03-31T23:30:00Z", oslo)
    assert late == "2026-03-31 23:30 UTC (2026-04-01 01:30 CEST)"
    assert both_times("2026-03-31T09:30:00Z", UTC) == "2026-03-31 09:30 UTC"


# Rows that would not be sent

MANY = (
    "Name,Ref\n" + "".join(f",r{n}\n" for n in range(60)) + "".join(f"n,g{n}\n" for n in range(60))
)


def test_every_bad_row_is_printed_unless_to_a_terminal(
    shell: Shell, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("plan", csv_file(MANY), "--profile", "things")
    assert shell(*words).stdout.count("  rejected  ") == 60

    monkeypatch.setattr(planning, "shows_people", lambda: True)
    shown = shell(*words).stdout
    assert shown.count("  rejected  ") == plan_text.BAD_ROWS_FOR_PEOPLE
    assert "and 10 more; --out FILE.csv writes all, --all prints them" in shown
    assert shell(*words, "--all").stdout.count("  rejected  ") == 60


def read_csv(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_that_would_not_be_sent_are_mended_and_dropped_in_again(
    shell: Shell, csv_file: CsvFile, tmp_path: Path
) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    file = csv_file('Name,Ref,More\n,r1,=1+1\nb,r2,\n,"r,3",é\nb,r2,\n"x" y,r5,\n')
    out = tmp_path / "rejected.csv"
    document = planned(shell, file, "--out", out)

    assert document["out"] == [str(out)]
    rows = read_csv(out)
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [(each["jobferry_row"], each["jobferry_status"]) for each in rows] == [
        ("1", "rejected"),
        ("3", "rejected"),
        ("4", "skipped"),
        ("5", "rejected"),
    ]
    assert (rows[0]["More"], rows[1]["Ref"], rows[1]["More"]) == ("'=1+1", "r,3", "é")
    assert rows[0]["jobferry_error_code"] == "missing_value"
    out.write_text(out.read_text("utf-8-sig").replace("\n,", "\nmended,"), encoding="utf-8-sig")
    again = planned(shell, out)
    assert again["to_send"] == 4
    assert again["first_records"][0]["record"] == {"name": "mended", "ref": "r1"}


def test_what_is_written_is_what_the_run_would_write(
    shell: Shell, csv_file: CsvFile, tmp_path: Path
) -> None:
    file = csv_file("Name;Ref;More\n;r1;=x\nb;r2;\n;r3;'-y\n;r4\n")
    out = tmp_path / "rejected.csv"
    planned(shell, file, "--out", out)
    run = shell("run", file, "--profile", "things", "--wait", "--json").document
    shell("results", run["run_id"], "--out", tmp_path / "results")

    assert out.read_bytes() == (tmp_path / "results" / "rejected.csv").read_bytes()
    assert not out.read_bytes().startswith(b"\xef\xbb\xbf")


def test_rows_of_a_packed_file_and_of_another_encoding(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({"encoding": "cp1252"})
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress("Name,Ref\n,Grüße\na,b\n".encode("cp1252")))
    planned(shell, file, "--out", tmp_path / "r.csv")

    assert [each["Ref"] for each in read_csv(tmp_path / "r.csv")] == ["Grüße"]


def test_a_clean_file_has_a_header_alone(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    planned(shell, csv_file(3), "--out", tmp_path / "r.csv")

    assert read_csv(tmp_path / "r.csv") == []


# Where it is written


def test_a_folder_gets_both(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    file = csv_file(MANY)
    for out in (tmp_path / "new" / "deep", f"{tmp_path}/other/", tmp_path / "new" / "deep"):
        document = planned(shell, file, "--out", out)
        assert [Path(path).name for path in document["out"]] == ["plan.html", "plan-rejected.csv"]
        assert all(Path(path).exists() for path in document["out"])
    answer = shell("plan", file, "--profile", "things", "--out", tmp_path / "new")
    assert f"Written: {tmp_path / 'new' / 'plan.html'}" in answer.stderr


def test_no_file_of_others_is_overwritten(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    file = csv_file(3)
    answer = shell("plan", file, "--profile", "things", "--out", file, "--json")

    assert answer.code == 1
    assert answer.error["code"] == "file_exists"
    assert answer.error["next"].endswith(f"--out {tmp_path / 'plan-rejected.csv'}")
    assert file.read_text() == sample_csv(3)


def test_what_is_no_place_to_write_to(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    wrong = shell("plan", csv_file(3), "--profile", "things", "--out", "plan.pdf")
    assert wrong.code == 1
    assert "neither a .html, a .csv, nor a folder" in wrong.stderr
    (tmp_path / "file").write_text("")
    taken = shell("plan", csv_file(3), "--profile", "things", "--out", tmp_path / "file" / "p.html")
    assert taken.code == 1
    assert "cannot be written" in taken.stderr


# The page

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def page_of(shell: Shell, file: Path, tmp_path: Path) -> str:
    planned(shell, file, "--out", tmp_path / "plan.html")
    return (tmp_path / "plan.html").read_text(encoding="utf-8")


def test_the_page_shows_what_the_terminal_does(
    shell: Shell, csv_file: CsvFile, tmp_path: Path
) -> None:
    page = page_of(shell, csv_file(MANY), tmp_path)
    text = re.sub(r"<[^>]+>", "", page)

    assert "60 of 120 rows would be sent, 60 not." in text
    assert "60 rows would not be sent" in text
    assert "Name: must not be empty." in text
    assert "default-src &#x27;none&#x27;" in page
    assert "<script" not in page
    assert "jobferry run" in text
    assert "about 60 rows" in text or "all of them" in text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("Name,Ref\n", "The file has no rows"),
        ("Name,Ref\na,b\n", "All of 1 row would be sent"),
        ("Name,Ref\n,b\n", "None of 1 row would be sent"),
    ],
)
def test_the_page_begins_with_one_sentence(
    shell: Shell, csv_file: CsvFile, tmp_path: Path, content: str, sentence: str
) -> None:
    shell.world.put_profile({"max_rejected": 1})
    assert sentence in page_of(shell, csv_file(content), tmp_path)


def test_the_table_of_the_page_is_bounded(shell: Shell, csv_file: CsvFile, tmp_path: Path) -> None:
    shell.world.put_profile({"max_rejected": 1})
    file = csv_file("Name,Ref\n" + ",r\n" * (MOST_BAD_ROWS + 7))
    planned(shell, file, "--out", tmp_path)
    page = (tmp_path / "plan.html").read_text()

    assert page.count("missing_value") == MOST_BAD_ROWS
    assert "and 7 more rows; plan-rejected.csv has all of them" in page
    assert len(read_csv(tmp_path / "plan-rejected.csv")) == MOST_BAD_ROWS + 7


def test_foreign_texts_stay_texts(shell: Shell, tmp_path: Path) -> None:
    header, cell = f'"{HOSTILE.replace(chr(34), chr(34) * 2)}"', '"\u202e=cmd|x\x1b[2J"'
    shell.world.put_profile({"columns": {"Name": "name", "Ref": "ref"}})
    file = tmp_path / "a<b>`c`.csv"
    file.write_text(f"Name,Ref,{header}\n{cell},r1,{cell}\n,r2,x\n", encoding="utf-8")
    page = page_of(shell, file, tmp_path)

    assert "<script" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "a&lt;b&gt;" in page
    assert "\x1b" not in shell("plan", file, "--profile", "things").stdout


def test_a_page_can_be_made_of_the_document_that_scripts_get(
    shell: Shell, csv_file: CsvFile
) -> None:
    document = json.loads(json.dumps(planned(shell, csv_file(MANY))))

    assert plan_page(document).startswith("<!doctype html>")
    assert plan_text.lines(document, every_row=True)[-1] == "Nothing was sent."
