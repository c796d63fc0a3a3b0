"""The account's records. A deleted record stays, hidden, until it is deleted for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from vendorsim.values import JsonObject

RecordId = int | str


@dataclass(slots=True)
class Record:
    """One record; `created_at` and `updated_at` in epoch seconds."""

    id: RecordId
    fields: JsonObject
    created_at: float
    updated_at: float
    deleted: bool = False

    @property
    def external_id(self) -> str | None:
        value = self.fields.get("external_id")
        return None if value is None else str(value)


def merged(before: JsonObject, changes: JsonObject, *names: str) -> JsonObject:
    """Changes of which these fields say only what is other inside them: an object, or a list of
    `{"id": …, "value": …}`."""
    found = dict(changes)
    for name in names:
        old, new = before.get(name), changes.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found[name] = old | new
        elif isinstance(old, list) and isinstance(new, list):
            found[name] = list(({_id(each): each for each in [*old, *new]}).values())
    return found


def _id(entry: object) -> str:
    return str(entry.get("id")) if isinstance(entry, dict) else str(entry)


class Table:
    """The records of one kind.

    keys  fields that records are looked up by
    fold  look-ups disregard case, as the vendor does for users and organizations
    """

    def __init__(
        self,
        kind: str,
        first_id: int,
        *,
        keys: tuple[str, ...] = (),
        fold: bool = False,
        mint: Callable[[int], RecordId] = lambda number: number,
    ) -> None:
        self.kind = kind
        self._next = first_id
        self._mint = mint
        self._fold = fold
        self._records: dict[RecordId, Record] = {}
        self._index: dict[str, dict[str, dict[RecordId, None]]] = {key: {} for key in keys}

    def reserve(self, count: int) -> list[RecordId]:
        """Ids that no other record will get."""
        first = self._next
        self._next += count
        return [self._mint(number) for number in range(first, first + count)]

    def upcoming(self) -> RecordId:
        """The id that is reserved next."""
        return self._mint(self._next)

    def insert(self, record_id: RecordId, fields: JsonObject, at: float) -> Record:
        record = Record(record_id, fields, at, at)
        self._records[record_id] = record
        self._enter(record)
        if isinstance(record_id, int):
            self._next = max(self._next, record_id + 1)
        return record

    def update(self, record: Record, changes: JsonObject, at: float) -> None:
        self._leave(record)
        record.fields = record.fields | changes
        record.updated_at = at
        self._enter(record)

    def remove(self, record: Record, at: float) -> None:
        """Hide a record; its keys become free."""
        self._leave(record)
        record.deleted = True
        record.updated_at = at

    def purge(self, record: Record) -> None:
        """Forget a record for good."""
        del self._records[record.id]

    def get(self, record_id: object) -> Record | None:
        """The live record; a number may come as text, as the vendor allows it."""
        record = self._records.get(_as_id(record_id))
        return None if record is None or record.deleted else record

    def get_deleted(self, record_id: object) -> Record | None:
        record = self._records.get(_as_id(record_id))
        return record if record is not None and record.deleted else None

    def find(self, key: str, value: object) -> list[Record]:
        """The live records whose field `key` is `value`, oldest first."""
        ids = self._index[key].get(self._folded(value), {})
        return [self._records[record_id] for record_id in ids]

    def live(self) -> list[Record]:
        """All live records, by id."""
        return sorted(
            (record for record in self._records.values() if not record.deleted),
            key=lambda record: str(record.id).zfill(20),
        )

    def _folded(self, value: object) -> str:
        return str(value).casefold() if self._fold else str(value)

    def _entries(self, record: Record) -> Iterable[dict[RecordId, None]]:
        for key, index in self._index.items():
            value = record.fields.get(key)
            if value not in (None, ""):
                yield index.setdefault(self._folded(value), {})

    def _enter(self, record: Record) -> None:
        for ids in self._entries(record):
            ids[record.id] = None

    def _leave(self, record: Record) -> None:
        for ids in self._entries(record):
            ids.pop(record.id, None)


def _as_id(value: object) -> RecordId:
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text) if text.isdecimal() else text


def _tickets() -> Table:
    return Table("ticket", 1_001, keys=("external_id",))


def _users() -> Table:
    return Table("user", 360_000_000_001, keys=("external_id", "email"), fold=True)


def _organizations() -> Table:
    return Table("organization", 370_000_000_001, keys=("external_id", "name"), fold=True)


def _organization_memberships() -> Table:
    return Table("organization_membership", 380_000_000_001, keys=("pair",))


def _group_memberships() -> Table:
    return Table("group_membership", 390_000_000_001, keys=("pair",))


def _comments() -> Table:
    return Table("comment", 400_000_000_001, keys=("ticket_id",))


@dataclass(slots=True)
class Store:
    """Every table of the account."""

    tickets: Table = field(default_factory=_tickets)
    comments: Table = field(default_factory=_comments)
    users: Table = field(default_factory=_users)
    organizations: Table = field(default_factory=_organizations)
    groups: Table = field(default_factory=lambda: Table("group", 350_000_000_001))
    organization_memberships: Table = field(default_factory=_organization_memberships)
    group_memberships: Table = field(default_factory=_group_memberships)
    custom_objects: dict[str, Table] = field(default_factory=dict)

    def custom_object(self, key: str) -> Table:
        """The records of one custom object, which exists once it is named."""
        return self.custom_objects.setdefault(
            key,
            Table(
                "custom_object_record",
                1,
                keys=("external_id", "name"),
                mint=lambda number: f"01SIM{number:021d}",
            ),
        )
