"""The values that every part of Jobferry shares: profiles, spans, chunks, outcomes.

Plain frozen dataclasses, because the hot handlers (submit, poll, settle) must start without
importing a validation library. Input from people is validated once, in `jobferry.profiles`,
before it becomes one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

JsonObject = dict[str, Any]


class OutcomeStatus(StrEnum):
    """The final word on a row."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    """Never sent: the row itself cannot be used."""
    SKIPPED = "skipped"
    """Never sent: a duplicate, or the run was stopped before its turn."""
    UNKNOWN = "unknown"
    """Sent, but the vendor cannot say what became of it."""


class RunStatus(StrEnum):
    PLANNING = "planning"
    RUNNING = "running"
    CLOSING = "closing"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    UNRESOLVED = "unresolved"
    ABORTED = "aborted"
    FAILED = "failed"

    @property
    def closed(self) -> bool:
        return self in _CLOSED


_CLOSED = frozenset(
    {
        RunStatus.COMPLETED,
        RunStatus.COMPLETED_WITH_FAILURES,
        RunStatus.UNRESOLVED,
        RunStatus.ABORTED,
        RunStatus.FAILED,
    }
)


class ChunkState(StrEnum):
    """planned → claimed → submitted → finished → settled (or unknown, split on trouble)."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    FINISHED = "finished"
    SETTLED = "settled"
    UNKNOWN = "unknown"
    SPLIT = "split"


class ColumnType(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One mapped column: where a cell goes and what it must look like.

    field      dotted path of the vendor's field (`comment.body`)
    optional   an empty cell leaves the field out; otherwise it rejects the row
    enum       the allowed cell texts, exact; empty = anything
    separator  what parts the items of a `list` cell
    """

    field: str
    type: ColumnType = ColumnType.STRING
    optional: bool = False
    enum: tuple[str, ...] = ()
    separator: str = ","


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a run is paused because too many rows fail alike.

    share     of the rows carried so far that fail with one class of error, to be exceeded
    at_least  rows that must have failed so
    """

    share: float = 0.5
    at_least: int = 200


@dataclass(frozen=True, slots=True)
class Profile:
    """What an upload folder or a schedule names: connection, operation, mapping, policies."""

    name: str
    connection: str
    operation: str
    columns: Mapping[str, Column] | None = None
    """CSV header → column. None: every header is itself a field path, all optional strings."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Field path → JSON value, the same in every record."""
    row_key: str | None = None
    """Header of the column that is unique per row."""
    batch_size: int | None = None
    max_attempts: int = 3
    on_error: Mapping[str, str] = field(default_factory=dict)
    """Error class → what becomes of its rows (`retrying.Policy`), where not the default."""
    breaker: Breaker | None = Breaker()
    """None: rows may fail as they like."""
    encoding: str | None = None
    """None: detected (UTF-8, UTF-16). `cp1252` must be said, as it can never be detected safely."""
    delimiter: str | None = None
    add_external_id: bool = True
    """Records that are made get an external id of Jobferry's where the profile sets none."""
    revision: int = 0

    def fills(self, header: Iterable[str] = ()) -> set[str]:
        """The fields of a record that it fills, or something inside them.

        Args:
            header: of the file, which says it where the profile names no columns.
        """
        columns = self.columns
        paths = header if columns is None else [column.field for column in columns.values()]
        return {re.split(r"[.\[]", path, maxsplit=1)[0] for path in (*paths, *self.constants)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], revision: int) -> Profile:
        """A profile from the document that `profiles.validate` returned."""
        columns = document["columns"]
        # Profiles that were kept before there were breakers name none.
        breaker = document.get("breaker", {})
        return cls(
            **{
                **document,
                "columns": None
                if columns is None
                else {
                    header: Column(
                        field=column["field"],
                        type=ColumnType(column["type"]),
                        optional=column["optional"],
                        enum=tuple(column["enum"]),
                        separator=column["separator"],
                    )
                    for header, column in columns.items()
                },
                "breaker": None if breaker is None else Breaker(**breaker),
                "revision": revision,
            }
        )


class Span(NamedTuple):
    """Consecutive good rows of the source file, known by where they lie.

    offset, length  bytes in the source object
    first_row       number of its first row (1 = the first after the header)
    rows            how many rows it holds
    """

    offset: int
    length: int
    first_row: int
    rows: int


class Reject(NamedTuple):
    """A row that is not sent, and why, in words for a spreadsheet user."""

    row: int
    status: OutcomeStatus
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What the vendor said about one record of a job, normalised."""

    status: OutcomeStatus
    vendor_id: str | None = None
    code: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final word on one row, as it is kept in the ledger and shown to people."""

    row: int
    status: OutcomeStatus
    vendor_id: str | None = None
    error_code: str | None = None
    error: str | None = None
    job_id: str | None = None
    attempts: int = 0
