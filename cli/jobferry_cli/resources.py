"""What only the operator's command does with AWS: upload files, keep secrets, start executions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from jobferry.domain.inbox import INBOX, is_packed, plain_suffix, suffix_of
from jobferry.domain.run import Source
from jobferry.domain.run_request import RunRequest
from jobferry.domain.who import name_of
from jobferry.steps.open_run import BY_OPTION, ORIGIN_OPTION, PRIORITY_OPTION, TRIAL_OPTION
from jobferry.vendors.credentials import secret_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

PART_BYTES = 16 * 1024 * 1024
"""Size of an uploaded part. S3 takes 10,000 of them, which makes files of up to 160 GB."""

SECRET_RECOVERY_DAYS = 7
"""How long a deleted secret can be brought back; the least that Secrets Manager offers."""

COPIED_AT_ONCE = 5 * 1024**3
"""Bytes that S3 copies in one request."""

_CONTENT_TYPES = {".csv": "text/csv", ".tsv": "text/tab-separated-values"}

_NOT_THE_FIRST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
"""A conditional write that somebody else was faster with, or is just making."""


class UploadedBeforeError(Exception):
    """Somebody else has uploaded a file of this name first."""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@dataclass(frozen=True, slots=True)
class Inbox:
    """The bucket whose uploads start runs."""

    client: S3Client
    bucket: str

    def folder(self, profile: str) -> str:
        """Where files of a profile are dropped, as tools of AWS write it."""
        return f"s3://{self.bucket}/{INBOX}{profile}/"

    def upload(
        self,
        file: BinaryIO,
        profile: str,
        name: str,
        *,
        priority: str | None = None,
        origin: str | None = None,
        trial: int | None = None,
        by: str | None = None,
        once: bool = False,
        sent: Callable[[int], None] = lambda _: None,
    ) -> RunRequest:
        """Upload a file for a profile; returns the request for just this version of it.

        S3 answers an upload with the version that it made, whatever else is uploaded under the
        same name at the same time.

        Args:
            name: of the file; the key ends in `.csv` where the name has no ending that can be read.
            origin: the run whose rows are retried.
            trial: rows to send before the run waits for a yes.
            by: who uploads it, as the object's metadata says then; None: nobody knows.
            once: only if nothing of this name is there.
            sent: called with the number of bytes of each part that has arrived.

        Raises:
            UploadedBeforeError: `once`, and somebody else was first.
        """
        target: Any = {"Bucket": self.bucket, "Key": _key(profile, name)}
        options: Any = _options(name, priority, origin, trial, by)
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        condition: Any = {"IfNoneMatch": "*"} if once else {}
        first = file.read(PART_BYTES)
        try:
            if len(first) < PART_BYTES:
                answer: Mapping[str, Any] = self.client.put_object(
                    **target, **options, **condition, Body=first
                )
                sent(len(first))
            else:
                answer = self._upload_parts(file, first, target, options, condition, sent)
        except ClientError as error:
            if once and _code(error) in _NOT_THE_FIRST:
                raise UploadedBeforeError(target["Key"]) from None
            raise
        version_id = answer.get("VersionId", "null")
        return RunRequest(profile, self.bucket, target["Key"], version_id, by=by)

    def _upload_parts(
        self,
        file: BinaryIO,
        first: bytes,
        target: Any,
        options: Any,
        condition: Any,
        sent: Callable[[int], None],
    ) -> Mapping[str, Any]:
        upload: Any = {
            **target,
            "UploadId": self.client.create_multipart_upload(**target, **options)["UploadId"],
        }
        parts: list[Any] = []
        try:
            body = first
            while body:
                number = len(parts) + 1
                answer = self.client.upload_part(**upload, PartNumber=number, Body=body)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                sent(len(body))
                body = file.read(PART_BYTES)
            done = self.client.complete_multipart_upload(
                **upload, **condition, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            # Parts of an unfinished upload cost money until somebody drops them; Ctrl-C counts.
            self.client.abort_multipart_upload(**upload)
            raise
        return dict(done)

    def copy(
        self,
        source: Source,
        profile: str,
        name: str,
        *,
        priority: str,
        origin: str,
        by: str | None = None,
        once: bool = False,
    ) -> RunRequest:
        """Make a new upload of a version that is there, of any size, without fetching it.

        Args:
            by: who does so; None: nobody knows.
            once: only if nothing of this name is there. Of more than 5 GB, which S3 copies in
                parts, that is not seen.

        Raises:
            UploadedBeforeError: `once`, and somebody else was first.
        """
        target: Any = {"Bucket": self.bucket, "Key": _key(profile, name)}
        # Without the directives, a copy keeps the options of its source, and its tags: which takes
        # rights that nobody needs for an upload.
        options: Any = {
            "MetadataDirective": "REPLACE",
            "TaggingDirective": "REPLACE",
            **_options(name, priority, origin, by=by),
        }
        version: Any = {
            "Bucket": source.bucket,
            "Key": source.key,
            "VersionId": source.version_id,
        }
        if not once or source.size > COPIED_AT_ONCE:
            self.client.copy(CopySource=version, **target, ExtraArgs=options)
        else:
            try:
                self.client.copy_object(CopySource=version, **target, **options, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in _NOT_THE_FIRST:
                    raise UploadedBeforeError(target["Key"]) from None
                raise
        return replace(self._current(profile, target["Key"]), by=by)

    def uploads(self, profile: str, start: str) -> dict[str, RunRequest]:
        """Uploads for a profile whose names start so, by name: their current versions."""
        prefix = f"{INBOX}{profile}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix + start
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key.removeprefix(prefix): self._current(profile, key) for key in keys}

    def current(self, profile: str, name: str) -> RunRequest:
        """The upload of this name that is there."""
        return self._current(profile, _key(profile, name))

    def _current(self, profile: str, key: str) -> RunRequest:
        head = self.client.head_object(Bucket=self.bucket, Key=key)
        return RunRequest(profile, self.bucket, key, head.get("VersionId", "null"))


def _key(profile: str, name: str) -> str:
    return f"{INBOX}{profile}/{upload_name(name)}"


def _options(
    name: str,
    priority: str | None,
    origin: str | None,
    trial: int | None = None,
    by: str | None = None,
) -> dict[str, Any]:
    options = {
        PRIORITY_OPTION: priority,
        ORIGIN_OPTION: origin,
        TRIAL_OPTION: trial,
        # S3 takes ASCII alone for metadata, and so are ARNs, but for those of some partners.
        BY_OPTION: by if by is not None and by.isascii() else None,
    }
    return {
        "ContentType": _content_type(name),
        "Metadata": {name: str(value) for name, value in options.items() if value is not None},
    }


def _content_type(name: str) -> str:
    return "application/gzip" if is_packed(name) else _CONTENT_TYPES[plain_suffix(name)]


def upload_name(name: str) -> str:
    """The name under which a file is uploaded: with a readable ending, in small letters."""
    suffix = suffix_of(name)
    return f"{name}.csv" if suffix is None else name[: -len(suffix)] + suffix


@dataclass(frozen=True, slots=True)
class Secrets:
    """Credentials of connections in Secrets Manager. Values go in and never come out here.

    Attributes:
        prefix: of the secrets' names: the stack's own
        kms_key: ARN of the key that encrypts them; None: the one that AWS manages
    """

    client: SecretsManagerClient
    prefix: str
    kms_key: str | None = None

    def put(self, connection: str, credentials: Mapping[str, str], base_url: str) -> None:
        """Keep the credentials of a connection for its address, be they new or changed."""
        key: Any = {"KmsKeyId": self.kms_key} if self.kms_key else {}
        name, value = self.prefix + connection, secret_of(credentials, base_url)
        try:
            self.client.put_secret_value(SecretId=name, SecretString=value)
        except ClientError as error:
            match _code(error):
                case "ResourceNotFoundException":
                    self.client.create_secret(
                        Name=name,
                        SecretString=value,
                        Description=f"Credentials of the Jobferry connection {connection}",
                        **key,
                    )
                case "InvalidRequestException":
                    # A deleted secret stands in the way until its recovery time is over.
                    self.client.restore_secret(SecretId=name)
                    self.client.put_secret_value(SecretId=name, SecretString=value)
                case _:
                    raise

    def delete(self, connection: str) -> None:
        """Give up the credentials of a connection; there may be none."""
        try:
            self.client.delete_secret(
                SecretId=self.prefix + connection, RecoveryWindowInDays=SECRET_RECOVERY_DAYS
            )
        except ClientError as error:
            if _code(error) not in ("ResourceNotFoundException", "InvalidRequestException"):
                raise


@dataclass
class Caller:
    """Whose credentials the command works with.

    Attributes:
        client: makes a client of STS; asked when the name is needed
    """

    client: Callable[[], STSClient]

    @cached_property
    def name(self) -> str | None:
        """The caller's ARN, asked for once. None where STS does not say it: no command needs it."""
        try:
            return name_of(self.client().get_caller_identity().get("Arn"))
        except (BotoCoreError, ClientError):
            return None


