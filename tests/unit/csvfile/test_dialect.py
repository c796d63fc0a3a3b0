from __future__ import annotations

import codecs
import gzip
import io
import json
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.dialect import Dialect, detect
from jobferry.domain.error_codes import FileRefused, RefusalCode
from tests.unit.csvfile.samples import csv_text, tables


def refusal(data: bytes, *, whole: bool = True, **options: str) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        detect(data, whole=whole, **options)
    assert caught.value.message.endswith(".")
    return caught.value


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name in names:
            target.writestr(name, "x")
    return file.getvalue()


ENCODINGS = [
    ("utf-8", b""),
    ("utf-8", codecs.BOM_UTF8),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
]


@given(
    table=tables(),
    coding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_everything_is_found_out(
    table: list[list[str]], coding: tuple[str, bytes], delimiter: str, newline: str
) -> None:
    encoding, mark = coding
    text = csv_text(table, delimiter=delimiter, newline=newline)
    header = csv_text(table[:1], delimiter=delimiter, newline=newline)
    dialect = detect(mark + text.encode(encoding), whole=True)
    assert replace(dialect, width=0, pads=False) == Dialect(
        encoding=encoding,
        delimiter=delimiter,
        newline="\r" if newline == "\r" else "\n",
        header=tuple(table[0]),
        data_offset=len(mark) + len(header.encode(encoding)),
    )
    assert Dialect.from_json(json.loads(json.dumps(dialect.to_json()))) == dialect


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(encoding: str) -> None:
    dialect = detect("Subject,Body\nGrüße,x\n".encode(encoding), whole=True)
    assert (dialect.encoding, dialect.header) == (encoding, ("Subject", "Body"))
    assert dialect.data_offset == 26


def test_cp1252_only_when_the_profile_says_so() -> None:
    data = "Größe,B\nx,y\n".encode("cp1252")
    assert refusal(data).code == "wrong_encoding"
    assert "cp1252" in refusal(data).message
    dialect = detect(data, whole=True, encoding="windows-1252")
    assert (dialect.encoding, dialect.header) == ("cp1252", ("Größe", "B"))


def test_a_mark_wins_over_the_profile() -> None:
    dialect = detect(codecs.BOM_UTF8 + "Größe,B\n".encode(), whole=True, encoding="cp1252")
    assert (dialect.encoding, dialect.header[0]) == ("utf-8", "Größe")


@pytest.mark.parametrize("said", ["utf-16", "UTF-16LE", "utf-8", "cp1252"])
def test_utf_16_whatever_the_profile_says(said: str) -> None:
    data = "Subject,Body\n".encode("utf-16-le")
    assert detect(data, whole=True, encoding=said).encoding == "utf-16-le"
    data = "名前,本文\n".encode("utf-16-be")
    assert detect(data, whole=True, encoding="utf-16-be").header == ("名前", "本文")


@pytest.mark.parametrize(
    "line",
    ["sep=;", '"sep=;"', "SEP=;", "sep=;;;;", '"sep=;",,', "sep=;\t", "\ufeffsep=;", " sep=; "],
)
def test_the_delimiter_line_of_excel_in_all_its_forms(line: str) -> None:
    dialect = detect(f"{line}\r\nA;B\r\n1;2\r\n".encode(), whole=True)
    assert (dialect.delimiter, dialect.header) == (";", ("A", "B"))


@pytest.mark.parametrize("line", ["sep=,,,", '"sep=;",,,', "sep=,"])
def test_a_delimiter_line_that_was_saved_again(line: str) -> None:
    dialect = detect(f"{line}\nA,B,C\n1,2,3\n".encode(), whole=True)
    assert (dialect.delimiter, dialect.header) == (",", ("A", "B", "C"))


@pytest.mark.parametrize(("said", "name"), [(";", "a comma"), ("\t", "a comma"), ("|", "a comma")])
def test_a_delimiter_that_the_file_does_not_have(said: str, name: str) -> None:
    found = refusal(b"A,B\n1,2\n", delimiter=said)
    assert found.code == "wrong_delimiter"
    assert name in found.message


def test_looking_for_the_newline_takes_no_longer_for_many_quotation_marks() -> None:
    data = b'"' + b"\na" * 120_000
    assert refusal(data, whole=False).code == "unreadable_header"


def test_the_delimiter_of_the_profile_wins() -> None:
    assert detect(b"a,b;c,d\n", whole=True, delimiter=";").header == ("a,b", "c,d")


def test_rows_decide_when_the_header_has_two_delimiters() -> None:
    data = b"Name, first;Mail\nAnn;a@x\nBo;b@x\n"
    assert detect(data, whole=True).header == ("Name, first", "Mail")


def test_lists_in_cells_are_no_columns() -> None:
    assert detect(b"Ref;Tags\n1;a|b,c\n2;d|e,f\n", whole=True).delimiter == ";"


def test_one_column() -> None:
    dialect = detect(b"Tags\na|b\nc|d\n", whole=True)
    assert (dialect.delimiter, dialect.header) == (",", ("Tags",))


def test_names_are_trimmed_and_nameless_columns_at_the_end_left_out() -> None:
    assert detect(b' "A" , B\t,,\n', whole=True).header == ('"A"', "B")
    assert detect(b"A,,C\n", whole=True).header == ("A", "", "C")


def test_blank_lines_above_the_header_and_the_delimiter_line_of_excel() -> None:
    assert detect(b"\r\n\r\nA,B\r\n", whole=True).data_offset == 9
    dialect = detect(b"sep=;\r\nA;B\r\n1;2\r\n", whole=True)
    assert (dialect.delimiter, dialect.header, dialect.data_offset) == (";", ("A", "B"), 12)


def test_a_header_with_line_breaks_in_quotes() -> None:
    dialect = detect(b'"A\nsecond",B\n1,2\n', whole=True)
    assert (dialect.header, dialect.data_offset) == (("A\nsecond", "B"), 13)


def test_a_header_without_rows_and_without_a_newline() -> None:
    assert detect(b"A,B", whole=True).data_offset == 3


def test_a_sample_that_ends_inside_a_character() -> None:
    assert detect("A,B\nx,€".encode()[:-1], whole=False).header == ("A", "B")
    assert refusal("A,B\nx,€".encode()[:-1]).code == "wrong_encoding"


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_empty_files(data: bytes) -> None:
    assert refusal(data).code == "empty_file"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (archive("[Content_Types].xml", "xl/workbook.xml"), RefusalCode.EXCEL_WORKBOOK),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), RefusalCode.EXCEL_WORKBOOK),
        (archive("data.csv"), RefusalCode.ARCHIVE),
        (gzip.compress(b"A,B\n", mtime=0), RefusalCode.ARCHIVE),
        (b"%PDF-1.7\n", RefusalCode.BINARY_FILE),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), RefusalCode.BINARY_FILE),
        ("A,B\n".encode("utf-32"), RefusalCode.BINARY_FILE),
        (b"<html><table><tr><td>A", RefusalCode.WEB_PAGE),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", RefusalCode.WEB_PAGE),
    ],
    # named, because archives carry the time of their making, and a test's name must not change
    ids=["xlsx", "xls", "zip", "gzip", "pdf", "png", "utf_32", "html", "xml"],
)
def test_files_that_are_no_csv(data: bytes, code: RefusalCode) -> None:
    assert refusal(data).code == code
    assert refusal(data, encoding="cp1252").code == code


@pytest.mark.parametrize(
    "data",
    [
        b"Export of tickets\n\nA,B,C\n1,2,3\n4,5,6\n",
        b"Export,,\nA,B,C\n1,2,3\n4,5,6\n",
        b"Bericht\r\nA;B\r\n1;2\r\n",
    ],
)
def test_text_above_the_header(data: bytes) -> None:
    assert refusal(data).code == "text_before_header"


def test_headers_that_cannot_be_used() -> None:
    assert refusal(b'"A,B\n1,2\n').code == "unreadable_header"
    assert refusal(b"A" * 500, whole=False).code == "unreadable_header"
    assert refusal(b",,\n1,2,3\n").code == "no_header"
    assert refusal(",".join(f"c{i}" for i in range(1001)).encode()).code == "too_many_columns"
    assert len(detect(",".join(f"c{i}" for i in range(1000)).encode(), whole=True).header) == 1000


def test_profiles_that_name_what_does_not_exist() -> None:
    assert refusal(b"A,B\n", encoding="utf-7").code == "unknown_encoding"
    assert refusal(b"A,B\n", encoding="no such").code == "unknown_encoding"
    assert refusal(b"A,B\n", delimiter="ab").code == "unknown_delimiter"
