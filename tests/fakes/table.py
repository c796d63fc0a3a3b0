"""`ledger.table.Table` in memory, with the rules of DynamoDB that our code could break."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any

from botocore.exceptions import ClientError

from jobferry.ledger import Ledger
from jobferry.ledger.chunks import Chunks
from jobferry.ledger.config import Config
from jobferry.ledger.limits import LimitsOf
from jobferry.ledger.rows import Rows
from jobferry.ledger.runs import Runs
from jobferry.ledger.table import (
    BATCH_GET_ITEMS,
    BATCH_WRITE_ITEMS,
    TRANSACTION_ITEMS,
    ConditionFailedError,
    Delete,
    Item,
    Operation,
    Put,
    Table,
    Update,
)
from tests.fakes.conditions import BadExpressionError, holds
from tests.fakes.effects import Effects

ITEM_BYTES = 400 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
PARTITION_KEY_BYTES = 2048
SORT_KEY_BYTES = 1024

Key = tuple[str, str]


class FakeTable(Table):
    """A table that lives as long as the object, safe to share between threads.

    Limits, key rules and expression rules of DynamoDB are kept: what it refuses is refused here
    with the same `ValidationException`.

    Args:
        effects: told before and after every request that changes something.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        # The client of the real table is left out on purpose.
        self.effects = effects or Effects()
        self._items: dict[Key, Item] = {}
        self._partitions: dict[str, set[str]] = {}
        self._indexed: dict[Key, Item] | None = None
        self._lock = RLock()

    def hold_indexes(self) -> None:
        """From now on index queries answer as of now: indexes are only eventually consistent."""
        with self._lock:
            self._indexed = copy.deepcopy(self._items)

    def release_indexes(self) -> None:
        with self._lock:
            self._indexed = None

    def items(self) -> list[Item]:
        """Everything, in key order."""
        with self._lock:
            return [copy.deepcopy(self._items[key]) for key in sorted(self._items)]

    def get(self, pk: str, sk: str) -> Item | None:
        with self._lock:
            return copy.deepcopy(self._items.get(_checked_key((pk, sk))))

    def get_many(self, keys: Sequence[Key]) -> list[Item]:
        for batch in _batches(keys, BATCH_GET_ITEMS):
            _refuse_repeats(batch)
        found = (self.get(*key) for key in keys)
        return [item for item in found if item is not None]

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
        with self._lock:
            if index is None:
                keys = self._partitions.get(pk, ())
                found = [(sk, self._items[pk, sk]) for sk in keys]
            else:
                _, pk_name, sk_name = index
                source = self._items if self._indexed is None else self._indexed
                found = [
                    (item[sk_name], item)
                    for item in source.values()
                    if item.get(pk_name) == pk and sk_name in item
                ]
            chosen = [
                (sk, copy.deepcopy(item))
                for sk, item in found
                if (prefix is None or sk.startswith(prefix))
                and (prefix is not None or since is None or _order(sk) >= _order(since))
                and (prefix is not None or until is None or _order(sk) <= _order(until))
            ]
        chosen.sort(key=lambda entry: _order(entry[0]), reverse=newest_first)
        for _, item in chosen[:limit]:
            yield item

    def write(self, operation: Operation) -> None:
        with self.effects.around("table.write"), self._lock:
            self._apply([operation])

    def transact(self, operations: Sequence[Operation]) -> None:
        if not 0 < len(operations) <= TRANSACTION_ITEMS:
            raise _invalid(f"a transaction of {len(operations)} operations")
        _refuse_repeats([_key_of(operation) for operation in operations])
        with self.effects.around("table.transact"), self._lock:
            self._apply(operations)

    def put_many(self, items: Iterable[Item]) -> None:
        for batch in _batches(list(items), BATCH_WRITE_ITEMS):
            puts = [Put(item) for item in batch]
            _refuse_repeats([_key_of(put) for put in puts])
            with self.effects.around("table.put_many"), self._lock:
                self._apply(puts)

    def delete_many(self, keys: Iterable[Key]) -> None:
        for batch in _batches(list(keys), BATCH_WRITE_ITEMS):
            _refuse_repeats(batch)
            with self.effects.around("table.delete_many"), self._lock:
                self._apply([Delete(*key) for key in batch])

    def _apply(self, operations: Sequence[Operation]) -> None:
        """All or none, conditions judged on what was there before the first of them."""
        failed = [i for i, operation in enumerate(operations) if not self._allowed(operation)]
        if failed:
            raise ConditionFailedError(failed)
        changed = [(_key_of(operation), self._after(operation)) for operation in operations]
        if sum(_size(item) for _, item in changed if item) > TRANSACTION_BYTES:
            raise _invalid("a transaction of more than 4 MB")
        for key, item in changed:
            self._store(key, item)

    def _allowed(self, operation: Operation) -> bool:
        match operation:
            case Put(condition=str(condition)) | Update(condition=str(condition)):
                before = self._items.get(_key_of(operation), {})
                values = {slot: _stored(value) for slot, value in operation.values.items()}
                try:
                    return holds(condition, before, operation.names, values)
                except BadExpressionError as error:
                    raise _invalid(str(error)) from None
            case Put() | Update() if operation.names or operation.values:
                raise _invalid("placeholders without an expression")
        return True

    def _after(self, operation: Operation) -> Item | None:
        key = _checked_key(_key_of(operation))
        match operation:
            case Delete():
                return None
            case Put(item):
                after = {name: _stored(value) for name, value in item.items()}
            case Update():
                before = self._items.get(key, {"pk": key[0], "sk": key[1]})
                after = _updated(before, operation)
        for attribute in ("time_pk", "time_sk", "person_pk"):
            if not isinstance(after.get(attribute, ""), str):
                raise _invalid(f"{attribute} is the key of an index and no text")
        if _size(after) > ITEM_BYTES:
            raise _invalid("Item size has exceeded the maximum allowed size")
        return after

    def _store(self, key: Key, item: Item | None) -> None:
        pk, sk = key
        if item is None:
            self._items.pop(key, None)
            self._partitions.get(pk, set()).discard(sk)
        else:
            self._items[key] = item
            self._partitions.setdefault(pk, set()).add(sk)