@dataclass(frozen=True, slots=True)
class Executions:
    """Executions of the run state machine. A run's first is named by it."""

    client: SFNClient
    state_machine_arn: str

    def start(self, run_id: str, request: RunRequest) -> None:
        """Start a run. The name makes it happen once, however often it is asked for."""
        document = {
            "profile": request.profile,
            "source": f"s3://{request.bucket}/{request.key}",
            "version_id": request.version_id,
        }
        if request.firing is not None:
            document["scheduled_at"] = request.firing
        if request.by is not None:
            document["by"] = request.by
        try:
            self.client.start_execution(
                stateMachineArn=self.state_machine_arn, name=run_id, input=json.dumps(document)
            )
        except ClientError as error:
            if _code(error) != "ExecutionAlreadyExists":
                raise

    def go_on(self, run_id: str, previous: str) -> None:
        """Start another execution for a run whose last one, `previous`, has ended.

        Whichever takes over first runs it; asking twice changes nothing.
        """
        self.client.start_execution(
            stateMachineArn=self.state_machine_arn,
            input=json.dumps({"resume": run_id, "previous": previous}),
        )

    def state(self, run_id: str) -> str | None:
        """The state of the execution that `start` began for a run; None when there is none.

        A run that was started by an upload alone has an execution of another name.
        """
        arn = self.state_machine_arn.replace(":stateMachine:", ":execution:")
        try:
            return self.client.describe_execution(executionArn=f"{arn}:{run_id}")["status"]
        except ClientError as error:
            # A text that cannot be a name is an invalid ARN.
            if _code(error) in ("ExecutionDoesNotExist", "InvalidArn", "ValidationException"):
                return None
            raise
