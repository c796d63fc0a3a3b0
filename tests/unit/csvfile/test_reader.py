from __future__ import annotations

import codecs
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobferry.csvfile.blanks import is_blank
from jobferry.csvfile.dialect import Dialect, detect
from jobferry.csvfile.reader import RawRow, read_rows
from jobferry.domain.error_codes import FileRefused
from tests.unit.csvfile.samples import (
    csv_text,
    messy_files,
    read,
    read_text,
    small_limits,
    tables,
)


def seen(rows: list[RawRow]) -> list[tuple[int, list[str], str | None]]:
    return [(row.number, row.cells, row.problem.code if row.problem else None) for row in rows]


@given(
    table=tables(),
    coding=st.sampled_from(
        [
            ("utf-8", b""),
            ("utf-8", codecs.BOM_UTF8),
            ("utf-16-le", codecs.BOM_UTF16_LE),
            ("utf-16-be", codecs.BOM_UTF16_BE),
        ]
    ),
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    ends=st.booleans(),
    block=st.integers(1, 50),
)
def test_cells_come_back_exactly(
    table: list[list[str]],
    coding: tuple[str, bytes],
    delimiter: str,
    newline: str,
    block: int,
    *,
    ends: bool,
) -> None:
    encoding, mark = coding
    text = csv_text(table, delimiter=delimiter, newline=newline, ends=ends)
    with small_limits(block=block):
        _, rows = read(mark + text.encode(encoding))
    written = [row for row in table[1:] if not all(map(is_blank, row))]
    assert [row.cells for row in rows] == written
    assert [row.number for row in rows] == list(range(1, len(written) + 1))
    assert all(row.problem is None for row in rows)


