"""The rights that the command needs: what it asks of AWS, recorded while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from jobferry.store.operations import Put, Update
from tests.template.policies import (
    ARCHIVE,
    INBOX,
    LEADING_KEYS,
    LINK_KEY,
    MACHINE,
    PASSED_TO,
    PREFIX,
    SECRETS,
    TABLE,
    Call,
)
from tests.unit.cli.shell import FakeScheduler, FakeSecrets, FakeStates, Shell
from virtual.objects import FakeObjects
from virtual.table import FakeTable

FIND_STACK = Call(
    "cloudformation:DescribeStacks",
    PREFIX.format(service="cloudformation") + "stack/jobferry/0a1b",
)
_EXECUTIONS = PREFIX.format(service="states") + "execution:Run:"
_SCHEDULES = PREFIX.format(service="scheduler") + "schedule/runs/"
_ROLE = "arn:aws:iam::123456789012:role/Schedules"


class Recorder:
    """Notes the rights that a terminal's commands need, in the order of their calls.

    What the run itself does while a command waits is left out: it has a role of its own.
    """

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.calls: list[Call] = []
        self._depth = 0
        self._on = False

    def of(self, *words: object) -> list[Call]:
        """The rights that one command needs."""
        self.calls = [FIND_STACK]
        waiting = self.shell.while_sleeping
        with _patched(self):
            self._on = True
            self.shell.while_sleeping = lambda: self._aside(waiting)
            try:
                answer = self.shell(*words)
            finally:
                self._on = False
                self.shell.while_sleeping = waiting
        assert answer.code != 2, answer.stderr
        assert "Usage:" not in answer.stderr, answer.stderr
        return self.calls

    def _aside(self, work: Callable[[], None]) -> None:
        self._on = False
        work()
        self._on = True

    def note(self, action: str, resource: str, **keys: tuple[str, ...]) -> None:
        if self._on:
            names = {"leading": LEADING_KEYS, "passed_to": PASSED_TO}
            self.calls.append(Call(action, resource, {names[k]: v for k, v in keys.items()}))

    def wrap(self, cls: type, method: str, note: Callable[..., None]) -> Any:
        """A patch of a method that tells of its call first, but for those that it makes itself."""
        real = getattr(cls, method)

        def wrapped(this: Any, *args: Any, **kwargs: Any) -> Any:
            if self._depth == 0:
                note(*args, **kwargs)
            self._depth += 1
            try:
                return real(this, *args, **kwargs)
            finally:
                self._depth -= 1

        return mock.patch.object(cls, method, wrapped)


@contextmanager
def _patched(recorder: Recorder) -> Iterator[None]:
    patches = [recorder.wrap(*each) for each in _methods(recorder)]
    for each in patches:
        each.start()
    from jobferry.operator import vendor_requests

    real = vendor_requests.paying

    def paying(linked: Any, deps: Any) -> Any:
        # Whoever asks a vendor signs in there.
        recorder.note("secretsmanager:GetSecretValue", SECRETS + linked.connection.name)
        return real(linked, deps)

    try:
        with mock.patch.object(vendor_requests, "paying", paying):
            yield
    finally:
        for each in patches:
            each.stop()


def of_table(note: Callable[..., None]) -> Iterator[tuple[type, str, Callable[..., None]]]:
    """The methods that ask the table, and what tells of the rights that each call needs.

    Args:
        note: takes an action, a resource, and the partitions that are asked for (`leading`).
    """

    def table(action: str, *partitions: str, index: str = "") -> None:
        resource = f"{TABLE}/index/{index}" if index else TABLE
        if partitions:  # for no items no request is made
            note(f"dynamodb:{action}", resource, leading=partitions)

    def written(operation: Any) -> None:
        kinds = {Put: "PutItem", Update: "UpdateItem"}
        kind = kinds.get(type(operation), "DeleteItem")
        table(kind, operation.item["pk"] if isinstance(operation, Put) else operation.pk)

    def query(pk: str, *, index: tuple[str, str, str] | None = None, **_: Any) -> None:
        table("Query", pk, index=index[0] if index else "")

    def transact(operations: Any) -> None:
        for each in operations:
            written(each)

    def batch(_kind: str, operations: Any) -> None:
        table("BatchWriteItem", *(o.item["pk"] if isinstance(o, Put) else o.pk for o in operations))

    yield FakeTable, "get", lambda pk, _sk: table("GetItem", pk)
    yield FakeTable, "get_many", lambda keys: table("BatchGetItem", *(pk for pk, _ in keys))
    yield FakeTable, "query", query
    yield FakeTable, "write", written
    yield FakeTable, "transact", transact
    yield FakeTable, "_batch", batch


def _methods(recorder: Recorder) -> Iterator[tuple[type, str, Callable[..., None]]]:
    note = recorder.note

    def source(source: Any, *_: Any) -> None:
        note("s3:GetObjectVersion", f"arn:aws:s3:::{source.bucket}/{source.key}")

    def head(bucket: str, key: str, *_: Any) -> None:
        note("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
        note("s3:ListBucket", f"arn:aws:s3:::{bucket}")

    def delete_prefix(prefix: str) -> None:
        note("s3:ListBucketVersions", ARCHIVE)
        note("s3:DeleteObject", f"{ARCHIVE}/{prefix}x")
        note("s3:DeleteObjectVersion", f"{ARCHIVE}/{prefix}x")

    def delete_uploads(bucket: str, key: str) -> None:
        note("s3:ListBucketVersions", f"arn:aws:s3:::{bucket}")
        note("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{key}")
        note("s3:DeleteObjectVersion", f"arn:aws:s3:::{bucket}/{key}")

    def get_file(key: str, _path: object) -> None:
        note("s3:GetObject", f"{ARCHIVE}/{key}")
        note("s3:ListBucket", ARCHIVE)

    def put_object(*, Key: str, **_: Any) -> None:  # noqa: N803
        note("s3:PutObject", f"{INBOX}/{Key}")

    def abort(*, Key: str = "inbox/p/f", **_: Any) -> None:  # noqa: N803
        note("s3:AbortMultipartUpload", f"{INBOX}/{Key}")

    def copy(*, Key: str, CopySource: dict[str, str], **_: Any) -> None:  # noqa: N803
        note("s3:GetObjectVersion", f"{INBOX}/{CopySource['Key']}")
        note("s3:PutObject", f"{INBOX}/{Key}")

    def head_object(*, Key: str, **_: Any) -> None:  # noqa: N803
        note("s3:GetObject", f"{INBOX}/{Key}")

    def secret(action: str) -> Callable[..., None]:
        def called(**request: Any) -> None:
            name = request.get("SecretId") or request["Name"]
            note(f"secretsmanager:{action}", SECRETS + name.rpartition("/")[2])

        return called

    def link_key(*, SecretId: str) -> None:  # noqa: N803
        note("secretsmanager:GetSecretValue", LINK_KEY)

    def schedule(action: str) -> Callable[..., None]:
        def called(*, Name: str, **request: Any) -> None:  # noqa: N803
            note(f"scheduler:{action}", _SCHEDULES + Name)
            if "Target" in request:
                note("iam:PassRole", _ROLE, passed_to=("scheduler.amazonaws.com",))

        return called

    s3 = type(recorder.shell.s3)
    yield from of_table(note)
    yield FakeObjects, "head", head
    yield (
        FakeObjects,
        "stored",
        lambda bucket, _prefix: note("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
    )
    yield FakeObjects, "stream", source
    yield FakeObjects, "read_range", source
    yield FakeObjects, "get_file", get_file
    yield FakeObjects, "get", lambda key: get_file(key, None)
    yield FakeObjects, "delete_prefix", delete_prefix
    yield FakeObjects, "delete_uploads", delete_uploads
    yield FakeObjects, "delete_upload", delete_uploads
    yield FakeObjects, "delete_version", lambda source: delete_uploads(source.bucket, source.key)
    yield s3, "put_object", put_object
    yield s3, "create_multipart_upload", put_object
    yield s3, "abort_multipart_upload", abort
    yield s3, "copy", copy
    yield s3, "copy_object", copy
    yield s3, "head_object", head_object
    yield s3, "get_paginator", lambda _operation: note("s3:ListBucket", INBOX)
    for action in ("CreateSecret", "PutSecretValue", "RestoreSecret", "DeleteSecret"):
        yield FakeSecrets, _python(action), secret(action)
    yield FakeSecrets, "get_secret_value", link_key
    yield FakeStates, "start_execution", lambda **_: note("states:StartExecution", MACHINE)
    described = lambda executionArn: note(  # noqa: E731, N803
        "states:DescribeExecution", _EXECUTIONS + executionArn.rpartition(":")[2]
    )
    yield FakeStates, "describe_execution", described
    for action in ("CreateSchedule", "UpdateSchedule", "GetSchedule", "DeleteSchedule"):
        yield FakeScheduler, _python(action), schedule(action)
    yield FakeScheduler, "get_paginator", lambda _operation: note("scheduler:ListSchedules", "*")


def _python(action: str) -> str:
    """An action as boto3 names it: CreateSecret → create_secret."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in action).lstrip("_")
