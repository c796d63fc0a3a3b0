"""What the demo does to the rows that came back."""

from __future__ import annotations

import csv

import pytest
import yaml

from tools.demo_mending import Mend, address, mend, moment, own_key, wrong_column
from tools.demo_samples import SAMPLES

HEADER = ["Subject", "Ref", "Ref:2", "Priority"]
CELLS = {"Priority": lambda _: "normal", "Ref": own_key("Ref", "r{:03}")}


def row(error: str, code: str = "x", number: int = 7, **cells: str) -> dict[str, str]:
    return {
        **dict.fromkeys(HEADER, "a"),
        **cells,
        "jobferry_row": str(number),
        "jobferry_status": "rejected",
        "jobferry_vendor_id": "",
        "jobferry_error_code": code,
        "jobferry_error": error,
    }


@pytest.mark.parametrize(
    ("error", "column"),
    [
        ("Priority: must not be empty.", "Priority"),
        ("Ref: has the key of row 1.", "Ref"),
        ("Ref:2: is no text.", "Ref:2"),
        ("The row has 3 cells, the header has 8.", None),
        ("Priority is wrong", None),
    ],
)
def test_the_column_that_an_error_names(error: str, column: str | None) -> None:
    assert wrong_column(error, HEADER) == column


def test_only_the_cell_that_the_error_names_is_changed() -> None:
    found = mend([row("Priority: must not be empty.", Priority="")], CELLS, ["Priority"])
    assert found.rows == [{"Subject": "a", "Ref": "a", "Ref:2": "a", "Priority": "normal"}]
    assert found.mends == [Mend(7, "Priority", "", "normal")]
    assert found.there == 0


def test_a_row_that_is_short_gets_the_cells_that_are_needed() -> None:
    short = {**row("The row has 1 cell, the header has 4."), "Ref": "", "Ref:2": "", "Priority": ""}
    found = mend([short], CELLS, ["Priority", "Subject"])
    assert found.rows == [{"Subject": "a", "Ref": "", "Ref:2": "", "Priority": "normal"}]


def test_a_key_of_another_row_becomes_one_of_its_own() -> None:
    taken = row("Ref: has the key of row 2.", "conflicting_row_key", 31, Ref="r002")
    found = mend([taken], CELLS, [])
    assert [each["Ref"] for each in found.rows] == ["r031"]


def test_a_row_that_repeats_another_word_for_word_is_there() -> None:
    found = mend([row("Ref: repeats row 2.", "duplicate_row_key")], CELLS, [])
    assert (found.rows, found.mends, found.there) == ([], [], 1)


def test_a_column_that_nobody_knows_how_to_mend_stays() -> None:
    found = mend([row("Subject: is too long.")], CELLS, [])
    assert found.rows[0]["Subject"] == "a"
    assert found.mends == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("person7 at example.com", "person7@example.com"),
        ("person7@example.invalid", "person7@example.com"),
        ("nobody@", "ann@example.com"),
        ("", "ann@example.com"),
    ],
)
def test_addresses_as_they_were_meant(typed: str, meant: str) -> None:
    assert address({"Requester": typed, "Name": "Ann"}) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("15.01.2027", "2027-01-15T09:00:00Z"),
        ("2027-02-30T10:00:00Z", "2027-02-28T10:00:00Z"),
        ("2028-02-30T10:00:00Z", "2028-02-29T10:00:00Z"),
        ("2027-01-15T09:00:00Z", "2027-01-15T09:00:00Z"),
    ],
)
def test_days_of_any_form_become_moments(typed: str, meant: str) -> None:
    assert moment({"Due": typed}) == meant


@pytest.mark.parametrize("vendor", SAMPLES)
def test_a_sample_has_the_columns_that_the_demo_mends(vendor: str) -> None:
    sample = SAMPLES[vendor]
    with sample.csv.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert set(sample.cells) | set(sample.needed) <= set(header)
    profile = yaml.safe_load(sample.csv.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert (profile["name"], profile["operation"]) == (sample.profile, sample.operation)
