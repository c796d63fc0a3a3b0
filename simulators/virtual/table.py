"""`store.table.Table` in memory, with the rules of DynamoDB that our code could break."""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from threading import RLock
from typing import Any

from botocore.exceptions import ClientError

from jobferry.store import Store
from jobferry.store.chunks import Chunks
from jobferry.store.config import Config
from jobferry.store.connection_limits import ConnectionLimitsStore
from jobferry.store.notices import Notices
from jobferry.store.operations import Delete, Item, Operation, Put, Update
from jobferry.store.rows import Rows
from jobferry.store.runs import Runs
from jobferry.store.sweep_progress import SweepProgressStore
from jobferry.store.table import (
    BATCH_GET_ITEMS,
    BATCH_WRITE_ITEMS,
    TRANSACTION_ITEMS,
    BusyTableError,
    ConditionFailedError,
    Table,
)
from jobferry.store.units import Units
from virtual.bill import Bill
from virtual.cloud import running_instance
from virtual.conditions import BadExpressionError, holds
from virtual.effects import Effects
from virtual.requests import TableRequests
from virtual.table_items import bytes_of, copied, invalid, size_of, stored, updated

ITEM_BYTES = 400 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
PARTITION_KEY_BYTES = 2048
SORT_KEY_BYTES = 1024

BATCH_TRIES = 14
"""Requests for one batch, as `store.table` makes them."""

REQUESTS = TableRequests()
"""The requests that a real table would have made, of all fakes of this process."""

PAGE_BYTES = 1024 * 1024
"""What one page of a query holds at most. Between two pages others may write, and the next page
shows it."""

PAGE_ITEMS = 1_000_000
"""Items on one page of a query, where no table says otherwise; the bytes end it long before."""

Key = tuple[str, str]

Watcher = Callable[[Item | None, Item | None], None]
"""Told of every change of an item: before and after, None where there is none."""


