from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobferry.csvfile.blanks import is_blank
from jobferry.csvfile.formula_injection import defuse
from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.mojibake import is_garbled
from jobferry.csvfile.row_mapping import RowMapping, RowRejected
from jobferry.domain.error_codes import CUT_MARK, FileRefused
from jobferry.domain.profile import Column, ColumnType, Empty, Profile
from tests.unit.csvfile.samples import profile

TICKETS = {
    "Subject": Column("subject"),
    "Body": Column("comment.body"),
    "Priority": Column("priority", enum=("low", "high")),
    "Tags": Column("tags", type=ColumnType.LIST, separator="|", optional=True),
    "Due": Column("due_at", type=ColumnType.DATETIME, optional=True),
    "Floor": Column("custom_fields[36]", type=ColumnType.INTEGER, optional=True),
}
HEADER = tuple(TICKETS)


def tickets(**options: object) -> RowMapping:
    return compile_mapping(profile(TICKETS, **options), HEADER)  # type: ignore[arg-type]


def refusal(profile_: Profile, *header: str) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        compile_mapping(profile_, header)
    assert caught.value.message.endswith(".")
    return caught.value


def test_a_record() -> None:
    cells = ["  007 ", "Hi", "low", "a| b", "2026-03-31T09:30:00Z", "3"]
    mapping = tickets(constants={"brand_id": 5, "comment": {"public": False}})
    assert mapping.check(cells) is None
    assert mapping.record(cells) == {
        "brand_id": 5,
        "subject": "  007 ",
        "comment": {"public": False, "body": "Hi"},
        "priority": "low",
        "tags": ["a", "b"],
        "due_at": "2026-03-31T09:30:00Z",
        "custom_fields": [{"id": 36, "value": 3}],
    }


def test_empty_optional_cells_leave_the_field_out() -> None:
    cells = ["s", "b", "low", " | ", "", "  "]
    assert tickets().check(cells) is None
    assert tickets().record(cells) == {
        "subject": "s",
        "comment": {"body": "b"},
        "priority": "low",
    }


def test_a_constant_stands_in_for_an_empty_cell() -> None:
    mapping = compile_mapping(
        profile({"P": Column("priority", optional=True)}, constants={"priority": "low"}), ("P",)
    )
    assert mapping.record([""]) == {"priority": "low"}
    assert mapping.record(["high"]) == {"priority": "high"}


def test_records_share_nothing() -> None:
    mapping = tickets(constants={"custom_fields": [{"id": 1, "value": "x"}], "tags": ["a"]})
    cells = ["s", "b", "low", "", "", "3"]
    first = mapping.record(cells)
    first["tags"].append("b")
    assert mapping.record(cells)["tags"] == ["a"]
    assert [entry["id"] for entry in mapping.record(cells)["custom_fields"]] == [1, 36]


def test_a_row_is_told_all_that_is_wrong() -> None:
    cells = [" ", "b", "urgent!", "", "tomorrow", "3.5"]
    problem = tickets().check(cells)
    assert problem is not None
    assert problem.code == "missing_value"
    for text in ("Subject: must not be empty.", "Priority: must be one of: low, high.", "Due: "):
        assert text in problem.reason
    assert "tomorrow" not in problem.reason
    assert "urgent!" not in problem.reason
    with pytest.raises(RowRejected) as caught:
        tickets().record(cells)
    assert caught.value.problem == problem


@given(st.lists(st.sampled_from(["", "x", "low", "a|b", "|", "3", "2026-03-31T09:30:00Z"]),
                min_size=6, max_size=6))  # fmt: skip
def test_what_check_lets_pass_becomes_a_record(cells: list[str]) -> None:
    problem = tickets().check(cells)
    if problem is None:
        assert tickets().record(cells)["subject"] == cells[0]
    else:
        with pytest.raises(RowRejected):
            tickets().record(cells)


def test_unmapped_columns_are_left_alone() -> None:
    mapping = compile_mapping(profile({"B": Column("b")}), ("A", "B", "A", ""))
    assert mapping.record(["1", "2", "3", "4"]) == {"b": "2"}


def test_without_columns_every_header_is_a_field() -> None:
    header = ("subject", "comment.body", "custom_fields[36]", "")
    mapping = compile_mapping(profile(), header)
    assert mapping.check(["", "", "", ""]) is None
    assert mapping.record(["s", "b", "007", "?"]) == {
        "subject": "s",
        "comment": {"body": "b"},
        "custom_fields": [{"id": 36, "value": "007"}],
    }
    assert refusal(profile(), "subject", "subject").code == "duplicate_column"
    assert refusal(profile(), "comment", "comment.body").code == "conflicting_columns"
    assert refusal(profile(), "17", "Ann", "ann@example.com").code == "no_header"


def test_headers_that_the_profile_cannot_use() -> None:
    columns = {"A": Column("a"), "B": Column("b")}
    missing = refusal(profile(columns), "A", "C")
    assert (missing.code, '"B"' in missing.message) == ("missing_column", True)
    assert "Capital letters" in refusal(profile(columns), "A", "b").message
    assert refusal(profile(columns), "17", "Ann").code == "no_header"
    assert refusal(profile(columns, row_key="Ref"), "A", "B").code == "missing_column"
    twice = refusal(profile(columns), "A", "B", "A")
    assert (twice.code, "A and C" in twice.message) == ("duplicate_column", True)


