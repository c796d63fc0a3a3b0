"""What a vendor declares: its operations, its capabilities, and what it asks of single records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from jobferry.domain.profile import ColumnType, Profile
from jobferry.domain.types import JsonObject


@dataclass(frozen=True, slots=True)
class Notifies:
    """Whom the vendor itself may notify because of an operation: declared, never tried.

    Attributes:
        whom: who gets it, in the singular ("requester")
        text: what may notify them, and what keeps it from doing so, for people
        named_by: fields that say who it is, the first that is filled; nobody, where none is
        needs: fields of which one must be filled; empty: any record will do
        unless: field → a value with which nobody is notified
    """

    whom: str
    text: str
    named_by: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    unless: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a record that decide."""
        return frozenset((*self.named_by, *self.needs, *self.unless))

    def person(self, record: JsonObject) -> str | None:
        """Who may be notified because of a record, by what names them in it; None: nobody."""
        if self.needs and not any(_filled(record, path) for path in self.needs):
            return None
        if any(value_at(record, path) == value for path, value in self.unless.items()):
            return None
        name = next((path for path in self.named_by if _filled(record, path)), None)
        return None if name is None else f"{name}:{value_at(record, name)}".casefold()


def value_at(record: JsonObject, path: str) -> Any:
    """What stands at a dotted path of a record; None where nothing does."""
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _filled(record: JsonObject, path: str) -> bool:
    return value_at(record, path) not in (None, "")


@dataclass(frozen=True, slots=True)
class Operation:
    """One bulk operation: what may be sent and how safe it is to send it again.

    Attributes:
        max_records: records in one request, the vendor's own limit
        max_bytes: encoded bytes of one request body
        repeatable: sending the same records twice leaves the same state (upsert, update, delete)
        adds: fields that add something each time they are sent (a comment), so that the operation
            is not repeatable where a profile fills one of them
        required: vendor fields without which the vendor refuses every record; each entry lists
            alternatives, any of which will do
        match_on: record fields that a result can be matched by when it carries no index, in order
        folded: fields that the vendor compares without regard to case
        types: fields that are no plain text, whatever the profile says of them
        says_status: a success of this operation always names a status; an id alone proves nothing
        fields: documented fields, for people (`jobferry operations`); others pass unchecked
        max_record_bytes: encoded bytes of one record, where the vendor bounds each by itself
        endpoint: the vendor's name of a request limit that these requests have besides the
            account's endpoint_per_minute that limit, as published
        external_id_field: field that the vendor keeps with the record and that may hold an id of
            ours; declared for operations that make records (see `binding.external_ids`)
        identified_by: fields any of which says which record is meant, where an operation makes one
            if there is none: a row that fills none of them would be made anew each time it is sent,
            so it gets an external id of ours
        undone_by: the operation that takes away what a row of this one made, named by the row's
            vendor id; empty: there is none
        undone_by_field: the field of that operation that takes the vendor id
        cannot_undo: what stays all the same, or why nothing can be undone, for people
        values: fields that take certain words only, as documented; others pass unchecked, as the
            account may know more
        usual_types: what the vendor documents of fields whose type a profile may say otherwise
        notifies: whom the vendor may notify; None: nobody, as far as its pages say
        read_by: fields any of which says which record is meant, with how many records one request
            reads by it, the best first; empty: they cannot be read in batches. Declared for
            operations that change records: the client is a `RecordReader` then, and the same
            operation puts records back, by their field `id`
        restores: fields of a change → the field that puts back what it changed; "" where none does,
            None where there is nothing to put back. Others are put back by themselves
    """

    name: str
    summary: str
    max_records: int
    max_bytes: int
    repeatable: bool
    adds: frozenset[str] = frozenset()
    required: tuple[tuple[str, ...], ...] = ()
    match_on: tuple[str, ...] = ()
    folded: frozenset[str] = frozenset()
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    says_status: bool = False
    fields: tuple[str, ...] = ()
    max_record_bytes: int | None = None
    endpoint: str = ""
    endpoint_per_minute: int | None = None
    external_id_field: str = ""
    identified_by: tuple[str, ...] = ()
    undone_by: str = ""
    undone_by_field: str = "id"
    cannot_undo: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    usual_types: Mapping[str, ColumnType] = field(default_factory=dict)
    notifies: Notifies | None = None
    read_by: Mapping[str, int] = field(default_factory=dict)
    restores: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def readable_in_batches(self) -> bool:
        """Whether what a change would change can be read beforehand."""
        return bool(self.read_by)

    def reads(self, records: int, filled: Set[str]) -> int:
        """Requests that read so many records.

        Args:
            filled: the fields that are filled in them.
        """
        most = next((most for name, most in self.read_by.items() if name in filled), 1)
        return -(-records // most)

    @property
    def deletes(self) -> bool:
        """Whether it takes records away, so that one that is not there is as wanted."""
        return "delete" in self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor can do, as data that steps and the CLI read; never `if vendor == …`."""

    poll_batch: int = 1
    """Jobs in one status request."""
    max_jobs: int = 1
    """Jobs that one account may have in flight, as documented."""
    refuses_excess: bool = False
    """One job more than that is refused at once, in words of its own, and nothing is done."""
    retention_seconds: int = 86_400
    """How long results can be read after the job was created, at the least."""
    token_search: bool = False
    """A job can be found by the token that its submission carried."""
    record_lookup: bool = False
    """Records can be looked up by external id."""
    abort: bool = False
    priority: bool = False
    delete: bool = False
    problems: bool = False
    """These four: the client is a `JobControl`, and this call of it works."""
    priority_field: str = ""
    """Record field that says a new job's priority; empty: a new job cannot be given one. Its
    bytes are no part of the request's body, which is weighed when the file is planned."""
    priority_words: Mapping[str, str] = field(default_factory=dict)
    """A run's priority → the vendor's word; one that is not here is said as it is."""

    def priority_word(self, priority: str) -> str:
        """A run's priority (`lowest` … `immediate`) in the vendor's words."""
        return self.priority_words.get(priority, priority)


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What the requests of an operation ask of single records, beyond their fields' types.

    Attributes:
        judge: record → why no request can carry it (a code and a sentence); None: one can
        group_of: record → what all records of a request must have in common; None: they may differ
    """

    judge: Callable[[JsonObject], tuple[str, str] | None] | None = None
    group_of: Callable[[JsonObject], object] | None = None


def no_record_rules(_operation: Operation, _filled: Set[str]) -> RecordRules:
    """Any records may go together."""
    return RecordRules()


def compact_json(value: Any) -> bytes:
    """JSON as it is sent: UTF-8, no blanks."""
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def most_records(profile: Profile, operation: Operation) -> int:
    """Records of one job: the vendor's limit, or less where the profile says so."""
    return min(operation.max_records, profile.batch_size or operation.max_records)


def snapshot_reads(profile: Profile, operation: Operation, header: Sequence[str] = ()) -> int:
    """Requests beside each job that read what its records are before they are changed.

    Args:
        header: of the file, which says what is filled where the profile does not.
    """
    if not (profile.snapshot and operation.readable_in_batches):
        return 0
    return operation.reads(most_records(profile, operation), profile.fills(header))
