"""The command `jobferry` against a whole deployment in memory."""

# ruff: noqa: N803  (the fakes take the arguments of the AWS SDK, which are named so)

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from click.testing import CliRunner

from jobferry.domain.run import Source
from jobferry.domain.run_request import ResumeRequest, RunRequest
from jobferry.runtime.triggers import read_trigger
from jobferry.steps.open_run import open_run, resume_run
from jobferry_cli.app import App
from jobferry_cli.main import cli
from jobferry_cli.report_links import ReportLinks
from jobferry_cli.resources import Caller, Executions, Inbox, Secrets
from jobferry_cli.scheduler import Schedules
from jobferry_cli.stack import Stack
from virtual.world import INBOX, World

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Run"
SECRETS = "secrets/"
GROUP = "runs"
LINK_SECRET, LINK_KEY = "report-links", "k" * 64
LINKS = "https://links.example"
"""Below it lie the reports of those who have an address."""
ANN = "arn:aws:sts::123456789012:assumed-role/Operators/ann@example.com"
"""Whose credentials the command has."""


def client_error(code: str, message: str = "no", operation: str = "Call") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class FakeS3:
    """As much of S3 as uploading takes."""

    world: World
    parts: list[bytes] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    open_uploads: int = 0
    fail_at_part: int | None = None
    content_type: str = ""
    stored_as: dict[str, str] = field(default_factory=dict)
    """What S3 says besides of objects that are asked for."""
    before_write: Callable[[], None] = lambda: None
    """What somebody else does just before a file arrives."""

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        Metadata: dict[str, str],
        IfNoneMatch: str | None = None,
    ) -> dict[str, Any]:
        self.before_write()
        self._must_be_new(IfNoneMatch, Bucket, Key)
        self.content_type = ContentType
        return {"VersionId": self.world.objects.upload(Bucket, Key, Body, Metadata, ContentType)}

    def _must_be_new(self, condition: str | None, bucket: str, key: str) -> None:
        if condition is not None and key in self.world.objects.keys(key, bucket):
            raise client_error("PreconditionFailed")

    def copy_object(
        self,
        *,
        CopySource: dict[str, str],
        Bucket: str,
        Key: str,
        IfNoneMatch: str,
        **options: Any,
    ) -> None:
        self.before_write()
        self._must_be_new(IfNoneMatch, Bucket, Key)
        self.copy(CopySource=CopySource, Bucket=Bucket, Key=Key, ExtraArgs=options)

    def copy(
        self, *, CopySource: dict[str, str], Bucket: str, Key: str, ExtraArgs: dict[str, Any]
    ) -> None:
        assert ExtraArgs["MetadataDirective"] == ExtraArgs["TaggingDirective"] == "REPLACE"
        source = Source(CopySource["Bucket"], CopySource["Key"], CopySource["VersionId"])
        try:
            body = self.world.objects.stream(source).read()
        except ClientError as error:
            raise client_error(error.response["Error"]["Code"]) from None
        self.world.objects.upload(Bucket, Key, body, ExtraArgs["Metadata"])

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        version = self.world.objects.head(Bucket, Key, None).source.version_id
        return {"VersionId": version, **self.stored_as}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"

        def paginate(*, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
            keys = self.world.objects.keys(Prefix, Bucket)
            return [{"Contents": [{"Key": key} for key in keys]}] if keys else [{}]

        return SimpleNamespace(paginate=paginate)

    def create_multipart_upload(self, *, Metadata: dict[str, str], **_: Any) -> dict[str, Any]:
        self.options, self.parts = Metadata, []
        self.open_uploads += 1
        return {"UploadId": "u1"}

    def upload_part(self, *, PartNumber: int, Body: bytes, **_: Any) -> dict[str, Any]:
        if PartNumber == self.fail_at_part:
            raise client_error("SlowDown")
        self.parts.append(Body)
        return {"ETag": f"tag-{PartNumber}"}

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        MultipartUpload: dict[str, Any],
        IfNoneMatch: str | None = None,
    ) -> dict[str, Any]:
        self._must_be_new(IfNoneMatch, Bucket, Key)
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert numbers == list(range(1, len(self.parts) + 1))
        self.open_uploads -= 1
        body = b"".join(self.parts)
        return {"VersionId": self.world.objects.upload(Bucket, Key, body, self.options)}

    def abort_multipart_upload(self, **_: Any) -> None:
        self.open_uploads -= 1


@dataclass
class FakeSecrets:
    """As much of Secrets Manager as connections take."""

    values: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def create_secret(self, *, Name: str, SecretString: str, Description: str) -> None:
        if Name in self.values:
            raise client_error("ResourceExistsException")
        self.values[Name] = SecretString

    def restore_secret(self, *, SecretId: str) -> None:
        if SecretId not in self.deleted:
            raise client_error("InvalidRequestException", "not scheduled for deletion")
        self.deleted.discard(SecretId)

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:
        if SecretId not in self.values:
            raise client_error("ResourceNotFoundException")
        if SecretId in self.deleted:
            raise client_error("InvalidRequestException", "scheduled for deletion")
        self.values[SecretId] = SecretString

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:
        if SecretId not in self.values:
            raise client_error("ResourceNotFoundException")
        return {"SecretString": self.values[SecretId]}

    def delete_secret(self, *, SecretId: str, RecoveryWindowInDays: int) -> None:
        if SecretId not in self.values:
            raise client_error("ResourceNotFoundException")
        self.deleted.add(SecretId)