def test_a_long_list_of_missing_columns_is_cut() -> None:
    columns = {f"C{number}": Column(f"c{number}") for number in range(20)}
    assert "and 9 more" in refusal(profile(columns), "C0").message


def test_a_header_of_data_is_not_repeated_in_the_message() -> None:
    assert "Ann" not in refusal(profile({"A": Column("a")}), "17", "Ann").message
    assert "ann@" not in refusal(profile(), "17", "ann@example.com").message


def test_columns_and_constants_that_want_one_place() -> None:
    columns = {"A": Column("a"), "B": Column("a.b")}
    assert refusal(profile(columns), "A", "B").code == "conflicting_columns"
    clash = profile({"A": Column("a.b")}, constants={"a": "x"})
    assert refusal(clash, "A").code == "conflicting_columns"


def test_row_keys() -> None:
    columns = {"Ref": Column("external_id", optional=True), "A": Column("a")}
    plain = compile_mapping(profile(columns, row_key="Ref"), ("Ref", "A"))
    assert plain.key(["Ä1", "x"]) == "Ä1"
    folded = compile_mapping(
        profile(columns, row_key="Ref"), ("Ref", "A"), folded=frozenset({"external_id"})
    )
    assert folded.key(["Ä1", "x"]) == folded.key(["ä1", "x"])
    problem = plain.check([" ", "x"])
    assert problem is not None
    assert problem.code == "missing_row_key"
    assert plain.key_name == "Ref"


def test_a_row_key_need_not_be_sent() -> None:
    mapping = compile_mapping(profile({"A": Column("a")}, row_key="Ref"), ("Ref", "A"))
    assert mapping.record(["1", "x"]) == {"a": "x"}
    assert compile_mapping(profile({"A": Column("a")}), ("A",)).key(["x"]) == ""


@given(st.text(min_size=1))
def test_our_own_result_files_are_read_as_they_were_before(cell: str) -> None:
    assume(not is_garbled(cell) and not cell.startswith(CUT_MARK))
    header = (*map(defuse, ("=A", "B")), *RESULT_COLUMNS)
    mapping = compile_mapping(
        profile({"=A": Column("a", optional=True), "B": Column("b")}, row_key="B"), header
    )
    row = [defuse(cell), defuse("=key"), "7", "failed", "", "code", "'=text"]
    assert mapping.check(row) is None
    assert mapping.record(row) == (
        {"a": cell, "b": "=key"} if not is_blank(cell) else {"b": "=key"}
    )
    assert mapping.key(row) == "=key"


def test_result_columns_are_no_fields() -> None:
    mapping = compile_mapping(profile(), ("subject", *RESULT_COLUMNS))
    assert mapping.record(["s", *"12345"]) == {"subject": "s"}


def test_apostrophes_of_other_files_are_kept() -> None:
    mapping = compile_mapping(profile({"A": Column("a")}), ("A",))
    assert mapping.record(["'=x"]) == {"a": "'=x"}


CELLS = st.sampled_from(
    (
        *("", " ", "\u200b", "\xa0", "x", "NULL", "7", "4.9E+11", "high", " HIGH "),
        *("Name", " Name\u200b", "Ref", "\ufeffRef", "2026-03-31", "n/a", "a@x.com"),
        "[cut by jobferry] 9 bytes",
    )
)


@given(
    st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=6),
    st.sampled_from([(), ("NULL",)]),
    st.booleans(),
    st.booleans(),
)
def test_a_row_of_a_block_that_is_no_suspect_has_no_problem(
    rows: list[list[str]], nulls: tuple[str, ...], trim: bool, keyed: bool
) -> None:
    header = ("Ref", "Name", "Level", "Due", "Mail")
    columns = {
        "Ref": Column("external_id", optional=not keyed),
        "Name": Column("name", optional=True),
        "Level": Column("priority", optional=True, enum=("high", "low")),
        "Due": Column("due", ColumnType.DATE, optional=True),
        "Mail": Column("email", ColumnType.EMAIL, empty=Empty.CLEAR),
    }
    mapping = compile_mapping(
        Profile(
            "p",
            "c",
            "o",
            columns=columns,
            row_key="Ref" if keyed else None,
            null_values=nulls,
            trim=trim,
        ),
        header,
        required=(("name", "email"), ("external_id",)),
    )
    block = list(zip(*rows, strict=True))
    is_ascii = all(cell.isascii() for row in rows for cell in row)
    suspects = mapping.suspects(block, ascii_only=is_ascii)
    bad = {place for place, row in enumerate(rows) if mapping.check(row) is not None}
    assert bad <= suspects
    good = [row for place, row in enumerate(rows) if place not in bad]
    if keyed and good:
        keys = mapping.keys(list(zip(*good, strict=True)), ascii_only=is_ascii)
        assert keys == [mapping.key(row) for row in good]
