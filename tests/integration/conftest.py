"""The table and the buckets behind a real API, on two engines: the emulator that the stack is
tested on, and moto. What both of them do is more likely to be what AWS does."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
import pytest
from botocore.config import Config
from moto.dynamodb import models as moto_dynamodb
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models import Table as MotoTable
from moto.server import ThreadedMotoServer

from jobferry.store import Store
from jobferry.store.keys import ROWS_BY_PERSON, RUNS_BY_TIME
from jobferry.store.objects import Objects
from jobferry.store.table import Table
from virtual.table import fake_store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

MOTO_FAILS = {
    # As DynamoDB says: comparing a text with a number is false, and no error.
    "test_conditions[moto-word < :five-False]": "its comparison of a text with a number raises "
    "a TypeError, which it answers with 500",
    # As S3 says: NoSuchUpload.
    "test_an_upload_that_was_dropped_is_gone[moto]": "it does not look whether an upload is still "
    "there when a part comes, and answers with 500",
}
"""Faults of moto 5.2.5 itself, by test. An expectation that no longer fails is told by pytest."""

HERE = Path(__file__).parent
UNIT_STORE = HERE.parent / "unit" / "store"

TABLE = {"table", "store"}
"""Fixtures of a test that runs on every engine."""

ENGINES = ("emulator", "moto")
"""Beside the table in memory, on which the same tests run in `tests/unit/store`."""

READY_SECONDS = 120.0
INBOX = "inbox-bucket"

_names = count(1)


class StoreTests(pytest.File):
    """The modules of `tests/unit/store` once more: what the table in memory promises is what a
    DynamoDB API does. Their tests get the fixtures of this folder."""

    def collect(self) -> Iterator[pytest.Module]:
        for path in sorted(UNIT_STORE.glob("test_*.py")):
            yield pytest.Module.from_parent(self, path=path, nodeid=f"{self.nodeid}/{path.name}")


def store_tests(parent: pytest.Collector) -> StoreTests:
    """What collects them, in a folder of tests."""
    made: StoreTests = StoreTests.from_parent(
        parent, path=HERE / "test_store.py", nodeid=f"{parent.nodeid}/store"
    )
    return made


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return store_tests(parent) if file_path == HERE / "test_store.py" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # A test that asks for no table has nothing to tell about one.
    items[:] = [item for item in items if not _is_from_unit(item) or is_on_an_engine(item)]
    for item in items:
        if (item.path.is_relative_to(HERE) or _is_from_unit(item)) and item.name in MOTO_FAILS:
            item.add_marker(pytest.mark.xfail(strict=True, reason=MOTO_FAILS[item.name]))


def _is_from_unit(item: pytest.Item) -> bool:
    """Whether a test was collected by `StoreTests`."""
    return item.getparent(StoreTests) is not None


def is_on_an_engine(item: pytest.Item) -> bool:
    """Whether a test asks for a table."""
    return not TABLE.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """What the tests run on. See docs/engines.md."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def endpoint(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the engine on a free port of this machine, stopped at the end."""
    if engine == "moto":
        with _moto() as url:
            yield url
    else:
        with _emulator(tmp_path_factory.mktemp("emulator")) as url:
            yield url


@contextmanager
def _moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    once = _CopyOnce(DynamoDBBackend.transact_write_items)

    def transact(backend: DynamoDBBackend, items: Any) -> None:
        once.transact(backend, items)

    with (
        mock.patch.object(moto_dynamodb, "copy", once),
        mock.patch.object(DynamoDBBackend, "transact_write_items", transact),
    ):
        server.start()
        try:
            yield "http://{}:{}".format(*server.get_host_and_port())
        finally:
            server.stop()


class _CopyOnce(threading.local):
    """Stands in for `copy` where moto keeps what was there before a transaction.

    It copies the whole table for each operation, all before it carries out the first. One copy is
    the same, and takes a hundredth of the time.
    """

    def __init__(self, original: Callable[[DynamoDBBackend, Any], None]) -> None:
        self._original = original
        self._copies: dict[int, Any] | None = None

    def transact(self, backend: DynamoDBBackend, items: Any) -> None:
        self._copies = {}
        try:
            self._original(backend, items)
        finally:
            self._copies = None

    def deepcopy(self, value: Any) -> Any:
        if self._copies is None or not isinstance(value, MotoTable):
            return copy.deepcopy(value)
        if id(value) not in self._copies:
            self._copies[id(value)] = copy.deepcopy(value)
        return self._copies[id(value)]


@contextmanager
def _emulator(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
    }
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("ministack")],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the emulator did not start")


def _client(service: Any, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "max_attempts": 2}),
    )


@pytest.fixture(scope="session")
def dynamodb(endpoint: str) -> DynamoDBClient:
    client: DynamoDBClient = _client("dynamodb", endpoint)
    return client


@pytest.fixture(scope="session")
def s3(endpoint: str) -> S3Client:
    client: S3Client = _client("s3", endpoint)
    return client


def make_table(dynamodb: DynamoDBClient) -> Table:
    """A new, empty table with the keys and indexes of the template."""
    name = f"jobferry-{next(_names)}"
    indexes = (RUNS_BY_TIME, ROWS_BY_PERSON)
    attributes = {"pk", "sk", *(attribute for _, *keys in indexes for attribute in keys)}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in sorted(attributes)
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, partition, sort in indexes
        ],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return Table(dynamodb, name)


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> Iterator[Table]:
    made = make_table(dynamodb)
    yield made
    # Moto copies every table that there is for each transaction.
    dynamodb.delete_table(TableName=made._name)


@pytest.fixture
def store(table: Table) -> Store:
    return fake_store(table)


@pytest.fixture
def objects(s3: S3Client) -> Objects:
    """An empty archive, and an empty inbox that keeps versions."""
    archive = f"archive-{next(_names)}"
    for bucket in (archive, INBOX):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for version in s3.list_object_versions(Bucket=INBOX).get("Versions", []):
        s3.delete_object(Bucket=INBOX, Key=version["Key"], VersionId=version["VersionId"])
    return Objects(lambda: s3, archive)
