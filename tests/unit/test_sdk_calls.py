"""What can be known of calls to AWS without making them: names of parameters, reserved words.

Whoever calls a service does so by a method named after the operation, so the calls are found in the
source, also those that no test reaches.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from virtual.requests import problems

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("layers/jobferry", "functions", "cli")
    for path in (ROOT / folder).rglob("*.py")
)
SERVICES = (
    "cloudformation",
    "dynamodb",
    "events",
    "lambda",
    "s3",
    "scheduler",
    "secretsmanager",
    "sqs",
    "stepfunctions",
    "sts",
)
NOT_OF_THE_SDK = frozenset({"invoke", "query", "publish"})
"""Operations whose names are everyday words; those who use them are typed by `boto3-stubs`."""


def operations() -> dict[str, list[tuple[str, Any]]]:
    """Method of a client → (service, input shape) of each service that has it."""
    session = botocore.session.get_session()
    found: dict[str, list[tuple[str, Any]]] = {}
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            shape = model.operation_model(name).input_shape
            found.setdefault(xform_name(name), []).append((service, shape))
    return found


OPERATIONS = operations()


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(place, method, call) of every call of an operation, also through its paginator."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            method = called(node)
            if method in OPERATIONS and method not in NOT_OF_THE_SDK and on_a_client(node):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", method, node


def called(call: ast.Call) -> str | None:
    function = call.func
    if not isinstance(function, ast.Attribute):
        return None
    if function.attr == "paginate" and isinstance(function.value, ast.Call):
        (name,) = function.value.args
        return name.value if isinstance(name, ast.Constant) else None
    return function.attr


def on_a_client(call: ast.Call) -> bool:
    """Whether all arguments are named, as the SDK wants it; others have methods of these names."""
    return not call.args and bool(call.keywords)


CALLS = list(calls())


def test_calls_are_found() -> None:
    methods = {method for _, method, _ in CALLS}
    assert methods >= {
        "complete_multipart_upload",
        "create_schedule",
        "describe_execution",
        "describe_stacks",
        "head_object",
        "list_object_versions",
        "put_secret_value",
        "start_execution",
    }


@pytest.mark.parametrize(
    ("method", "call"), [(m, c) for _, m, c in CALLS], ids=[place for place, _, _ in CALLS]
)
def test_parameters_are_those_of_the_operation(method: str, call: ast.Call) -> None:
    given = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    whole = len(given) == len(call.keywords)
    fits = [
        service
        for service, shape in OPERATIONS[method]
        if given <= set(shape.members) and (not whole or set(shape.required_members) <= given)
    ]
    assert fits, f"{method} of {[s for s, _ in OPERATIONS[method]]} does not take {sorted(given)}"


EXPRESSION = re.compile(r"(attribute_(not_)?exists|begins_with|contains)\(|(=|<|>|<=|<>) :\w")


def expressions() -> Iterator[tuple[str, str]]:
    """(place, text) of everything in the store that looks like a part of a condition."""
    for path in sorted((ROOT / "layers/jobferry/jobferry/store").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if "\n" not in text and EXPRESSION.search(text):
                    yield f"{path.name}:{node.lineno}", text


EXPRESSIONS = list(expressions())


def test_expressions_are_found() -> None:
    assert len(EXPRESSIONS) > 50


@pytest.mark.parametrize(
    "text", [text for _, text in EXPRESSIONS], ids=[place for place, _ in EXPRESSIONS]
)
def test_no_reserved_word_stands_by_itself(text: str) -> None:
    assert [p for p in problems({"ConditionExpression": text}) if "reserved" in p] == []
