"""Failures as scripts and people read them: one document, one command that leads on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from botocore import exceptions as aws

from jobferry_cli import main as entry
from jobferry_cli.errors import explain
from jobferry_cli.local import commands as local_commands
from jobferry_cli.local import deployment, processes
from jobferry_cli.local.processes import LocalError
from jobferry_cli.local.state import FILE, STACK
from jobferry_cli.main import cli
from tests.unit.cli.shell import Shell, client_error
from virtual.world import sample_csv


@pytest.mark.parametrize(
    ("words", "meant", "next_command"),
    [
        (("statsu", "things-1"), "status", "jobferry status things-1"),
        (("conection", "list"), "connection", "jobferry connection list"),
        (("connection", "shwo", "acme"), "show", "jobferry connection show acme"),
        (("runs", "--profil", "p"), "--profile", "jobferry runs --profile p"),
        (("runs", "--profil=p"), "--profile", "jobferry runs --profile=p"),
        (("local", "statu"), "status", "jobferry local status"),
        (("dashbord-of-mine",), None, "jobferry --help"),
        (("connection", "zzz"), None, "jobferry connection --help"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    shell: Shell, words: tuple[str, ...], meant: str | None, next_command: str
) -> None:
    people = shell(*words)
    assert people.code == 1
    assert people.stderr.splitlines()[-1] == f"Next:  {next_command}"
    said = people.stderr.splitlines()[-2]
    assert ("Did you mean" in said) == (meant is not None)
    assert meant is None or f"Did you mean {meant}?" in said

    assert shell(*words, "--json").error["text"] in people.stderr


def every_command() -> list[tuple[str, ...]]:
    def walk(group: click.Group, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        context = click.Context(group)
        found = [path] if path else []
        for name in group.list_commands(context):
            inner = group.get_command(context, name)
            here = (*path, name)
            found += walk(inner, here) if isinstance(inner, click.Group) else [here]
        return found

    return walk(cli, ())


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_takes_json_and_stack(words: tuple[str, ...]) -> None:
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), word)
        assert inner is not None
        command = inner
    options = {name for each in command.params for name in each.opts}
    assert {"--json", "--stack"} <= options


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBFERRY_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "local", "status"),
        ("local", "--json", "status"),
        ("local", "status", "--json"),
        ("--stack", STACK, "local", "status", "--json"),
    ],
)
def test_local_takes_them_wherever_they_stand(
    shell: Shell, home: Path, words: tuple[str, ...]
) -> None:
    assert shell(*words).document == {"running": False}


def test_no_other_stack_is_on_this_machine(shell: Shell, home: Path) -> None:
    answer = shell("local", "status", "--stack", "prod", "--json")
    assert (answer.code, answer.error["code"]) == (1, "usage")


@pytest.mark.parametrize(
    ("failure", "code", "next_command"),
    [
        (LocalError("`sam deploy` failed\nlast words", None), 2, "jobferry local status"),
        (LocalError("A local stack is up already.", None, misused=True), 1, "jobferry"),
    ],
)
def test_local_up_that_fails_is_a_service_that_fails(
    shell: Shell,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: LocalError,
    code: int,
    next_command: str,
) -> None:
    def fail(**_: object) -> None:
        raise failure

    monkeypatch.setattr(local_commands, "start_local", fail)
    answer = shell("local", "up", "--json")
    assert answer.code == code
    assert answer.document.keys() == {"error"}
    assert answer.error["text"].replace("\n  ", "\n") == str(failure)
    assert answer.error["next"].startswith(next_command)


def test_a_port_that_is_taken_is_exit_code_2(
    shell: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "build", lambda *_: None)
    monkeypatch.setattr(processes, "is_taken", lambda _port: True)
    answer = shell("local", "up", "--port", 4567, "--json")
    assert answer.code == 2
    assert answer.error["next"] == "jobferry local up --port 0"


def test_a_state_that_cannot_be_read_is_said(shell: Shell, home: Path) -> None:
    (home / FILE).write_text("[]")
    for verb in ("status", "down"):
        answer = shell("local", verb, "--json")
        assert answer.code == 2
        assert answer.error["next"] == f"rm {home / FILE}"


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_is_a_document_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell.world.deps.store.config, "profile_names", stop)
    answer = shell("profile", "list", "--json")
    assert answer.code == 130
    assert answer.error["code"] == "interrupted"
    assert answer.error["next"] == "jobferry profile list --json"


def test_a_run_that_is_no_longer_watched_is_named(
    shell: Shell, csv_file: Callable[..., Path]
) -> None:
    shell.while_sleeping = stop
    answer = shell("run", csv_file(), "--profile", "things", "--wait", "--json")
    assert answer.code == 130
    assert answer.document["run_id"].startswith("things-")
    assert answer.error["next"] == f"jobferry watch {answer.document['run_id']}"


@pytest.mark.parametrize("error", [client_error("InternalError"), aws.NoCredentialsError()])
def test_a_run_that_aws_hides_is_named(
    shell: Shell,
    csv_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(*_: object) -> None:
        raise error

    def hide() -> None:
        monkeypatch.setattr(shell.world.deps.store.runs, "get", fail)

    shell.while_sleeping = hide
    answer = shell("run", csv_file(), "--profile", "things", "--wait", "--json")
    assert answer.code == 2
    assert answer.document["run_id"].startswith("things-")
    assert answer.error["code"] == "service"


def test_a_run_that_could_not_be_started_is_named(
    shell: Shell, csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise client_error("AccessDeniedException")

    monkeypatch.setattr(shell.states, "start_execution", fail)
    answer = shell("run", csv_file(), "--profile", "things", "--json")
    assert answer.code == 2
    assert answer.document["run_id"].startswith("things-")


def test_a_list_that_breaks_off_ends_with_the_failure(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.world.processed(sample_csv(1))
    newest = shell.world.deps.store.runs.newest

    def breaks_off(**options: object) -> object:
        yield from newest(**options)  # type: ignore[arg-type]
        raise client_error("InternalError")

    monkeypatch.setattr(shell.world.deps.store.runs, "newest", breaks_off)
    answer = shell("runs", "--json")
    assert answer.code == 2
    assert answer.documents[-1].keys() == {"error"}


def test_a_fault_of_ours_is_a_document_and_keeps_its_text_out_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a cell's value")

    monkeypatch.setattr(entry, "cli", fail)
    monkeypatch.setattr(sys, "argv", ["jobferry", "runs", "--json"])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert ended.value.code == 1
    assert document["error"]["code"] == "unexpected"
    assert "a cell's value" not in said.out
    assert "ZeroDivisionError: a cell's value" in said.err


@pytest.mark.parametrize(
    ("url", "next_command"),
    [
        ("http://127.0.0.1:4566/", "jobferry local up"),
        ("http://localhost:4566", "jobferry local up"),
        ("https://dynamodb.eu-north-1.amazonaws.com/", "aws sts get-caller-identity"),
        ("https://127.0.0.1.example.com/", "aws sts get-caller-identity"),
    ],
)
@pytest.mark.parametrize("kind", [aws.EndpointConnectionError, aws.ConnectTimeoutError])
def test_a_dead_local_stack_is_told_from_a_network_that_is_away(
    url: str, next_command: str, kind: type[aws.BotoCoreError]
) -> None:
    assert explain(kind(endpoint_url=url)).next_command == next_command
