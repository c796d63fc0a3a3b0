"""Warnings: of fields that the operation does not list, of limits, and of the vendor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from jobferry.vendors.operation import Operation
from tests.unit.cli.shell import Answer, Shell
from virtual.vendor import CREATE, Behaviour, Reply
from virtual.world import CONNECTION, sample_csv

CsvFile = Callable[..., Path]

TYPO = """
name: typo
connection: acme
operation: things.create
columns: {Name: name, Ref: ref, Prio: priorty}
"""
ROWS = "Name,Ref,Prio\na,r1,high\nb,r2,low\n"
TOLD = "Column Prio: things.create is not known to have the field priorty;"


@pytest.fixture(autouse=True)
def lists_fields(shell: Shell) -> None:
    operations = cast("dict[str, Operation]", shell.world.vendor.operations)
    operations[CREATE] = replace(operations[CREATE], fields=("name", "ref", "priority"))


def put(shell: Shell, folder: Path, text: str = TYPO, *more: object) -> Answer:
    path = folder / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    return shell("profile", "put", path, *more)


def test_profile_put_says_so_and_keeps_it(shell: Shell, tmp_path: Path) -> None:
    answer = put(shell, tmp_path)

    assert answer.code == 0
    assert answer.stderr.startswith(f"Warning: {TOLD}")
    assert "Did you mean priority?" in answer.stderr
    assert "Profile typo is ready" in answer.stdout
    document = put(shell, tmp_path, TYPO, "--json").document
    assert document["warnings"][0].startswith(TOLD)
    assert document["revision"] == 1


def test_strict_refuses_and_keeps_nothing(shell: Shell, tmp_path: Path) -> None:
    answer = put(shell, tmp_path, TYPO, "--strict", "--json")

    assert answer.code == 1
    assert answer.error["code"] == "strict"
    assert TOLD in answer.error["text"]
    assert answer.error["next"] == f"jobferry operations {shell.world.vendor.name}"
    assert shell("profile", "show", "typo").code == 1


def test_strict_takes_what_nothing_is_said_of(shell: Shell, tmp_path: Path) -> None:
    answer = put(shell, tmp_path, TYPO.replace("priorty", "priority"), "--strict", "--json")

    assert answer.code == 0
    assert answer.stderr == ""
    assert "warnings" not in answer.document


def test_plan_says_so_once_in_each_form(shell: Shell, tmp_path: Path, csv_file: CsvFile) -> None:
    put(shell, tmp_path)
    file = csv_file(ROWS)

    (text,) = shell("plan", file, "--profile", "typo", "--json").document["warnings"]
    assert text.startswith(TOLD)
    assert f"Warning   {TOLD}" in shell("plan", file, "--profile", "typo").stdout
    fine = shell("plan", csv_file(3), "--profile", "things", "--json").document
    assert fine["warnings"] == []


def test_plan_reads_fields_from_the_header_where_the_profile_names_none(
    shell: Shell, csv_file: CsvFile
) -> None:
    shell.world.put_profile({"columns": None})
    document = shell("plan", csv_file("name,nmae\na,b\n"), "--profile", "things", "--json").document

    (text,) = document["warnings"]
    assert text.endswith("Did you mean name?")


def test_run_says_so_before_and_status_afterwards(
    shell: Shell, tmp_path: Path, csv_file: CsvFile
) -> None:
    put(shell, tmp_path)
    started = shell("run", csv_file(ROWS), "--profile", "typo", "--json")

    assert f"Warning: {TOLD}" in started.stderr
    run_id = started.document["run_id"]
    shell.states.go_on()
    (text,) = shell("status", run_id, "--json").document["warnings"]
    assert text.startswith(TOLD)
    assert f"Warning   {TOLD}" in shell("status", run_id).stdout


@pytest.mark.parametrize("size", [501, 5_000])
def test_a_batch_size_beyond_the_vendors(shell: Shell, tmp_path: Path, size: int) -> None:
    text = TYPO.replace("priorty", "priority") + f"batch_size: {size}\n"
    answer = put(shell, tmp_path, text)

    assert f"Warning: batch_size is {size}, but a job of things.create takes at most" in (
        answer.stderr
    )
    assert put(shell, tmp_path, text, "--strict").code == 1


def test_more_jobs_than_the_vendor_takes(shell: Shell, tmp_path: Path, csv_file: CsvFile) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"bearer": "x"}')
    words = ("--base-url", "https://acme.example", "--credentials", secret, "--max-jobs", 31)
    vendor = shell.world.vendor.name
    answer = shell("connection", "put", CONNECTION, "--vendor", vendor, *words)

    told = f"The connection {CONNECTION} allows 31 jobs in flight, but"
    assert answer.code == 0, answer
    assert answer.stderr.startswith(f"Warning: {told}")
    document = shell("plan", csv_file(3), "--profile", "things", "--json").document
    assert document["warnings"][0].startswith(told)
    assert put(shell, tmp_path, TYPO.replace("priorty", "priority"), "--strict").code == 0


def test_what_the_vendor_warns_of_is_shown_while_watching_and_at_the_end(
    shell: Shell, csv_file: CsvFile
) -> None:
    shell.world.account.will_reply(Reply(Behaviour.ACCEPT, warnings=("\x1b[2Jfield x is ignored",)))
    answer = shell("run", csv_file(3), "--profile", "things", "--wait")

    said = f"{shell.world.vendor.title} warns: ␛[2Jfield x is ignored"
    assert answer.stderr.count(f"Warning: {said}") == 1
    assert f"Warning   {said}" in answer.stdout
    assert answer.code == 0


def test_watch_shows_the_pause_of_a_trial(shell: Shell) -> None:
    shell.world.account.will_reply(Reply(Behaviour.ACCEPT, warnings=("field x is ignored",)))
    request = shell.world.drop(sample_csv(900), options={"jobferry-trial": "500"})
    run = shell.world.execute(request)
    answer = shell("watch", run.run_id)

    assert answer.code == 3
    assert "Paused    The trial is paused." in answer.stdout
    assert f"jobferry resume {run.run_id}" in answer.stdout
