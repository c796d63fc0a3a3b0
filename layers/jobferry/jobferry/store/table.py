"""The only place that speaks DynamoDB: plain dictionaries in and out, throttles retried.

Numbers are `int` or `float` on our side; DynamoDB's `Decimal` does not leave this module.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

# DynamoDB's own limits.
BATCH_WRITE_ITEMS = 25
BATCH_GET_ITEMS = 100
TRANSACTION_ITEMS = 100

# A request that loses against another transaction, or is throttled, is repeated this often:
# the last waits are about a second each, so a busy item gets some ten seconds to calm down.
_ATTEMPTS = 14
_PASSING = frozenset(
    {
        "TransactionConflict",
        "TransactionConflictException",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "TransactionInProgressException",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
    }
)

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


class ConditionFailedError(Exception):
    """A condition did not hold. `failed` are the positions of the operations that refused."""

    def __init__(self, failed: Sequence[int]) -> None:
        super().__init__(f"conditions failed at {list(failed)}")
        self.failed = tuple(failed)


class BusyTableError(Exception):
    """Throttled or in conflict for longer than the patience of one call. Safe to repeat."""


@dataclass(frozen=True)
class Update:
    """One `UpdateItem`.

    assign       attributes to set
    assign_once  attributes to set where they are absent
    add          numbers to add, or members to put into sets
    take         members to take out of sets
    remove       attributes to remove

    condition  a DynamoDB condition expression; `#name` and `:name` placeholders in it are
               resolved from `names` and `values`
    """

    pk: str
    sk: str
    assign: Mapping[str, Any] = field(default_factory=dict)
    assign_once: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, float | set[int]] = field(default_factory=dict)
    take: Mapping[str, set[int]] = field(default_factory=dict)
    remove: Sequence[str] = ()
    condition: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Put:
    item: Item
    condition: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    pk: str
    sk: str


Operation = Update | Put | Delete


class Units:
    """Capacity units used so far.

    written  one per kilobyte and index written, twice that in transactions
    read     one for each item that is asked for, and for every four kilobytes of a query

    Counted here, since a transaction's answer tells nothing of them unless it is asked for in a
    form that costs more to read than it is worth. An update is taken for a small item's, and what
    a query finds for items of a quarter of a kilobyte.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.written = 0
        self.read = 0

    def asked_for(self, items: int) -> None:
        """Items were read by their keys."""
        with self._lock:
            self.read += items

    def found(self, items: int) -> None:
        """A query read so many."""
        with self._lock:
            self.read += 1 + items // 16

    def add(self, operations: Sequence[Operation], *, together: bool = False) -> None:
        units = sum(_units(operation) for operation in operations)
        with self._lock:
            self.written += 2 * units if together else units


_INDEXED = ("time_pk", "person_pk")
_UNIT_BYTES = 1024


