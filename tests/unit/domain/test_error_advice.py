"""The advice of every surface is that of docs/errors.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobferry.domain.error_advice import advice, advised_codes

GUIDE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()
_ROW = re.compile(r"^\| `([A-Za-z_0-9]+)` \| `[a-z]+` \| .+ \| (.+) \|$", re.MULTILINE)


def test_the_guide_and_the_code_say_the_same() -> None:
    assert dict(_ROW.findall(GUIDE)) == advised_codes()


def test_commands_name_the_run_and_its_connection() -> None:
    text = advice("vendor_unreachable", "", "r-1", "acme")
    assert "`jobferry connection test acme`" in text
    assert "`jobferry rerun r-1`" in text


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("RecordInvalid", "Email: is bad", "Mend the row"),
        ("http_409", "", "retry r-1"),
        ("TooManyRequests", "maximum number of resources", "Mend the account"),
        ("TicketUpdateFailed", "Safe Update prevented it", "Somebody changed"),
        ("", "", "Mend the row"),
    ],
)
def test_a_word_that_nobody_listed_has_the_advice_of_its_class(
    code: str, text: str, expected: str
) -> None:
    assert expected in advice(code, text, "r-1", "acme")
