"""`jobferry undo` of a run with a snapshot: the file that puts back what it changed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.csvfile.mapping import compile_mapping
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.lane.keep_records import snapshot_key
from jobferry.vendors.answers import RecordsRead, Refused
from jobferry.vendors.operation import Operation
from tests.unit.cli.shell import Shell
from virtual.vendor import NOTE, UPDATE
from virtual.world import sample_csv


def told(record: JsonObject) -> RecordResult:
    match record["ref"]:
        case "r2":
            return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="no")
        case "r3":
            return RecordResult(OutcomeStatus.UNKNOWN, code="result_missing", text="?")
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=f"id-{record['ref']}")


@pytest.fixture
def run(shell: Shell) -> Run:
    """Row 2 failed, 3 is unknown, 5 was not there, 6 is rejected."""
    shell.world.account.result_of = told
    shell.world.account.knows = lambda record: record["ref"] != "r5"
    shell.world.put_profile({"operation": UPDATE, "snapshot": True, "max_attempts": 1})
    return shell.world.processed(sample_csv(5) + ",nameless\n")


def cells(path: Path | str) -> list[list[str]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def records(document: dict[str, Any]) -> list[JsonObject]:
    """What the written file would send, by the written profile."""
    profile = Profile.from_document(
        validate(yaml.safe_load(Path(document["profile"]).read_text())), 1
    )
    header, *rows = cells(document["csv"])
    mapping = compile_mapping(profile, header)
    return [mapping.record(row) for row in rows]


def keep(shell: Shell, run: Run, before: dict[int, Any]) -> None:
    """As if these records had been kept of a run of one chunk."""
    rows = [[row, record] for row, record in before.items()]
    shell.world.objects.put_json(snapshot_key(run.run_id, 1), {"taken_at": "…", "rows": rows})


def old(record_id: str | int, **fields: Any) -> JsonObject:
    return {"id": record_id, "fields": fields, "lost": []}


def test_rows_that_changed_something_or_may_have_are_put_back(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert answer.code == 3
    document = answer.document
    assert records(document) == [
        {"id": "id-r1", "name": "old r1"},
        {"id": "id-r3", "name": "old r3"},
        {"id": "id-r4", "name": "old r4"},
    ]
    assert (document["rows"], document["cannot"], document["undone_by"]) == (3, 1, UPDATE)
    assert cells(document["cannot_csv"])[1:] == [
        ["5", "succeeded", "id-r5", "", "There was no such record before."]
    ]


def test_its_profile_changes_the_same_records_on_the_same_connection(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document
    profile = yaml.safe_load(Path(document["profile"]).read_text())

    assert (profile["connection"], profile["operation"]) == (run.connection, UPDATE)
    assert profile["row_key"] == "id"
    assert profile["columns"]["name"] == {"field": "name", "empty": "clear"}
    assert document["next"][0] == f"jobferry profile put {document['profile']}"


def test_people_are_told_what_becomes_of_it(shell: Shell, run: Run, tmp_path: Path) -> None:
    said = shell("undo", run.run_id, "--out", tmp_path).stdout

    assert f"3 records of run {run.run_id} can be put back as they were by {UPDATE}" in said
    assert "Nothing has been sent." in said
    assert "overwritten" in said


def test_what_nothing_puts_back_is_told(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({"operation": UPDATE, "snapshot": True, "constants": {NOTE: "hello"}})
    run = shell.world.processed(sample_csv(2))
    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert f"{NOTE} of 2 rows: nothing puts it back" in answer.stdout
    assert shell("undo", run.run_id, "--out", tmp_path, "--json").document["lost"] == {NOTE: 2}


VALUES: list[Any] = [
    None,
    "plain",
    "",
    "  blanks  ",
    " ",
    "007",
    "1E5",
    "=cmd|'/C calc'!A0",
    "x;=1",
    "'=1",
    "-1+2",
    "line one\nline two",
    "Grüße",
    "GrÃ¼ÃŸe",
    "null",
    "true",
    '"quoted"',
    "2026-01-01",
    0,
    -5,
    12345678901234567890,
    1.0,
    2.5,
    True,
    False,
    [],
    ["a", "b, c"],
    {"a": {"b": [1, None]}},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:30])
@pytest.mark.parametrize("beside", [None, "text", 7, True, ["x"], "missing"], ids=str)
def test_any_value_comes_back_as_it_was(
    shell: Shell, tmp_path: Path, value: Any, beside: Any
) -> None:
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    run = shell.world.processed(sample_csv(2))
    other = old("b", size=1) if beside == "missing" else old("b", size=1, thing=beside)
    keep(shell, run, {1: old("a", thing=value, size=2), 2: other})
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document
    assert document["rows"] == 2

    first, second = records(document)

    assert json.dumps(first, sort_keys=True) == json.dumps({"id": "a", "size": 2, "thing": value})
    expected = {"id": "b", "size": 1} | ({} if beside == "missing" else {"thing": beside})
    assert json.dumps(second, sort_keys=True) == json.dumps(expected)


def test_fields_inside_others_come_back(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    run = shell.world.processed(sample_csv(2))
    first = {"custom_fields[11]": "x", "user_fields.plan": None}
    keep(shell, run, {1: old(1, **first), 2: old(2, **{"user_fields.plan": "gold"})})
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document

    assert records(document) == [
        {"id": "1", "custom_fields": [{"id": 11, "value": "x"}], "user_fields": {"plan": None}},
        {"id": "2", "user_fields": {"plan": "gold"}},
    ]


def test_a_record_that_two_rows_change_is_put_back_once(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    run = shell.world.processed(sample_csv(3))
    keep(shell, run, {1: old("a", name="1"), 2: old("b", name="2"), 3: old("a", name="new")})
    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert records(answer.document) == [{"id": "a", "name": "1"}, {"id": "b", "name": "2"}]
    assert [row[-1] for row in cells(answer.document["cannot_csv"])[1:]] == [
        "Row 1 changes the same record: what it was before both is put back with that row."
    ]


def test_of_two_rows_of_a_record_the_older_snapshot_counts(shell: Shell, tmp_path: Path) -> None:
    """Jobs may go in another order than the file's, and rows of one record send other fields."""
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    run = shell.world.processed(sample_csv(4))
    archive = shell.world.objects
    archive.delete(snapshot_key(run.run_id, 1))
    for chunk, taken_at, rows in (
        (1, "2026-01-01T00:00:05Z", {1: old("a", name="of row 4"), 2: old("b", name="b")}),
        (2, "2026-01-01T00:00:03Z", {3: old("a", name="of row 4", size=1)}),
        (3, "2026-01-01T00:00:01Z", {4: old("a", name="first", thing="x")}),
    ):
        kept = {"taken_at": taken_at, "rows": [[row, record] for row, record in rows.items()]}
        archive.put_json(snapshot_key(run.run_id, chunk), kept)
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document

    assert records(document) == [
        {"id": "a", "name": "first", "size": 1, "thing": "x"},
        {"id": "b", "name": "b"},
    ]
    assert (document["rows"], document["cannot"]) == (2, 2)


