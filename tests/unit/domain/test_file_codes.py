from __future__ import annotations

from pathlib import Path

import pytest

from jobferry.domain.error_codes import FileRefused, RefusalCode, RejectCode, column_letters

GUIDE = (Path(__file__).parents[3] / "docs" / "csv.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [*RejectCode, *RefusalCode])
def test_the_guide_tells_how_to_mend_it(code: str) -> None:
    assert f"\n| `{code}` |" in GUIDE


@pytest.mark.parametrize(
    ("index", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (701, "ZZ"), (702, "AAA")]
)
def test_columns_are_called_as_in_a_spreadsheet(index: int, letters: str) -> None:
    assert column_letters(index) == letters


def test_a_refusal_carries_code_and_message() -> None:
    refused = FileRefused(RefusalCode.EMPTY_FILE, "The file is empty.")
    assert (refused.code, refused.message, str(refused)) == (
        "empty_file",
        *["The file is empty."] * 2,
    )
