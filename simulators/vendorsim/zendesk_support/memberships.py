"""Memberships of users in organizations and in groups: each pair at most once.

Create results are `{id, index}` for organizations, as recorded; groups and refusals are assumed
to look the same.
"""

from __future__ import annotations

from vendorsim.values import JsonObject
from vendorsim.zendesk_support.operations import Operation, Row, RowRefused
from vendorsim.zendesk_support.records import Store, Table


def _create(row: Row, memberships: Table, others: Table, other_field: str) -> JsonObject:
    user_id, other_id = row.record.get("user_id"), row.record.get(other_field)
    user, other = row.store.users.get(user_id), others.get(other_id)
    if user is None:
        raise RowRefused("User", "is invalid")
    if other is None:
        raise RowRefused(others.kind.capitalize(), "is invalid")
    pair = f"{user.id}/{other.id}"
    if memberships.find("pair", pair):
        raise RowRefused("User", "has already been taken")
    fields = row.record | {"pair": pair}
    row.note("created", memberships, memberships.insert(row.new_id, fields, row.at))
    return {"id": row.new_id, "index": row.index}


def _delete(row: Row, memberships: Table) -> JsonObject:
    membership = memberships.get(row.record.get("id"))
    if membership is None:
        raise RowRefused("Membership", "not found")
    memberships.remove(membership, row.at)
    row.note("deleted", memberships, membership)
    return {"action": "delete", "id": membership.id, "status": "Deleted", "success": True}


def _create_in_organization(row: Row) -> JsonObject:
    store = row.store
    return _create(row, store.organization_memberships, store.organizations, "organization_id")


def _create_in_group(row: Row) -> JsonObject:
    return _create(row, row.store.group_memberships, row.store.groups, "group_id")


def _delete_from_organization(row: Row) -> JsonObject:
    return _delete(row, row.store.organization_memberships)


def _delete_from_group(row: Row) -> JsonObject:
    return _delete(row, row.store.group_memberships)


def _organization_table(store: Store, _target: str) -> Table:
    return store.organization_memberships


def _group_table(store: Store, _target: str) -> Table:
    return store.group_memberships


CREATE_IN_ORGANIZATION = Operation(
    name="organization_memberships.create",
    job_type="Bulk Create Organization Membership",
    worker="OrganizationMembershipBulkCreateJob",
    doing="Creating organization membership #{n}",
    failure="OrganizationMembershipCreateFailed",
    apply=_create_in_organization,
    mints=_organization_table,
)
DELETE_FROM_ORGANIZATION = Operation(
    name="organization_memberships.delete",
    job_type="Bulk Delete Organization Membership",
    worker="OrganizationMembershipBulkDeleteJob",
    doing="Deleting organization membership #{n}",
    failure="OrganizationMembershipDeleteFailed",
    apply=_delete_from_organization,
    failure_id=True,
)
CREATE_IN_GROUP = Operation(
    name="group_memberships.create",
    job_type="Bulk Create Group Membership",
    worker="GroupMembershipBulkCreateJob",
    doing="Creating group membership #{n}",
    failure="GroupMembershipCreateFailed",
    apply=_create_in_group,
    mints=_group_table,
)
DELETE_FROM_GROUP = Operation(
    name="group_memberships.delete",
    job_type="Bulk Delete Group Membership",
    worker="GroupMembershipBulkDeleteJob",
    doing="Deleting group membership #{n}",
    failure="GroupMembershipDeleteFailed",
    apply=_delete_from_group,
    failure_id=True,
)
