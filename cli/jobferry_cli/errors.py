"""Exit codes, and failures as people read them: what happened, and the command to type next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import IO, Any

import click
from botocore import exceptions as aws

from jobferry.domain.commands import Command, command, other_command
from jobferry.store.table import BusyTableError
from jobferry_cli.output import note

AWS_ERRORS = (aws.BotoCoreError, aws.ClientError, BusyTableError)
"""What may come out of any AWS call; `explain` says it in words."""


class ExitCode(IntEnum):
    """Stable: scripts branch on them (docs/cli.md)."""

    OK = 0
    INPUT = 1
    """Wrong usage, or an input that cannot be used."""
    SERVICE = 2
    """AWS, the stack or the vendor cannot be reached or refuses us."""
    ROWS_FAILED = 3
    """Some rows failed or were rejected, or the run was aborted, or is paused for a reason."""
    ROWS_UNKNOWN = 4
    INTERRUPTED = 130
    """Ctrl-C, as shells number it."""


class CommandError(click.ClickException):
    """An expected failure.

    Args:
        message: what happened, and to what
        next_command: what to type now, ids filled in
        details: more of what happened, each on a line of its own
        error_code: the same for scripts; by default what the exit code says
        document: what scripts read besides
    """

    def __init__(
        self,
        message: str,
        *,
        next_command: Command,
        details: Sequence[str] = (),
        code: ExitCode = ExitCode.INPUT,
        error_code: str | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.next_command = next_command
        self.details = tuple(details)
        self.exit_code = code
        self.error_code = error_code or code.name.lower()
        self.document = document or {}

    def to_json(self) -> dict[str, Any]:
        """The failure as scripts read it."""
        text = "\n  ".join((self.message, *self.details))
        error = {"code": self.error_code, "text": text, "next": self.next_command}
        return {**self.document, "error": error}

    def of_run(self, run_id: str) -> CommandError:
        """The same, so that scripts learn which run it is about."""
        self.document = {"run_id": run_id, **self.document}
        return self

    def show(self, file: IO[Any] | None = None) -> None:
        details = (f"  {detail}" for detail in self.details)
        note(f"Error: {self.message}", *details, f"Next:  {self.next_command}", file=file)


def interrupted(words: Sequence[str]) -> CommandError:
    """Ctrl-C, or a question that was answered with no.

    Args:
        words: what was typed after `jobferry`.
    """
    return CommandError(
        "Interrupted.",
        next_command=command(*words),
        code=ExitCode.INTERRUPTED,
    )


def unexpected(error: Exception) -> CommandError:
    """A fault of Jobferry itself. Its text may hold anything, and stays in the trace above it."""
    return CommandError(
        f"This is a fault of Jobferry ({type(error).__name__}). What it did not expect stands "
        "above; please report it.",
        next_command=command("doctor"),
        error_code="unexpected",
    )


_REFUSED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"}
)
_NEEDED = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
"""How AWS names the right that is missing, where it does."""

_RIGHT_FOR = {
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CopyObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "HeadBucket": "s3:ListBucket",
    "DeleteObjects": "s3:DeleteObjectVersion",
}
"""The right that a call to S3 needs: its refusals often say no more than "Access Denied"."""

_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_LOOPBACK = re.compile(r"//(127\.\d+\.\d+\.\d+|localhost|\[::1\])[:/]")
_WHO_AM_I = other_command("aws", "sts", "get-caller-identity")


def is_refusal(error: aws.ClientError) -> bool:
    """Whether AWS says that the caller has no right to do this."""
    return error.response.get("Error", {}).get("Code") in _REFUSED


def refuses_credentials(error: Exception) -> bool:
    """Whether AWS does not take the credentials, or not any more: others may do."""
    if isinstance(error, aws.ClientError):
        return error.response.get("Error", {}).get("Code") in _BAD_CREDENTIALS
    return isinstance(error, aws.TokenRetrievalError | aws.SSOError | aws.NoCredentialsError)


def missing_right(error: aws.ClientError) -> str | None:
    """The right that a refusal is about, where it can be told; None also where it is no refusal."""
    if not is_refusal(error):
        return None
    needed = _NEEDED.search(error.response.get("Error", {}).get("Message", ""))
    return needed[1] if needed else _RIGHT_FOR.get(error.operation_name)


def explain(error: Exception) -> CommandError:
    """An error of the AWS SDK as a failure of the service, with what to try first."""
    message, next_command = _in_words(error)
    return CommandError(message, next_command=next_command, code=ExitCode.SERVICE)


def _in_words(error: Exception) -> tuple[str, Command]:
    match error:
        case aws.ClientError():
            return _refusal(error)
        case aws.NoCredentialsError() | aws.PartialCredentialsError():
            return f"There are no AWS credentials: {error}.", other_command("aws", "configure")
        case aws.TokenRetrievalError() | aws.SSOError():
            return f"The AWS sign-in has ended: {error}", other_command("aws", "sso", "login")
        case aws.NoRegionError():
            return (
                "No AWS region is set. (To work without AWS: jobferry local up.)",
                other_command("export", "AWS_REGION=us-east-1"),
            )
        case aws.ProfileNotFound():
            return f"{error}.", other_command("aws", "configure", "list-profiles")
        case aws.HTTPClientError() | aws.ConnectionError():
            return _not_reached(error)
        case BusyTableError():
            return f"The stack's table is too busy: {error}. Try again soon.", command("runs")
        case _:
            return f"AWS cannot be used: {error}", _WHO_AM_I


def _not_reached(error: Exception) -> tuple[str, Command]:
    if _LOOPBACK.search(str(error)):
        return f"The local stack does not answer: {error}", command("local", "up")
    return (
        f"AWS cannot be reached: {error} Is there a network, and is AWS_REGION a region?",
        _WHO_AM_I,
    )


def _refusal(error: aws.ClientError) -> tuple[str, Command]:
    details = error.response.get("Error", {})
    code, said = details.get("Code", ""), details.get("Message", "")
    call = f"{error.operation_name}: {said or code}"
    if code in _REFUSED:
        right = missing_right(error)
        if right is None:
            return f"AWS does not allow this to you. {call}", _WHO_AM_I
        return (
            f"AWS does not allow this to you: the right {right} is missing. The stack's policies "
            f"give it to those who need it (docs/cli.md, Rights). {call}",
            _WHO_AM_I,
        )
    if code in _BAD_CREDENTIALS:
        return f"AWS does not accept your credentials. {call}", _WHO_AM_I
    return f"AWS refused a request ({code}). {call}", _WHO_AM_I
