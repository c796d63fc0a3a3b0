"""People with the policies of the stack, who type commands."""

from __future__ import annotations

import json
import secrets
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from jobferry_cli.main import cli
from tests.e2e.conftest import Stack


class Person:
    """A user with one of the stack's policies, and a terminal with that user's keys."""

    def __init__(self, stack: Stack, role: str) -> None:
        self.stack = stack
        self.name = f"{role}-{secrets.token_hex(3)}"
        iam = stack.client("iam")
        self.arn: str = iam.create_user(UserName=self.name)["User"]["Arn"]
        iam.attach_user_policy(UserName=self.name, PolicyArn=stack.outputs[f"{role}PolicyArn"])
        self._key = iam.create_access_key(UserName=self.name)["AccessKey"]

    def __call__(self, *words: object) -> tuple[int, list[dict[str, Any]], str]:
        """What a command ends with, prints on stdout (JSON lines) and on stderr."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ACCESS_KEY_ID", self._key["AccessKeyId"])
            environment.setenv("AWS_SECRET_ACCESS_KEY", self._key["SecretAccessKey"])
            environment.setenv("JOBFERRY_STACK", self.stack.state.stack)
            typed = [*(str(word) for word in words), "--json"]
            result = CliRunner(mix_stderr=False).invoke(cli, typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return (
            result.exit_code,
            [json.loads(line) for line in result.stdout.splitlines()],
            result.stderr,
        )

    def may(self, *words: object) -> list[dict[str, Any]]:
        """What an allowed command prints."""
        code, documents, said = self(*words)
        assert code == 0, (words, said)
        return documents

    def may_not(self, right: str, *words: object) -> None:
        """The command is refused, in a sentence that names the right that is missing."""
        code, documents, said = self(*words)
        assert code == 2, (words, documents, said)
        assert f"the right {right} is missing" in said, (words, said)
        assert f"the right {right} is missing" in documents[-1]["error"]["text"]

    def s3(self) -> Any:
        session = boto3.Session(
            aws_access_key_id=self._key["AccessKeyId"],
            aws_secret_access_key=self._key["SecretAccessKey"],
            region_name=self.stack.state.region,
        )
        return session.client("s3", endpoint_url=self.stack.state.endpoint_url)
