"""What people and scripts rely on: the commands, their arguments and options, their failures.

Each command is used in `test_commands.py`; the documents that they print are in
`test_documents.py`, files and profiles in `test_files.py` and `test_profile_keys.py`, the
simulators and `make` in `test_simulators.py`; what is proved by other tests in `test_elsewhere.py`.
"""

from __future__ import annotations

import importlib
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from botocore.exceptions import EndpointConnectionError

from jobferry.domain.commands import command
from jobferry_cli.local import commands as local_commands
from jobferry_cli.local import state as local_state
from jobferry_cli.local.processes import LocalError
from jobferry_cli.local.state import LocalState
from jobferry_cli.main import cli
from jobferry_cli.stack import Stack
from tests.unit.cli.shell import Answer, Shell

ROOT = Path(__file__).parents[3]

COMMANDS = {
    "local up": "--port --simulator-port --no-simulators --wait-scale",
    "local down": "",
    "local status": "",
    "connection put": "NAME --vendor --base-url --credentials --max-jobs --requests-per-minute "
    "--share",
    "connection list": "",
    "connection show": "NAME",
    "connection test": "NAME",
    "connection delete": "NAME",
    "connection unblock": "NAME",
    "vendor put": "FILE",
    "vendor list": "",
    "vendor show": "NAME",
    "vendor check": "FILE --base-url --credentials",
    "vendor delete": "NAME",
    "profile put": "FILE --strict",
    "profile list": "",
    "profile show": "NAME",
    "profile delete": "NAME",
    "profile new": "FILE --operation --vendor --connection --out",
    "plan": "FILE --profile --out",
    "run": "FILE --profile --wait --priority --trial",
    "runs": "--status --profile --since --until --limit --after",
    "report": "RUN --out --open",
    "dashboard": "--port --no-open",
    "doctor": "",
    "status": "RUN…",
    "watch": "RUN",
    "rows": "RUN --status --row --error-code --find --limit --after",
    "results": "RUN --out",
    "retry": "RUN --wait",
    "rerun": "RUN --wait",
    "abort": "RUN --reason --no-cleanup",
    "priority": "RUN LEVEL",
    "problems": "[RUN]",
    "delete": "RUN… --source",
    "schedule put": "NAME --cron --rate --timezone --profile --source",
    "schedule list": "",
    "schedule delete": "NAME",
    "schedule run-now": "NAME",
    "operations": "[VENDOR]",
}
"""Command → the arguments in their order, and the options that it takes."""

MANY = -1


def found(words: str) -> click.Command:
    """The command of this name."""
    reached: click.Command = cli
    context = click.Context(cli)
    for word in words.split():
        assert isinstance(reached, click.Group)
        inner = reached.get_command(context, word)
        assert inner is not None, words
        reached, context = inner, click.Context(inner, info_name=word, parent=context)
    return reached


def options(of: click.Command) -> dict[str, click.Option]:
    """Every spelling of every option."""
    return {
        word: parameter
        for parameter in of.params
        if isinstance(parameter, click.Option)
        for word in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words.replace(" ", "_"))
def test_arguments_and_options(words: str) -> None:
    tested = found(words)
    expected = COMMANDS[words].split()
    arguments = [p for p in tested.params if isinstance(p, click.Argument)]
    listed = [word for word in expected if not word.startswith("--")]

    assert {word for word in expected if word.startswith("--")} <= set(options(tested))
    assert {"--json", "--stack"} <= set(options(tested))
    # More arguments would be asked of scripts that know of none; fewer may be given than there are.
    for argument, name in zip(arguments, listed, strict=True):
        assert (argument.nargs == MANY) is name.endswith("…")
        assert not (argument.required and name.startswith("["))


@pytest.mark.parametrize(
    ("words", "option", "default"),
    [
        ("local up", "--port", 4566),
        ("local up", "--simulator-port", 8900),
        ("dashboard", "--port", 0),
    ],
)
def test_defaults(words: str, option: str, default: object) -> None:
    assert options(found(words))[option].default == default


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words.replace(" ", "_"))
def test_no_other_option_must_be_given(words: str) -> None:
    """What a command of a script does not say is never demanded."""
    must = {
        "connection put": {"--vendor", "--base-url", "--credentials"},
        "profile new": {"--operation"},
        "plan": {"--profile"},
        "run": {"--profile"},
        "results": {"--out"},
        "schedule put": {"--profile", "--source"},
    }
    required = {word for word, option in options(found(words)).items() if option.required}

    assert required <= must.get(words, set())


