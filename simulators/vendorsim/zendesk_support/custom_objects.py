"""Custom object records: one job per action, ids are strings, results are the records.

The specification gives the form of a good result; the form of a refused row is assumed.
"""

from __future__ import annotations

from collections.abc import Callable

from vendorsim.values import JsonObject, iso_time
from vendorsim.zendesk_support.operations import Operation, Row, RowRefused
from vendorsim.zendesk_support.records import Record, Store, Table


def present(key: str, record: Record) -> JsonObject:
    """A record as results and reads show it."""
    return {
        "id": record.id,
        "custom_object_key": key,
        "name": record.fields.get("name"),
        "external_id": record.external_id,
        "custom_object_fields": _custom_fields(record.fields),
        "created_at": iso_time(record.created_at),
        "updated_at": iso_time(record.updated_at),
    }


def _create(row: Row) -> JsonObject:
    table = _table(row.store, row.target)
    external_id = row.record.get("external_id")
    if external_id and table.find("external_id", external_id):
        raise RowRefused("External", f"{external_id} has already been taken")
    record = table.insert(row.new_id, dict(row.record), row.at)
    row.note("created", table, record)
    return present(row.target, record)


def _change(row: Row, record: Record) -> JsonObject:
    table = _table(row.store, row.target)
    given = {name: value for name, value in row.record.items() if name != "id"}
    fields = _custom_fields(record.fields) | _custom_fields(given)
    table.update(record, given | {"custom_object_fields": fields}, row.at)
    row.note("updated", table, record)
    return present(row.target, record)


def _custom_fields(given: JsonObject) -> JsonObject:
    fields = given.get("custom_object_fields")
    return fields if isinstance(fields, dict) else {}


def _update(row: Row) -> JsonObject:
    record = _table(row.store, row.target).get(row.record.get("id"))
    if record is None:
        raise RowRefused("Record", "not found")
    return _change(row, record)


def _upsert_by(field: str) -> Callable[[Row], JsonObject]:
    def apply(row: Row) -> JsonObject:
        value = row.record.get(field)
        if value in (None, ""):
            raise RowRefused(field, "cannot be blank")
        known = _table(row.store, row.target).find(field, value)
        return _change(row, known[0]) if known else _create(row)

    return apply


def _delete(row: Row) -> JsonObject:
    return _remove(row, _table(row.store, row.target).get(row.record.get("id")))


def _delete_by_external_id(row: Row) -> JsonObject:
    known = _table(row.store, row.target).find("external_id", row.record.get("external_id"))
    return _remove(row, next(iter(known), None))


def _remove(row: Row, record: Record | None) -> JsonObject:
    if record is None:
        raise RowRefused("Record", "not found")
    table = _table(row.store, row.target)
    table.remove(record, row.at)
    row.note("deleted", table, record)
    return present(row.target, record)


def _table(store: Store, key: str) -> Table:
    return store.custom_object(key)


def _operation(action: str, verb: str, apply: Callable[[Row], JsonObject]) -> Operation:
    return Operation(
        name="custom_objects.{key}." + action,
        job_type=f"Bulk {verb} Custom Object Record",
        worker="CustomObjectRecordBulkJob",
        doing="Processing record #{n}",
        failure=f"CustomObjectRecord{verb}Failed",
        apply=apply,
        mints=_table if "create" in action else None,
        failure_id=action in ("update", "delete"),
    )


OPERATIONS = {
    "create": _operation("create", "Create", _create),
    "update": _operation("update", "Update", _update),
    "delete": _operation("delete", "Delete", _delete),
    "delete_by_external_id": _operation("delete_by_external_id", "Delete", _delete_by_external_id),
    "create_or_update_by_external_id": _operation(
        "create_or_update_by_external_id", "Upsert", _upsert_by("external_id")
    ),
    "create_or_update_by_name": _operation(
        "create_or_update_by_name", "Upsert", _upsert_by("name")
    ),
}
DELETED_BY = {"delete": "id", "delete_by_external_id": "external_id"}
"""Actions whose items are plain strings, and the field that the string is."""
