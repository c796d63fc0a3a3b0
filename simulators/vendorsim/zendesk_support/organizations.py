"""Organizations: unique by name, and by external id, both without regard to case."""

from __future__ import annotations

from vendorsim.values import JsonObject, iso_time
from vendorsim.zendesk_support.operations import CANONICAL_HOST, Operation, Row, RowRefused
from vendorsim.zendesk_support.records import Record, Store, Table, merged

_DEFAULTS: JsonObject = {
    "name": None,
    "external_id": None,
    "details": None,
    "notes": None,
    "domain_names": [],
    "tags": [],
    "organization_fields": {},
}


def present(record: Record) -> JsonObject:
    """An organization as a read shows it."""
    return {
        "id": record.id,
        "url": f"{CANONICAL_HOST}/api/v2/organizations/{record.id}.json",
        "created_at": iso_time(record.created_at),
        "updated_at": iso_time(record.updated_at),
        **_DEFAULTS,
        **record.fields,
    }


def _create(row: Row) -> JsonObject:
    if not str(row.record.get("name") or "").strip():
        raise RowRefused("Name", "cannot be blank")
    _refuse_taken(row, None)
    organizations = row.store.organizations
    created = organizations.insert(row.new_id, dict(row.record), row.at)
    row.note("created", organizations, created)
    return {"id": row.new_id, "status": "Created"}


def _update(row: Row) -> JsonObject:
    organization = _existing(row)
    _refuse_taken(row, organization)
    changes = {name: value for name, value in row.record.items() if name != "id"}
    changes = merged(organization.fields, changes, "organization_fields")
    row.store.organizations.update(organization, changes, row.at)
    row.note("updated", row.store.organizations, organization)
    return {"action": "update", "id": organization.id, "status": "Updated", "success": True}


def _delete(row: Row) -> JsonObject:
    organization = _existing(row)
    row.store.organizations.remove(organization, row.at)
    row.note("deleted", row.store.organizations, organization)
    return {"action": "delete", "id": organization.id, "status": "Deleted", "success": True}


def _existing(row: Row) -> Record:
    table = row.store.organizations
    if row.record.get("id") is not None:
        organization = table.get(row.record["id"])
    else:
        organization = next(iter(table.find("external_id", row.record.get("external_id"))), None)
    if organization is None:
        raise RowRefused("Organization", "not found")
    return organization


def _refuse_taken(row: Row, organization: Record | None) -> None:
    for field, label in (("name", "Name"), ("external_id", "External")):
        value = row.record.get(field)
        others = [] if value in (None, "") else row.store.organizations.find(field, value)
        for other in others:
            if organization is None or other.id != organization.id:
                raise RowRefused(label, f"{value} has already been taken")


def _table(store: Store, _target: str) -> Table:
    return store.organizations


CREATE = Operation(
    name="organizations.create",
    job_type="Bulk Create Organization",
    worker="OrganizationBulkCreateJob",
    doing="Creating organization #{n}",
    failure="OrganizationCreateFailed",
    apply=_create,
    mints=_table,
)
UPDATE = Operation(
    name="organizations.update",
    job_type="Bulk Update Organization",
    worker="OrganizationBulkUpdateJob",
    doing="Updating organization #{n}",
    failure="OrganizationUpdateFailed",
    apply=_update,
    failure_id=True,
)
DELETE = Operation(
    name="organizations.delete",
    job_type="Bulk Delete Organization",
    worker="OrganizationBulkDeleteJob",
    doing="Deleting organization #{n}",
    failure="OrganizationDeleteFailed",
    apply=_delete,
    failure_id=True,
)
