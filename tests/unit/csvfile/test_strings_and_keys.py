"""Files that people and programs have saved again, joined, padded or spoilt: each row is sent as it
is written, or is told. No row is sent shifted, and no header is sent as a row.

The kinds of pollution are those of the Pollock benchmark (HPI, "Pollock: a data loading
benchmark"), made small.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobferry.csvfile.blanks import is_blank
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.plan_items import ChunkSpec
from jobferry.csvfile.records import read_records
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.profile import Column
from jobferry.domain.types import JsonObject
from tests.unit.csvfile.samples import planned, profile, read

HEADER = ["Ref", "Name", "Town", "Note"]
FIELDS = {
    "Ref": Column("ref"),
    "Name": Column("name"),
    "Town": Column("town"),
    "Note": Column("note", optional=True),
}
Row = list[str]

words = st.text("abcé 1.-", min_size=1, max_size=6).filter(lambda word: not is_blank(word))
rows = st.lists(
    st.tuples(words, words, words, st.one_of(st.just(""), words)).map(list), min_size=1, max_size=6
)


def written(table: Sequence[Row], **options: object) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **options).writerows([HEADER, *table])  # type: ignore[arg-type]
    return file.getvalue()


def sent(data: bytes) -> list[JsonObject]:
    """The records that a file would send; none where it is refused."""
    try:
        dialect, _ = read(data)
        mapping = compile_mapping(profile(FIELDS), dialect.header)
        items = planned(data, mapping, dialect)
    except FileRefused:
        return []
    return [
        record
        for item in items
        if isinstance(item, ChunkSpec)
        for _, record in read_records(data, 0, item.spans, dialect, mapping)
    ]


def record_of(row: Row) -> JsonObject:
    names = ("ref", "name", "town", "note")
    return {name: cell for name, cell in zip(names, row, strict=True) if not is_blank(cell)}


def all_of(table: Sequence[Row]) -> list[JsonObject]:
    return [record_of([row[0].strip(), *row[1:]]) for row in table]


def trimmed(records: Sequence[JsonObject]) -> list[JsonObject]:
    return [{**record, "ref": record["ref"].strip()} for record in records]


SAVED: dict[str, Callable[[list[Row]], bytes]] = {
    "Excel, CSV UTF-8": lambda t: written(t).encode("utf-8-sig"),
    "Excel, Unicode text": lambda t: written(t, delimiter="\t").encode("utf-16"),
    "Excel in Europe": lambda t: written(t, delimiter=";").encode("utf-8-sig"),
    "Excel with a delimiter line": lambda t: f"sep=;\r\n{written(t, delimiter=';')}".encode(),
    "LibreOffice, all quoted": lambda t: written(t, quoting=csv.QUOTE_ALL).encode(),
    "pandas with its index": lambda t: written([[*row] for row in t], lineterminator="\n").encode(),
    "Unix": lambda t: written(t, lineterminator="\n").encode(),
    "old Mac": lambda t: written(t, lineterminator="\r").encode(),
    "without a last line break": lambda t: written(t).rstrip("\r\n").encode(),
    "DOS with Ctrl-Z": lambda t: written(t).encode() + b"\x1a",
    "blank rows between": lambda t: written(t).replace("\r\n", "\r\n,,,\r\n").encode(),
    "empty cells left out": lambda t: "\n".join(
        ",".join(row).rstrip(",") for row in [HEADER, *t]
    ).encode(),
    "a delimiter at the end of every line": lambda t: written(t).replace("\r\n", ",\r\n").encode(),
}


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
@given(table=rows)
def test_what_programs_save_is_sent_as_it_is(
    table: list[Row], saved: Callable[[list[Row]], bytes]
) -> None:
    assert trimmed(sent(saved(table))) == all_of(table)


@given(rows, st.data())
def test_a_delimiter_too_many_shifts_nothing(table: list[Row], data: st.DataObject) -> None:
    """`row_more_sep`: a cell holds a delimiter that is not in quotation marks."""
    place = data.draw(st.integers(0, len(table) - 1))
    column = data.draw(st.integers(0, 3))
    assume(not is_blank(table[place][column]))
    spoilt = [[*row] for row in table]
    spoilt[place][column] += ", Ltd"
    lines = [",".join(row) for row in [HEADER, *spoilt]]
    assert trimmed(sent("\n".join(lines).encode())) == all_of(
        [row for n, row in enumerate(table) if n != place]
    )


@given(rows, st.data())
def test_a_delimiter_too_few_among_whole_rows_shifts_nothing(
    table: list[Row], data: st.DataObject
) -> None:
    """`row_less_sep`: two cells have become one."""
    whole = [["K", "n", "t", "x"]] * 30
    place = data.draw(st.integers(0, len(table) - 1))
    column = data.draw(st.integers(0, 2))
    lines = [",".join(row) for row in [HEADER, *whole, *table, *whole]]
    row = table[place]
    lines[31 + place] = ",".join([*row[:column], row[column] + row[column + 1], *row[column + 2 :]])
    others = [row for n, row in enumerate(table) if n != place]
    assert trimmed(sent("\n".join(lines).encode())) == all_of([*whole, *others, *whole])


@given(rows, rows, st.sampled_from(["", "\ufeff"]))
def test_files_that_were_joined_send_no_header(
    first: list[Row], second: list[Row], mark: str
) -> None:
    """`file_header_multirow`, `file_multitable`."""
    data = (written(first) + mark + written(second)).encode()
    assert trimmed(sent(data)) == all_of([*first, *second])


@given(rows, st.data())
def test_a_quotation_mark_too_many_sends_nothing_of_its_cell(
    table: list[Row], data: st.DataObject
) -> None:
    """`row_extra_quote`: a quotation mark opens a cell and is not closed."""
    place = data.draw(st.integers(0, len(table) - 1))
    column = data.draw(st.integers(0, 3))
    lines = [",".join(row) for row in [HEADER, *table]]
    cells = [*table[place]]
    cells[column] = f'"{cells[column]}'
    lines[place + 1] = ",".join(cells)
    others = all_of([row for n, row in enumerate(table) if n != place])
    found = trimmed(sent("\n".join(lines).encode()))
    assert all(record in others for record in found)
    assert len(found) <= len(others)


@given(rows)
def test_a_file_that_says_cp1252_and_is_utf_8_is_sent_as_it_is(table: list[Row]) -> None:
    data = written(table).encode()
    dialect, _ = read(data, encoding="cp1252")
    assert dialect.encoding == ("cp1252" if data.isascii() else "utf-8")
