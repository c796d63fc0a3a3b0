"""Where the engines differ from AWS, or from each other: what docs/engines.md says is so.

An engine that has changed fails here, and the table there is due for a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import make_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

ENGINES = ("AWS", "emulator", "moto")

TAKEN = "taken"
INVALID = "ValidationException"
FALSE = "ConditionalCheckFailedException"
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


def item(sk: str = "s", **more: Any) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}, **more}


def verdict(call: Callable[[], object]) -> str:
    """The error code of an answer, or `taken`."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return TAKEN


class Tables:
    """Requests to an empty table, and what comes of them."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.client: Any = client
        self.name = make_table(client)._name

    def update(self, expression: str, condition: str | None = None, **values: Any) -> str:
        request: dict[str, Any] = {"UpdateExpression": expression}
        if condition is not None:
            request["ConditionExpression"] = condition
        if values:
            request["ExpressionAttributeValues"] = {f":{n}": v for n, v in values.items()}
        return verdict(lambda: self.client.update_item(TableName=self.name, Key=KEY, **request))

    def put(self, found: Mapping[str, Any]) -> str:
        return verdict(lambda: self.client.put_item(TableName=self.name, Item=found))

    def transact(self, *found: Mapping[str, Any]) -> str:
        puts = [{"Put": {"TableName": self.name, "Item": each}} for each in found]
        return verdict(lambda: self.client.transact_write_items(TransactItems=puts))

    def overlapping_paths(self) -> str:
        return self.update("SET a = :x REMOVE a", x={"N": "1"})

    def reserved_word(self) -> str:
        return self.update("SET zone = :x", x={"N": "1"})

    def unused_value(self) -> str:
        return self.update("SET a = :x", x={"N": "1"}, y={"N": "1"})

    def text_and_number(self) -> str:
        self.put(item(word={"S": "a"}))
        return self.update("SET a = :x", "word < :x", x={"N": "1"})

    def large_item(self) -> str:
        return self.put(item(text={"S": "x" * 410_000}))

    def large_transaction(self) -> str:
        text = {"S": "x" * 300_000}
        return self.transact(*(item(f"{n}", text=text) for n in range(15)))

    def item_twice(self) -> str:
        return self.transact(item(), item())

    def long_sort_key(self) -> str:
        return self.put(item("x" * 1025))

    def index_key_that_is_no_text(self) -> str:
        return self.put(item(person_pk={"N": "7"}))

    def empty_set(self) -> str:
        return self.put(item(members={"NS": []}))

    def long_number(self) -> str:
        return self.put(item(n={"N": "1" * 39}))

    def hyphen_in_a_placeholder(self) -> str:
        return verdict(
            lambda: self.client.update_item(
                TableName=self.name,
                Key=KEY,
                UpdateExpression="REMOVE #a-b",
                ExpressionAttributeNames={"#a-b": "a"},
            )
        )

    def consistent_read_of_an_index(self) -> str:
        return verdict(
            lambda: self.client.query(
                TableName=self.name,
                IndexName="by_time",
                ConsistentRead=True,
                KeyConditionExpression="time_pk = :p",
                ExpressionAttributeValues={":p": {"S": "p"}},
            )
        )


class Buckets:
    """Requests to a bucket that keeps versions."""

    def __init__(self, client: S3Client) -> None:
        self.client: Any = client
        self.bucket = "differences"
        self.client.create_bucket(Bucket=self.bucket)
        self.client.put_bucket_versioning(
            Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
        )

    def _uploaded(self, *parts: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        target: dict[str, Any] = {"Bucket": self.bucket, "Key": "big"}
        target["UploadId"] = self.client.create_multipart_upload(**target)["UploadId"]
        tags = [
            self.client.upload_part(**target, PartNumber=n, Body=body)["ETag"]
            for n, body in enumerate(parts, 1)
        ]
        listed = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
        return target, {"MultipartUpload": {"Parts": listed}}

    def small_first_part(self) -> str:
        target, parts = self._uploaded(b"x" * 100, b"y")
        return verdict(lambda: self.client.complete_multipart_upload(**target, **parts))

    def second_completion(self) -> str:
        target, parts = self._uploaded(b"x")
        self.client.complete_multipart_upload(**target, **parts)
        return verdict(lambda: self.client.complete_multipart_upload(**target, **parts))

    def part_of_a_dropped_upload(self) -> str:
        target, _ = self._uploaded(b"x")
        self.client.abort_multipart_upload(**target)
        return verdict(lambda: self.client.upload_part(**target, PartNumber=2, Body=b"y"))

    def range_behind_the_end(self) -> str:
        self.client.put_object(Bucket=self.bucket, Key="small", Body=b"abc")
        return verdict(
            lambda: self.client.get_object(Bucket=self.bucket, Key="small", Range="bytes=9-")
        )

    def range_of_a_version(self) -> str:
        target = {"Bucket": self.bucket, "Key": "small"}
        version = self.client.put_object(**target, Body=b"abc")["VersionId"]
        found = self.client.get_object(**target, VersionId=version, Range="bytes=1-1")
        return str(found["Body"].read().decode())

    def body_of_another_digest(self) -> str:
        return verdict(
            lambda: self.client.put_object(
                Bucket=self.bucket, Key="small", Body=b"abc", ChecksumCRC32="AAAAAA=="
            )
        )


TABLES = {
    "overlapping_paths": (INVALID, TAKEN, INVALID),
    "reserved_word": (INVALID, INVALID, INVALID),
    "unused_value": (INVALID, INVALID, INVALID),
    "hyphen_in_a_placeholder": (INVALID, INVALID, INVALID),
    "text_and_number": (FALSE, FALSE, "500"),
    "large_item": (INVALID, INVALID, INVALID),
    "large_transaction": (INVALID, INVALID, TAKEN),
    "item_twice": (INVALID, INVALID, INVALID),
    "long_sort_key": (INVALID, INVALID, INVALID),
    "index_key_that_is_no_text": (INVALID, INVALID, TAKEN),
    "empty_set": (INVALID, INVALID, INVALID),
    "long_number": (INVALID, INVALID, TAKEN),
    "consistent_read_of_an_index": (INVALID, INVALID, INVALID),
}
BUCKETS = {
    "small_first_part": ("EntityTooSmall", TAKEN, "EntityTooSmall"),
    "second_completion": ("NoSuchUpload", TAKEN, TAKEN),
    "part_of_a_dropped_upload": ("NoSuchUpload", "NoSuchUpload", "500"),
    "range_behind_the_end": ("InvalidRange", "InvalidRange", "InvalidRange"),
    "range_of_a_version": ("b", "abc", "b"),
    "body_of_another_digest": ("BadDigest", "BadDigest", TAKEN),
}
"""Request → what AWS documents, what the emulator does, what moto does."""


@pytest.mark.parametrize("name", TABLES)
def test_tables(dynamodb: DynamoDBClient, engine: str, name: str) -> None:
    done = getattr(Tables(dynamodb), name)()
    assert done == dict(zip(ENGINES, TABLES[name], strict=True))[engine]


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets(s3: S3Client, engine: str, name: str) -> None:
    done = getattr(Buckets(s3), name)()
    assert done == dict(zip(ENGINES, BUCKETS[name], strict=True))[engine]


def test_every_request_has_its_row() -> None:
    asked = {*vars(Tables), *vars(Buckets)} - {"update", "put", "transact"}
    assert {name for name in asked if not name.startswith("_")} == {*TABLES, *BUCKETS}


def test_one_engine_at_least_does_as_aws_does() -> None:
    """But for a completion that is repeated, whose refusal only our own fake shows."""
    alone = {name for name, (aws, *ours) in {**TABLES, **BUCKETS}.items() if aws not in ours}
    assert alone == {"second_completion"}
