"""docs/profiles.md: every key of a profile is in its tables, and every example works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.domain.connection import Connection
from jobferry.domain.profile import Breaker, Column, Profile
from jobferry.vendors.registry import BUILT_IN
from tests.contract.documents.bench import DOCUMENT, SHELF
from tests.unit.cli.shell import Shell

PAGE = Path(__file__).parents[3] / "docs/profiles.md"
TEXT = PAGE.read_text(encoding="utf-8")

_EXAMPLE = re.compile(r"```yaml\n(name: .*?)```\n```csv\n(.*?)```", re.DOTALL)


class Example(NamedTuple):
    """One example of the page: the profile as it is written, and its file."""

    text: str
    csv: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(self.text)
        return document


EXAMPLES = {
    example.document["name"]: example
    for example in (Example(found[1], found[2]) for found in _EXAMPLE.finditer(TEXT))
}


def keys_in(section: str) -> set[str]:
    """The first cells of the table in a section."""
    part = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE))


def model_of(document: dict[str, Any]) -> dict[str, Any]:
    """The canonical form: all that a profile can say."""
    return validate({"name": "p", "connection": "c", "operation": "o", **document})


def test_every_key_of_a_profile_is_in_the_table() -> None:
    model = model_of({})
    assert model.keys() - keys_in("Keys of a profile") == set()
    assert keys_in("Keys of a profile") - model.keys() == set()
    assert model.keys() == Profile.__dataclass_fields__.keys() - {"revision"}


def test_every_key_of_a_column_is_in_the_table() -> None:
    model = model_of({"columns": {"A": "a"}})["columns"]["A"]
    assert model.keys() == keys_in("Keys of a column")
    assert model.keys() == Column.__dataclass_fields__.keys()


def test_the_defaults_of_the_table_are_those_of_the_reader() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", TEXT, re.MULTILINE))
    model = model_of({})
    for key in ("max_attempts", "max_rejected"):
        assert table[key] == str(model[key])
    assert yaml.safe_load(table["breaker"].strip("`")) == model["breaker"]
    assert model["breaker"].keys() == Breaker.__dataclass_fields__.keys()
    assert (model["add_external_id"], model["trim"], model["ramp"]) == (True, False, True)
    column = model_of({"columns": {"A": "a"}})["columns"]["A"]
    assert (table["separator"], table["decimal"]) == ("`,`", "`.`")
    assert (column["separator"], column["decimal"], column["type"]) == (",", ".", "string")


def families() -> Iterator[str]:
    """The first parts of the names of all operations there are."""
    for vendor in BUILT_IN.built_in():
        yield from (operation.partition(".")[0] for operation in vendor.operations)


def test_there_is_an_example_for_every_family() -> None:
    shown = {each.document["operation"].partition(".")[0] for each in EXAMPLES.values()}
    alike = {"organization_memberships": "group_memberships"}
    assert {alike.get(family, family) for family in families()} | {"books"} == shown
    assert TEXT.count("```yaml") == len(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_kept_without_a_warning_and_plans_its_rows(
    shell: Shell, tmp_path: Path, name: str
) -> None:
    example = EXAMPLES[name]
    shell.world.store.config.put_vendor("shelf", yaml.safe_load(DOCUMENT.read_text()))
    (vendor,) = [
        each.name
        for each in (*BUILT_IN.built_in(), SHELF)
        if each.operation(example.document["operation"])
    ]
    connection = Connection(example.document["connection"], vendor, "https://acme.example.com")
    shell.world.store.config.put_connection(connection)
    profile, file = tmp_path / "p.yaml", tmp_path / "f.csv"
    profile.write_text(example.text, encoding="utf-8")
    file.write_text(example.csv, encoding="utf-8")

    put = shell("profile", "put", profile, "--strict", "--json")
    assert put.code == 0, put.stderr
    assert "warnings" not in put.document
    plan = shell("plan", file, "--profile", name, "--json")
    assert plan.code == 0, plan.stderr
    assert plan.document["warnings"] == []
    assert plan.document["bad_rows"] == []
    assert plan.document["to_send"] == 2
