from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobferry.csvfile.safe import defuse, undefuse

NASTY = st.text(st.sampled_from("'=+-@\t\r\n\uff1d05.a")) | st.text()


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x", "-5\n"],
)
def test_what_a_spreadsheet_could_run_gets_an_apostrophe(cell: str) -> None:
    assert defuse(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "text", "-5", "+3.20", "-3,2", "'quoted'", "a=b", "'-5", "2"])
def test_harmless_cells_stay_as_they_are(cell: str) -> None:
    assert defuse(cell) == cell
    assert undefuse(cell) == cell


@given(NASTY)
@example("'")
def test_undefuse_gives_back_every_text(cell: str) -> None:
    assert undefuse(defuse(cell)) == cell


@given(NASTY, NASTY)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (defuse(one) == defuse(other)) == (one == other)


@given(NASTY)
def test_nothing_that_could_run_is_left(cell: str) -> None:
    shown = defuse(cell)
    assert shown == cell or shown.startswith("'")
    assert not shown.startswith(("=", "@", "\t", "\r"))