class FakeTable(Table):
    """A table that lives as long as the object, safe to share between threads.

    Limits, key rules and expression rules of DynamoDB are kept: what it refuses is refused here
    with the same `ValidationException`. What the real table would have sent is held against the
    SDK's model of the service.

    Args:
        effects: told before and after every request that changes something.
        page_items: items on one page of a query; None: `PAGE_ITEMS`.
    """

    def __init__(self, effects: Effects | None = None, *, page_items: int | None = None) -> None:
        # The client of the real table is left out on purpose.
        self.effects = effects or Effects()
        self._sleep = self._wait
        self.page_items = page_items
        self.units = Units()
        self._items: dict[Key, Item] = {}
        self._sizes: dict[Key, int] = {}
        # Sort keys in order, by partition.
        self._partitions: dict[str, list[str]] = {}
        # What indexes show, when that is not how things are; one list for all views.
        self._held: list[dict[Key, Item]] = []
        self._lock = RLock()
        self.watchers: list[Watcher] = []
        # Names of claims, in the order in which they are made: a scenario always has the same.
        self.claim_names = map("{:08x}".format, count(1))

    def _wait(self, seconds: float) -> None:
        """Before a request is made again."""
        if self.effects.cloud is not None:
            self.effects.cloud.request(seconds)

    def hold_indexes(self) -> None:
        """From now on index queries answer as of now: indexes are only eventually consistent."""
        with self._lock:
            self._held[:] = [copied(self._items)]

    def release_indexes(self) -> None:
        with self._lock:
            self._held.clear()

    def view(self) -> FakeTable:
        """The same table with a count of units of its own, as another client sees it."""
        view = copy.copy(self)
        view.units = Units()
        return view

    def items(self) -> list[Item]:
        """Everything, in key order."""
        with self._lock:
            return [copied(self._items[key]) for key in sorted(self._items)]

    def sizes(self) -> list[tuple[Item, int]]:
        """Everything as it is stored, not to be changed, with the bytes of each item."""
        with self._lock:
            return [(item, self._sizes[key]) for key, item in self._items.items()]

    def get(self, pk: str, sk: str) -> Item | None:
        if self.effects.cloud is not None:
            charges = self.effects.cloud.charges
            self._takes("get", charges.read, charges.cpu_request)
        return self._get(pk, sk)

    def _get(self, pk: str, sk: str) -> Item | None:
        self.units.asked_for(1)
        self.effects.on_read("table.read")
        key = _checked_key((pk, sk))
        with self._lock:
            found: Item | None = copied(self._items.get(key))
        self._read(self._sizes.get(key, 0))
        return found

    def get_many(self, keys: Sequence[Key]) -> list[Item]:
        for batch in _batches(keys, BATCH_GET_ITEMS):
            _refuse_repeats(batch)
        found: list[Item | None] = []
        for batch in _batches(keys, BATCH_GET_ITEMS):
            if found:
                self.effects.between()
            if self.effects.cloud is not None:
                charges = self.effects.cloud.charges
                self._takes("get_many", charges.batch, charges.cpu_request)
            found += [self._get(*key) for key in batch]
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
        REQUESTS.query(
            pk,
            prefix=prefix,
            since=since,
            until=until,
            newest_first=newest_first,
            limit=limit,
            index=index,
            consistent=consistent,
        )
        last: tuple[str, Key] | None = None
        left = limit
        while True:
            self.effects.on_read("table.read")
            if self.effects.cloud is not None:
                charges = self.effects.cloud.charges
                self._takes("query", charges.read, charges.cpu_request)
            most = self.page_items or PAGE_ITEMS
            most = most if left is None else min(left, most)
            page = self._page(pk, prefix, since, until, newest_first, index, last, most + 1)
            held = self._first_bytes(page[:most])
            full, page = len(page) > held, page[:held]
            self.units.found(len(page))
            with self._lock:
                size = sum([self._sizes.get(key, 0) for (_, key), _ in page])
            self._read(size, consistent=consistent and index is None)
            for _, item in page:
                yield copied(item)
            if left is not None:
                left -= len(page)
            if not full or left == 0:
                return
            last = page[-1][0]
            self.effects.between()

    def _page(
        self,
        pk: str,
        prefix: str | None,
        since: str | None,
        until: str | None,
        newest_first: bool,
        index: tuple[str, str, str] | None,
        last: tuple[str, Key] | None,
        most: int,
    ) -> list[tuple[tuple[str, Key], Item]]:
        """The first things that a query finds after `last` as things stand now: (place in the
        order, item)."""
        with self._lock:
            if index is None:
                entries = self._items
                order = self._partitions.get(pk, [])
                found = [(sk, (pk, sk)) for sk in _within(order, prefix, since, until)]
            else:
                entries = self._held[0] if self._held else self._items
                found = _in_index(entries, index, pk, prefix, since, until)
            if newest_first:
                found.reverse()
            if last is not None:
                found = [at for at in found if (at < last if newest_first else at > last)]
            # What is stored is replaced by every change and never changed itself.
            return [(at, entries[at[1]]) for at in found[:most]]

    def _first_bytes(self, page: Sequence[tuple[tuple[str, Key], Item]]) -> int:
        """How many of these items one answer holds."""
        left = PAGE_BYTES
        with self._lock:
            for at, ((_, key), _) in enumerate(page):
                left -= self._sizes.get(key, 0)
                if left < 0 and at:
                    return at
        return len(page)

    def _read(self, size: int, *, consistent: bool = True) -> None:
        """So many bytes were read, by one request or a page of one."""
        if self._bill is not None and self.effects.cloud is not None:
            self._bill.read(size, consistent=consistent)
            self.effects.cloud.work(size / 1024 * self.effects.cloud.charges.cpu_kilobyte_read)

    @property
    def _bill(self) -> Bill | None:
        """Where requests are counted: none outside of an invocation."""
        cloud = self.effects.cloud
        return cloud.bill if cloud is not None and running_instance() is not None else None

    def _takes(self, kind: str, seconds: float, cpu: float) -> None:
        """A request, before it takes effect."""
        if self._bill is not None and self.effects.cloud is not None:
            self._bill.calls[kind] += 1
            self.effects.cloud.request(seconds, cpu)

    def reap(self, now: float) -> int:
        """Remove what has expired, as DynamoDB does sooner or later; returns how many items."""
        with self._lock:
            gone = [k for k, item in self._items.items() if item.get("expires_at", now + 1) <= now]
            for key in gone:
                self._store(key, None, 0)
        return len(gone)

    def write(self, operation: Operation) -> None:
        REQUESTS.write(operation)
        self.units.add([operation])
        with self.effects.around("table.write"):
            self._repeat(lambda: self._write_once(operation))

    def _write_once(self, operation: Operation) -> None:
        if self.effects.cloud is not None:
            charges = self.effects.cloud.charges
            self._takes("write", charges.write, charges.cpu_request + charges.cpu_operation)
            if self.effects.cloud.is_held(key_of(operation)):
                raise _conflict("TransactionConflictException")
        with self._lock:
            self._apply([operation])
            if self.effects.echoed("table.write"):
                self._apply([operation])

    def transact(self, operations: Sequence[Operation]) -> None:
        if not 0 < len(operations) <= TRANSACTION_ITEMS:
            raise invalid(f"a transaction of {len(operations)} operations")
        _refuse_repeats([key_of(operation) for operation in operations])
        REQUESTS.transact(operations)
        self.units.add(operations, together=True)
        with self.effects.around("table.transact"):
            self._repeat(lambda: self._transact_once(operations))

    def _transact_once(self, operations: Sequence[Operation]) -> None:
        cloud, bill = self.effects.cloud, self._bill
        if cloud is not None and bill is not None:
            bill.calls["transact"] += 1
            charges = cloud.charges
            cpu = charges.cpu_request + len(operations) * charges.cpu_operation
            if not cloud.hold([key_of(operation) for operation in operations], cpu):
                self._pay_refused(operations, together=True)
                raise _conflict("TransactionCanceledException", len(operations))
        with self._lock:
            self._apply(operations, together=True)

    def put_many(self, items: Iterable[Item]) -> None:
        for batch in _batches(list(items), BATCH_WRITE_ITEMS):
            puts = [Put(item) for item in batch]
            _refuse_repeats([key_of(put) for put in puts])
            self.units.add(puts)
            self._batch("table.put_many", puts)

    def delete_many(self, keys: Iterable[Key]) -> None:
        for batch in _batches(list(keys), BATCH_WRITE_ITEMS):
            _refuse_repeats(batch)
            self.units.add([Delete(*key) for key in batch])
            self._batch("table.delete_many", [Delete(*key) for key in batch])

    def _batch(self, kind: str, operations: Sequence[Operation]) -> None:
        """A batch: each write by itself, and maybe not all of them.

        What comes back unprocessed is written by another request, as the real table does it.
        """
        for _ in range(BATCH_TRIES):
            if self.effects.cloud is not None:
                charges = self.effects.cloud.charges
                cpu = charges.cpu_request + len(operations) * charges.cpu_item_written
                self._takes("batch", charges.batch, cpu)
            with self.effects.around(kind), self._lock:
                written = self.effects.portion(kind, len(operations))
                self._apply(operations[:written])
            operations = operations[written:]
            if not operations:
                return
            self.effects.between()
        raise BusyTableError(f"{len(operations)} items could not be written")

    def _apply(self, operations: Sequence[Operation], *, together: bool = False) -> None:
        """All or none, conditions judged on what was there before the first of them."""
        failed = [i for i, operation in enumerate(operations) if not self._allowed(operation)]
        if failed:
            self._pay_refused(operations, together=together)
            raise ConditionFailedError(failed)
        changed = [(key_of(operation), self._after(operation)) for operation in operations]
        if sum(size for _, (_, size) in changed) > TRANSACTION_BYTES:
            raise invalid("a transaction of more than 4 MB")
        for key, (item, size) in changed:
            self._pay(key, item, size, together=together)
            self._store(key, item, size)

    def _pay(self, key: Key, item: Item | None, size: int, *, together: bool) -> None:
        """The units of one write, and of its copies in the indexes."""
        if self._bill is not None:
            before = self._sizes.get(key, 0)
            self._bill.wrote(before, size, together=together)
            self._bill.indexed(self._items.get(key), item, (before, size))

    def _pay_refused(self, operations: Sequence[Operation], *, together: bool) -> None:
        """What is refused is paid like what is written."""
        if self._bill is not None:
            for operation in operations:
                self._bill.wrote(self._sizes.get(key_of(operation), 0), 0, together=together)

    def _allowed(self, operation: Operation) -> bool:
        match operation:
            case Put(condition=str(condition)) | Update(condition=str(condition)):
                before = self._items.get(key_of(operation), {})
                values = {slot: stored(value) for slot, value in operation.values.items()}
                try:
                    return holds(condition, before, operation.names, values)
                except BadExpressionError as error:
                    raise invalid(str(error)) from None
            case Put() | Update() if operation.names or operation.values:
                raise invalid("placeholders without an expression")
        return True

    def _after(self, operation: Operation) -> tuple[Item | None, int]:
        """The item after the operation, and its bytes."""
        key = _checked_key(key_of(operation))
        match operation:
            case Delete():
                return None, 0
            case Put(item):
                after = {name: stored(value) for name, value in item.items()}
            case Update():
                before = self._items.get(key, {"pk": key[0], "sk": key[1]})
                after = updated(before, operation)
        for attribute in ("time_pk", "time_sk", "person_pk"):
            if not isinstance(after.get(attribute, ""), str):
                raise invalid(f"{attribute} is the key of an index and no text")
        size = size_of(after)
        if size > ITEM_BYTES:
            raise invalid("Item size has exceeded the maximum allowed size")
        return after, size

    def _store(self, key: Key, item: Item | None, size: int) -> None:
        pk, sk = key
        for watcher in self.watchers:
            watcher(self._items.get(key), item)
        if item is None:
            if self._items.pop(key, None) is not None:
                del self._sizes[key]
                order = self._partitions[pk]
                del order[bisect_left(order, sk)]
        else:
            if key not in self._items:
                insort(self._partitions.setdefault(pk, []), sk)
            self._items[key] = item
            self._sizes[key] = size


