"""What a job does to one row, for each of the seven pairs of type and action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vendorsim.effects import Action, Ledger, RecordEffect
from vendorsim.values import JsonObject
from vendorsim.zendesk_sunshine.records import Relationship, Resource, Store
from vendorsim.zendesk_sunshine.replies import error, quota_error

VENDOR = "zendesk_sunshine"


class RowRefused(Exception):
    """One row was not carried out; `error` is its entry in `errors`."""

    def __init__(self, entry: JsonObject) -> None:
        super().__init__(entry)
        self.error = entry


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a job's `data`, while it is done.

    record       the item; an item that is an id stands here as `{"id": …}`
    at           epoch seconds of the job's end
    max_records  records of a kind that the account holds at the most
    """

    index: int
    record: JsonObject
    at: float
    max_records: int
    store: Store
    ledger: Ledger
    job_id: str
    request_id: str

    def text(self, name: str) -> str:
        """A field that must be a text with something in it. Raises RowRefused."""
        value = self.record.get(name)
        if not isinstance(value, str) or not value.strip():
            raise _refused(422, f"{name} can't be blank")
        return value

    def attributes(self) -> JsonObject:
        """The attributes, none by default. Raises RowRefused."""
        value = self.record.get("attributes", {})
        if not isinstance(value, dict):
            raise _refused(422, "attributes must be an object")
        return value

    def note(self, action: Action, record: Resource | Relationship) -> JsonObject:
        """Tell the store what was done; the `data` of the result."""
        is_resource = isinstance(record, Resource)
        self.ledger.record(
            RecordEffect(
                vendor=VENDOR,
                kind="resource" if is_resource else "relationship",
                action=action,
                id=record.id,
                external_id=record.external_id if isinstance(record, Resource) else None,
                job_id=self.job_id,
                request_id=self.request_id,
                index=self.index,
                at=self.at,
                fields=self.record,
            )
        )
        return {"id": record.id}


def _refused(status: int, text: str) -> RowRefused:
    return RowRefused(error(status, text))


def _post_resource(row: Row) -> JsonObject:
    type_key, attributes = row.text("type"), row.attributes()
    external_id = row.text("external_id") if row.record.get("external_id") is not None else None
    if external_id is not None and row.store.find(type_key, external_id):
        raise _refused(422, f"External Id is already in use for the Resource Type key: {type_key}")
    if len(row.store.resources) >= row.max_records:
        raise RowRefused(quota_error("resources"))
    return row.note("created", row.store.add_resource(type_key, external_id, attributes, row.at))


def _patch(row: Row, record: Resource) -> JsonObject:
    row.store.patch(record, row.attributes(), row.at)
    return row.note("updated", record)


def _remove(row: Row, record: Resource) -> JsonObject:
    row.store.remove_resource(record)
    return row.note("deleted", record)


def _by_id(row: Row) -> Resource:
    record = row.store.resources.get(row.text("id"))
    if record is None:
        raise _refused(404, f"Resource with id {row.record['id']} not found")
    return record


def _by_external_id(row: Row) -> Resource | None:
    return row.store.find(row.text("type"), row.text("external_id"))


def _set_by_external_id(row: Row) -> JsonObject:
    record = _by_external_id(row)
    return _post_resource(row) if record is None else _patch(row, record)


def _delete_by_external_id(row: Row) -> JsonObject:
    record = _by_external_id(row)
    if record is None:
        raise _refused(404, f"Resource with external_id {row.record['external_id']} not found")
    return _remove(row, record)


def _post_relationship(row: Row) -> JsonObject:
    type_key, source, target = (
        row.text(name) for name in ("relationship_type", "source", "target")
    )
    for reference in (source, target):
        if not row.store.knows(reference):
            raise _refused(422, f"Resource with id {reference} does not exist")
    if len(row.store.relationships) >= row.max_records:
        raise RowRefused(quota_error("relationships"))
    return row.note("created", row.store.add_relationship(type_key, source, target, row.at))


def _delete_relationship(row: Row) -> JsonObject:
    record = row.store.relationships.pop(row.text("id"), None)
    if record is None:
        raise _refused(404, f"Relationship with id {row.record['id']} not found")
    return row.note("deleted", record)


@dataclass(frozen=True, slots=True)
class Operation:
    """A pair of type and action.

    apply  carries out one row and answers with the `data` of its result; raises RowRefused
    ids    the items of `data` are ids
    adds   it may add records, so that a full account refuses it
    """

    type: str
    action: str
    apply: Callable[[Row], JsonObject]
    ids: bool = False
    adds: bool = False

    @property
    def name(self) -> str:
        return f"{self.type}.{self.action}"


OPERATIONS = {
    (operation.type, operation.action): operation
    for operation in (
        Operation("resources", "post", _post_resource, adds=True),
        Operation("resources", "update", lambda row: _patch(row, _by_id(row))),
        Operation("resources", "external_id_set", _set_by_external_id, adds=True),
        Operation("resources", "delete", lambda row: _remove(row, _by_id(row)), ids=True),
        Operation("resources", "external_id_delete", _delete_by_external_id),
        Operation("relationships", "post", _post_relationship, adds=True),
        Operation("relationships", "delete", _delete_relationship, ids=True),
    )
}


def record_of(operation: Operation, item: Any) -> JsonObject:
    """An item of `data` as a record."""
    return {"id": item} if operation.ids else dict(item)
