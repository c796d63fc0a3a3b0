"""Every command that a page shows works: typed as it stands there, on a deployment in memory.

Pages are all of `docs/` and the README; the decisions and the changelog show no commands to type.
Commands in blocks and in rows of tables are typed, also as they are meant with what stands in
brackets; of those that a text only mentions, the options must exist. The runbook and the guide
to deploying are typed as a whole, each command in its own scene (`test_runbook.py`).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest
import yaml

from jobferry_cli.errors import ExitCode
from jobferry_cli.main import cli
from tests.contract.documents.bench import DOCUMENT, SHELF_DOCUMENT
from tests.contract.documents.simulator import GOOD, simulator_of
from tests.documents import DOCUMENTS, ROOT, commands, shown_commands
from tests.unit.cli.shell import Shell
from tests.unit.cli.test_runbook import (
    TYPED,
    Names,
    Scene,
    after_a_trial,
    closed,
    failed,
    idle_connection,
    is_only_named,
    new_secret,
    paused,
    undoable,
)
from vendorsim import ManualClock, RunningSimulator
from virtual.vendor import VENDOR
from virtual.world import CONNECTION, INBOX, PLAIN_PROFILE, PROFILE, World, sample_csv

PAGES = [
    page for page in DOCUMENTS if page.name != "CHANGELOG.md" and page.parent.name != "decisions"
]
COMMAND = "jobferry"

NOT_TYPED = {
    "jobferry local up": "tests/e2e and tools/demo.py start with it",
    "jobferry local up --no-simulators": "tests/e2e starts without simulators",
    "jobferry local down": "tests/e2e and tools/demo.py end with it",
    "jobferry dashboard": "tests/browser and tests/e2e serve the page",
}
"""Commands that are proven elsewhere, and where."""

_RUN_ID = re.compile(r"\b[a-z][a-z-]*-[0-9a-f]{12}\b")
"""An id of a run in an example: any run that is there may take its place."""

AT_THE_END: list[Callable[..., object]] = []
"""What ends that a scene has started."""


def practice(shell: Shell, folder: Path) -> Names:
    """What a reader of the pages has: files, a connection, profiles, a run that is closed."""
    for name in ("tickets", "my-tickets", "users", "FILE"):
        (folder / f"{name}.csv").write_text(sample_csv(30))
        shell.world.objects.upload(INBOX, f"scheduled/{name}.csv", sample_csv(3).encode())
    for name in ("new-tickets", "my-tickets", "update-tickets", "users"):
        shell.world.put_profile({"name": name})
        document = {**PLAIN_PROFILE, "name": name}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    typo = {**PLAIN_PROFILE, "name": "typo", "columns": {"Name": "name", "Ref": "priorty"}}
    (folder / "typo.yaml").write_text(yaml.safe_dump(typo))
    for name in ("acme", "sandbox"):
        (folder / f"{name}.json").write_text('{"email": "a@example.com", "token": "t"}')
    shutil.copytree(ROOT / "examples", folder / "examples")
    result_of = shell.world.account.result_of
    names = closed(shell, folder)
    shell.world.account.result_of = result_of
    return {**names, "P": PROFILE, "NAME": CONNECTION, "DIR": folder / "out"}


def drafting(shell: Shell, folder: Path) -> Names:
    """Files, of which no profile was made yet."""
    names = practice(shell, folder)
    for profile in folder.glob("*.yaml"):
        profile.unlink()
    return names


def fetched(shell: Shell, folder: Path) -> Names:
    """The result files of a closed run are here."""
    names = practice(shell, folder)
    assert shell("results", names["RUN"], "--out", "results").code == ExitCode.OK
    for name in ("failed", "rejected"):
        (folder / "results" / f"{name}.csv").write_text(sample_csv(2, start=900))
    return names


def scheduled(shell: Shell, folder: Path) -> Names:
    names = practice(shell, folder)
    source = f"s3://{INBOX}/scheduled/users.csv"
    made = shell(
        *("schedule", "put", "nightly", "--rate", "1 day", "--profile", PROFILE),
        *("--source", source),
    )
    assert made.code == ExitCode.OK
    return names


def other_secret(shell: Shell, folder: Path) -> Names:
    return {**new_secret(shell, folder), "FILE.json": "NEW.json"}


def shelf(shell: Shell, folder: Path) -> Names:
    """A vendor that is a document, of which the files are here."""
    (folder / "shelf.yaml").write_text(DOCUMENT.read_text(encoding="utf-8"))
    (folder / "shelf.json").write_text('{"bearer": "k"}')
    (folder / "book.json").write_text('{"title": "A book"}')
    assert shell("vendor", "put", "shelf.yaml").code == ExitCode.OK
    return {}


def shelf_there(shell: Shell, folder: Path) -> Names:
    """The same, and a simulator of it, which takes the place of its address."""
    shelf(shell, folder)
    clock = ManualClock()
    running = RunningSimulator(simulator_of(SHELF_DOCUMENT)(clock=clock))
    shell.while_sleeping = lambda: clock.advance(1)
    AT_THE_END.append(running.__exit__)
    running.__enter__()
    (folder / "shelf.json").write_text(json.dumps(GOOD["bearer"]))
    return {"https://shelf.example": running.url}


def acme_alone(shell: Shell, folder: Path) -> Names:
    """A connection that no profile names any more, and nothing is in flight on."""
    names = idle_connection(shell, folder)
    return {"acme": names["NAME"]}


def sandbox(shell: Shell, folder: Path) -> Names:
    (folder / "sandbox.json").write_text('{"bearer": "x"}')
    where = ("--vendor", VENDOR, "--base-url", "https://x.example")
    put = shell("connection", "put", "sandbox", *where, "--credentials", "sandbox.json")
    assert put.code == ExitCode.OK
    return {}


SCENES: Mapping[str, Scene] = {
    "jobferry retry RUN": failed,
    "jobferry retry RUN --wait": failed,
    "jobferry resume RUN --wait": after_a_trial,
    "jobferry resume RUN": after_a_trial,
    "jobferry abort RUN": paused,
    "jobferry undo RUN --out DIR": undoable,
    "jobferry connection delete acme": acme_alone,
    "jobferry connection test sandbox": sandbox,
    "jobferry connection put NAME … --credentials NEW.json": new_secret,
    "jobferry connection put NAME … --credentials FILE.json": other_secret,
}


def scene_of(command: str) -> Scene:
    """What is there before a command is typed."""
    if command in SCENES:
        return SCENES[command]
    if "https://shelf.example" in command and " check " in command:
        return shelf_there
    if re.search(r"\bshelf\b", command):
        return shelf
    if " profile new " in command:
        return drafting
    if " results/" in command:
        return fetched
    if re.search(r"schedule (delete|run-now|list|show|enable|disable)", command):
        return scheduled
    return practice


def forms(command: str) -> list[str]:
    """A command as it may be typed: with what stands in brackets, and without."""
    command = re.sub(r" \| .*$", "", command)
    without = re.sub(r" \[[^\]]*\]", "", command)
    return list(dict.fromkeys((without, command.replace("[", "").replace("]", ""))))


def typed(command: str, names: Names) -> list[str]:
    """The words of a command, with names that are there in place of those that stand for them."""
    command = command.replace("RUN…", "RUN").replace("s3://INBOX", f"s3://{INBOX}")
    if command not in FAILING:
        command = _RUN_ID.sub("RUN", command)
    for name, meant in sorted(names.items(), key=lambda each: -len(each[0])):
        command = re.sub(rf"(?<!\S){re.escape(name)}(?!\S)", str(meant), command)
    return shlex.split(command)[1:]


def _shown() -> Iterator[tuple[str, str]]:
    in_its_scene = {each.command for each in TYPED}
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace(f".venv/bin/{COMMAND}", COMMAND)
        for command in shown_commands(text, COMMAND):
            if not is_only_named(command) and command not in in_its_scene:
                yield page.name, command


SHOWN = {command: page for page, command in _shown()}
_FAILS = re.compile(r"^\$ (jobferry .*)\n(?:Usage: |Error: |\{\"error\")", re.MULTILINE)


def _failing() -> set[str]:
    """Commands that pages show with the failure that they end with, and never otherwise."""
    texts = [page.read_text("utf-8") for page in PAGES]
    others = [_FAILS.sub("", text) for text in texts]
    working = {command for text in others for command in shown_commands(text, COMMAND)}
    return {command for text in texts for command in _FAILS.findall(text)} - working


FAILING = _failing()
TO_TYPE = [(form, page) for command, page in SHOWN.items() for form in forms(command)]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    with World() as world:
        yield Shell(world)
        while AT_THE_END:
            AT_THE_END.pop()(None, None, None)


@pytest.mark.parametrize(
    ("command", "page"), [each for each in TO_TYPE if each[0] not in NOT_TYPED]
)
def test_a_command_that_a_page_shows_works(
    shell: Shell, tmp_path: Path, command: str, page: str
) -> None:
    words = typed(command, scene_of(command)(shell, tmp_path))
    answer = shell(*words)
    assert (answer.code == ExitCode.OK) is (command not in FAILING), (page, words, answer.stderr)
    assert answer.code in (ExitCode.OK, ExitCode.INPUT)


def test_what_is_not_typed_is_shown_somewhere() -> None:
    shown = {form for form, _ in TO_TYPE}
    mentioned = {
        command for page in PAGES for command in commands(page.read_text(encoding="utf-8"), COMMAND)
    }
    assert set(NOT_TYPED) <= shown | mentioned | {"jobferry dashboard"}
    assert shown >= FAILING
    assert FAILING


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_a_page_mentions_exist_with_their_options(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8"), COMMAND):
        if command in FAILING:
            continue
        found: click.Command = cli
        words = command.removesuffix("…").split()[1:]
        words = words[2:] if words[:1] == ["--stack"] else words
        context = click.Context(cli)
        while words and isinstance(found, click.Group):
            inner = [found.get_command(context, each) for each in words[0].split("|")]
            assert all(inner), command
            found, words = inner[0] or cli, words[1:]
        options = {name for each in found.params for name in each.opts}
        named = {name for word in words for name in re.findall(r"^\[?(--[a-z-]+)", word)}
        assert named <= options | {"--help"}, command
