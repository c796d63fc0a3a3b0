"""Sweep: open runs whose execution died are carried on by a new one."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.exceptions import ClientError

from jobferry.steps.sweep import sweep
from jobferry.wiring import build_deps

deps = build_deps()
states = boto3.client("stepfunctions")


def is_running(execution: str) -> bool:
    try:
        return states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return False
        raise


def restart(run_id: str, previous: str) -> None:
    states.start_execution(
        stateMachineArn=deps.settings.run_state_machine_arn or "",
        input=json.dumps({"resume": run_id, "previous": previous}),
    )


def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    return sweep(deps, is_running, restart)
