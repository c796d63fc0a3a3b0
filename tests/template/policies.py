"""What IAM makes of the template's policies: as much of its language as they are written in.

What is not known here fails, so that no condition is passed over. IAM knows more of a call than
these tests do; that the policies are enough on a deployment is shown by `tests/e2e/test_roles.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.template.conftest import Template

PREFIX = "arn:aws:{service}:eu-west-1:123456789012:"
TABLE = PREFIX.format(service="dynamodb") + "table/Jobs"
INBOX = "arn:aws:s3:::inbox-bucket"
ARCHIVE = "arn:aws:s3:::archive"
MACHINE = PREFIX.format(service="states") + "stateMachine:Run"
SECRETS = PREFIX.format(service="secretsmanager") + "secret:jobferry/jobferry/connections/"
LINK_KEY = PREFIX.format(service="secretsmanager") + "secret:ReportLinkSecret"
TOPIC = PREFIX.format(service="sns") + "RunTopic"
DLQ = PREFIX.format(service="sqs") + "TriggerDlq"
KEY = PREFIX.format(service="kms") + "key/1"

KNOWN = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "jobferry",
    "JobTable": "Jobs",
    "JobTable.Arn": TABLE,
    "InboxBucket": "inbox-bucket",
    "InboxBucket.Arn": INBOX,
    "ArchiveBucket": "archive",
    "ArchiveBucket.Arn": ARCHIVE,
    "RunStateMachine": MACHINE,
    "RunStateMachine.Name": "Run",
    "FunctionLogGroup.Arn": PREFIX.format(service="logs")
    + "log-group:/jobferry/jobferry/functions",
    "ScheduleGroup": "runs",
    "ScheduleRole.Arn": "arn:aws:iam::123456789012:role/Schedules",
    "KmsKeyArn": KEY,
    "ReportLinkSecret.Id": LINK_KEY,
    "RunTopic": TOPIC,
    "TriggerDlq.Arn": DLQ,
}
"""What CloudFormation fills in."""

_LEFT_OUT = {"Ref": "AWS::NoValue"}

_VARIABLE = re.compile(r"\$\{([^}]+)\}")

ACCOUNT = "aws:ResourceAccount"
LEADING_KEYS = "dynamodb:LeadingKeys"
PASSED_TO = "iam:PassedToService"

OF_EVERY_CALL = {ACCOUNT: ("123456789012",)}
"""What a call has of itself, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Call:
    """One right that a call needs.

    resource  an ARN
    keys      what conditions ask for, by name; several values of one as a tuple
    """

    action: str
    resource: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """What somebody may do: a managed policy, or all policies of a role."""

    statements: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, template: Template, name: str, *, own_key: bool = False) -> Policy:
        """The policy of the template with this logical id, deployed.

        Args:
            own_key: the stack has a key of its own.
        """
        document = template.resources[name]["Properties"]["PolicyDocument"]
        holds = {"HasKmsKey": own_key, "HasSecretPrefix": False, "HasReportLinks": True}
        return cls(_filled(document["Statement"], holds))

    @classmethod
    def of_role(cls, template: Template, name: str) -> Policy:
        """All that the role with this logical id may do, in a VPC and with a key of its own."""
        conditions = ("HasKmsKey", "HasVpc", "HasReportLinks")
        holds = {**dict.fromkeys(conditions, True), "HasSecretPrefix": False}
        policies = template.resources[name]["Properties"]["Policies"]
        documents = [_filled(policy["PolicyDocument"], holds) for policy in policies]
        return cls([each for document in documents for each in document["Statement"]])

    def allows(self, call: Call, tags: Mapping[str, str] | None = None) -> bool:
        """Whether a statement allows the call to whoever has these tags, and none denies it."""
        found = [s["Effect"] for s in self.statements if _matches(s, call, tags or {})]
        return "Allow" in found and "Deny" not in found

    def grants(self) -> Iterator[Policy]:
        """Each right by itself: one action on one resource, under its statement's condition."""
        for statement in self.statements:
            if statement["Effect"] == "Allow":
                for action in _listed(statement["Action"]):
                    for resource in _listed(statement["Resource"]):
                        yield Policy([{**statement, "Action": action, "Resource": resource}])

    def missing(self, calls: Iterable[Call], tags: Mapping[str, str] | None = None) -> list[Call]:
        """The calls that are not allowed."""
        return [call for call in calls if not self.allows(call, tags)]


def _filled(value: Any, holds: Mapping[str, bool]) -> Any:
    """A part of the template with its intrinsic functions carried out, as its conditions hold."""
    if isinstance(value, list):
        filled = [_filled(each, holds) for each in value]
        return [each for each in filled if each != _LEFT_OUT]
    if not isinstance(value, Mapping) or value == _LEFT_OUT:
        return value
    if value.keys() == {"Ref"}:
        return KNOWN[value["Ref"]]
    if value.keys() == {"Fn::GetAtt"}:
        return KNOWN[".".join(value["Fn::GetAtt"])]
    if value.keys() == {"Fn::If"}:
        condition, yes, no = value["Fn::If"]
        return _filled(yes if holds[condition] else no, holds)
    if value.keys() == {"Fn::Sub"}:
        text = value["Fn::Sub"]
        text, names = (text, {}) if isinstance(text, str) else text
        known = {**KNOWN, **_filled(names, holds)}
        return _VARIABLE.sub(
            lambda found: "${" + found[1][1:] + "}" if found[1][0] == "!" else known[found[1]],
            text,
        )
    return {name: _filled(each, holds) for name, each in value.items()}


def _matches(statement: Mapping[str, Any], call: Call, tags: Mapping[str, str]) -> bool:
    assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    if call.action not in _listed(statement["Action"]):
        return False
    resources = (_tagged(each, tags) for each in _listed(statement["Resource"]))
    if not any(each is not None and _like(call.resource, each) for each in resources):
        return False
    conditions = statement.get("Condition", {}).items()
    return all(_holds(operator, asked, call) for operator, asked in conditions)


def _holds(operator: str, asked: Mapping[str, Any], call: Call) -> bool:
    for key, wanted in asked.items():
        values = call.keys.get(key, OF_EVERY_CALL.get(key))
        patterns = _listed(wanted)
        match operator:
            case "ForAllValues:StringLike":
                # As IAM has it: a call that has no such key at all passes.
                ok = all(any(_like(value, p) for p in patterns) for value in values or ())
            case "ForAnyValue:StringLike":
                ok = any(_like(value, p) for value in values or () for p in patterns)
            case "StringEquals":
                ok = values is not None and set(values) <= set(patterns)
            case _:
                raise NotImplementedError(operator)
        if not ok:
            return False
    return True


def _tagged(resource: str, tags: Mapping[str, str]) -> str | None:
    """A resource with the tags of the caller filled in; None where one is missing."""
    names = [name.removeprefix("aws:PrincipalTag/") for name in _VARIABLE.findall(resource)]
    if any(name not in tags for name in names):
        return None
    return _VARIABLE.sub(lambda found: tags[found[1].removeprefix("aws:PrincipalTag/")], resource)


def _like(value: str, pattern: str) -> bool:
    words = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(words), value, re.DOTALL) is not None


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
