"""Beside an error stands the cell that is wrong, whatever its column's place."""

from __future__ import annotations

import pytest

from jobferry.domain.profile import Column, Profile
from jobferry.reporting.sample_cells import (
    MOST_CELLS,
    MOST_CHARACTERS,
    ColumnNames,
    shown_cells,
    wrong_column,
)

HEADER = ("Subject", "Body", "Requester", "Prio", "Ref", "A", "B", "Due: date", "Due", "Mail")
PROFILE = Profile(
    "p",
    "acme",
    "tickets.create",
    columns={
        "Subject": Column("subject"),
        "Body": Column("comment.body"),
        "Mail": (Column("requester.email"), Column("custom_fields[7]")),
        "Due": Column("due_at"),
    },
    row_key="Ref",
)
NAMES = ColumnNames.of(PROFILE)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Due: must be a date such as 2026-01-31", "Due"),
        ("Due: date: must be a date", "Due: date"),
        ("Subject: cannot be blank", "Subject"),
        ("subject: is too long", "Subject"),
        ("Email: x@y is not properly formatted", "Mail"),
        ("Requester.email: is suspended", "Mail"),
        ("due_at: is in the past", "Due"),
        ("Due at: is in the past", "Due"),
        ("comment body: cannot be blank", "Body"),
        ("Nobody knows why", None),
        (": ", None),
        ("", None),
        ("Phone: is not valid", None),
        ("x" * 5_000 + ": y", None),
    ],
)
def test_the_column_that_an_error_names(text: str, column: str | None) -> None:
    assert wrong_column(text, HEADER, NAMES) == column


def test_the_wrong_cell_the_key_and_then_the_others() -> None:
    cells = [f"cell {number}" for number in range(len(HEADER))]
    shown, hidden = shown_cells(HEADER, cells, "Due: must be a date", NAMES)
    assert [cell.header for cell in shown] == ["Due", "Ref", "Subject", "Body", "Requester", "Prio"]
    assert [cell.wrong for cell in shown] == [True, *[False] * (MOST_CELLS - 1)]
    assert hidden == len(HEADER) - MOST_CELLS


def test_a_long_cell_says_how_much_is_cut() -> None:
    (cell,), hidden = shown_cells(("A",), ["x" * (MOST_CHARACTERS + 30)], "", ColumnNames())
    assert (len(cell.text), cell.cut, hidden) == (MOST_CHARACTERS, 30, 0)


def test_cells_that_are_missing_are_empty() -> None:
    shown, _ = shown_cells(HEADER, ["only"], "Ref: repeats row 3", NAMES)
    assert (shown[0].header, shown[0].text, shown[0].wrong) == ("Ref", "", True)


def test_without_a_profile_only_the_header_counts() -> None:
    assert wrong_column("Email: bad", HEADER, ColumnNames.of(None)) is None
    assert wrong_column("Mail: bad", HEADER, ColumnNames.of(None)) == "Mail"
