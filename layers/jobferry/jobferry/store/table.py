"""The only place that calls DynamoDB: plain dictionaries in and out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from jobferry.store.operations import Delete, Item, Operation, Put, Update
from jobferry.store.units import Units
from jobferry.store.wire import key_of, plain_of, update_request, wire_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# DynamoDB's own limits.
BATCH_WRITE_ITEMS = 25
BATCH_GET_ITEMS = 100
TRANSACTION_ITEMS = 100

SDK_ATTEMPTS = 6
"""Requests that the SDK makes for one call where the table throttles or the connection breaks: the
first one and five retries, with waits that add up to 16 seconds on average and 31 at most."""

MOST_REQUESTS = 14
"""Requests after which no call is repeated by us, the retries of the SDK counted. The last waits
are about a second each, so that a busy item gets some ten seconds to calm down."""

# What the SDK has retried in vain.
_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionInProgressException",
    }
)

# Why a transaction was cancelled, where it may be tried once more. The SDK does not retry it.
_IN_THE_WAY = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


class ConditionFailedError(Exception):
    """A condition did not hold. `failed` are the positions of the operations that refused."""

    def __init__(self, failed: Sequence[int]) -> None:
        super().__init__(f"conditions failed at {list(failed)}")
        self.failed = tuple(failed)


class BusyTableError(Exception):
    """Throttled or in conflict for longer than one call waits. Safe to repeat."""


class Table:
    """One DynamoDB table with `pk` and `sk`.

    Args:
        client: a boto3 DynamoDB client.
        name: the table's name.
        sleep: how to wait between tries (seconds).
    """

    def __init__(
        self, client: DynamoDBClient, name: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep
        self.units = Units()

    def get(self, pk: str, sk: str) -> Item | None:
        """Strongly consistent read of one item."""
        self.units.asked_for(1)
        answer = self._call(
            self._client.get_item, TableName=self._name, Key=key_of(pk, sk), ConsistentRead=True
        )
        return plain_of(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """Strongly consistent read of many items, in no particular order; absent ones missing."""
        self.units.asked_for(len(keys))
        found: list[Item] = []
        for start in range(0, len(keys), BATCH_GET_ITEMS):
            pending = [key_of(pk, sk) for pk, sk in keys[start : start + BATCH_GET_ITEMS]]
            tries = _Tries(self._sleep)
            while pending:
                answer = self._call(
                    self._client.batch_get_item,
                    RequestItems={self._name: {"Keys": pending, "ConsistentRead": True}},
                )
                found += [plain_of(item) for item in answer["Responses"].get(self._name, [])]
                pending = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
                if pending:
                    tries.another(answer, f"{len(pending)} items could not be read")
        return found

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        since: str | None = None,
        until: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        index: tuple[str, str, str] | None = None,
        consistent: bool = True,
    ) -> Iterator[Item]:
        """Items of one partition in key order.

        Args:
            prefix: only sort keys that begin so; or
            since, until: only sort keys in this closed range.
            index: (index name, its partition attribute, its sort attribute); never consistent.
        """
        pk_name, sk_name = (index[1], index[2]) if index else ("pk", "sk")
        names = {"#pk": pk_name}
        values: dict[str, Any] = {":pk": pk}
        condition = "#pk = :pk"
        if prefix is not None:
            condition += " AND begins_with(#sk, :prefix)"
            values[":prefix"] = prefix
        elif since is not None and until is not None:
            condition += " AND #sk BETWEEN :since AND :until"
            values |= {":since": since, ":until": until}
        elif since is not None:
            condition += " AND #sk >= :since"
            values[":since"] = since
        elif until is not None:
            condition += " AND #sk <= :until"
            values[":until"] = until
        if len(values) > 1:
            names["#sk"] = sk_name
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": wire_of(values),
            "ScanIndexForward": not newest_first,
            "ConsistentRead": consistent and index is None,
        }
        if index is not None:
            request["IndexName"] = index[0]
        left = limit
        while True:
            if left is not None:
                request["Limit"] = left
            answer = self._call(self._client.query, **request)
            self.units.found(len(answer["Items"]))
            for item in answer["Items"]:
                yield plain_of(item)
            if left is not None:
                left -= len(answer["Items"])
                if left <= 0:
                    return
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def write(self, operation: Operation) -> None:
        """One write.

        Raises:
            ConditionFailedError: its condition did not hold.
        """
        calls: dict[str, Callable[..., Any]] = {
            "Update": self._client.update_item,
            "Put": self._client.put_item,
            "Delete": self._client.delete_item,
        }
        kind, request = self._request(operation)
        self.units.add([operation])
        try:
            self._repeat(calls[kind], **request)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise ConditionFailedError([0]) from None
            raise

    def transact(self, operations: Sequence[Operation]) -> None:
        """All of these writes or none; at most 100.

        Raises:
            ConditionFailedError: naming the positions whose conditions did not hold.
            BusyTableError: other transactions were in the way for too long.
        """
        items: Any = [dict([self._request(operation)]) for operation in operations]
        self.units.add(operations, together=True)
        try:
            self._repeat(self._client.transact_write_items, TransactItems=items)
        except ClientError as error:
            failed = [i for i, r in enumerate(_reasons(error)) if r == "ConditionalCheckFailed"]
            if failed:
                raise ConditionFailedError(failed) from None
            raise

    def put_many(self, items: Iterable[Item]) -> None:
        """Put items, 25 a request, until every one of them is written.

        Raises:
            BusyTableError: the table stayed too busy. Repeating the whole call is harmless.
        """
        for batch in _batches(items):
            self.units.add([Put(item) for item in batch])
            self._batch_write([{"PutRequest": {"Item": wire_of(item)}} for item in batch])

    def delete_many(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete items, 25 a request, as `put_many`."""
        for batch in _batches(keys):
            self.units.add([Delete(*key) for key in batch])
            self._batch_write([{"DeleteRequest": {"Key": key_of(*key)}} for key in batch])

    def _batch_write(self, batch: list[Any]) -> None:
        tries = _Tries(self._sleep)
        while batch:
            answer = self._call(self._client.batch_write_item, RequestItems={self._name: batch})
            batch = answer.get("UnprocessedItems", {}).get(self._name, [])
            if batch:
                tries.another(answer, f"{len(batch)} items could not be written")

    def _request(self, operation: Operation) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": self._name}
        match operation:
            case Put(item, condition, names, values):
                request["Item"] = wire_of(item)
                if condition:
                    request["ConditionExpression"] = condition
                if names:
                    request["ExpressionAttributeNames"] = dict(names)
                if values:
                    request["ExpressionAttributeValues"] = wire_of(values)
                return "Put", request
            case Delete(pk, sk):
                return "Delete", request | {"Key": key_of(pk, sk)}
            case Update():
                return "Update", request | update_request(operation)

    def _repeat(self, method: Callable[..., Any], **request: Any) -> None:
        """A write, made again while other transactions are in its way."""
        tries = _Tries(self._sleep)
        while True:
            try:
                self._call(method, **request)
            except ClientError as error:
                if not _is_in_the_way(error):
                    raise
                answer = error.response
            else:
                return
            tries.another(answer, "other transactions were in the way")

    def _call(self, method: Callable[..., Any], **request: Any) -> Any:
        """One SDK call. The SDK retries throttles and broken connections (`SDK_ATTEMPTS`)."""
        try:
            return method(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] in _THROTTLED:
                raise BusyTableError("the table is throttled") from error
            raise