class FakeStore(Store):
    """A store over any table."""

    def __init__(self, table: Table, retention_days: int = 30) -> None:
        self.retention = retention_days * 86_400
        self.runs = Runs(table)
        self.chunks = Chunks(table)
        self.rows = Rows(table)
        self.limits = ConnectionLimitsStore(table)
        self.config = Config(table)
        self.sweep = SweepProgressStore(table)
        self.notices = Notices(table)
        self._table = table
        if isinstance(table, FakeTable):
            names = partial(next, table.claim_names)
            self.chunks._unique = names  # type: ignore[method-assign]


def fake_store(table: Table | None = None, retention_days: int = 30) -> Store:
    """A store in memory."""
    return FakeStore(table or FakeTable(), retention_days)


def _within(
    order: Sequence[str], prefix: str | None, since: str | None, until: str | None
) -> list[str]:
    """The sort keys that a query asks for. The order of texts is that of their UTF-8."""
    if prefix is not None:
        found = []
        for at in range(bisect_left(order, prefix), len(order)):
            if not order[at].startswith(prefix):
                break
            found.append(order[at])
        return found
    first = 0 if since is None else bisect_left(order, since)
    return list(order[first : len(order) if until is None else bisect_right(order, until)])


def _in_index(
    entries: Mapping[Key, Item],
    index: tuple[str, str, str],
    pk: str,
    prefix: str | None,
    since: str | None,
    until: str | None,
) -> list[tuple[str, Key]]:
    """Keys of the items that a query of an index asks for, in the index's order."""
    _, pk_name, sk_name = index
    keys: dict[str, list[Key]] = {}
    for key, item in entries.items():
        if item.get(pk_name) == pk and sk_name in item:
            keys.setdefault(item[sk_name], []).append(key)
    return [
        (sk, key) for sk in _within(sorted(keys), prefix, since, until) for key in sorted(keys[sk])
    ]


def key_of(operation: Operation) -> Key:
    if isinstance(operation, Put):
        return operation.item["pk"], operation.item["sk"]
    return operation.pk, operation.sk


def _conflict(code: str, operations: int = 0) -> ClientError:
    """What DynamoDB answers where a transaction holds an item."""
    reasons: Any = [{"Code": "TransactionConflict"}] * operations
    answer: Any = {"Error": {"Code": code, "Message": ""}, "CancellationReasons": reasons}
    return ClientError(answer, "FakeTable")


def _checked_key(key: Key) -> Key:
    for part, most in zip(key, (PARTITION_KEY_BYTES, SORT_KEY_BYTES), strict=True):
        if not isinstance(part, str) or not 0 < bytes_of(part) <= most:
            raise invalid("an attribute of the key is empty, too long, or no text")
    return key


def _refuse_repeats(keys: Sequence[Key]) -> None:
    if len(keys) != len(set(keys)):
        raise invalid("several operations on one item")


def _batches(things: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]