WORDS = {
    "connection put": "new --vendor fake --base-url https://x.example --credentials FILE",
    "vendor check": "FILE --base-url https://x.example --credentials FILE",
    "profile new": "FILE --operation things.create --connection acme",
    "plan": "FILE --profile things",
    "run": "FILE --profile things",
    "priority": "things-000000000000 high",
    "results": "things-000000000000 --out OUT",
    "schedule put": "nightly --rate '1 day' --profile things --source s3://inbox-bucket/a.csv",
}
"""Command → what may be typed behind it, where its arguments alone will not do."""

NO_STACK = {"vendor check", "profile new", "operations", "dashboard"}
"""Commands that need none to begin with."""


def typed(words: str, file: object) -> list[str]:
    """A whole command; of runs and names, one that is not there."""
    arguments = {"NAME": "nobody", "FILE": "FILE", "LEVEL": "high", "[VENDOR]": "nobody"}
    usual = " ".join(
        arguments.get(word, "things-000000000000")
        for word in COMMANDS[words].split()
        if not word.startswith("--")
    )
    behind = WORDS.get(words, usual).replace("FILE", str(file)).replace("OUT", f"{file}.d")
    return [*words.split(), *shlex.split(behind), "--json"]


def failed(answer: Answer, code: int) -> None:
    """It is a failure as scripts are told it, and nothing else stands on stdout."""
    assert answer.code == code, answer.stdout
    assert list(answer.error) == ["code", "text", "next"]
    assert all(isinstance(text, str) and text for text in answer.error.values())


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words.replace(" ", "_"))
def test_a_slip_of_the_keyboard_is_an_error_with_exit_code_1(shell: Shell, words: str) -> None:
    failed(shell(*words.split(), "--no-such-option", "--json"), 1)


@pytest.mark.parametrize(
    "words",
    [words for words in COMMANDS if not words.startswith("local") and words not in NO_STACK],
    ids=lambda words: words.replace(" ", "_"),
)
def test_a_stack_that_cannot_be_reached_is_an_error_with_exit_code_2(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def refuses(_name: str | None) -> Stack:
        raise EndpointConnectionError(endpoint_url="https://nowhere.example")

    file = tmp_path / "file"
    file.write_text("{}")
    monkeypatch.setattr(shell, "_connect", refuses)
    # The file of a vendor is wrong here, and is said to be so first.
    failed(shell(*typed(words, file)), 1 if words == "vendor put" else 2)


@pytest.mark.parametrize(
    "words",
    [
        words
        for words, expected in COMMANDS.items()
        if ("NAME" in expected or "RUN" in expected) and not words.endswith(" put")
    ],
    ids=lambda words: words.replace(" ", "_"),
)
def test_what_is_not_there_is_an_error_with_exit_code_1(
    shell: Shell, tmp_path: Path, words: str
) -> None:
    failed(shell(*typed(words, tmp_path / "file")), 1)


def test_the_state_of_a_local_stack_is_in_jobferry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBFERRY_HOME", raising=False)
    assert local_state.state_folder().name == ".jobferry"


def test_stack(shell: Shell) -> None:
    assert shell("runs", "--stack", "mine").code == 0
    assert shell.stack_names == ["mine"]
    assert shell("--stack", "other", "runs", "--json").code == 0
    assert shell.stack_names[1:] == ["other"]


def test_local_status_where_nothing_is_up(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_commands, "state_folder", lambda: tmp_path)
    assert shell("local", "status", "--json").document == {"running": False}
    assert shell("local", "down", "--json").document == {"stopped": []}


def test_local_up_takes_all_its_options(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def started(**values: object) -> LocalState:
        asked.update(values)
        raise LocalError("Not here.", command("local", "status"))

    monkeypatch.setattr(local_commands, "start_local", started)
    answer = shell(
        *("local", "up", "--port", 1, "--simulator-port", 2, "--no-simulators"),
        *("--wait-scale", 0.5, "--json"),
    )
    assert (asked["port"], asked["simulator_port"], asked["wait_scale"]) == (1, None, 0.5)
    assert answer.error["text"] == "Not here."


def test_jobferry_and_vendorsim_are_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"jobferry", "vendorsim"}
    for target in scripts.values():
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
