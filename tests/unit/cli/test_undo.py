"""`jobferry undo`: what it writes, what it says, and that it sends nothing."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.csvfile.formula_injection import defuse
from jobferry.csvfile.mapping import compile_mapping
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import BUILT_IN
from tests.unit.cli.shell import Shell
from virtual.vendor import CREATE
from virtual.world import World, sample_csv

DELETE = "things.delete"
STAYS = "What was said stays said."


def declare(world: World, **undoing: str) -> None:
    operations = cast("dict[str, Operation]", world.vendor.operations)
    operations[CREATE] = replace(operations[CREATE], **undoing)  # type: ignore[arg-type]


def told(record: JsonObject) -> RecordResult:
    match record["ref"]:
        case "r2":
            return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="no")
        case "r3":
            return RecordResult(OutcomeStatus.UNKNOWN, code="result_missing", text="=cmd()")
        case "r4":
            return RecordResult(OutcomeStatus.SUCCEEDED)
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=f"id-{record['ref']}")


@pytest.fixture
def run(shell: Shell) -> Run:
    declare(shell.world, undone_by=DELETE, cannot_undo=STAYS)
    shell.world.account.result_of = told
    return shell.world.processed(sample_csv(5) + ",nameless\n")


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_ids_of_rows_that_succeeded_are_written(shell: Shell, run: Run, tmp_path: Path) -> None:
    document = shell("undo", run.run_id, "--out", tmp_path / "new", "--json").document

    assert cells(Path(document["csv"])) == [["id", "jobferry_row"], ["id-r1", "1"], ["id-r5", "5"]]
    assert Path(document["csv"]) == tmp_path / "new" / f"undo-{run.run_id}.csv"
    assert (document["rows"], document["cannot"]) == (2, 2)


@pytest.mark.parametrize("vendor_id", ["=cmd|'/C calc'!A0", "x;=1", "'=1", "-1+2"])
def test_an_id_that_a_spreadsheet_would_run_is_text_there_and_sent_as_it_is(
    shell: Shell, tmp_path: Path, vendor_id: str
) -> None:
    declare(shell.world, undone_by=DELETE)
    shell.world.account.result_of = lambda _: RecordResult(OutcomeStatus.SUCCEEDED, vendor_id)
    run = shell.world.processed(sample_csv(1))

    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document

    (_, (written, row)) = cells(Path(document["csv"]))
    assert (written, row) == (defuse(vendor_id), "1")
    profile = Profile.from_document(
        validate(yaml.safe_load(Path(document["profile"]).read_text())), 1
    )
    mapping = compile_mapping(profile, ["id", "jobferry_row"])
    assert mapping.record([written, row]) == {"id": vendor_id}
    assert mapping.key([written, row]) == vendor_id


def test_rows_that_cannot_be_undone_are_listed_with_the_reason(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert answer.code == 3
    assert cells(Path(answer.document["cannot_csv"])) == [
        ["row", "status", "vendor_id", "error_code", "error"],
        ["3", "unknown", "", "result_missing", "'=cmd()"],
        ["4", "succeeded", "", "", "The vendor named no id; look the record up there."],
    ]


def test_the_profile_deletes_by_the_ids_on_the_same_connection(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document
    profile = yaml.safe_load(Path(document["profile"]).read_text())

    assert validate(profile)["columns"]["id"]["field"] == "id"
    assert profile["connection"] == run.connection
    assert profile["operation"] == document["undone_by"] == DELETE
    assert document["next"] == [
        f"jobferry profile put {document['profile']}",
        f"jobferry plan {document['csv']} --profile {profile['name']}",
        f"jobferry run {document['csv']} --profile {profile['name']} --wait",
    ]


def test_people_are_told_what_to_type_and_what_stays(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert "2 records" in answer.stdout
    assert "Nothing has been sent." in answer.stdout
    assert STAYS in answer.stdout
    assert f"jobferry plan {tmp_path}/undo-{run.run_id}.csv --profile undo-" in answer.stdout


def test_nothing_is_sent(shell: Shell, run: Run, tmp_path: Path) -> None:
    sent = len(shell.world.account.submissions)

    shell("undo", run.run_id, "--out", tmp_path)

    assert len(shell.world.account.submissions) == sent
    assert not shell.states.waiting


def test_asked_for_again_the_files_are_the_same(shell: Shell, run: Run, tmp_path: Path) -> None:
    shell("undo", run.run_id, "--out", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shell("undo", run.run_id, "--out", tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(before) == 3


def test_where_every_row_can_be_undone_there_is_no_other_file(shell: Shell, tmp_path: Path) -> None:
    declare(shell.world, undone_by=DELETE)
    run = shell.world.processed(sample_csv(3))

    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert answer.code == 0
    assert answer.document["cannot_csv"] is answer.document["cannot_undo"] is None
    assert len(list(tmp_path.iterdir())) == 2


def test_the_profile_of_a_long_name_has_a_name_that_fits(shell: Shell, tmp_path: Path) -> None:
    declare(shell.world, undone_by=DELETE)
    name = "x" * 48
    shell.world.put_profile({"name": name})
    run = shell.world.processed(sample_csv(1), profile=name)

    document = shell("undo", run.run_id, "--out", tmp_path, "--json").document

    profile = validate(yaml.safe_load(Path(document["profile"]).read_text()))
    assert profile["name"].endswith(run.run_id.rpartition("-")[2])


def test_what_cannot_be_undone_is_said_and_nothing_written(shell: Shell, tmp_path: Path) -> None:
    declare(shell.world, cannot_undo=STAYS)
    run = shell.world.processed(sample_csv(3))

    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert answer.code == 1
    assert answer.document["cannot_undo"] == STAYS
    assert answer.document["undone_by"] is answer.document["csv"] is None
    assert answer.document["next"] == []
    assert list(tmp_path.iterdir()) == []
    people = shell("undo", run.run_id, "--out", tmp_path)
    assert STAYS in people.stderr
    results = f"jobferry results {run.run_id} --out results/{run.run_id}"
    assert people.stderr.splitlines()[-1] == f"Next:  {results}"
    assert answer.error == {
        "code": "cannot_undo",
        "text": f"things.create cannot be undone. {STAYS}",
        "next": results,
    }


def test_a_run_whose_records_nobody_knows_is_not_undone(shell: Shell, tmp_path: Path) -> None:
    declare(shell.world, undone_by=DELETE)
    shell.world.account.result_of = lambda _: RecordResult(OutcomeStatus.SUCCEEDED)
    run = shell.world.processed(sample_csv(3))

    answer = shell("undo", run.run_id, "--out", tmp_path, "--json")

    assert (answer.code, answer.error["code"]) == (1, "cannot_undo")
    assert answer.document["cannot"] == 3
    assert str(answer.document["cannot_csv"]) in answer.error["text"]


def test_the_profile_that_is_left_is_said(shell: Shell, run: Run, tmp_path: Path) -> None:
    said = shell("undo", run.run_id, "--out", tmp_path).stdout.splitlines()
    assert "take it away" in said[-2]
    assert said[-1].strip().startswith("jobferry profile delete undo-things-")


def test_a_run_on_its_way_is_not_undone(shell: Shell, tmp_path: Path) -> None:
    declare(shell.world, undone_by=DELETE)
    run = shell.world.planned(sample_csv(3))

    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert answer.code == 1
    assert f"jobferry watch {run.run_id}" in answer.stderr


@pytest.mark.parametrize("body", ["", "Name,Ref\n,r1\n"], ids=["refused file", "rejected rows"])
def test_a_run_that_made_nothing_has_nothing_to_undo(
    shell: Shell, tmp_path: Path, body: str
) -> None:
    declare(shell.world, undone_by=DELETE)
    run = shell.world.processed(body)

    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert answer.code == 1
    assert "nothing" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_the_connection_nothing_can_be_undone(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    shell.world.store.config.delete_connection(run.connection)

    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert answer.code == 1
    assert "connection" in answer.stderr


def test_outcomes_that_are_no_longer_kept_leave_no_half_file(
    shell: Shell, run: Run, tmp_path: Path
) -> None:
    shell.world.store.rows.purge(run.run_id, 1)

    answer = shell("undo", run.run_id, "--out", tmp_path)

    assert answer.code == 1
    assert list(tmp_path.iterdir()) == []


OPERATIONS = [(vendor, name) for vendor in BUILT_IN.built_in() for name in vendor.operations]


@pytest.mark.parametrize(
    ("vendor", "name"), OPERATIONS, ids=[f"{v.name}:{n}" for v, n in OPERATIONS]
)
def test_every_operation_says_how_it_is_undone_or_why_not(vendor: Vendor, name: str) -> None:
    operation = vendor.operations[name]

    assert operation.undone_by or operation.cannot_undo
    if operation.undone_by:
        opposite = vendor.operations[operation.undone_by]
        assert operation.undone_by_field in opposite.fields
        assert opposite.repeatable
        assert "create" in name or "import" in name or "post" in name


def test_the_opposite_for_one_custom_object_is_that_of_the_same_object() -> None:
    created = BUILT_IN.named("zendesk_support").operation("custom_objects.car.create")

    assert created is not None
    assert created.undone_by == "custom_objects.car.delete"
