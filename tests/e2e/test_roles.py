"""Least privilege: every run of these tests proves that the roles are enough; here, that they
are not more. Each function's own role is assumed and tries what the function has no business
with.

People: each policy of the stack is attached to a user, with whose keys commands are typed. The
emulator knows neither `dynamodb:LeadingKeys`, nor tags of a principal, nor groups of schedules;
what hangs on those is held by `tests/template/test_people.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from jobferry.domain.run_request import RunRequest
from jobferry.steps.open_run import run_id_of
from tests.e2e.conftest import CREDENTIALS, TICKET_COLUMNS, Desk, Stack, good_tickets, ticket_csv
from tests.e2e.people import Person

Attempt = Callable[["Hands"], object]


class Hands:
    """What the credentials of one role can reach for."""

    def __init__(self, stack: Stack, session: boto3.Session) -> None:
        self.outputs = stack.outputs
        self._endpoint = stack.state.endpoint_url
        self._session = session

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)

    def read_secret(self) -> object:
        name = self.outputs["SecretPrefix"] + "anything"
        return self.client("secretsmanager").get_secret_value(SecretId=name)

    def read_foreign_secret(self) -> object:
        return self.client("secretsmanager").get_secret_value(SecretId="somebody/elses")

    def read_inbox(self) -> object:
        return self.client("s3").get_object(Bucket=self.outputs["InboxBucketName"], Key="a")

    def write_inbox(self) -> object:
        return self._put("InboxBucketName", "inbox/p/a.csv")

    def write_evidence(self) -> object:
        return self._put("ArchiveBucketName", "evidence/r/a.json")

    def write_results(self) -> object:
        return self._put("ArchiveBucketName", "results/r/a.csv")

    def write_unpacked(self) -> object:
        return self._put("ArchiveBucketName", "unpacked/r/source.csv")

    def read_results(self) -> object:
        return self.client("s3").get_object(
            Bucket=self.outputs["ArchiveBucketName"], Key="results/r/a.csv"
        )

    def read_link_key(self) -> object:
        return self.client("secretsmanager").get_secret_value(
            SecretId=self.outputs["ReportLinkSecretArn"]
        )

    def get_item(self) -> object:
        return self.client("dynamodb").get_item(**self._row())

    def delete_item(self) -> object:
        return self.client("dynamodb").delete_item(**self._row())

    def batch_write(self) -> object:
        item = {"pk": {"S": "X"}, "sk": {"S": "X"}}
        return self.client("dynamodb").batch_write_item(
            RequestItems={self.outputs["TableName"]: [{"PutRequest": {"Item": item}}]}
        )

    def scan(self) -> object:
        return self.client("dynamodb").scan(TableName=self.outputs["TableName"])

    def delete_table(self) -> object:
        return self.client("dynamodb").delete_table(TableName=self.outputs["TableName"])

    def start_run(self) -> object:
        return self.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["RunStateMachineArn"], input="{}"
        )

    def _put(self, bucket: str, key: str) -> object:
        return self.client("s3").put_object(Bucket=self.outputs[bucket], Key=key, Body=b"x")

    def _row(self) -> dict[str, Any]:
        key = {"pk": {"S": "X"}, "sk": {"S": "X"}}
        return {"TableName": self.outputs["TableName"], "Key": key}


NOBODY: tuple[Attempt, ...] = (
    Hands.scan,
    Hands.delete_table,
    Hands.write_inbox,
    Hands.read_foreign_secret,
)

REFUSED: dict[str, tuple[Attempt, ...]] = {
    "OpenRunFunction": (
        Hands.write_unpacked,
        Hands.read_secret,
        Hands.write_results,
        Hands.delete_item,
        Hands.batch_write,
        Hands.start_run,
    ),
    "PlanRunFunction": (
        Hands.read_secret,
        Hands.write_results,
        Hands.write_evidence,
        Hands.start_run,
    ),
    "SubmitJobsFunction": (
        Hands.write_unpacked,
        Hands.write_results,
        Hands.read_results,
        Hands.start_run,
    ),
    "PollJobsFunction": (
        Hands.write_unpacked,
        Hands.write_results,
        Hands.read_results,
        Hands.start_run,
    ),
    "PollJobsLargeFunction": (
        Hands.write_unpacked,
        Hands.write_results,
        Hands.read_results,
        Hands.start_run,
    ),
    "SettleJobFunction": (
        Hands.write_unpacked,
        Hands.read_secret,
        Hands.write_evidence,
        Hands.write_results,
        Hands.start_run,
    ),
    "CloseRunFunction": (
        Hands.write_unpacked,
        Hands.write_inbox,
        Hands.start_run,
    ),
    "SweepFunction": (
        Hands.write_unpacked,
        Hands.read_secret,
        Hands.read_inbox,
        Hands.write_results,
        Hands.batch_write,
    ),
    "NotifyFunction": (
        Hands.write_unpacked,
        Hands.read_secret,
        Hands.read_inbox,
        Hands.read_results,
        Hands.write_results,
        Hands.delete_item,
        Hands.batch_write,
        Hands.start_run,
    ),
    "ShowReportFunction": (
        Hands.write_unpacked,
        Hands.read_secret,
        Hands.read_inbox,
        Hands.read_results,
        Hands.write_results,
        Hands.get_item,
        Hands.delete_item,
        Hands.batch_write,
        Hands.start_run,
    ),
}

OF_LINKS = ("NotifyFunction", "ShowReportFunction")
"""Who reads what links to reports are signed with."""


@pytest.mark.parametrize("function", REFUSED)
def test_role_is_refused_what_the_function_has_no_business_with(
    stack: Stack, function: str
) -> None:
    hands = Hands(stack, _session_of(stack, function))
    # The credentials work: this every function may.
    works, other = Hands.get_item, Hands.read_link_key
    if function in OF_LINKS:
        works, other = Hands.read_link_key, Hands.scan
    works(hands)
    for attempt in (*NOBODY, other, *REFUSED[function]):
        with pytest.raises(ClientError) as refusal:
            attempt(hands)
        code = refusal.value.response["Error"]["Code"]
        assert code in {"AccessDenied", "AccessDeniedException"}, (attempt, code)


def test_every_function_of_the_template_is_tested(stack: Stack) -> None:
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    functions = {
        resource["LogicalResourceId"]
        for page in pages.paginate(StackName=stack.state.stack)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }
    assert functions == set(REFUSED)


def _session_of(stack: Stack, function: str) -> boto3.Session:
    """A session with the role of a function, whose trust is widened to these tests."""
    arn = stack.function(function)["Role"]
    account = arn.split(":")[4]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {
                    "Service": "lambda.amazonaws.com",
                    "AWS": f"arn:aws:iam::{account}:root",
                },
                "Action": "sts:AssumeRole",
            }
        ],
    }
    stack.client("iam").update_assume_role_policy(
        RoleName=arn.rsplit("/", 1)[1], PolicyDocument=json.dumps(trust)
    )
    answer = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.Session(
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
        region_name=stack.state.region,
    )


# People


@pytest.fixture
def person(stack: Stack) -> Callable[[str], Person]:
    return lambda role: Person(stack, role)


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    file = tmp_path / "tickets.csv"
    file.write_bytes(ticket_csv(good_tickets(4)))
    return file


def profile_file(desk: Desk, folder: Path) -> Path:
    document = {
        "name": desk.profile,
        "connection": desk.name,
        "operation": "tickets.create",
        "columns": TICKET_COLUMNS,
        "max_attempts": 2,
    }
    file = folder / "profile.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def connection_put(desk: Desk, folder: Path) -> tuple[object, ...]:
    file = folder / "credentials.json"
    file.write_text(json.dumps(CREDENTIALS))
    where = ("--vendor", "zendesk_support", "--base-url", desk.simulator.url)
    return ("connection", "put", f"{desk.name[:40]}-2", *where, "--credentials", file)


def test_an_operator_carries_files_and_a_viewer_looks_on(
    desk: Desk, person: Callable[[str], Person], tickets: Path, tmp_path: Path
) -> None:
    operator, viewer = person("Operator"), person("Viewer")
    of_profile = ("--profile", desk.profile)
    (trial,) = operator.may("run", tickets, *of_profile, "--trial", 2)
    run_id = trial["run_id"]
    desk.wait_until(run_id, lambda run: run.suspended)
    operator.may("priority", run_id, "high")
    (ended,) = operator.may("resume", run_id, "--wait")
    assert ended["outcomes"]["succeeded"] == 4
    did = {action: who for action, who in ended["by"].items() if who}
    assert did == dict.fromkeys(("started", "resumed", "priority"), operator.arn)
    (again,) = operator.may("rerun", run_id, "--repeat-succeeded", "--wait")
    assert again["by"]["started"] == operator.arn

    operator.may_not("dynamodb:PutItem", "profile", "put", profile_file(desk, tmp_path))
    operator.may_not("secretsmanager:PutSecretValue", *connection_put(desk, tmp_path))
    code, _, said = operator("connection", "test", desk.name)
    assert code == 2
    assert "secretsmanager:GetSecretValue" in said

    assert run_id in {found["run_id"] for found in viewer.may("runs", *of_profile)}
    assert viewer.may("status", run_id)[0]["by"]["started"] == operator.arn
    assert len(viewer.may("rows", run_id)) == 4
    viewer.may("results", run_id, "--out", tmp_path / "results")
    assert (tmp_path / "results/report.html").exists()
    viewer.may("plan", tickets, *of_profile)
    viewer.may("connection", "show", desk.name)
    viewer.may("profile", "show", desk.profile)
    viewer.may_not("s3:PutObject", "run", tickets, *of_profile)
    viewer.may_not("dynamodb:BatchWriteItem", "profile", "delete", desk.profile)
    viewer.may_not("dynamodb:PutItem", "profile", "put", profile_file(desk, tmp_path))
    viewer.may_not("s3:ListBucketVersions", "delete", run_id, "--yes")
    viewer.may_not("dynamodb:UpdateItem", "connection", "unblock", desk.name)
    viewer.may_not("secretsmanager:PutSecretValue", *connection_put(desk, tmp_path))

    operator.may("delete", run_id, "--yes")
    code, _, said = viewer("status", run_id)
    assert (code, f"has been deleted by {operator.arn}" in said) == (1, True), said


def test_an_author_writes_profiles_and_an_administrator_connections(
    desk: Desk, person: Callable[[str], Person], tickets: Path, tmp_path: Path
) -> None:
    author, administrator = person("ProfileAuthor"), person("Administrator")
    author.may("profile", "put", profile_file(desk, tmp_path))
    assert author.may("profile", "show", desk.profile)[0]["by"] == author.arn
    author.may_not("s3:PutObject", "run", tickets, "--profile", desk.profile)
    author.may_not("secretsmanager:PutSecretValue", *connection_put(desk, tmp_path))
    author.may_not("dynamodb:UpdateItem", "connection", "unblock", desk.name)

    put = connection_put(desk, tmp_path)
    assert administrator.may(*put)[0]["by"] == administrator.arn
    administrator.may("connection", "test", put[2])
    administrator.may("connection", "unblock", put[2])
    administrator.may("profile", "put", profile_file(desk, tmp_path))
    (ended,) = administrator.may("run", tickets, "--profile", desk.profile, "--wait")
    administrator.may("delete", ended["run_id"], "--yes")
    administrator.may("connection", "delete", put[2])


def test_an_uploader_drops_files_and_sees_nothing(
    desk: Desk, person: Callable[[str], Person]
) -> None:
    uploader = person("Uploader")
    bucket, key = desk.stack.outputs["InboxBucketName"], f"inbox/{desk.profile}/a.csv"
    body = ticket_csv(good_tickets(2))
    with pytest.raises(ClientError, match="AccessDenied"):
        uploader.s3().put_object(Bucket=bucket, Key=key, Body=body)
    _fill_tag_in(uploader, desk.profile)
    version = uploader.s3().put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
    for refused in ("inbox/other/a.csv", f"inbox/{desk.profile}2/a.csv", "scheduled/a.csv"):
        with pytest.raises(ClientError, match="AccessDenied"):
            uploader.s3().put_object(Bucket=bucket, Key=refused, Body=body)
    with pytest.raises(ClientError, match=r"AccessDenied|Forbidden"):
        uploader.s3().get_object(Bucket=bucket, Key=key)
    uploader.may_not("cloudformation:DescribeStacks", "runs")
    run_id = run_id_of(RunRequest(desk.profile, bucket, key), version)
    assert desk.wait(run_id)["outcomes"]["succeeded"] == 2


def _fill_tag_in(person: Person, profile: str) -> None:
    """Do what IAM does with the tag of a principal, and the emulator does not."""
    iam, arn = person.stack.client("iam"), person.stack.outputs["UploaderPolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    text = found if isinstance(found, str) else json.dumps(found)
    variable = "${aws:PrincipalTag/jobferry-profile}"
    assert variable in text
    iam.put_user_policy(
        UserName=person.name, PolicyName="tagged", PolicyDocument=text.replace(variable, profile)
    )
