"""What people and scripts rely on: which rows a file has, what of a cell is sent, result files."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from tests.unit.cli.shell import Shell
from virtual.world import INBOX, PROFILE, World, sample_csv

CsvFile = Callable[..., Path]

BOM = b"\xef\xbb\xbf"
ADDED = [
    *("jobferry_row", "jobferry_status", "jobferry_vendor_id", "jobferry_error_code"),
    "jobferry_error",
]


def sent(world: World) -> list[dict[str, Any]]:
    """What reached the vendor, in the order of the file."""
    return [dict(record) for each in world.account.submissions for record in each.records]


def rows(shell: Shell, run: Run) -> list[tuple[str, str | None]]:
    documents = shell("rows", run.run_id, "--json").documents
    return [(document["status"], document["error_code"]) for document in documents]


def dropped(shell: Shell, key: str, body: bytes) -> Run:
    """The run of what somebody put into the inbox under this key."""
    version = shell.world.objects.upload(INBOX, key, body)
    return shell.world.execute(RunRequest(key.split("/")[1], INBOX, key, version))


# rows


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Name,Ref\na,1\n\n\nb,2\n\n", ["a", "b"]),
        ("Name,Ref\na,1\n,\n  ,\t\nb,2\n", ["a", "b"]),
        ("\n\nName,Ref\na,1\n", ["a"]),
    ],
    ids=["files_blank_lines", "files_blank_rows", "files_blank_lines_above_the_header"],
)
def test_what_is_blank_is_no_row(shell: Shell, text: str, names: list[str]) -> None:
    run = shell.world.processed(text)
    assert (run.status, run.rows) == ("completed", len(names))
    assert [record["name"] for record in sent(shell.world)] == names


@pytest.mark.parametrize(
    "text",
    [
        "Name,Ref,Name\na,1,b\n",
        "Name,Other\na,1\n",
        "",
        "a,1\nb,2\n",
        "Export of today\n\nName,Ref\na,1\n",
    ],
    ids=[
        "files_mapped_header_twice",
        "files_missing_mapped_column",
        "files_empty",
        "files_no_header",
        "files_text_before_the_header",
    ],
)
def test_the_file_is_refused(shell: Shell, csv_file: CsvFile, text: str) -> None:
    run = shell.world.processed(text)
    document = shell("status", run.run_id, "--json").document
    assert (document["status"], document["rows"]) == ("failed", 0)
    assert document["error"]
    assert not shell.world.account.submissions
    planned = shell("plan", csv_file(text), "--profile", PROFILE, "--json")
    assert (planned.code, bool(planned.error["text"])) == (1, True)


def test_a_header_twice_that_nobody_maps_is_no_matter(shell: Shell) -> None:
    assert shell.world.processed("Name,Ref,X,X\na,1,,\n").status == "completed"


def test_files_repeated_header(shell: Shell) -> None:
    run = shell.world.processed("Name,Ref\na,1\nName,Ref\n Name ,Ref\nb,2\n")
    assert rows(shell, run) == [
        ("succeeded", None),
        ("rejected", "repeated_header"),
        ("rejected", "repeated_header"),
        ("succeeded", None),
    ]


def test_files_cells_missing_at_the_end_are_empty(shell: Shell) -> None:
    columns = {"Name": "name", "Ref": "ref", "Note": {"field": "memo", "optional": True}}
    shell.world.put_profile({"columns": columns})
    run = shell.world.processed("Name,Ref,Note\na,1\nb,2\nc,3\n")
    assert run.status == "completed"
    assert sent(shell.world) == [{"name": n, "ref": r} for n, r in ("a1", "b2", "c3")]


def test_files_a_row_is_never_sent_shifted(shell: Shell) -> None:
    run = shell.world.processed("Name,Ref\na,1\nb,c,2\nd,4\n")
    assert [status for status, _ in rows(shell, run)] == ["succeeded", "rejected", "succeeded"]
    assert sent(shell.world) == [{"name": "a", "ref": "1"}, {"name": "d", "ref": "4"}]


@pytest.mark.parametrize(
    "cell", ["007", "  a  ", "\u00a0", "e\u0301", "\u200b", "😀", "a\nb", "=1+1", "\u202edcba"]
)
def test_files_strings_are_carried_exactly(shell: Shell, cell: str) -> None:
    text = StringIO()
    csv.writer(text).writerows([["Name", "Ref"], [f"x{cell}x", "1"], [f"{cell}x{cell}", "2"]])
    shell.world.processed(text.getvalue())
    assert [record["name"] for record in sent(shell.world)] == [f"x{cell}x", f"{cell}x{cell}"]


@pytest.mark.parametrize("around", [" ", "\u00a0", "\u200b", "\ufeff", "\t"])
def test_files_other_cells_are_read_without_blanks_at_their_ends(shell: Shell, around: str) -> None:
    columns = {
        "Ref": "name",
        "Enum": {"field": "level", "enum": ["low", "high"]},
        "Number": {"field": "number", "type": "integer"},
        "Date": {"field": "date", "type": "date"},
        "Yes": {"field": "yes", "type": "boolean"},
        "Mail": {"field": "mail", "type": "email"},
        "Text": "text",
    }
    shell.world.put_profile({"columns": columns, "row_key": "Ref"})
    cells = ["k", "high", "7", "2026-01-02", "true", "a@b.example", "t"]
    body = ",".join(f"{around}{cell}{around}" for cell in cells)
    run = shell.world.processed(",".join(columns) + f"\n{body}\n")
    assert run.status == "completed", rows(shell, run)
    assert sent(shell.world) == [
        {
            "name": "k",
            "level": "high",
            "number": 7,
            "date": "2026-01-02",
            "yes": True,
            "mail": "a@b.example",
            "text": f"{around}t{around}",
        }
    ]


@pytest.mark.parametrize(
    "header",
    ["  Name ,Ref", "\u200bName\u00a0,Ref", "\ufeffName,Ref"],
    ids=["blank", "zwsp", "bom"],
)
def test_files_names_in_the_header_are_read_without_them(shell: Shell, header: str) -> None:
    assert shell.world.processed(f"{header}\na,1\n").status == "completed"


def test_files_names_in_the_header_match_after_normalisation(shell: Shell) -> None:
    shell.world.put_profile({"columns": {"Caf\u00e9": "name", "Ref": "ref"}})
    assert shell.world.processed("Cafe\u0301,Ref\na,1\n").status == "completed"


def test_files_trim_does_it_for_all_cells(shell: Shell) -> None:
    shell.world.put_profile({"trim": True})
    shell.world.processed("Name,Ref\n  a ,\u200b1\n")
    assert sent(shell.world) == [{"name": "a", "ref": "1"}]


# the inbox


@pytest.mark.parametrize("name", ["A.CSV", "a.csv.gz", "a.tsv", "a.csv", "a.CSV.GZ"])
def test_inbox_takes(shell: Shell, name: str) -> None:
    body = "Name\tRef\na\t1\n" if name.endswith("tsv") else "Name,Ref\na,1\n"
    packed = name.lower().endswith("gz")
    data = gzip.compress(body.encode()) if packed else body.encode()
    run = dropped(shell, f"inbox/{PROFILE}/{name}", data)
    assert run.status == "completed"
    assert sent(shell.world) == [{"name": "a", "ref": "1"}]


@pytest.mark.parametrize("name", ["A.CSV", "a.csv.gz", "a.tsv", "a b.csv"])
def test_run_takes_what_the_inbox_takes(shell: Shell, tmp_path: Path, name: str) -> None:
    text = sample_csv(3).replace(",", "\t") if name == "a.tsv" else sample_csv(3)
    body = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    (tmp_path / name).write_bytes(body)
    answer = shell("run", tmp_path / name, "--profile", PROFILE, "--wait", "--json")
    assert answer.code == 0, answer.stderr
    assert (answer.document["status"], answer.document["rows"]) == ("completed", 3)
    assert answer.document["source"]["key"].startswith(f"inbox/{PROFILE}/")


@pytest.mark.parametrize(
    "name", ["a.xlsx", "a.txt", "a", "a.json", "a.csv.zip", "a.csv.gz", "a.csv"]
)
def test_inbox_says_why_it_takes_no_other(shell: Shell, name: str) -> None:
    run = dropped(shell, f"inbox/{PROFILE}/{name}", b"PK\x03\x04\x00\x00binary")
    document = shell("status", run.run_id, "--json").document
    assert (document["status"], document["profile"]) == ("failed", PROFILE)
    assert document["error"]
    assert [d["run_id"] for d in shell("runs", "--json").documents] == [run.run_id]


@pytest.mark.parametrize("key", ["inbox/x.csv", "inbox//x.csv", "inbox/a b/x.csv"])
def test_inbox_a_key_without_a_profiles_name_is_unknown(shell: Shell, key: str) -> None:
    version = shell.world.objects.upload(INBOX, key, b"Name,Ref\na,1\n")
    run = shell.world.execute(RunRequest("unknown", INBOX, key, version))
    document = shell("runs", "--profile", "unknown", "--json").document
    assert (document["run_id"], document["status"]) == (run.run_id, "failed")
    assert document["error"]


# result files


def results(shell: Shell, run: Run, folder: Path) -> dict[str, bytes]:
    answer = shell("results", run.run_id, "--out", folder, "--json")
    assert answer.code == 0, answer.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def table(data: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(data.decode("utf-8-sig"), newline="")))


def fails(*refs: str) -> Callable[[Any], RecordResult]:
    """The vendor refuses these records."""

    def result_of(record: Any) -> RecordResult:
        if record["ref"] in refs:
            return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="Name: is wrong")
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="9")

    return result_of


def test_result_files_keep_every_column_and_add_these(shell: Shell, tmp_path: Path) -> None:
    shell.world.account.result_of = fails("002")
    run = shell.world.processed('Ref,Extra,Name\n001,"x, y", a \n002,,b\n003,z,\n')
    files = results(shell, run, tmp_path)
    header = ["Ref", "Extra", "Name", *ADDED]
    assert table(files["succeeded.csv"]) == [
        header,
        ["001", "x, y", " a ", "1", "succeeded", "9", "", ""],
    ]
    assert table(files["failed.csv"]) == [
        header,
        ["002", "", "b", "2", "failed", "", "Invalid", "Name: is wrong"],
    ]
    (_, row) = table(files["rejected.csv"])
    assert row[:7] == ["003", "z", "", "3", "rejected", "", "missing_value"]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Name,Ref\na\u00e9,1\nb,2\n", {"succeeded.csv"}),
        ("Name,Ref\na,1\nb\u20ac,2\n", {"failed.csv"}),
        ("Name,Ref,\u00d8\na,1,\nb,2,\n", {"succeeded.csv", "failed.csv"}),
        ("Name,Ref\na,1\nb,2\n", set()),
    ],
)
def test_result_files_begin_with_a_mark_where_they_hold_more_than_ascii(
    shell: Shell, tmp_path: Path, text: str, marked: set[str]
) -> None:
    shell.world.account.result_of = fails("2")
    files = results(shell, shell.world.processed(text), tmp_path)
    for name in ("succeeded.csv", "failed.csv"):
        assert not files[name].isascii() or name not in marked
        assert files[name].startswith(BOM) is (name in marked)


def test_result_files_can_be_dropped_in_again(shell: Shell, tmp_path: Path) -> None:
    shell.world.account.result_of = fails("2")
    run = shell.world.processed("Name,Ref\na,1\nb\u00e9,2\n")
    again = results(shell, run, tmp_path)["failed.csv"]
    shell.world.account.result_of = fails()
    mended = shell.world.processed(again, name="again.csv")
    assert (mended.status, mended.rows) == ("completed", 1)
    assert sent(shell.world)[-1] == {"name": "b\u00e9", "ref": "2"}
    # Their columns are of the new run, and stand there once.
    (header, row) = table(results(shell, mended, tmp_path / "again")["succeeded.csv"])
    assert header == ["Name", "Ref", *ADDED]
    assert row == ["b\u00e9", "2", "1", "succeeded", "9", "", ""]


def test_result_files_columns_are_ignored_by_a_profile_without_columns(
    shell: Shell, tmp_path: Path
) -> None:
    """Where every header is a field, these are none."""
    shell.world.put_profile({"columns": None})
    shell.world.account.result_of = fails("2")
    run = shell.world.processed("name,ref\na,1\nb,2\n")
    again = results(shell, run, tmp_path)["failed.csv"]
    mended = shell.world.processed(again, name="again.csv")
    assert mended.rows == 1
    assert sent(shell.world)[-1] == {"name": "b", "ref": "2"}