def test_of_a_row_that_went_again_the_first_snapshot_counts(shell: Shell, tmp_path: Path) -> None:
    shell.world.account.poison = lambda record: record["ref"] == "r2"
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    run = shell.world.processed(sample_csv(4))
    later = shell.world.objects.keys(f"snapshots/{run.run_id}/")[1:]
    assert later
    for key in later:
        document = shell.world.objects.get_json(key)
        rows = [[row, old("x", name="changed")] for row, _ in document["rows"]]
        shell.world.objects.put_json(key, {**document, "rows": rows})

    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document

    assert [record["name"] for record in records(document)] == ["old r1", "old r3", "old r4"]

    # A chunk that was claimed and never sent has none: then what went again is the first.
    shell.world.objects.delete(snapshot_key(run.run_id, 1))
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document
    assert (document["rows"], document["cannot"]) == (1, 2)


def test_what_is_no_longer_kept_is_told(shell: Shell, run: Run, tmp_path: Path) -> None:
    for key in shell.world.objects.keys("snapshots/"):
        shell.world.objects.delete(key)
    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert answer.code == 1
    document = answer.document
    assert (document["rows"], document["cannot"], document["next"]) == (0, 4, [])
    reasons = {row[-1] for row in cells(document["cannot_csv"])[1:]}
    assert reasons == {"What the record was is not kept."}


def test_without_a_snapshot_nothing_is_written(shell: Shell, tmp_path: Path) -> None:
    operations = cast("dict[str, Operation]", shell.world.vendor.operations)
    operations[UPDATE] = replace(operations[UPDATE], cannot_undo="Not known.")
    shell.world.put_profile({"operation": UPDATE})
    run = shell.world.processed(sample_csv(2))
    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert answer.code == 1
    assert "Not known." in answer.stderr
    assert not list(tmp_path.iterdir())


def test_a_large_run_is_put_back_in_order(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({"operation": UPDATE, "snapshot": True, "batch_size": 2})
    run = shell.world.processed(sample_csv(450))
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document

    assert [row[0] for row in cells(document["csv"])[1:]] == [f"id-r{n}" for n in range(1, 451)]


def test_a_run_that_changed_nothing_has_nothing_to_undo(shell: Shell, tmp_path: Path) -> None:
    shell.world.account.result_of = lambda _: RecordResult(OutcomeStatus.FAILED, code="Invalid")
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    run = shell.world.processed(sample_csv(2))
    answer = shell("undo", run.run_id, "--out", tmp_path / "out")

    assert answer.code == 1
    assert "changed nothing" in answer.stderr


def test_a_run_that_waits_for_its_snapshot_goes_on_when_that_is_mended(
    shell: Shell, tmp_path: Path
) -> None:
    shell.world.account.will_read(RecordsRead(problem=Refused("not_found", "No such path.")))
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    paused = shell.world.processed(sample_csv(3))
    document = shell("status", paused.run_id, "--json").document
    assert (document["status"], document["paused"]["code"]) == ("paused", "snapshot")
    assert document["waiting"][0]["for"] == "problem"
    assert f"jobferry connection test {paused.connection}" in document["next"]
    assert not shell.world.account.submissions

    resumed = shell("resume", paused.run_id, "--wait", "--json")

    assert resumed.code == 0, resumed.stderr
    assert resumed.document["outcomes"]["succeeded"] == 3
    undo = shell("undo", paused.run_id, "--out", tmp_path, "--json").document
    assert [record["name"] for record in records(undo)] == ["old r1", "old r2", "old r3"]
