"""Every document of every command is as docs/schemas says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from jobferry_cli.local import commands as local_commands
from jobferry_cli.local.state import LocalState
from jobferry_cli.main import cli
from tests.contract.documents.bench import DOCUMENT
from tests.template.test_people import SCENES, Scene, _let_tell
from tests.unit.cli.shell import Answer, Shell
from virtual.world import World, sample_csv

FOLDER = Path(__file__).parents[3] / "docs" / "schemas"
FILES = sorted(path for path in FOLDER.glob("*.schema.json") if not path.name.startswith("event."))
LOADED = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in LOADED.items()
)

NO_DOCUMENT: set[str] = set()
"""Commands that print nothing for scripts."""


def index() -> dict[str, list[str]]:
    """Command → the schemas of what it prints, as the index says."""
    found: dict[str, list[str]] = {}
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for names, documents in re.findall(r"^\| (`.*) \| (\[.*) \|$", text, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            found[name] = re.findall(r"\]\(([\w-]+\.schema\.json)\)", documents)
    return found


INDEX = index()


def commands(group: click.Group = cli, path: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        inner = group.get_command(context, name)
        if isinstance(inner, click.Group):
            yield from commands(inner, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def fits(name: str, document: dict[str, Any]) -> list[str]:
    """What a document of a command has that none of its schemas allows."""
    found: list[str] = []
    for schema in INDEX[name]:
        errors = Draft202012Validator(LOADED[schema], registry=REGISTRY).iter_errors(document)
        problems = [f"{schema}: {each.json_path}: {each.message}" for each in errors]
        if not problems:
            return []
        found += problems
    return found


def hold(name: str, answer: Answer) -> int:
    """Hold all that a command has printed against its schemas; returns how many documents."""
    for document in answer.documents:
        if "error" in document and isinstance(document["error"], dict):
            validator = Draft202012Validator(LOADED["error.schema.json"], registry=REGISTRY)
            assert not list(validator.iter_errors(document))
            if document.keys() == {"error"}:
                continue
        assert fits(name, document) == []
    return len(answer.documents)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_schema_is_one(path: Path) -> None:
    schema = LOADED[path.name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name
    assert path.read_text() == json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    assert path.name in (FOLDER / "README.md").read_text()


def test_every_command_has_a_schema_or_prints_no_document() -> None:
    assert INDEX.keys() | NO_DOCUMENT == set(commands())
    named = {schema for schemas in INDEX.values() for schema in schemas}
    assert named | {"common.schema.json", "error.schema.json"} == set(LOADED)


def _runs(shell: Shell, _: Path) -> tuple[object, ...]:
    shell.world.processed(sample_csv(2))
    shell.world.planned(sample_csv(3))
    return ("runs",)


def _vendors(shell: Shell, _: Path) -> tuple[object, ...]:
    shell("vendor", "put", DOCUMENT)
    return ("vendor", "list")


def _drafted(_: Shell, folder: Path) -> tuple[object, ...]:
    file = folder / "people.csv"
    file.write_text("Subject,Body\nHello,Text\n")
    return ("profile", "new", file, "--operation", "tickets.create")


def _without(name: str, option: str) -> Scene:
    def scene(shell: Shell, folder: Path) -> list[object]:
        return [word for word in SCENES[name](shell, folder) if word != option]

    return scene


MORE: dict[str, Scene] = {
    "runs": _runs,
    "vendor list": _vendors,
    **{
        f"{name} --started": _without(name, "--wait")
        for name in ("run", "retry", "rerun", "resume", "schedule run-now", "resolve")
    },
    "profile new": _drafted,
    "cost": lambda *_: ("cost",),
    "operations": lambda *_: ("operations",),
    "completion": lambda *_: ("completion", "bash"),
    "vendor check": lambda *_: ("vendor", "check", DOCUMENT),
    "local status": lambda *_: ("local", "status"),
    "local down": lambda *_: ("local", "down"),
}
EMPTY = {"problems"}
"""Commands whose scene lists nothing."""


@pytest.mark.parametrize("name", {**SCENES, **MORE})
def test_what_a_command_prints_fits(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("JOBFERRY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    _let_tell(shell, monkeypatch)
    scene = {**SCENES, **MORE}[name]
    command = name.split(" --")[0]
    answer = shell(*scene(shell, tmp_path), "--json")
    assert hold(command, answer) or command in EMPTY


@pytest.mark.parametrize("name", sorted({name.split(" --")[0] for name in SCENES}))
def test_every_command_that_is_misused_prints_an_error(shell: Shell, name: str) -> None:
    answer = shell(*name.split(), "--no-such-option", "--json")
    assert answer.code == 1
    assert hold(name, answer) == 1


def test_every_scene_is_held() -> None:
    held = {name.split(" --")[0] for name in {**SCENES, **MORE}}
    assert set(commands()) - held <= {"local up"}


def test_local_up_prints_the_document_of_local_status(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBFERRY_HOME", str(tmp_path))
    state = LocalState("http://127.0.0.1:4566", "http://127.0.0.1:8900", "scratch")
    started: Callable[..., LocalState] = lambda **_: state  # noqa: E731
    monkeypatch.setattr(local_commands, "start_local", started)
    assert hold("local up", shell("local", "up", "--json")) == 1
    state.save(tmp_path)
    assert hold("local status", shell("local", "status", "--json")) == 1


def test_paused_aborted_and_failed_runs_fit(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text(sample_csv(6))
    trial = ("run", file, "--profile", "things", "--trial", 2, "--wait", "--json")
    paused = shell(*trial).document["run_id"]
    failed = shell.world.processed("", name="empty.csv").run_id
    assert hold("status", shell("status", paused, failed, "--json")) == 2
    shell("abort", paused)
    assert hold("status", shell("status", paused, "--json")) == 1
    assert hold("runs", shell("runs", "--json")) == 2


def test_a_wrong_document_does_not_fit() -> None:
    with World() as world:
        document = Shell(world)("status", world.processed(sample_csv(1)).run_id, "--json").document
    for changes in ({"rows": "1"}, {"status": "odd"}, {"outcomes": {}}, {"started_at": "today"}):
        assert fits("status", {**document, **changes})
    del document["next"]
    assert fits("status", document)
