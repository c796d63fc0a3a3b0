"""Fakes for runs of millions of rows: they keep what is read again, and count the rest.

The table keeps DynamoDB's rules, measures what is written and read, and of rows keeps the status
alone. The file is computed where it is read, and the vendor's model answers for jobs of many rows.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, BinaryIO, TypeVar
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet

from benchmarks.virtual.ours import ModelClient
from benchmarks.virtual.vendor import VendorModel
from jobferry.domain.chunk import Span
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Source
from jobferry.domain.types import JsonObject
from jobferry.store import keys
from jobferry.store.objects import Head, ObjectMissingError
from jobferry.store.operations import Item, Operation
from jobferry.store.table import BATCH_WRITE_ITEMS
from jobferry.vendors.answers import Accepted, JobPhase, JobReading, PollAnswer, SubmitAnswer
from jobferry.vendors.operation import Operation as VendorOperation
from virtual.effects import Effects
from virtual.objects import FakeObjects
from virtual.schedule import Schedule
from virtual.table import FakeTable, key_of

T = TypeVar("T")
R = TypeVar("R")

FAILED_EVERY = 10
"""Every tenth job has a row that fails."""

CLOSED_ROWS_A_SECOND = 30_000

EVIDENCE_KEPT = 5_000
"""Objects of evidence that the archive keeps: far more than wait to be settled."""


@dataclass
class Gauge:
    """The most of everything that was seen.

    items       bytes of an item, by kind
    payloads    bytes that a state handed on, by state
    units       write units of one partition in one second, by kind of partition
    reads       items that one invocation read, by state
    events      of one execution, by kind
    objects     bytes of an object, by the first part of its key; `closing state`
    """

    items: dict[str, int] = field(default_factory=dict)
    payloads: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    objects: dict[str, int] = field(default_factory=dict)
    parts: int = 0
    failed_tasks: int = 0
    _second: int = 0
    _written: Counter[str] = field(default_factory=Counter)

    def wrote(self, now: float, partition: str, units: int) -> None:
        if int(now) != self._second:
            self._second = int(now)
            self._written.clear()
        self._written[partition] += units
        raise_to(self.units, partition.partition("#")[0], self._written[partition])


def raise_to(most: dict[str, int], name: str, value: int) -> None:
    if value > most.get(name, -1):
        most[name] = value


class NumberedFile:
    """A CSV of any length that takes no room: every row is known by its number."""

    HEADER = b"Name,Ref\n"
    ROW = b"thing %08d,r%08d\n"
    ROW_BYTES = len(ROW % (0, 0))

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.size = len(self.HEADER) + rows * self.ROW_BYTES

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        head = self.HEADER[offset:end]
        start = max(offset - len(self.HEADER), 0)
        rest = end - len(self.HEADER)
        if rest <= start:
            return head
        first, last = start // self.ROW_BYTES, -(-rest // self.ROW_BYTES)
        body = b"".join([self.ROW % (n, n) for n in range(first + 1, last + 1)])
        skipped = start - first * self.ROW_BYTES
        return head + body[skipped : skipped + rest - start]

    def span(self, first_row: int, rows: int) -> Span:
        offset = len(self.HEADER) + (first_row - 1) * self.ROW_BYTES
        return Span(offset, rows * self.ROW_BYTES, first_row, rows)


class _Stream(io.RawIOBase):
    """The file from an offset on; reading it takes the time that closing takes for its rows."""

    def __init__(self, file: NumberedFile, offset: int, schedule: Schedule) -> None:
        self._file = file
        self._at = offset
        self._schedule = schedule

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        self._schedule.pass_time(len(data) / self._file.ROW_BYTES / CLOSED_ROWS_A_SECOND)
        return len(data)


class BulkObjects(FakeObjects):
    """An inbox with the one file, and an archive that keeps what will be read again."""

    def __init__(
        self, file: NumberedFile, schedule: Schedule, gauge: Gauge, effects: Effects
    ) -> None:
        super().__init__(effects=effects, smallest_part=1)
        self._file = file
        self._schedule = schedule
        self._gauge = gauge
        self._evidence: dict[str, bytes] = {}

    def head(self, bucket: str, key: str, version_id: str | None) -> Head:
        found = super().head(bucket, key, version_id)
        return replace(found, source=replace(found.source, size=self._file.size))

    def read_range(self, _source: Source, offset: int, length: int) -> bytes:
        return self._file.read(offset, length)

    def stream(self, _source: Source, offset: int = 0) -> BinaryIO:
        return io.BufferedReader(_Stream(self._file, offset, self._schedule))

    def put(self, key: str, body: bytes, content_type: str) -> None:
        closing = key.startswith("partial/") and key.endswith(".json")
        name = "closing state" if closing else key.partition("/")[0]
        raise_to(self._gauge.objects, name, len(body))
        if not key.startswith("evidence/"):
            super().put(key, body, content_type)
            return
        with self.effects.around("objects.put"):
            self._evidence[key] = body
            if len(self._evidence) > EVIDENCE_KEPT:
                del self._evidence[next(iter(self._evidence))]

    def get(self, key: str) -> bytes:
        if not key.startswith("evidence/"):
            return super().get(key)
        if key not in self._evidence:
            raise ObjectMissingError(key)
        return self._evidence[key]

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        self._gauge.parts = max(self._gauge.parts, number)
        return super().put_part(key, upload_id, number, body[:1])


_STATUSES = list(OutcomeStatus)


class RowBook:
    """Of every row its status; and how many were written again."""

    def __init__(self, rows: int) -> None:
        self._status = bytearray(rows + 1)
        self.written_again = 0

    def note(self, item: Item) -> None:
        row = item["row"]
        self.written_again += self._status[row] != 0
        self._status[row] = 1 + _STATUSES.index(item["status"])

    def items(self, first: int, last: int) -> Iterator[Item]:
        """The rows in this range that have an outcome."""
        for row in range(first, min(last + 1, len(self._status))):
            if self._status[row]:
                status = _STATUSES[self._status[row] - 1].value
                yield {"row": row, "status": status, "attempts": 1, "vendor_id": "id"}


class BulkTable(FakeTable):
    """A table that keeps no rows, and measures items, writes and reads.

    reads  items read through this view
    """

    def __init__(
        self, effects: Effects, gauge: Gauge, book: RowBook, now: Callable[[], float]
    ) -> None:
        super().__init__(effects)
        self._gauge = gauge
        self._book = book
        self._now = now
        self._latest: WeakKeyDictionary[greenlet, BulkTable] = WeakKeyDictionary()
        self.reads = 0

    def view(self) -> BulkTable:
        view = super().view()
        assert isinstance(view, BulkTable)
        view.reads = 0
        self._latest[getcurrent()] = view
        return view

    @property
    def latest(self) -> BulkTable:
        """The view that was made last by whoever asks."""
        return self._latest[getcurrent()]

    def _get(self, pk: str, sk: str) -> Item | None:
        self.reads += 1
        return super()._get(pk, sk)

    def query(self, pk: str, **wanted: Any) -> Iterator[Item]:
        rows = pk.startswith("ROWS#")
        found = self._rows(pk, **wanted) if rows else super().query(pk, **wanted)
        for item in found:
            self.reads += 1
            yield item

    def _rows(self, pk: str, *, since: str, until: str) -> Iterator[Item]:
        first, last = (int(key.removeprefix("ROW#")) for key in (since, until))
        before = int(pk.rpartition("#")[2]) * keys.ROWS_PER_BLOCK
        return self._book.items(max(first, before + 1), min(last, before + keys.ROWS_PER_BLOCK))

    def transact(self, operations: Sequence[Operation]) -> None:
        super().transact(operations)
        # A transaction takes twice the units; once they were counted when its items were stored.
        for operation in operations:
            key = key_of(operation)
            self._gauge.wrote(self._now(), key[0], _units(self._sizes.get(key, 0)))

    def put_many(self, items: Iterable[Item]) -> None:
        items = iter(items)
        first = next(items, None)
        if first is None:
            return
        everything = chain([first], items)
        if first["pk"].startswith("ROWS#"):
            self._put_rows(list(everything))
        else:
            super().put_many(everything)

    def _put_rows(self, items: Sequence[Item]) -> None:
        for start in range(0, len(items), BATCH_WRITE_ITEMS):
            batch = items[start : start + BATCH_WRITE_ITEMS]
            with self.effects.around("table.put_many"):
                plain = _row_bytes(batch[0])
                for item in batch:
                    # But for their errors, rows are alike.
                    self._put_row(item, _row_bytes(item) if "error" in item else plain)
            self.units.written += len(batch)

    def _put_row(self, item: Item, size: int) -> None:
        units = _units(size)
        raise_to(self._gauge.items, "ROW", size)
        self._gauge.wrote(self._now(), item["pk"], units)
        if "person_pk" in item:
            self._gauge.wrote(self._now(), item["person_pk"], units)
        self._book.note(item)

    def _store(self, key: tuple[str, str], item: Item | None, size: int) -> None:
        units = _units(max(size, self._sizes.get(key, 0)))
        self._gauge.wrote(self._now(), key[0], units)
        if item is not None:
            # Configuration lies in partitions by name.
            kind = key[1] if "#" in key[0] else key[0]
            raise_to(self._gauge.items, kind.partition("#")[0], size)
            if "time_pk" in item:
                self._gauge.wrote(self._now(), f"{item['time_pk']} (index)", units)
        super()._store(key, item, size)


def _row_bytes(item: Item) -> int:
    return sum([len(name) + len(str(value)) + 1 for name, value in item.items()])


def _units(size: int) -> int:
    return max(1, -(-size // 1024))


@dataclass
class Jobs:
    """What the vendor knows of jobs besides the model: their rows, and what becomes of them.

    again  part of the jobs with a row that is to be tried again
    """

    again: float
    rows: dict[str, int] = field(default_factory=dict)

    def ended(self, job_id: str) -> list[Any]:
        """The results of a job, as the fake vendor writes them."""
        number, rows = int(job_id), self.rows[job_id]
        results: list[Any] = [
            [OutcomeStatus.SUCCEEDED.value, f"{number:08d}{i:05d}", None, None] for i in range(rows)
        ]
        failed = OutcomeStatus.FAILED.value
        if number % FAILED_EVERY == 0:
            results[0] = [failed, None, "RecordInvalid", "Name: is too short (minimum 2)"]
        if rows > 1 and int(number * self.again) != int((number + 1) * self.again):
            results[-1] = [failed, None, "DatabaseConflict", "The record was being changed."]
        return results


class BulkClient(ModelClient):
    """The model's client, for jobs of many rows."""

    def __init__(self, vendor: VendorModel, schedule: Schedule, jobs: Jobs) -> None:
        super().__init__(vendor, schedule)
        self._jobs = jobs

    def submit(
        self, operation: VendorOperation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        answer = super().submit(operation, records, token)
        if isinstance(answer, Accepted):
            self._jobs.rows[answer.job_id] = len(records)
        return answer

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        answer = super().poll(job_ids)
        return replace(answer, readings={i: self._whole(r) for i, r in answer.readings.items()})

    def _whole(self, reading: JobReading) -> JobReading:
        if reading.phase is not JobPhase.ENDED:
            return reading
        return replace(
            reading, raw={"id": reading.job_id, "results": self._jobs.ended(reading.job_id)}
        )


class LongSchedule(Schedule):
    """A schedule for hundreds of thousands of actors: those that have ended are let go."""

    def parallel_map(self, work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
        if self._current is not None and len(items) <= 1:
            return [work(item) for item in items]
        results = super().parallel_map(work, items, workers)
        self._actors[1:] = [actor for actor in self._actors[1:] if not actor.ended]
        return results
