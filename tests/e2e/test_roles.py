"""Least privilege: every run of these tests proves that the roles are enough; here, that they
are not more. Each function's own role is assumed and tries what the function has no business
with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import Stack

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
        Hands.write_evidence,
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
}


@pytest.mark.parametrize("function", REFUSED)
def test_role_is_refused_what_the_function_has_no_business_with(
    stack: Stack, function: str
) -> None:
    hands = Hands(stack, _session_of(stack, function))
    hands.get_item()  # the credentials work: this every function may
    for attempt in (*NOBODY, *REFUSED[function]):
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
