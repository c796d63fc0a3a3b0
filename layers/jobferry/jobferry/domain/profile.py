"""Profiles: what an upload folder or a schedule names.

Plain frozen dataclasses, because the hot handlers (submit, poll, settle) must start without
importing a validation library. Input from people is validated once, in
`jobferry.binding.profile_document`, before it becomes one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from enum import StrEnum
from typing import Any, TypeVar

from jobferry.domain.error_codes import ErrorClass

_Word = TypeVar("_Word", bound=StrEnum)


class ColumnType(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    EMAIL = "email"
    LIST = "list"
    JSON = "json"


class Empty(StrEnum):
    """What an empty cell does to its field."""

    LEAVE = "leave"
    """The field is not sent."""
    CLEAR = "clear"
    """Null is sent."""
    REJECT = "reject"
    """The row is rejected."""


def _known(words: type[_Word], value: str | None) -> _Word | None:
    return None if value is None else words(value)


@dataclass(frozen=True, slots=True)
class Column:
    """One mapped column: where a cell goes and what it must look like.

    Attributes:
        field: dotted path of the vendor's field (`comment.body`)
        optional: an empty cell leaves the field out; otherwise it rejects the row
        enum: the allowed cell texts, compared without regard to case; empty = anything
        separator: what parts the items of a `list` cell
        format: how the cells of a `date` or `datetime` are written, as `datetime.strptime` reads it
        timezone: IANA name of the zone of a `datetime` that names none
        decimal: what stands before the decimals of a `number`: "." or ","
        values: cell text → the value to send for it; other cells pass
        empty: what an empty cell does; None: as `optional` says
        trim: blanks at the ends of a cell are not sent; None: as the profile says
    """

    field: str
    type: ColumnType = ColumnType.STRING
    optional: bool = False
    enum: tuple[str, ...] = ()
    separator: str = ","
    format: str | None = None
    timezone: str | None = None
    decimal: str = "."
    values: Mapping[str, Any] = field_of(default_factory=dict)
    empty: Empty | None = None
    trim: bool | None = None

    @property
    def when_empty(self) -> Empty:
        if self.empty is not None:
            return self.empty
        return Empty.LEAVE if self.optional else Empty.REJECT

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Column:
        """A column from what `profile_document.validate` made of it."""
        return cls(
            **{
                **document,
                "type": ColumnType(document["type"]),
                "enum": tuple(document["enum"]),
                "empty": _known(Empty, document.get("empty")),
            }
        )


MAX_REJECTED = 0.9
"""Share of a file's rows that may be rejected, where the profile says nothing."""


class OnDuplicate(StrEnum):
    """Which of the rows with the same key counts."""

    FIRST = "first"
    """The first; all others are skipped."""
    LAST = "last"
    """The last; all others are skipped."""
    REJECT = "reject"
    """The first; all others are rejected."""


class Policy(StrEnum):
    """What becomes of a row that met an error of a class."""

    RETRY = "retry"
    FAIL = "fail"
    STOP = "stop"
    """It fails, and the run is paused: somebody must look."""


DEFAULT_POLICIES: Mapping[ErrorClass, Policy] = {
    ErrorClass.CONFLICT: Policy.RETRY,
    ErrorClass.THROTTLE: Policy.RETRY,
    ErrorClass.VENDOR: Policy.RETRY,
    ErrorClass.LOST: Policy.RETRY,
}
"""Classes that are not named fail."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a run is paused because too many rows fail alike.

    Attributes:
        share: of the rows processed so far that fail with errors of one class, to be exceeded
        at_least: rows that must have failed so
    """

    share: float = 0.5
    at_least: int = 200


@dataclass(frozen=True, slots=True)
class Profile:
    """What an upload folder or a schedule names: connection, operation, mapping, policies."""

    name: str
    connection: str
    operation: str
    columns: Mapping[str, Column | Sequence[Column]] | None = None
    """CSV header → column, or several where one cell goes into several fields. None: every header
    is itself a field path, all optional strings."""
    constants: Mapping[str, Any] = field_of(default_factory=dict)
    """Field path → JSON value, the same in every record."""
    row_key: str | None = None
    """Header of the column that is unique per row."""
    batch_size: int | None = None
    max_attempts: int = 3
    on_error: Mapping[str, str] = field_of(default_factory=dict)
    """Error class → what becomes of its rows (`Policy`), where not the default."""
    breaker: Breaker | None = Breaker()
    """None: rows may fail as they like."""
    encoding: str | None = None
    """Python's name of a text codec. None: detected (UTF-8, UTF-16); others must be said, as they
    can never be detected safely."""
    delimiter: str | None = None
    trim: bool = False
    """Blanks and invisible characters at the ends of all cells are not sent."""
    null_values: tuple[str, ...] = ()
    """Cells that count as empty."""
    on_duplicate: OnDuplicate | None = None
    """None: the first counts, and a run in which others differ from it is not simply completed."""
    order: str | None = None
    """`file`: rows that change the same record take effect in the order of the file."""
    max_rejected: float = MAX_REJECTED
    """Share of rejected rows beyond which planning stops."""
    ramp: bool = True
    """Operations that cannot be undone begin with one job, then three, then all."""
    row_items: str | None = None
    """`all`: the table has an item for each row."""
    add_external_id: bool = True
    """Records that are made get an external id of Jobferry's where the profile sets none."""
    snapshot: bool = False
    """What records are is read and kept before they are changed, so that they can be put back."""
    revision: int = 0

    @property
    def in_order(self) -> bool:
        """Whether rows take effect in the order of the file: one job at a time."""
        return self.order == "file"

    def fills(self, header: Iterable[str] = ()) -> set[str]:
        """The fields of a record that it fills, or something inside them.

        Args:
            header: of the file, which says it where the profile names no columns.
        """
        paths = header if self.columns is None else [each.field for _, each in self.entries()]
        return {re.split(r"[.\[]", path, maxsplit=1)[0] for path in (*paths, *self.constants)}

    def entries(self) -> Iterator[tuple[str, Column]]:
        """Each header with each of its columns."""
        for header, columns in (self.columns or {}).items():
            for column in (columns,) if isinstance(columns, Column) else columns:
                yield header, column

    @classmethod
    def from_document(cls, document: Mapping[str, Any], revision: int) -> Profile:
        """A profile from the document that `profile_document.validate` returned."""
        columns = document["columns"]
        # Profiles that were kept before there were breakers name none.
        breaker = document.get("breaker", {})
        return cls(
            **{
                **document,
                "columns": None
                if columns is None
                else {
                    header: tuple(map(Column.from_document, entry))
                    if isinstance(entry, list)
                    else Column.from_document(entry)
                    for header, entry in columns.items()
                },
                "breaker": None if breaker is None else Breaker(**breaker),
                "null_values": tuple(document.get("null_values", ())),
                "on_duplicate": _known(OnDuplicate, document.get("on_duplicate")),
                "revision": revision,
            }
        )
