"""Sweep: open runs whose execution died are carried on by a new one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from jobferry.steps.sweep import sweep
from jobferry.wiring import build_deps, deadline

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

session = boto3.Session()
deps = build_deps(session=session)
states = session.client("stepfunctions")

# What is begun with one run, and counting the results at risk, is done within this.
MARGIN_SECONDS = 60.0


def status_of(execution: str) -> str | None:
    try:
        return states.describe_execution(executionArn=execution)["status"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return None
        raise


def restart(run_id: str, previous: str) -> None:
    states.start_execution(
        stateMachineArn=deps.settings.run_state_machine_arn or "",
        input=json.dumps({"resume": run_id, "previous": previous}),
    )


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return sweep(deps, status_of, restart, deadline(context, MARGIN_SECONDS))
