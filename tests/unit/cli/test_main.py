"""Failures of any command: sentences, exit codes, and what stands on which stream."""

from __future__ import annotations

import re

import click
import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from click.testing import CliRunner

from jobferry.store.table import BusyTableError
from jobferry_cli.errors import explain
from jobferry_cli.main import cli
from tests.unit.cli.shell import Shell, client_error
from virtual.world import sample_csv

FAILURES = [
    (client_error("AccessDeniedException", "not you"), "does not allow", "aws sts"),
    (client_error("ExpiredToken"), "does not accept your credentials", "aws sts"),
    (client_error("InternalError", "oh"), "InternalError", "aws sts"),
    (aws.NoCredentialsError(), "no AWS credentials", "aws configure"),
    (aws.NoRegionError(), "No AWS region", "export AWS_REGION"),
    (aws.ProfileNotFound(profile="p"), "(p)", "aws configure list-profiles"),
    (aws.EndpointConnectionError(endpoint_url="http://e"), "cannot be reached", "aws sts"),
    (aws.ReadTimeoutError(endpoint_url="http://e"), "cannot be reached", "aws sts"),
    (aws.UnauthorizedSSOTokenError(), "sign-in", "aws sso login"),
    (aws.UnknownServiceError(service_name="x", known_service_names=[]), "cannot be used", "aws"),
    (BusyTableError("throttled"), "too busy", "jobferry runs"),
]


@pytest.mark.parametrize(("error", "said", "next_command"), FAILURES)
def test_failures_of_aws_are_sentences_with_a_command(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
    next_command: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(shell.world.deps.store.runs, "get", fail)
    answer = shell("status", "things-1", "--json")

    assert answer.code == 2
    assert said in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith(f"Next:  {next_command}")
    assert answer.document.keys() == {"error"}
    assert answer.error["code"] == "service"
    assert said in answer.error["text"]
    assert answer.error["next"].startswith(next_command)


def test_what_is_not_expected_is_not_hidden(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(shell.world.deps.store.runs, "get", fail)
    with pytest.raises(ZeroDivisionError):
        shell("status", "things-1")


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("status",),
        ("rows", "things-1", "--row", "0"),
        ("rows", "things-1", "--status", "odd"),
        ("runs", "--limit", "none"),
        ("results", "things-1"),
        ("run", "none.csv"),
        ("connection", "put", "x"),
    ],
)
def test_wrong_usage_is_exit_code_1(shell: Shell, words: tuple[str, ...]) -> None:
    answer = shell(*words)

    assert answer.code == 1
    assert answer.stdout == ""
    assert "Error: " in answer.stderr

    for_scripts = shell("--json", *words)
    assert for_scripts.code == 1
    assert for_scripts.document.keys() == {"error"}
    assert for_scripts.error["code"] == "usage"
    assert for_scripts.error["text"] in answer.stderr
    assert for_scripts.error["next"].endswith("--help")


@pytest.mark.parametrize(
    "words",
    [(), ("connection",), ("profile",), ("run",), ("plan",), ("rows",), ("watch",), ("local",)],
)
def test_help_needs_no_stack(shell: Shell, words: tuple[str, ...]) -> None:
    answer = shell(*words, "--help")

    assert answer.code == 0
    assert answer.stdout.startswith("Usage: ")
    assert shell.stack_names == []


def test_json_may_stand_before_the_command(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(1))

    assert shell("--json", "status", run.run_id).document["run_id"] == run.run_id


NEEDED = "User: arn:aws:iam::1:user/ann is not authorized to perform: {} on resource: x because …"


@pytest.mark.parametrize(
    ("error", "right"),
    [
        (
            client_error("AccessDeniedException", NEEDED.format("dynamodb:UpdateItem")),
            "dynamodb:UpdateItem",
        ),
        (client_error("AccessDenied", NEEDED.format("iam:PassRole")), "iam:PassRole"),
        (client_error("AccessDenied", "Access Denied", "ListObjectsV2"), "s3:ListBucket"),
        (client_error("403", "Forbidden", "HeadObject"), "s3:GetObject"),
    ],
)
def test_a_refusal_names_the_right_that_is_missing(error: ClientError, right: str) -> None:
    assert f"the right {right} is missing" in explain(error).message


def test_a_refusal_that_names_no_right_is_told_as_it_is() -> None:
    message = explain(client_error("AccessDenied", "Access Denied", "SomethingNew")).message
    assert message == "AWS does not allow this to you. SomethingNew: Access Denied"


def test_an_explanation_keeps_the_name_of_the_call() -> None:
    error = client_error("AccessDenied", "User: x is not authorized", "DescribeStacks")

    assert "DescribeStacks: User: x is not authorized" in explain(error).message


def groups() -> list[tuple[str, ...]]:
    """The words of every command that has commands of its own, the topmost first."""
    local = cli.get_command(click.Context(cli), "local")
    inner = {**cli.commands, "local": local}
    return [(), *((name,) for name, each in inner.items() if isinstance(each, click.Group))]


@pytest.mark.parametrize("words", groups(), ids=" ".join)
def test_help_cuts_no_summary(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"], terminal_width=80).output
    summaries = shown.partition("Commands:\n")[2].splitlines()
    assert summaries
    for line in summaries:
        assert re.fullmatch(r"  [a-z-]+  +[A-Z][^.]*\.", line), line