def _units(operation: Operation) -> int:
    if isinstance(operation, Put):
        size = sum(len(name) + len(str(value)) for name, value in operation.item.items())
        indexes = sum(name in operation.item for name in _INDEXED)
        return -(-size // _UNIT_BYTES) * (1 + indexes)
    return 1


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
            self._client.get_item, TableName=self._name, Key=_key(pk, sk), ConsistentRead=True
        )
        return _plain(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """Strongly consistent read of many items, in no particular order; absent ones missing."""
        self.units.asked_for(len(keys))
        found: list[Item] = []
        for start in range(0, len(keys), BATCH_GET_ITEMS):
            pending = [_key(pk, sk) for pk, sk in keys[start : start + BATCH_GET_ITEMS]]
            for attempt in range(_ATTEMPTS):
                answer = self._call(
                    self._client.batch_get_item,
                    RequestItems={self._name: {"Keys": pending, "ConsistentRead": True}},
                )
                found += [_plain(item) for item in answer["Responses"].get(self._name, [])]
                pending = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
                if not pending:
                    break
                self._pause(attempt)
            else:
                raise BusyTableError(f"{len(pending)} items could not be read")
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
            "ExpressionAttributeValues": _wire(values),
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
                yield _plain(item)
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
            self._call(calls[kind], **request)
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
        for attempt in range(_ATTEMPTS):
            try:
                self._call(self._client.transact_write_items, TransactItems=items)
            except ClientError as error:
                reasons = [
                    str(reason.get("Code", "None"))
                    for reason in error.response.get("CancellationReasons", [])
                ]
                failed = [i for i, r in enumerate(reasons) if r == "ConditionalCheckFailed"]
                if failed:
                    raise ConditionFailedError(failed) from None
                if not (set(reasons) & _PASSING):
                    raise
                self._pause(attempt)
            else:
                return
        raise BusyTableError("other transactions were in the way")

    def put_many(self, items: Iterable[Item]) -> None:
        """Put items, 25 a request, until every one of them is written.

        Raises:
            BusyTableError: the table stayed too busy. Repeating the whole call is harmless.
        """
        for batch in _batches(items):
            self.units.add([Put(item) for item in batch])
            self._batch_write([{"PutRequest": {"Item": _wire(item)}} for item in batch])

    def delete_many(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete items, 25 a request, as `put_many`."""
        for batch in _batches(keys):
            self.units.add([Delete(*key) for key in batch])
            self._batch_write([{"DeleteRequest": {"Key": _key(*key)}} for key in batch])

    def _batch_write(self, batch: list[Any]) -> None:
        for attempt in range(_ATTEMPTS):
            answer = self._call(self._client.batch_write_item, RequestItems={self._name: batch})
            batch = answer.get("UnprocessedItems", {}).get(self._name, [])
            if not batch:
                return
            self._pause(attempt)
        raise BusyTableError(f"{len(batch)} items could not be written")

    def _request(self, operation: Operation) -> tuple[str, dict[str, Any]]:
        request: dict[str, Any] = {"TableName": self._name}
        match operation:
            case Put(item, condition, names, values):
                request["Item"] = _wire(item)
                if condition:
                    request["ConditionExpression"] = condition
                if names:
                    request["ExpressionAttributeNames"] = dict(names)
                if values:
                    request["ExpressionAttributeValues"] = _wire(values)
                return "Put", request
            case Delete(pk, sk):
                return "Delete", request | {"Key": _key(pk, sk)}
            case Update():
                return "Update", request | _update(operation)

    def _call(self, method: Callable[..., Any], **request: Any) -> Any:
        """One SDK call. The SDK retries throttles by itself; what is left is repeated here."""
        for attempt in range(_ATTEMPTS):
            try:
                return method(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _PASSING:
                    raise
                self._pause(attempt)
        raise BusyTableError("the table is throttled")

    def _pause(self, attempt: int) -> None:
        self._sleep(random.uniform(0.5, 1.0) * min(1.0, 0.02 * 2**attempt))  # noqa: S311


T = TypeVar("T")


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while batch := list(islice(iterator, BATCH_WRITE_ITEMS)):
        yield batch


def _update(update: Update) -> dict[str, Any]:
    names: dict[str, str] = dict(update.names)
    values: dict[str, Any] = dict(update.values)

    def placeholder(attribute: str, value: Any, kind: str) -> tuple[str, str]:
        name, slot = f"#{kind}_{attribute}", f":{kind}_{attribute}"
        names[name] = attribute
        values[slot] = value
        return name, slot

    sets = ["{} = {}".format(*placeholder(a, v, "s")) for a, v in update.assign.items()]
    for attribute, value in update.assign_once.items():
        name, slot = placeholder(attribute, value, "o")
        sets.append(f"{name} = if_not_exists({name}, {slot})")
    adds = ["{} {}".format(*placeholder(a, v, "a")) for a, v in update.add.items()]
    deletes = ["{} {}".format(*placeholder(a, v, "d")) for a, v in update.take.items()]
    removes = []
    for attribute in update.remove:
        names[f"#r_{attribute}"] = attribute
        removes.append(f"#r_{attribute}")
    clauses = [("SET", sets), ("ADD", adds), ("DELETE", deletes), ("REMOVE", removes)]
    request: dict[str, Any] = {
        "Key": _key(update.pk, update.sk),
        "UpdateExpression": " ".join(
            f"{word} {', '.join(parts)}" for word, parts in clauses if parts
        ),
    }
    if update.condition:
        request["ConditionExpression"] = update.condition
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = _wire(values)
    return request


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _wire(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serializer.serialize(_decimal(value)) for name, value in item.items()}


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {key: _decimal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_decimal(inner) for inner in value]
    return value


def _plain(item: Mapping[str, Any]) -> Item:
    return {name: _number(_deserializer.deserialize(value)) for name, value in item.items()}


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _number(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_number(inner) for inner in value]
    if isinstance(value, set):
        return {_number(inner) for inner in value}
    return value
