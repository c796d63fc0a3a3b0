"""The state machine on moto's Step Functions, which carries definitions out by LocalStack's
interpreter.

Three things are put in: the language JSONata, which moto leaves out and `jsonata-python` evaluates;
answers of ours to whatever the states call; and waits that take no time.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import boto3
from botocore.exceptions import ClientError
from jsonata import Jsonata
from moto import mock_aws
from moto.stepfunctions.parser import models
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.jsonata import jsonata

from tests.engines.definition import ACCOUNT, FUNCTION_ARN, REGION, deployed_definition
from tests.engines.script import PUT_EVENTS, SEND_MESSAGE, Ended, Script, StepError

ENDED_SECONDS = 60.0
"""For an execution that never ends; they take tenths of a second."""

Answering = Callable[[str, dict[str, Any]], dict[str, Any]]
"""(step, payload) → what it answers; may raise `StepError`."""


class MotoStates:
    """Step Functions of moto, with two state machines: the deployed one, and one lane of it.

    The history of a lane is a child execution's, and only an execution's own can be asked for.
    """

    def __init__(self) -> None:
        self._client = boto3.client(
            "stepfunctions",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        definition = json.loads(deployed_definition())
        lane = definition["States"]["ProcessLanes"]["ItemProcessor"]
        del lane["ProcessorConfig"]
        self._machine = self._created("run", deployed_definition())
        self._lane = self._created("lane", json.dumps(lane))
        self._executions = 0

    def _created(self, name: str, definition: str) -> str:
        arn: str = self._client.create_state_machine(
            name=name, definition=definition, roleArn=f"arn:aws:iam::{ACCOUNT}:role/run"
        )["stateMachineArn"]
        return arn

    def execute(self, script: Script, given: Any) -> Ended:
        return self.carry_out_by(script.answer, given)

    def carry_out_by(self, answer: Answering, given: Any) -> Ended:
        """One execution whose steps answer as `answer` does."""
        waits: list[float] = []
        arn, ended = self._executed(self._machine, answer, given, waits)
        return Ended(
            status=ended["status"],
            output=json.loads(ended["output"]) if "output" in ended else None,
            error=ended.get("error"),
            cause=ended.get("cause"),
            waits=waits,
            lanes_failed=sum(run["itemCounts"]["failed"] for run in self._map_runs(arn)),
        )

    def history_of_lane(self, script: Script, given: Any) -> list[str]:
        """The types of all events in the history of one lane by itself."""
        arn, _ = self._executed(self._lane, script.answer, given, [])
        events = self._client.get_execution_history(executionArn=arn)["events"]
        return [event["type"] for event in events]

    def _executed(
        self, machine: str, answer: Answering, given: Any, waits: list[float]
    ) -> tuple[str, Any]:
        tries = mock.patch.object(retrier_decl, "time", SimpleNamespace(sleep=waits.append))
        waiting = mock.patch.object(WaitFunction, "_wait_interval", _go_on)
        with tries, waiting, _clients_by(answer):
            self._executions += 1
            started = self._client.start_execution(
                stateMachineArn=machine,
                name=f"execution-{self._executions}",
                input=json.dumps(given),
            )
            arn: str = started["executionArn"]
            return arn, self._ended(arn)

    def _ended(self, arn: str) -> Any:
        deadline = time.monotonic() + ENDED_SECONDS
        while time.monotonic() < deadline:
            execution = self._client.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                return execution
            time.sleep(0.005)
        raise TimeoutError(f"the execution did not end in {ENDED_SECONDS:.0f} s")

    def _map_runs(self, arn: str) -> Iterator[Any]:
        for found in self._client.list_map_runs(executionArn=arn)["mapRuns"]:
            yield self._client.describe_map_run(mapRunArn=found["mapRunArn"])


@contextmanager
def moto_states() -> Iterator[MotoStates]:
    """Moto in this process, empty at the beginning and at the end."""
    evaluator = mock.patch.object(jsonata, "_eval_jsonata", _evaluate)
    with evaluator, mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield MotoStates()


def _go_on(_state: WaitFunction, env: object, wait_seconds: int) -> None:
    """The moment has been read, and has come."""


def _evaluate(text: str) -> Any:
    """An expression with the variables that it uses declared before it."""
    return Jsonata(text).evaluate(None)


@contextmanager
def _clients_by(answer: Answering) -> Iterator[None]:
    """Whatever state calls a service, the answer comes from us."""

    def client_for(**_: Any) -> _Client:
        return _Client(answer)

    using = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(models.__package__) and hasattr(module, "boto_client_for")
    ]
    patches = [mock.patch.object(module, "boto_client_for", client_for) for module in using]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


class _Client:
    """Stands in for the SDK's client of every service that our states call."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        step = FunctionName.removeprefix(FUNCTION_ARN).removesuffix("Function")
        try:
            document = self._answer(step, json.loads(Payload))
        except StepError as error:
            if error.error.startswith("Lambda."):
                raise _refusal(error.error.removeprefix("Lambda.")) from None
            told = {"errorType": error.error, "errorMessage": str(error)}
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": _body(told)}
        return {"StatusCode": 200, "Payload": _body(document)}

    def put_events(self, **request: Any) -> dict[str, Any]:
        try:
            return self._answer(PUT_EVENTS, request)
        except StepError as error:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": error.error}]}

    def send_message(self, **request: Any) -> dict[str, Any]:
        return self._answer(SEND_MESSAGE, request)


def _body(document: Any) -> io.BytesIO:
    return io.BytesIO(json.dumps(document).encode())


def _refusal(code: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "Rate Exceeded."},
            "ResponseMetadata": {
                "HTTPStatusCode": 429,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "Invoke",
    )
