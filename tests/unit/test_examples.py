"""Examples are found by vendor and operation, and listed."""

from __future__ import annotations

import re

import pytest

from jobferry.vendors.registry import LOADERS
from jobferry_cli.local.samples import SAMPLES
from tests.examples import EXAMPLES, FOLDER, Example

ROW = re.compile(r"^\| `(\S+)` \| \[`(\S+)`\]\((\S+)\) \| \[csv\]\((\S+)\) \| (.+) \|$")
"""A row of the table in examples/README.md: operation, profile's name and files, what it does."""


def test_profiles_have_names_of_their_own() -> None:
    assert len(EXAMPLES) == len(list(FOLDER.glob("*/*.yaml")))


def test_every_file_belongs_to_an_example() -> None:
    files = {path for path in FOLDER.glob("*/*") if path.suffix in (".csv", ".yaml")}
    assert files == {path for each in EXAMPLES.values() for path in (each.path, each.csv)}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_lies_where_its_operation_says(example: Example) -> None:
    connections = {sample.connection: sample.vendor for sample in SAMPLES}
    assert example.vendor == connections[str(example.document["connection"])]
    assert example.vendor in LOADERS
    # Several examples of one operation have a suffix.
    assert re.fullmatch(re.escape(example.operation) + r"(\.[a-z-]+)?\.yaml", example.path.name)


def test_the_table_lists_all_examples() -> None:
    vendor, listed = "", {}
    for line in (FOLDER / "README.md").read_text().splitlines():
        if heading := re.fullmatch(r"## .+ \(`(\w+)`\)", line):
            vendor = heading[1]
        elif row := ROW.match(line):
            listed[row[2]] = (vendor, row[1], row[3], row[4], row[5])
    assert listed == {
        name: (
            each.vendor,
            each.operation,
            f"{each.vendor}/{each.path.name}",
            f"{each.vendor}/{each.csv.name}",
            purpose(each),
        )
        for name, each in EXAMPLES.items()
    }


def purpose(example: Example) -> str:
    """What the comment at the profile's beginning says."""
    lines = []
    for line in example.path.read_text().splitlines():
        if not line.startswith("# "):
            break
        lines.append(line.removeprefix("# "))
    return " ".join(lines)
