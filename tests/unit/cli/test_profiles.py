"""`jobferry profile`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.cli.shell import ANN, Answer, Shell

GOOD = """
name: new
connection: acme
operation: things.create
columns:
  Name: name
  Size: {field: size, type: integer, optional: true}
row_key: Name
"""


def put(shell: Shell, folder: Path, text: str, *more: object) -> Answer:
    path = folder / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    return shell("profile", "put", path, *more)


def test_put_answers_with_the_canonical_form_and_its_revision(shell: Shell, tmp_path: Path) -> None:
    answer = put(shell, tmp_path, GOOD, "--json")

    assert answer.code == 0
    assert answer.document["revision"] == 1
    assert answer.document["columns"]["Size"]["type"] == "integer"
    shown = shell("profile", "show", "new", "--json").document
    assert shown == {**answer.document, "by": ANN, "inbox": "s3://inbox-bucket/inbox/new/"}


def test_put_and_show_say_where_files_are_dropped(shell: Shell, tmp_path: Path) -> None:
    where = "s3://inbox-bucket/inbox/new/"

    assert where in put(shell, tmp_path, GOOD).stdout
    shown = shell("profile", "show", "new").stdout
    assert f"# files dropped at {where} start runs" in shown
    assert yaml.safe_load(shown)["name"] == "new"


def test_only_a_change_makes_a_new_revision(shell: Shell, tmp_path: Path) -> None:
    def revision(text: str) -> int:
        number: int = put(shell, tmp_path, text, "--json").document["revision"]
        return number

    assert revision(GOOD) == 1
    assert revision(GOOD) == 1
    assert revision(GOOD + "batch_size: 10\n") == 2
    assert revision(GOOD) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", ["A profile is a mapping"]),
        ("name: [", ["line"]),
        ("name: a b\ncolour: red\n", ["name:", "connection: is missing", "colour: there is no"]),
        (GOOD.replace("acme", "nobody"), ["connection 'nobody'"]),
        (GOOD.replace("things.create", "things.paint"), ["things.paint", "things.upsert"]),
        (GOOD.replace("Name: name", "Name: title"), ["needs the field name"]),
        (GOOD.replace("field: size", "field: name"), ["wants a place"]),
    ],
)
def test_every_problem_is_said_and_nothing_is_kept(
    shell: Shell, tmp_path: Path, text: str, said: list[str]
) -> None:
    answer = put(shell, tmp_path, text, "--json")

    assert answer.code == 1
    assert answer.error["code"] == "input"
    assert all(words in answer.stderr for words in said)
    assert answer.stderr.splitlines()[-1].startswith("Next:  jobferry ")
    assert shell.world.store.config.profile("new") is None


def test_a_missing_connection_comes_with_the_command_that_makes_it(
    shell: Shell, tmp_path: Path
) -> None:
    answer = put(shell, tmp_path, GOOD.replace("acme", "nobody"))

    assert "jobferry connection put nobody" in answer.stderr.splitlines()[-1]


def test_list_show_and_delete(shell: Shell, tmp_path: Path) -> None:
    put(shell, tmp_path, GOOD)

    names = [document["name"] for document in shell("profile", "list", "--json").documents]
    assert names == ["new", "things"]
    assert "operation: things.create" in shell("profile", "show", "new").stdout
    assert shell("profile", "delete", "new").code == 0
    assert shell("profile", "show", "new").code == 1
    assert shell("profile", "delete", "new").code == 1
    assert "things" in shell("profile", "list").stdout