@given(messy_files, st.integers(1, 20), st.sampled_from([16, 40, 1000]))
@example(b'A,B\n"aaaaaaaaa,b\n""\r\n\n', 1, 16)
@example(b'A,B\n"aaaaaaaaaa,b\nc,d\ne,f\ng",h\n', 3, 16)
@example(b'A,B\n"aaaaaaaaaa\n""x\n""y\n""z",h\n', 1, 16)
def test_where_blocks_end_changes_nothing(data: bytes, block: int, limit: int) -> None:
    with small_limits(block=1000, row=limit, cell=limit // 2):
        whole = read(data)
    with small_limits(block=block, row=limit, cell=limit // 2):
        assert read(data) == whole


def test_a_row_that_outgrows_the_limit_ends_with_the_line_that_does_so() -> None:
    with small_limits(block=1000, row=16, cell=8):
        row, *_ = read(b'A,B\n"aaaaaaaaaaaa\n""x\n""y\n""z",h\n')[1]
    assert row.length == len(b'"aaaaaaaaaaaa\n""x\n')
    assert row.problem is not None
    assert "Nothing of the line below is sent" in row.problem.reason


@given(messy_files, st.sampled_from([16, 40, 1000]))
def test_rows_and_blank_lines_are_the_whole_file(data: bytes, limit: int) -> None:
    with small_limits(block=50, row=limit, cell=limit // 2):
        dialect, rows = read(data)
    end = dialect.data_offset
    for number, row in enumerate(rows, start=1):
        assert row.number == number
        assert row.length > 0
        assert not data[end : row.offset].translate(None, b', "\r\n')
        end = row.offset + row.length
    assert not data[end:].translate(None, b', "\r\n')


@given(messy_files, st.sampled_from([16, 40, 1000]))
def test_reading_can_resume_after_any_row(data: bytes, limit: int) -> None:
    with small_limits(block=50, row=limit, cell=limit // 2):
        dialect, rows = read(data)
        for index, row in enumerate(rows):
            end = row.offset + row.length
            rest = read_rows(BytesIO(data[end:]), dialect, offset=end, row=row.number)
            assert list(rest) == rows[index + 1 :]


@given(messy_files)
def test_a_good_row_can_be_read_by_itself(data: bytes) -> None:
    dialect, rows = read(data)
    for row in rows:
        if row.problem is None:
            alone = BytesIO(data[row.offset : row.offset + row.length])
            assert list(read_rows(alone, dialect, offset=row.offset, row=row.number - 1)) == [row]


@pytest.mark.parametrize("beside", ["3,4", "3,4,5", '3,"4"'])
def test_the_ctrl_z_that_ends_a_file_of_dos_is_no_row_whatever_stands_beside_it(
    beside: str,
) -> None:
    rows = read_text(f"A,B\n1,2\n{beside}\n\x1a,\n")
    assert [row.cells[0] for row in rows] == ["1", "3"]


@pytest.mark.parametrize(
    ("bad", "code", "shown"),
    [
        ('x,"y', "unclosed_quote", ["x", "y"]),
        ('x,"y"z', "text_after_quote", ["x", "yz"]),
        ("x,y,z", "wrong_cell_count", ["x", "y", "z"]),
        ("x\ry,z", "stray_line_break", ["x y", "z"]),
        ("x,a\0b", "nul_character", ["x", "a\0b"]),
    ],
)
def test_a_bad_row_costs_itself_only(bad: str, code: str, shown: list[str]) -> None:
    rows = read_text(f"A,B\n1,2\n{bad}\n3,4\n5,6\n")
    assert seen(rows) == [
        (1, ["1", "2"], None),
        (2, shown, code),
        (3, ["3", "4"], None),
        (4, ["5", "6"], None),
    ]


def test_reasons_name_the_column_and_not_the_cell() -> None:
    (row,) = read_text("A,Secrets\nx,hunter2\0\n")
    assert row.problem is not None
    assert row.problem.reason.startswith("Secrets:")
    assert "hunter2" not in row.problem.reason


def test_blank_lines_are_no_rows() -> None:
    assert seen(read_text("A,B\n\n1,2\n\r\n   \n3,4\n\n")) == [
        (1, ["1", "2"], None),
        (2, ["3", "4"], None),
    ]


def test_blank_lines_and_empty_cells_of_a_single_column() -> None:
    assert seen(read_text('A\n\n""\n  \nx\n')) == [(1, ["x"], None)]


@pytest.mark.parametrize("blank", [",", " , ", '"",""', "\u200b,\xa0", ",\x1a"])
def test_rows_of_blanks_are_no_rows(blank: str) -> None:
    assert seen(read_text(f"A,B\n1,2\n{blank}\n3,4\n{blank}\n")) == [
        (1, ["1", "2"], None),
        (2, ["3", "4"], None),
    ]


def test_cells_that_are_missing_at_the_end_are_empty() -> None:
    assert seen(read_text("A,B,C\n1\n1,2\n1,2,3\n")) == [
        (1, ["1", "", ""], None),
        (2, ["1", "2", ""], None),
        (3, ["1", "2", "3"], None),
    ]


def test_a_short_row_among_whole_ones_lacks_a_delimiter() -> None:
    whole = "1,2,3\n" * 30
    rows = read_text(f"A,B,C\n{whole}1 2,3\n{whole}")
    assert [row.number for row in rows if row.problem] == [31]
    often = read_text("A,B,C\n" + "1,2,3\n1,2\n" * 20)
    assert not any(row.problem for row in often)


@pytest.mark.parametrize(
    "text",
    [
        "A,B,,\n1,2,,\n3,4,,\n",
        "A,B,,\n1,2\n3,4,\n",
        "A,B\n1,2,\n3,4,\n5,6,\n",
        "A,B\n1,2,, \n3,4,,\n",
    ],
)
def test_blank_cells_beyond_the_header_are_forgiven_where_they_are_a_habit(text: str) -> None:
    assert not any(row.problem for row in read_text(text))


@pytest.mark.parametrize(
    "text",
    [
        "A,B\n1, 2,\n",
        "A,B\n1,2,\n",
        "A,B\n1,2\n3,4\n5,6,\n",
        "A,B,\n1,2,,\n",
        "A,B,C\nx,y, z,\nx,y, z,\nx,y, z,\n",
    ],
)
def test_other_rows_with_more_cells_may_be_shifted(text: str) -> None:
    problem = read_text(text)[-1].problem
    assert problem is not None
    assert problem.code == "wrong_cell_count"


def test_a_lone_ctrl_z_ends_a_file_of_dos() -> None:
    assert seen(read_text("A,B\r\n1,2\r\n\x1a")) == [(1, ["1", "2"], None)]


def test_lines_in_quotation_marks_as_a_whole() -> None:
    text = '"Ref,Subject"\n"K-1,""a, b"""\n"K-2,c"\n'
    assert seen(read_text(text)) == [(1, ["K-1", "a, b"], None), (2, ["K-2", "c"], None)]
    assert seen(read_text('Ref,Subject\n"K-1,""a, b"""\nK-2,c\n'))[0][1] == ["K-1", "a, b"]


def test_blanks_before_quotation_marks() -> None:
    text = 'Ref, Subject, Body\nK-1, "Screen", "dark, very"\nK-2, "Lamp", "off"\n'
    assert seen(read_text(text)) == [
        (1, ["K-1", "Screen", "dark, very"], None),
        (2, ["K-2", "Lamp", "off"], None),
    ]


def test_a_single_blank_before_a_quotation_mark_rejects_its_row() -> None:
    good = "".join(f"K-{number},x,y\n" for number in range(300))
    rows = read_text(f'Ref,Subject,Body\n{good}K-9, "a",b\nK-10," ""quoted""",b\n')
    assert seen(rows[300:]) == [
        (301, ["K-9", ' "a"', "b"], "blank_before_quote"),
        (302, ["K-10", ' "quoted"', "b"], None),
    ]


def test_quotes_inside_plain_cells_are_characters() -> None:
    assert seen(read_text('A,B\n5" pipe,a "b" c\n')) == [(1, ['5" pipe', 'a "b" c'], None)]


def test_newlines_that_a_program_doubled() -> None:
    assert seen(read_text('A,B\r\r\n1,2\r\r\n"x\r\r\ny",3\r\r\n')) == [
        (1, ["1", "2"], None),
        (2, ["x\r\r\ny", "3"], None),
    ]


def test_a_quote_that_is_never_closed_does_not_swallow_the_file() -> None:
    lines = "".join(f"{number},y\n" for number in range(300_000))
    rows = read_text(f'A,B\n1,2\nx,"open\n{lines}')
    assert len(rows) == 300_002
    assert seen(rows[:2]) == [(1, ["1", "2"], None), (2, ["x", "open"], "unclosed_quote")]
    assert all(row.problem is None for row in rows[2:])


@pytest.mark.parametrize(
    "cell",
    [
        '"He wrote:\nK-2,b,c\nand more" oops',
        '"He wrote:\nK-2,b,c\nK-4,d,e" oops',
        '"He wrote:\nK-2,b,c\nsecond line\n',
        '"He wrote:\nK-2,b,c\nK-3,""d"",e\n',
    ],
)
def test_nothing_that_may_be_part_of_a_cell_is_a_row(cell: str) -> None:
    rows = read_text(f"A,B,C\n1,2,3\nK-1,a,{cell}")
    assert [row.problem is None for row in rows] == [True, False]
    assert rows[1].problem is not None
    assert "lines below" in rows[1].problem.reason


def test_what_is_cut_is_marked() -> None:
    large = ",".join(["x" * 100_000] * 12)
    rows = read_text(f"A,B\n1,2\n{large}\n3,4\n")
    assert [row.problem and row.problem.code for row in rows] == [None, "row_too_large", None]
    assert all(cell.startswith("[cut by jobferry]") for cell in rows[1].cells)
    assert sum(map(len, rows[1].cells)) < 10_000


def test_a_stray_line_break_ends_a_row_of_several_lines() -> None:
    rows = read_text('A,B\n"1\n2",x\ry\n3,4\n')
    assert seen(rows)[0][2] == "stray_line_break"
    assert seen(rows)[1:] == [(2, ["3", "4"], None)]


def test_a_stray_line_break_in_an_old_mac_file() -> None:
    assert seen(read_text("A,B\r1,2\rx\ny,z\r3,4\r")) == [
        (1, ["1", "2"], None),
        (2, ["x\ny,z"], "stray_line_break"),
        (3, ["3", "4"], None),
    ]


def test_large_cells_and_rows() -> None:
    fits, too_large = "x" * 128 * 1024, "x" * (128 * 1024 + 1)
    wide = ",".join([fits] * 8)
    assert seen(read_text(f"A,B\n{fits},2\n{too_large},2\n3,4\n"))[1:] == [
        (2, [too_large, "2"], "cell_too_large"),
        (3, ["3", "4"], None),
    ]
    header = ",".join("ABCDEFGH")
    rows = read_text(f"{header}\n{wide}\n{header}\n")
    assert [row.problem and row.problem.code for row in rows] == ["row_too_large", None]
    assert len(rows[0].cells[0]) < 10_000


def test_a_large_cell_of_many_lines_is_one_row() -> None:
    text = "line\n" * 40_000
    assert [row.problem and row.problem.code for row in read_text(f'A,B\n1,"{text}"\n3,4\n')] == [
        "cell_too_large",
        None,
    ]


class Endless:
    """One line without an end, counted."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int, /) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return b"x" * size


def test_a_line_without_an_end_is_not_held_in_memory() -> None:
    dialect = detect(b"A,B\n", whole=True)
    size = 50 * 1024 * 1024
    (row,) = read_rows(Endless(size), dialect, offset=4, row=0)
    assert (row.offset, row.length) == (4, size)
    assert row.problem is not None
    assert row.problem.code == "row_too_large"
    assert sum(map(len, row.cells)) < 10_000
    assert row.cells[0].startswith("[cut by jobferry]")


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "big5", "euc-kr", "cp1251", "mac-roman"])
def test_other_encodings_by_name(encoding: str) -> None:
    words = {"gbk": "中文", "shift_jis": "ソ表", "big5": "功能", "euc-kr": "한글", "cp1251": "Ёж"}
    word = words.get(encoding, "é")
    text = "".join(f"{n},{word}\n" for n in range(50_000))
    data = f"A,{word}\n{text}".encode(encoding)
    dialect, rows = read(data, encoding=encoding)
    assert dialect.header == ("A", word)
    assert [row.cells[1] for row in rows] == [word] * 50_000
    last = rows[-1]
    assert data[last.offset : last.offset + last.length] == f"49999,{word}\n".encode(encoding)


def test_what_is_plainly_utf_8_is_read_so_whatever_the_profile_says() -> None:
    dialect, rows = read("A,B\nCafé,naïve – €\n".encode(), encoding="cp1252")
    assert (dialect.encoding, rows[0].cells) == ("utf-8", ["Café", "naïve – €"])


@pytest.mark.parametrize("first", ["Caf\xe9,2\n", "1,2\n" * 100_000])
def test_a_file_of_two_encodings_is_refused(first: str) -> None:
    data = b"A,B\n" + first.encode("cp1252") + "Café,2\n".encode() + b"1,2\n"
    dialect = detect(data[:100_000], whole=False, encoding="cp1252")
    with pytest.raises(FileRefused) as caught:
        list(read_rows(BytesIO(data[4:]), dialect, offset=4, row=0))
    assert caught.value.code == "two_encodings"


def test_bytes_of_another_encoding_refuse_the_file_and_say_where() -> None:
    data = b"A,B\n" + b"1,2\n" * 200_000 + b"\xe9,2\n" + b"1,2\n" * 10
    dialect = detect(data[:1000], whole=False)
    rows = read_rows(BytesIO(data[4:]), dialect, offset=4, row=0)
    with pytest.raises(FileRefused, match="row 200,001") as caught:
        list(rows)
    assert caught.value.code == "wrong_encoding"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-8"])
def test_a_file_that_ends_inside_a_character(encoding: str) -> None:
    data = "A,B\n1,€".encode(encoding)[:-1]
    dialect = detect("A,B\n1,2".encode(encoding), whole=False)
    start = dialect.data_offset
    with pytest.raises(FileRefused) as caught:
        list(read_rows(BytesIO(data[start:]), dialect, offset=start, row=0))
    assert caught.value.code == "wrong_encoding"


def test_offsets_of_cp1252_and_astral_utf_16() -> None:
    _, rows = read("A,B\né,2\n3,€\n".encode("cp1252"), encoding="cp1252")
    assert [(row.offset, row.length) for row in rows] == [(4, 4), (8, 4)]
    _, rows = read("A,B\n\U0001f600,2\n3,4\n".encode("utf-16"))
    assert [(row.offset, row.length) for row in rows] == [(10, 10), (20, 8)]
    assert rows[0].cells == ["\U0001f600", "2"]


def test_a_file_whose_quotes_never_match_has_no_good_row() -> None:
    dialect = Dialect("utf-8", ",", "\n", ("A", "B"), 0)
    rows = list(read_rows(BytesIO(b'x","\n' * 400_000), dialect, offset=0, row=0))
    assert len(rows) < 10
    assert all(row.problem for row in rows)
