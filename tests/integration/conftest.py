"""The table and the buckets behind a real API: an emulator of DynamoDB and S3, started once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from jobferry.ledger import Ledger
from jobferry.ledger.keys import ROWS_BY_PERSON, RUNS_BY_TIME
from jobferry.ledger.table import Table
from jobferry.objects import Objects
from tests.fakes.table import fake_ledger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

READY_SECONDS = 30.0
INBOX = "inbox-bucket"

_names = count(1)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an emulator on a free port of this machine, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("emulator")
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
def table(dynamodb: DynamoDBClient) -> Table:
    return make_table(dynamodb)


@pytest.fixture
def ledger(table: Table) -> Ledger:
    return fake_ledger(table)


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