class _Tries:
    """The requests of one call so far, and the wait before the next.

    Args:
        sleep: how to wait (seconds).
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._calls = 0
        self._requests = 0

    def another(self, answer: Mapping[str, Any], trouble: str) -> None:
        """Wait before the call is made again.

        Args:
            answer: what the SDK returned of the last call; it tells how often the SDK retried.
            trouble: what to say when there were enough of them.

        Raises:
            BusyTableError: there were `MOST_REQUESTS` or more.
        """
        self._requests += 1 + answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        if self._requests >= MOST_REQUESTS:
            raise BusyTableError(trouble)
        self._sleep(random.uniform(0.5, 1.0) * min(1.0, 0.02 * 2**self._calls))  # noqa: S311
        self._calls += 1


def _reasons(error: ClientError) -> list[str]:
    """Why a transaction was cancelled, operation by operation; "None" of one that did not fail."""
    reasons: Any = error.response.get("CancellationReasons", [])
    return [str(reason.get("Code", "None")) for reason in reasons]


def _is_in_the_way(error: ClientError) -> bool:
    """Whether only another transaction, or a throttle within this one, made a write fail."""
    if error.response["Error"]["Code"] == "TransactionConflictException":
        return True
    reasons = set(_reasons(error))
    return bool(reasons & _IN_THE_WAY) and "ConditionalCheckFailed" not in reasons


T = TypeVar("T")


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while batch := list(islice(iterator, BATCH_WRITE_ITEMS)):
        yield batch