@dataclass
class FakeScheduler:
    """As much of EventBridge Scheduler as schedules take; it never fires."""

    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: str | None = None
    now: Callable[[], float] = lambda: 0.0

    def create_schedule(self, **request: Any) -> None:
        if self.refuses is not None:
            raise client_error("ValidationException", self.refuses)
        if request["Name"] in self.schedules:
            raise client_error("ConflictException")
        self.update_schedule(**request)

    def update_schedule(self, **request: Any) -> None:
        assert request["GroupName"] == GROUP
        assert request["Target"]["Arn"] == MACHINE
        known = {"LastModificationDate": datetime.fromtimestamp(self.now(), UTC)}
        self.schedules[request["Name"]] = request | known

    def get_schedule(self, *, Name: str, GroupName: str) -> dict[str, Any]:
        if GroupName != GROUP or Name not in self.schedules:
            raise client_error("ResourceNotFoundException")
        return {"State": "ENABLED", **self.schedules[Name]}

    def delete_schedule(self, *, Name: str, GroupName: str) -> None:
        self.get_schedule(Name=Name, GroupName=GroupName)
        del self.schedules[Name]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_schedules"
        page = {"Schedules": [{"Name": name} for name in self.schedules]}
        return SimpleNamespace(paginate=lambda **_: [page])


@dataclass
class FakeStates:
    """Executions that begin when time passes, as they do with AWS."""

    world: World
    waiting: list[RunRequest] = field(default_factory=list)
    resuming: list[ResumeRequest] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def start_execution(
        self,
        *,
        stateMachineArn: str,
        input: str,  # noqa: A002
        name: str | None = None,
    ) -> None:
        assert stateMachineArn == MACHINE
        request = read_trigger(json.loads(input), INBOX)
        if isinstance(request, ResumeRequest):
            self.resuming.append(request)
            return
        assert name is not None
        if name in self.names:
            raise client_error("ExecutionAlreadyExists")
        self.names.add(name)
        self.waiting.append(request)

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:
        prefix, _, name = executionArn.rpartition(":")
        assert prefix == MACHINE.replace("stateMachine", "execution")
        if name not in self.names:
            raise client_error("ExecutionDoesNotExist")
        return {"status": "RUNNING"}

    def go_on(self) -> None:
        """Carry to the end what was started."""
        for request in self.waiting:
            execution = self.world.execution()
            execution.run(partial(open_run, request, execution.arn, self.world.deps))
        for ended in self.resuming:
            execution = self.world.execution()
            opening = partial(
                resume_run, ended.run_id, ended.previous, execution.arn, self.world.deps
            )
            execution.run(opening)
        self.waiting, self.resuming = [], []


@dataclass(frozen=True)
class Answer:
    """What one invocation of the command said."""

    code: int
    stdout: str
    stderr: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The lines of stdout; each must be JSON."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def document(self) -> dict[str, Any]:
        (only,) = self.documents
        return only

    @property
    def error(self) -> dict[str, str]:
        """The failure as scripts are told it: the last line of stdout."""
        error: dict[str, str] = self.documents[-1]["error"]
        return error


class _Answers:
    """An object that has every method."""

    def __init__(self, answer: Callable[[str], Callable[..., Any]]) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._answer(name)


class Shell:
    """A terminal of an operator. Call it with the words of a command.

    `while_sleeping` is what happens when the command waits; executions go on, if nothing else is
    said.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.s3 = FakeS3(world)
        self.secrets = FakeSecrets()
        links: Any = FakeSecrets({LINK_SECRET: LINK_KEY})
        self.report_links: ReportLinks | None = ReportLinks(links, LINKS, LINK_SECRET, 72)
        self.states = FakeStates(world)
        self.scheduler = FakeScheduler(now=world.clock.now)
        self.group = GROUP
        self.while_sleeping: Callable[[], None] = self.states.go_on
        self.time = 0.0
        self.stack_names: list[str | None] = []
        self.arn = ANN
        self.sts_fails: Exception | None = None
        self.asked_who = 0
        self.outputs: dict[str, str] = {}
        self.aws: dict[str, dict[str, Any]] = {}
        """Service → operation → what it answers; whatever is not there is refused."""

    def __call__(self, *words: object) -> Answer:
        app = App(connect=self._connect, sleep=self._sleep, monotonic=lambda: self.time)
        result = CliRunner(mix_stderr=False).invoke(cli, [str(word) for word in words], obj=app)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def _connect(self, name: str | None) -> Stack:
        self.stack_names.append(name)
        clients: Any = (self.s3, self.secrets, self.states, self.scheduler)
        return Stack(
            settings=self.world.deps.settings,
            deps=self.world.deps,
            inbox=Inbox(clients[0], INBOX),
            secrets=Secrets(clients[1], SECRETS),
            executions=Executions(clients[2], MACHINE),
            schedules=Schedules(clients[3], self.group, MACHINE, "role", "queue"),
            caller=Caller(self._sts),
            report_links=self.report_links,
            name="jobferry",
            outputs=self.outputs,
            client=self._client,
        )

    def _client(self, service: str) -> Any:
        """A client that answers what is in `aws`, or raises it."""

        def answer(operation: str) -> Callable[..., Any]:
            def called(*_: object, **__: object) -> Any:
                answers = self.aws.get(service, {})
                found = answers.get(operation, client_error("AccessDenied", operation=operation))
                if isinstance(found, Exception):
                    raise found
                return found

            return called

        return _Answers(answer)

    def _sts(self) -> Any:
        self.asked_who += 1
        if self.sts_fails is not None:
            raise self.sts_fails
        return SimpleNamespace(get_caller_identity=lambda: {"Arn": self.arn})

    def _sleep(self, seconds: float) -> None:
        self.time += seconds
        self.while_sleeping()
