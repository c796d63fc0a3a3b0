"""Which stack a command works with, and what it says when there is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobferry_cli import stack as stack_module
from jobferry_cli.errors import CommandError
from jobferry_cli.local.state import LocalState
from jobferry_cli.stack import (
    StackChoice,
    choose_stack,
    open_stack,
    session_for,
    settings_of,
)
from tests.unit.cli.shell import Shell, client_error

LOCAL = cast(
    "LocalState",
    SimpleNamespace(
        stack="jobferry-local",
        endpoint_url="http://127.0.0.1:4567",
        region="us-east-1",
        access_key_id="test",
        secret_access_key="test",
    ),
)

OUTPUTS = {
    "TableName": "table",
    "InboxBucketName": "inbox",
    "ArchiveBucketName": "archive",
    "RunStateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:Run",
    "SecretPrefix": "jobferry/jobferry/connections/",
    "AllowLoopbackHttp": "false",
    "RowRetentionDays": "90",
}


@pytest.mark.parametrize(
    ("option", "environ", "local", "choice"),
    [
        ("mine", {"JOBFERRY_STACK": "other"}, LOCAL, StackChoice("mine")),
        (None, {"JOBFERRY_STACK": "other"}, LOCAL, StackChoice("other")),
        (None, {"AWS_ENDPOINT_URL": "http://x"}, LOCAL, StackChoice("jobferry")),
        (None, {}, LOCAL, StackChoice("jobferry-local", LOCAL)),
        ("jobferry-local", {}, LOCAL, StackChoice("jobferry-local", LOCAL)),
        ("jobferry-local", {}, None, StackChoice("jobferry-local")),
        (None, {"AWS_REGION": "eu-west-1"}, LOCAL, StackChoice("jobferry-local", LOCAL)),
        (None, {}, None, StackChoice("jobferry")),
        (None, {"AWS_REGION": "eu-west-1"}, None, StackChoice("jobferry", region="eu-west-1")),
        ("mine", {"AWS_REGION": "eu-west-1"}, None, StackChoice("mine", region="eu-west-1")),
    ],
)
def test_who_names_the_stack(
    option: str | None, environ: dict[str, str], local: LocalState | None, choice: StackChoice
) -> None:
    assert choose_stack(option, environ, lambda: local) == choice


def test_a_damaged_local_state_is_a_sentence() -> None:
    def damaged() -> LocalState:
        raise KeyError("endpoint_url")

    with pytest.raises(CommandError, match="cannot be read") as raised:
        choose_stack(None, {}, damaged)
    assert raised.value.next_command == "jobferry local up"


def test_clients_of_a_local_stack_reach_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "somebody-elses")
    session = session_for(StackChoice("jobferry-local", LOCAL))

    for service in ("dynamodb", "s3", "stepfunctions"):
        client = session.client(service)
        assert client.meta.endpoint_url == LOCAL.endpoint_url
        assert client.meta.region_name == LOCAL.region
    credentials = session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == (LOCAL.access_key_id, None)


def test_the_region_of_other_aws_tools_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")

    assert session_for(StackChoice("s", region="eu-west-1")).region_name == "eu-west-1"
    assert session_for(StackChoice("s")).region_name == "us-east-2"


def test_settings_come_from_the_outputs() -> None:
    settings = settings_of(StackChoice("s"), OUTPUTS)

    assert settings.table_name == "table"
    assert settings.retention_days == 90
    assert settings.reach.loopback is False
    assert settings.run_state_machine_arn == OUTPUTS["RunStateMachineArn"]


def test_bounds_of_files_come_from_the_outputs_where_they_are() -> None:
    outputs = {**OUTPUTS, "MaxFileBytes": "1000", "MaxRowsPerFile": "20"}
    settings = settings_of(StackChoice("s"), outputs)
    assert (settings.max_file_bytes, settings.max_rows_per_file) == (1_000, 20)
    older = settings_of(StackChoice("s"), OUTPUTS)
    assert (older.max_file_bytes, older.max_rows_per_file) == (5 * 1024**3, 10_000_000)


@pytest.mark.parametrize("missing", list(OUTPUTS))
def test_a_foreign_stack_is_a_sentence(missing: str) -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != missing}

    with pytest.raises(CommandError, match=missing) as raised:
        settings_of(StackChoice("s"), outputs)
    assert raised.value.exit_code == 2
    assert raised.value.next_command == "sam deploy --stack-name s"


class FakeSession:
    region_name = "eu-west-1"

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer

    def client(self, *_: object, **__: object) -> FakeSession:
        return self

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def opened(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception) -> Any:
    monkeypatch.setattr(stack_module, "session_for", lambda _: FakeSession(answer))
    return open_stack(StackChoice("s"))


def test_an_opened_stack_works_with_what_was_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items()]
    stack = opened(monkeypatch, {"Stacks": [{"Outputs": outputs}]})

    assert stack.settings == settings_of(StackChoice("s"), OUTPUTS)
    assert stack.inbox.bucket == "inbox"
    assert stack.secrets.prefix == OUTPUTS["SecretPrefix"]
    assert stack.deps.objects.archive_bucket == "archive"


def test_a_stack_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    error = client_error("ValidationError", "Stack with id s does not exist")

    with pytest.raises(CommandError, match="no stack 's' in eu-west-1") as raised:
        opened(monkeypatch, error)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--stack", "mine", "runs"), "mine"),
        (("runs", "--stack", "mine"), "mine"),
        (("connection", "list", "--stack", "mine"), "mine"),
        (("runs",), None),
    ],
)
def test_the_option_may_stand_on_either_side(
    shell: Shell, words: tuple[str, ...], name: str | None
) -> None:
    shell(*words)

    assert shell.stack_names == [name]
