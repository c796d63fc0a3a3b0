"""Sweep: open runs whose execution died are carried on by a new one, and lost files are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from jobferry.runtime.observability import logged
from jobferry.runtime.triggers import resume_input, upload_input
from jobferry.runtime.wiring import build_deps, deadline
from jobferry.steps.sweep import sweep

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


def start(execution_input: str) -> None:
    states.start_execution(
        stateMachineArn=deps.settings.run_state_machine_arn or "", input=execution_input
    )


@logged()
def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return sweep(
        deps,
        status_of,
        lambda run_id, previous: start(resume_input(run_id, previous)),
        lambda request: start(upload_input(request)),
        deadline(context, MARGIN_SECONDS),
    )
