"""A second stack in the same account and region, with every option, beside the first one.

Of what a template makes the emulator keeps no boundary, lifecycle rule, key or VPC: that they are
asked for is held by `tests/template/test_account.py`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jobferry_cli.local import deployment
from jobferry_cli.local.state import state_folder
from tests.e2e.conftest import Desk, Stack, connected, good_tickets, open_desk, ticket_csv

NAME = "jobferry-second"
OPTIONS = {
    "PermissionsBoundaryArn",
    "KmsKeyArn",
    "SubnetIds",
    "SecurityGroupIds",
    "AccessLogBucketName",
    "PlanConcurrency",
    "CloseConcurrency",
    "NoRunHours",
    "AlarmEmail",
}


@pytest.fixture(scope="module")
def second(stack: Stack) -> Iterator[Stack]:
    """Deployed with a boundary, a key, a VPC, access logs, caps, and another retention."""
    boundary = stack.client("iam").create_policy(
        PolicyName=f"boundary-{secrets.token_hex(3)}",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
            }
        ),
    )["Policy"]["Arn"]
    key = stack.client("kms").create_key()["KeyMetadata"]["Arn"]
    logs = f"access-logs-{secrets.token_hex(3)}"
    stack.client("s3").create_bucket(Bucket=logs)
    ec2 = stack.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="functions", Description="of functions", VpcId=vpc)
    options = {
        "PermissionsBoundaryArn": boundary,
        "KmsKeyArn": key,
        "SubnetIds": subnet,
        "SecurityGroupIds": group["GroupId"],
        "AccessLogBucketName": logs,
        "PlanConcurrency": "5",
        "CloseConcurrency": "5",
        "RowRetentionDays": "30",
        "LogRetention": "7",
        "NoRunHours": "24",
        "AlarmEmail": "ops@example.org",
        "VendorCidrs": "10.20.0.0/16",
    }
    deployment.deploy(
        deployment.project_root(),
        state_folder(),
        NAME,
        stack.state.environment(),
        {**deployment.LOCAL_PARAMETERS, **options},
    )
    yield connected(replace(stack.state, stack=NAME))
    stack.client("cloudformation").delete_stack(StackName=NAME)


def processed(desk: Desk) -> dict[str, Any]:
    desk.put_profile(batch_size=10)
    return desk.wait(desk.upload(ticket_csv(good_tickets(20))))


def test_the_same_connection_has_its_own_secret_in_each_stack(stack: Stack, second: Stack) -> None:
    """What one stack is given, the other neither reads nor overwrites."""
    assert stack.outputs["SecretPrefix"] != second.outputs["SecretPrefix"]
    name = f"acme-{secrets.token_hex(3)}"
    wrong = {"email": "agent@example.com", "token": "of-the-other-stack"}
    with (
        open_desk(stack, name) as first_desk,
        open_desk(second, name, credentials=wrong) as second_desk,
    ):
        # With its own stack's credentials the first account is let in, the second one is not.
        assert processed(first_desk)["status"] == "completed"
        assert len(first_desk.effects(action="created")) == 20
        secret = second.client("secretsmanager")
        secret.put_secret_value(
            SecretId=second.outputs["SecretPrefix"] + name,
            SecretString=json.dumps({"email": "agent@example.com", "token": "sim-token"}),
        )
        assert processed(second_desk)["status"] == "completed"
        kept = stack.client("secretsmanager").get_secret_value(
            SecretId=stack.outputs["SecretPrefix"] + name
        )
        assert json.loads(kept["SecretString"])["token"] == "sim-token"
        # Rows of one are not in the table of the other.
        assert stack.deps.store.config.connection(name) != second.deps.store.config.connection(name)


def test_a_function_may_not_read_the_other_stacks_secrets(stack: Stack, second: Stack) -> None:
    role = second.physical("SubmitJobsFunctionRole")
    policies = second.client("iam").get_role_policy(RoleName=role, PolicyName="step")
    granted = [
        resource
        for statement in policies["PolicyDocument"]["Statement"]
        if "secretsmanager:GetSecretValue" in str(statement["Action"])
        for resource in [statement["Resource"]]
    ]
    assert [second.outputs["SecretPrefix"] in each for each in granted] == [True]
    assert [stack.outputs["SecretPrefix"] in each for each in granted] == [False]


def test_it_carries_runs_with_every_option(second: Stack) -> None:
    """It was deployed with them, and what they add to roles, buckets and functions does no harm."""
    deployed = second.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    given = {each["ParameterKey"]: each["ParameterValue"] for each in deployed["Parameters"]}
    assert {name for name, value in given.items() if value not in ("", "0")} >= OPTIONS
    assert second.outputs["RowRetentionDays"] == "30"
    assert second.outputs["VendorCidrs"] == "10.20.0.0/16"
    assert ":key/" in second.outputs["KmsKeyArn"]
    with open_desk(second, f"options-{secrets.token_hex(3)}") as desk:
        assert processed(desk)["status"] == "completed"
