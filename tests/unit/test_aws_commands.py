"""Commands of the AWS CLI in the documents are ones that it knows, by the models of botocore."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.session import get_session

from tests.documents import DOCUMENTS, commands

GLOBAL = {"query", "output", "region", "profile", "max-items", "page-size", "starting-token"}
GLOBAL |= {"cli-binary-format"}
"""Options of every command, and of those that page."""

RENAMED = {("sns", "subscribe", "notification-endpoint"): "endpoint"}
"""An option that would be mistaken for `--endpoint-url` → the parameter that it is."""

COMMANDS = [
    pytest.param(command, id=f"{path.name}: {command}")
    for path in DOCUMENTS
    for command in dict.fromkeys(commands(path.read_text(encoding="utf-8"), "aws"))
]


def problems(command: str) -> list[str]:
    """What the AWS CLI would not take of a command."""
    _, service, operation, *words = shlex.split(command)
    if service == "s3":
        return _of_copying(operation, words)
    try:
        model = get_session().get_service_model(service)
    except UnknownServiceError:
        return [f"there is no service {service}"]
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        return [f"{service} has no {operation}"]
    asked = model.operation_model(operations[operation])
    shape = asked.input_shape
    members = {xform_name(n, "-"): (n, s) for n, s in shape.members.items()} if shape else {}
    required = set(shape.required_members) if shape else set()
    found = []
    if asked.has_streaming_output:
        file = words.pop() if words else "--"
        found += [f"{operation} needs a file to write to"] if file.startswith("--") else []
    for name, values in _options(words):
        name = RENAMED.get((service, operation, name), name)  # noqa: PLW2901
        plain = name.removeprefix("no-") if name not in members else name
        if name == "query":
            jmespath.compile(values[0])
        elif name in GLOBAL:
            continue
        elif plain not in members:
            found.append(f"{operation} has no --{name}")
        else:
            member, kind = members[plain]
            required.discard(member)
            found += _unfit(name, kind, values)
    return found + [f"{operation} needs {name}" for name in sorted(required)]


def _of_copying(operation: str, words: list[str]) -> list[str]:
    """What is wrong with `aws s3 cp`, which has no model: a file goes to a key, or comes back."""
    if operation != "cp" or len(words) != 2:
        return [f"s3 {operation} is no copy of one file"]
    remote = [word for word in words if re.fullmatch(r"s3://[\w.-]+/\S+", word)]
    return [] if len(remote) == 1 else [f"s3 {operation} copies between a file and a key"]


def _options(words: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            found.append((word[2:], []))
        else:
            assert found, f"{word} belongs to no option"
            found[-1][1].append(word)
    return found


def _unfit(name: str, kind: Any, values: list[str]) -> list[str]:
    """What is wrong with an option's values: as many as it takes, and words that it knows."""
    if kind.type_name == "boolean":
        return [f"--{name} takes no value"] if values else []
    if not values:
        return [f"--{name} takes a value"]
    if kind.type_name != "list" and len(values) > 1:
        return [f"--{name} takes one value"]
    words = getattr(kind, "enum", [])
    return [f"--{name} knows no {each}" for each in values if words and each not in words]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_aws_cli_takes_a_command_of_the_documents(command: str) -> None:
    assert problems(command) == []


def test_the_runbook_and_the_guide_to_deploying_have_some() -> None:
    named = {Path(str(each.id).partition(":")[0]).stem for each in COMMANDS}
    assert {"runbook", "deploy", "cli"} <= named


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("aws step-functions list-map-runs", "there is no service step-functions"),
        ("aws stepfunctions list-mapruns", "stepfunctions has no list-mapruns"),
        ("aws stepfunctions list-map-runs --arn ARN --execution-arn ARN", "has no --arn"),
        ("aws stepfunctions list-map-runs", "list-map-runs needs executionArn"),
        ("aws stepfunctions list-executions --status-filter DEAD", "knows no DEAD"),
        (
            "aws stepfunctions get-execution-history --execution-arn A --reverse-order yes",
            "takes no value",
        ),
        ("aws sqs delete-message --queue-url --receipt-handle H", "--queue-url takes a value"),
        ("aws sqs delete-message --queue-url A B --receipt-handle H", "takes one value"),
        ("aws lambda invoke --function-name F", "--function-name takes a value"),
        ("aws lambda invoke", "needs a file"),
        ("aws s3 mv a s3://b/k", "no copy"),
        ("aws s3 cp a b", "between a file and a key"),
        ("aws s3 cp a s3://b", "between a file and a key"),
        ("aws s3 cp s3://a/k s3://b/k", "between a file and a key"),
    ],
)
def test_what_it_would_not_take_is_found(command: str, problem: str) -> None:
    assert problem in json.dumps(problems(command))
