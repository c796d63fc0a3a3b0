"""The template as CloudFormation gets it: translated by SAM's own translator, without AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.lint_template import parse, translate

ROOT = Path(__file__).resolve().parents[2]

FUNCTION = "AWS::Lambda::Function"
MACHINE = "AWS::StepFunctions::StateMachine"
BUCKET = "AWS::S3::Bucket"
TABLE = "AWS::DynamoDB::Table"
ROLE = "AWS::IAM::Role"
RULE = "AWS::Events::Rule"
SCHEDULE = "AWS::Scheduler::Schedule"
ALARM = "AWS::CloudWatch::Alarm"
LOG_GROUP = "AWS::Logs::LogGroup"


@dataclass(frozen=True, slots=True)
class Template:
    """A CloudFormation template with its resources by logical id."""

    body: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.body["Parameters"]
        return found

    @property
    def resources(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.body["Resources"]
        return found

    def of_type(self, kind: str) -> dict[str, Any]:
        """Resources of one type, never none: a test over nothing would prove nothing."""
        found = {name: item for name, item in self.resources.items() if item["Type"] == kind}
        assert found, f"the template has no {kind}"
        return found

    def properties(self, kind: str) -> dict[str, Any]:
        return {name: item["Properties"] for name, item in self.of_type(kind).items()}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def spelled(resource: Any) -> str:
    """A policy's resource as text, with what CloudFormation fills in left as it is written."""
    if isinstance(resource, dict):
        return str(as_list(resource.get("Fn::Sub", json.dumps(resource)))[0])
    return str(resource)


def branches(value: Any) -> Iterator[Any]:
    """What a value may be, whatever its conditions say; nothing where it may be left out."""
    if isinstance(value, dict) and "Fn::If" in value:
        for branch in value["Fn::If"][1:]:
            yield from branches(branch)
    elif value != {"Ref": "AWS::NoValue"}:
        yield value


def documents(template: Template) -> Iterator[tuple[str, Any]]:
    """Every policy of a role of this stack or for people, by the role or the policy."""
    for name, role in template.properties(ROLE).items():
        yield from ((name, policy["PolicyDocument"]) for policy in role.get("Policies", []))
    for name, resource in template.resources.items():
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            yield name, resource["Properties"]["PolicyDocument"]


def statements(template: Template, effect: str = "Allow") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that allows a role or a person something (or denies it), by its holder."""
    for name, document in documents(template):
        for statement in document["Statement"]:
            yield from ((name, item) for item in branches(statement) if item["Effect"] == effect)


@pytest.fixture(scope="session")
def source() -> dict[str, Any]:
    """The template as it is written, with every intrinsic function in its long form."""
    return parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(translate(parse((ROOT / "template.yaml").read_text("utf-8")), "eu-west-1"))
