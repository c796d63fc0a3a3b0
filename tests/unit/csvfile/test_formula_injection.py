from __future__ import annotations

import csv
import io
import re
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobferry.csvfile.formula_injection import defuse, undefuse

INVISIBLE = "\xa0\u200b\u2060\ufeff\u202e\x00"
NASTY = st.text(st.sampled_from("'=+-@\t\r\n\uff1d05.a;,|\" " + INVISIBLE)) | st.text()

_BARE_FORMULA = re.compile(rf"[\s\"{INVISIBLE}]*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def cells_in_any_program(line: str) -> list[str]:
    """The cells of a line as every separator parts it, quotation marks minded and not."""
    found = []
    for separator in ";,\t|":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            reader = csv.reader(io.StringIO(line, newline=""), delimiter=separator, quoting=quoting)
            found += [cell for row in reader for cell in row]
    return found


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "'=1",
        "''@x",
        "-5\n",
        " =1",
        "\xa0=1",
        "\ufeff=1",
        "\u200b\u200b=1",
        "\u202e=1",
        '"=1',
        "\u200b-0",
        "\ufeff+5",
        " \u200b -5",
        "\x00-5",
        "\u3164=1",
        "\ufe0f=1",
        "\U000e0041=1",
        "\u034f=1",
    ],
)
def test_what_a_spreadsheet_could_run_gets_an_apostrophe(cell: str) -> None:
    assert defuse(cell) == "'" + cell


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("x;=cmd|'/C calc'!A0", "x;'=cmd|'/C calc'!A0"),
        ("x,=1", "x,'=1"),
        ("x\t=1", "x\t'=1"),
        ("x|=1", "x|'=1"),
        ("x\n=1", "x\n'=1"),
        ('x; "=1', "x; \"'=1"),
        ("x;\xa0\ufeff@A1", "x;\xa0\ufeff'@A1"),
        ("x;'=1", "x;''=1"),
        ("=1;=2", "'=1;'=2"),
        ("\t=1", "'\t'=1"),
        ("x;-5;-cmd", "x;'-5;'-cmd"),
        ("x;\u200b-5", "x;\u200b'-5"),
        ("x; \u2060 +5", "x; \u2060 '+5"),
    ],
)
def test_a_formula_after_another_programs_separator_is_made_text(cell: str, safe: str) -> None:
    assert defuse(cell) == safe
    assert undefuse(safe) == cell


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "text",
        "-5",
        "+3.20",
        "-3,2",
        "'quoted'",
        "a=b",
        "'-5",
        "2",
        "x;-5",
        " -5",
        'x; "-5',
        "ann@example.net, bob@example.net",
        "Dear Ann,\r\n\r\nthanks; a well-known thing.\n",
        "https://example.net/?a=b&c=d",
    ],
)
def test_harmless_cells_stay_as_they_are(cell: str) -> None:
    assert defuse(cell) == cell
    assert undefuse(cell) == cell


@given(NASTY)
@example("'")
@example("'\t'=1")
@example("'x;''=1")
def test_undefuse_gives_back_every_text(cell: str) -> None:
    assert undefuse(defuse(cell)) == cell


@given(NASTY)
def test_what_looks_defused_already_comes_back_too(cell: str) -> None:
    twice = defuse(defuse(cell))
    assert undefuse(twice) == defuse(cell)
    assert undefuse(undefuse(twice)) == cell


@given(NASTY, NASTY)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (defuse(one) == defuse(other)) == (one == other)


@given(NASTY)
def test_of_a_file_of_ours_a_defused_cell_is_written_the_same_again(cell: str) -> None:
    assert defuse(undefuse(defuse(cell))) == defuse(cell)


@given(st.lists(NASTY, min_size=1, max_size=3), st.sampled_from(";,\t|"))
@example(["r1", "x;=cmd|'/C calc'!A0"], ",")
@example(["r1", 'x;"=1'], ",")
@example(["\u200b", "-0"], "\t")
@example(["-0", ""], ";")
@example(["-5", "cmd|' /C calc'!A0"], ";")
def test_no_program_finds_a_formula_in_a_line(cells: list[str], delimiter: str) -> None:
    line = io.StringIO(newline="")
    csv.writer(line, delimiter=delimiter).writerow([defuse(cell) for cell in cells])
    # Whoever leaves off invisible characters before a formula does so before a number, too. A
    # separator behind a number is no operator: with what follows it the cell is a text. (`|` is
    # DDE's, behind the name of a program; a number is none.)
    numbers = re.compile(r"[\s\"\u200b\u2060\ufeff]*[+\-][0-9]+([.,][0-9]+)?([\s\"]*$|\"?[;,|\t])")
    for cell in cells_in_any_program(line.getvalue()):
        assert not _BARE_FORMULA.match(cell) or numbers.match(cell), cell


@pytest.mark.parametrize("sign", ["=", "-"])
def test_no_invisible_character_hides_a_formula(sign: str) -> None:
    unseen = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cf", "Cc", "Zs", "Zl", "Zp")
    ]
    assert len(unseen) > 200
    shown = [each for each in unseen if not defuse(f"{each}{sign}A1").startswith("'")]
    assert shown == []


def test_a_long_cell_of_separators_and_blanks_takes_no_longer_than_others() -> None:
    # Quadratic work on a cell of this size would take hours.
    cell = "\n \t;" * 250_000 + "="
    assert undefuse(defuse(cell)) == cell
    assert defuse(cell).endswith("'=")
