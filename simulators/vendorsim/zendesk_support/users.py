"""Users: unique by email and by external id, both without regard to case."""

from __future__ import annotations

from vendorsim.values import EMAIL, JsonObject, iso_time
from vendorsim.zendesk_support.operations import CANONICAL_HOST, Operation, Row, RowRefused
from vendorsim.zendesk_support.records import Record, Store, Table, merged

_DEFAULTS: JsonObject = {
    "name": None,
    "email": None,
    "external_id": None,
    "role": "end-user",
    "active": True,
    "suspended": False,
    "organization_id": None,
    "tags": [],
    "user_fields": {},
}


def present(record: Record) -> JsonObject:
    """A user as a read shows it."""
    return {
        "id": record.id,
        "url": f"{CANONICAL_HOST}/api/v2/users/{record.id}.json",
        "created_at": iso_time(record.created_at),
        "updated_at": iso_time(record.updated_at),
        **_DEFAULTS,
        **record.fields,
    }


def _create(row: Row) -> JsonObject:
    _insert(row)
    return {"id": row.new_id, "status": "Created"}


def _create_or_update(row: Row) -> JsonObject:
    known = _matches(row, "external_id") + _matches(row, "email")
    if len({user.id for user in known}) > 1:
        raise RowRefused("External", "belongs to another user than the email")
    user = _change(row, known[0]) if known else _insert(row)
    return {
        "id": user.id,
        "status": "Updated" if known else "Created",
        "email": user.fields.get("email"),
        "external_id": user.external_id,
    }


def _update(row: Row) -> JsonObject:
    user = _change(row, _existing(row))
    return {"action": "update", "id": user.id, "status": "Updated", "success": True}


def _delete(row: Row) -> JsonObject:
    user = _existing(row)
    row.store.users.remove(user, row.at)
    row.note("deleted", row.store.users, user)
    return {"action": "delete", "id": user.id, "status": "Deleted", "success": True}


def _insert(row: Row) -> Record:
    if not str(row.record.get("name") or "").strip():
        raise RowRefused("Name", "is too short (minimum is 1 characters)")
    _refuse_bad_email(row)
    _refuse_taken(row, None)
    user = row.store.users.insert(row.new_id, dict(row.record), row.at)
    row.note("created", row.store.users, user)
    return user


def _change(row: Row, user: Record) -> Record:
    _refuse_bad_email(row)
    _refuse_taken(row, user)
    changes = {name: value for name, value in row.record.items() if name != "id"}
    row.store.users.update(user, merged(user.fields, changes, "user_fields"), row.at)
    row.note("updated", row.store.users, user)
    return user


def _existing(row: Row) -> Record:
    if row.record.get("id") is not None:
        user = row.store.users.get(row.record["id"])
    else:
        user = next(iter(_matches(row, "external_id")), None)
    if user is None:
        raise RowRefused("User", "not found")
    return user


def _matches(row: Row, field: str) -> list[Record]:
    value = row.record.get(field)
    return [] if value in (None, "") else row.store.users.find(field, value)


def _refuse_bad_email(row: Row) -> None:
    """A row with a bad address comes back nearly empty, its `id` no more than its position.

    Source: zendesk-java-client #325, which shows the row only after parsing; so the rest of it
    is assumed.
    """
    email = row.record.get("email")
    if email not in (None, "") and not EMAIL.fullmatch(str(email)):
        raise RowRefused("Email", "is not valid", result={"id": row.index})


def _refuse_taken(row: Row, user: Record | None) -> None:
    for field, label in (("email", "Email"), ("external_id", "External")):
        for other in _matches(row, field):
            if user is None or other.id != user.id:
                value = row.record[field]
                raise RowRefused(label, f"{value} is already being used by another user")


def _table(store: Store, _target: str) -> Table:
    return store.users


CREATE = Operation(
    name="users.create",
    job_type="Bulk Create User",
    worker="UserBulkCreateJob",
    doing="Creating User #{n}",
    failure="UserCreateFailed",
    apply=_create,
    mints=_table,
)
CREATE_OR_UPDATE = Operation(
    name="users.create_or_update",
    job_type="Bulk Create User",
    worker="UserBulkCreateJob",
    doing="Creating User #{n}",
    failure="UserCreateFailed",
    apply=_create_or_update,
    mints=_table,
)
UPDATE = Operation(
    name="users.update",
    job_type="Bulk Update User",
    worker="UserBulkUpdateJobV2",
    doing="Updating User #{n}",
    failure="UserUpdateFailed",
    apply=_update,
    failure_id=True,
)
DELETE = Operation(
    name="users.delete",
    job_type="Bulk Update User",
    worker="UserBulkUpdateJobV2",
    doing="Deleting User #{n}",
    failure="UserDeleteFailed",
    apply=_delete,
    failure_id=True,
)