class FakeLedger(Ledger):
    """A ledger over any table."""

    def __init__(self, table: Table, retention_days: int = 30) -> None:
        self.retention = retention_days * 86_400
        self.runs = Runs(table)
        self.chunks = Chunks(table)
        self.rows = Rows(table)
        self.limits = LimitsOf(table)
        self.config = Config(table)


def fake_ledger(table: Table | None = None) -> Ledger:
    """A ledger in memory."""
    return FakeLedger(table or FakeTable())


def _updated(before: Item, update: Update) -> Item:
    """The item after SET, ADD, DELETE and REMOVE, all reading what was there before."""
    named = [*update.assign, *update.assign_once, *update.add, *update.take, *update.remove]
    if not named:
        raise _invalid("the update expression is empty")
    if len(named) != len(set(named)):
        raise _invalid("two document paths overlap")
    if {"pk", "sk"} & set(named):
        raise _invalid("an attribute of the key cannot be updated")
    after = copy.deepcopy(before)
    for name, value in update.assign.items():
        after[name] = _stored(value)
    for name, value in update.assign_once.items():
        after.setdefault(name, _stored(value))
    for name, value in update.add.items():
        after[name] = _added(before.get(name), _stored(value))
    for name, members in update.take.items():
        left = set(before.get(name, set())) - _stored(members)
        after.pop(name, None)
        if left:
            after[name] = left
    for name in update.remove:
        after.pop(name, None)
    return after


def _added(before: Any, value: Any) -> Any:
    if isinstance(value, set):
        if not isinstance(before, set | None):
            raise _invalid("an operand of ADD has an incorrect type")
        return (before or set()) | value
    if isinstance(before, bool) or not isinstance(before, int | float | None):
        raise _invalid("an operand of ADD has an incorrect type")
    return _stored((before or 0) + value)


def _stored(value: Any) -> Any:
    """The value as it comes back: numbers are decimals there, tuples are lists."""
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) >= 10**38:
                raise _invalid("a number of more than 38 digits")
            return value
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise _invalid("infinity and NaN are no numbers")
            return int(value) if value.is_integer() else value
        case Mapping():
            return {key: _stored(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_stored(inner) for inner in value]
        case set() | frozenset():
            if not value:
                raise _invalid("a set may not be empty")
            return {_stored(inner) for inner in value}
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _size(value: Any) -> int:
    """Bytes by DynamoDB's rules of thumb: UTF-8 of names and texts, numbers by their digits."""
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode())
        case int() | float():
            return len(str(value)) // 2 + 2
        case dict():
            return 3 + sum(1 + len(key.encode()) + _size(inner) for key, inner in value.items())
    return 3 + sum(1 + _size(inner) for inner in value)


def _order(sort_key: str) -> bytes:
    return sort_key.encode()


def _key_of(operation: Operation) -> Key:
    if isinstance(operation, Put):
        return operation.item["pk"], operation.item["sk"]
    return operation.pk, operation.sk


def _checked_key(key: Key) -> Key:
    for part, most in zip(key, (PARTITION_KEY_BYTES, SORT_KEY_BYTES), strict=True):
        if not isinstance(part, str) or not 0 < len(part.encode()) <= most:
            raise _invalid("an attribute of the key is empty, too long, or no text")
    return key


def _refuse_repeats(keys: Sequence[Key]) -> None:
    if len(keys) != len(set(keys)):
        raise _invalid("several operations on one item")


def _batches(things: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _invalid(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "FakeTable")
