"""The examples of docs/csv.md, read as the product reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.plan_items import ChunkSpec
from jobferry.domain.outcome import RejectedRow
from jobferry.domain.profile import Column, Profile
from tests.unit.csvfile.samples import compile_mapping, csv_text, planned, read, read_text

GUIDE = (Path(__file__).parents[3] / "docs" / "csv.md").read_text(encoding="utf-8")


def rows_of(title: str) -> Iterator[list[str]]:
    """The cells of the first table below a title."""
    _, _, text = GUIDE.partition(f"## {title}\n")
    table = text.partition("|---|")[2].partition("\n\n")[0]
    for line in table.splitlines()[1:]:
        yield [cell[1:-1] for cell in line.strip("|").split("|")]


def plain(cell: str) -> str:
    """What stands between the first pair of backticks."""
    return re.findall(r"`([^`]*)`", cell)[0]


@pytest.mark.parametrize(("settings", "cell", "sent"), list(rows_of("What a cell becomes")))
def test_what_a_cell_becomes(settings: str, cell: str, sent: str) -> None:
    type_, *more = re.findall(r"`([^`]*)`", settings)
    column = {"field": "x", "type": type_}
    for each in more:
        column |= yaml.safe_load(each)
    document = {"name": "p", "connection": "c", "operation": "o"}
    profile = Profile.from_document(
        validate({**document, "columns": {"A": column, "B": {"field": "b", "optional": True}}}), 1
    )
    mapping = compile_mapping(profile, ("A", "B"))
    (row,) = read_text(csv_text([["A", "B"], [plain(cell), "x"]]))
    problem = mapping.check(row.cells)
    if sent.startswith("rejected"):
        assert problem is not None
        assert problem.code == plain(sent)
    else:
        assert problem is None
        assert mapping.record(row.cells)["x"] == json.loads(plain(sent))


@pytest.mark.parametrize(("lines", "expected"), list(rows_of("What a row becomes")))
def test_what_a_row_becomes(tmp_path: Path, lines: str, expected: str) -> None:
    header = ("Ref", "Subject", "Body")
    columns = {name: Column(name.lower()) for name in header}
    profile = Profile("p", "c", "o", columns=columns, row_key="Ref")
    data = ("Ref,Subject,Body\n" + plain(lines).replace("⏎", "\n")).encode()
    dialect, _ = read(data)
    with SeenKeys(tmp_path / "seen.keys") as seen:
        items = planned(data, compile_mapping(profile, dialect.header), dialect, seen=seen)
    found: dict[int, str] = {}
    for item in items:
        if isinstance(item, RejectedRow):
            found[item.row] = item.code
        elif isinstance(item, ChunkSpec):
            for span in item.spans:
                found |= dict.fromkeys(range(span.first_row, span.first_row + span.rows), "sent")
    wanted = [word.strip("`") for word in expected.split(", ")]
    assert [what for _, what in sorted(found.items())] == wanted
