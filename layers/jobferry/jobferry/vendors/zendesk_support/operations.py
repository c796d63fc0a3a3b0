"""Zendesk Support's bulk operations, as declared data: what may be sent, and how safely again.

Facts from the pages of https://developer.zendesk.com/api-reference/ whose requests answer with a
job status (tickets, ticket import, users, organizations, both memberships, skill-based routing,
custom object records): 100 records a request in all of them but merging.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from jobferry.domain.profile import ColumnType
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk_support.documented import documented
from jobferry.vendors.zendesk_support.fields import (
    BY_EITHER_ID,
    BY_ID,
    EXTERNAL_ID,
    ID_TYPE,
    ORGANIZATION_FIELDS,
    ORGANIZATION_TYPES,
    PUT_BACK_ORGANIZATIONS,
    PUT_BACK_RECORDS,
    PUT_BACK_TICKETS,
    PUT_BACK_USERS,
    RECORD_FIELDS,
    TICKET_CHANGE_FIELDS,
    TICKET_FIELDS,
    TICKET_TYPES,
    UPDATE_TICKETS,
    UPDATE_USERS,
    USER_FIELDS,
    USER_KEYS,
    USER_TYPES,
)

RECORDS_PER_JOB = 100
BODY_BYTES = 4 * 1024 * 1024
"""Zendesk publishes no limit for a request body; this is ours, well below what a proxy refuses."""

CUSTOM_RECORD_BYTES = 32 * 1024
"""Of one custom object record, by the limits that Zendesk's help centre gives for them."""

MERGE = "tickets.merge"

KEY_PLACEHOLDER = "<key>"
"""Stands for a custom object's key in the names below; only the account knows its keys."""

_CUSTOM_OBJECT = re.compile(r"custom_objects\.(?P<key>[A-Za-z0-9_-]{1,100})\.(?P<action>[a-z_]+)")

_MADE_OR_CHANGED = (
    "Which rows made a record and which changed one that was there is not kept: deleting them "
    "would delete records that are older than the run."
)
_TICKETS_STAY = (
    "Deleted tickets stay recoverable for 30 days, but no bulk request brings them back: restore "
    "them among the deleted tickets in Zendesk."
)
_MADE_BESIDES = "Users that were made as requesters of the tickets stay."


def _operation(
    name: str,
    summary: str,
    *,
    repeatable: bool,
    max_records: int = RECORDS_PER_JOB,
    **declared: Any,
) -> Operation:
    return Operation(
        name=name,
        summary=summary,
        max_records=max_records,
        max_bytes=BODY_BYTES,
        repeatable=repeatable,
        **declared,
    )


def _membership_creation(kind: str, other: str, *also: str) -> Operation:
    pair = ("user_id", f"{other}_id")
    return _operation(
        f"{kind}.create",
        f"Add users to {other}s.",
        # A pair exists once, but a repetition is refused without the id of what is there, so a
        # row that was done would be shown as failed.
        repeatable=False,
        required=tuple((name,) for name in pair),
        types=dict.fromkeys(pair, ColumnType.INTEGER),
        fields=(*pair, "default", *also),
        undone_by=f"{kind}.delete",
    )


def _membership_deletion(kind: str, summary: str) -> Operation:
    return _operation(
        f"{kind}.delete",
        summary,
        repeatable=True,
        **BY_ID,
        fields=("id",),
        cannot_undo="Whose memberships they were is not known by their ids alone. With a list of "
        f"the users, {kind}.create makes them again.",
    )


def _custom_object(action: str, summary: str, **declared: Any) -> Operation:
    return _operation(
        f"custom_objects.{KEY_PLACEHOLDER}.{action}",
        summary,
        max_record_bytes=CUSTOM_RECORD_BYTES,
        **declared,
    )


_TICKETS = (
    _operation(
        "tickets.create",
        "Create tickets.",
        repeatable=False,
        required=(("comment.body", "comment.html_body", "description"),),
        types=TICKET_TYPES,
        fields=TICKET_FIELDS,
        external_id_field=EXTERNAL_ID,
        undone_by="tickets.delete",
        cannot_undo=f"Notifications that were sent stay sent. {_MADE_BESIDES}",
    ),
    _operation(
        "tickets.update",
        "Change tickets, each row its own change. Rows that add or remove tags go into a job "
        "together where they ask for the same change.",
        repeatable=True,
        # Sent twice, a comment stands there twice, and its readers get it twice.
        adds=frozenset({"comment", "voice_comment"}),
        **{**BY_ID, "types": ID_TYPE | TICKET_TYPES},
        **UPDATE_TICKETS,
        fields=("id", *TICKET_FIELDS, *TICKET_CHANGE_FIELDS),
        **PUT_BACK_TICKETS,
    ),
    _operation(
        "tickets.delete",
        "Delete tickets (they stay recoverable for 30 days).",
        repeatable=True,
        **BY_ID,
        fields=("id",),
        cannot_undo=_TICKETS_STAY,
    ),
    _operation(
        "tickets.mark_as_spam",
        "Mark tickets as spam: they are deleted and their requesters are suspended.",
        repeatable=True,
        **BY_ID,
        **UPDATE_TICKETS,
        fields=("id",),
        cannot_undo=f"{_TICKETS_STAY} Their requesters stay suspended until somebody lifts it.",
    ),
    _operation(
        MERGE,
        "Merge tickets into others, which closes them; one ticket a row, and one row a job.",
        # A ticket that was merged is closed, and merging it again fails.
        repeatable=False,
        # The request names one target, and rows have targets of their own.
        max_records=1,
        required=(("id",), ("target_id",)),
        # What the results of a merge name is documented nowhere: either ticket is the row's.
        match_on=("id", "target_id"),
        types={
            **ID_TYPE,
            "target_id": ColumnType.INTEGER,
            "target_comment_is_public": ColumnType.BOOLEAN,
            "source_comment_is_public": ColumnType.BOOLEAN,
        },
        fields=(
            "id",
            "target_id",
            "target_comment",
            "source_comment",
            "target_comment_is_public",
            "source_comment_is_public",
        ),
        cannot_undo="A merge cannot be taken back: the merged ticket is closed for good, and its "
        "comments are in the other one.",
    ),
    _operation(
        "tickets.import",
        "Import tickets with their history: past times are kept, no trigger fires.",
        repeatable=False,
        required=(("comments", "comment.body", "description"),),
        types={"comments": ColumnType.JSON, **TICKET_TYPES},
        fields=(
            *TICKET_FIELDS,
            "comments",
            "created_at",
            "updated_at",
            "solved_at",
        ),
        external_id_field=EXTERNAL_ID,
        undone_by="tickets.delete",
        cannot_undo=_MADE_BESIDES,
    ),
    _operation(
        "tickets.delete_permanently",
        "Delete deleted tickets for good. Zendesk says one word for a whole job: where one of its "
        "tickets fails, all its rows are unknown. With batch_size 1 each row has its own word.",
        repeatable=True,
        **BY_ID,
        endpoint="deleted-tickets-destroy-many",
        endpoint_per_minute=300,
        fields=("id",),
        cannot_undo="Tickets that are deleted permanently are gone.",
    ),
)

_USERS = (
    _operation(
        "users.create",
        "Create users.",
        repeatable=False,
        required=(("name",),),
        **USER_KEYS,
        types=USER_TYPES,
        fields=USER_FIELDS,
        external_id_field=EXTERNAL_ID,
        undone_by="users.delete",
        cannot_undo="Mails that greeted the users stay sent. A user with open tickets is not "
        "deleted.",
    ),
    _operation(
        "users.create_or_update",
        "Create users, or change those with the same external id or e-mail address.",
        repeatable=True,
        required=(("name", "id", "external_id", "email"),),
        external_id_field=EXTERNAL_ID,
        identified_by=("id", "external_id", "email"),
        **USER_KEYS,
        types=USER_TYPES,
        **UPDATE_USERS,
        fields=USER_FIELDS,
        cannot_undo=_MADE_OR_CHANGED,
    ),
    _operation(
        "users.update",
        "Change users, each row its own change, by id or external id.",
        repeatable=True,
        **{**BY_EITHER_ID, "types": ID_TYPE | USER_TYPES},
        **UPDATE_USERS,
        says_status=True,
        fields=("id", *USER_FIELDS),
        **PUT_BACK_USERS,
    ),
    _operation(
        "users.delete",
        "Delete users, by id or external id.",
        repeatable=True,
        **BY_EITHER_ID,
        fields=("id", "external_id"),
        cannot_undo="Deleted users do not come back.",
    ),
)

_ORGANIZATIONS = (
    _operation(
        "organizations.create",
        "Create organizations; their names are unique.",
        repeatable=False,
        required=(("name",),),
        types=ORGANIZATION_TYPES,
        fields=ORGANIZATION_FIELDS,
        external_id_field=EXTERNAL_ID,
        undone_by="organizations.delete",
    ),
    _operation(
        "organizations.update",
        "Change organizations, each row its own change, by id or external id.",
        repeatable=True,
        **{**BY_EITHER_ID, "types": ID_TYPE | ORGANIZATION_TYPES},
        fields=("id", *ORGANIZATION_FIELDS),
        **PUT_BACK_ORGANIZATIONS,
    ),
    _operation(
        "organizations.delete",
        "Delete organizations, by id or external id.",
        repeatable=True,
        **BY_EITHER_ID,
        fields=("id", "external_id"),
        cannot_undo="Deleted organizations do not come back.",
    ),
)

_MEMBERSHIPS = (
    _membership_creation("organization_memberships", "organization", "view_tickets"),
    _membership_deletion(
        "organization_memberships", "Take users out of organizations, by the id of the membership."
    ),
    _membership_creation("group_memberships", "group"),
    _membership_deletion(
        "group_memberships", "Take agents out of groups, by the id of the membership."
    ),
)

_AGENTS = (
    _operation(
        "agents.set_attributes",
        "Give routing attribute values to agents (action upsert), make them their only ones "
        "(update) or take them away (delete). All rows of a job have the same action and values.",
        repeatable=True,
        required=(("id",), ("action",), ("attribute_values",)),
        match_on=("id",),
        types={**ID_TYPE, "attribute_values": ColumnType.LIST},
        fields=("id", "action", "attribute_values"),
        cannot_undo="Which values the agents had before is not known.",
    ),
)

_CUSTOM_OBJECTS = (
    _custom_object(
        "create",
        "Create records of a custom object, up to 32 KB each.",
        repeatable=False,
        match_on=("external_id",),
        fields=RECORD_FIELDS,
        external_id_field=EXTERNAL_ID,
        undone_by=f"custom_objects.{KEY_PLACEHOLDER}.delete",
    ),
    _custom_object(
        "update",
        "Change records of a custom object, by id.",
        repeatable=True,
        required=(("id",),),
        match_on=("id",),
        fields=("id", *RECORD_FIELDS),
        **PUT_BACK_RECORDS,
    ),
    _custom_object(
        "delete",
        "Delete records of a custom object, by id.",
        repeatable=True,
        required=(("id",),),
        match_on=("id",),
        fields=("id",),
        cannot_undo="Deleted records do not come back.",
    ),
    _custom_object(
        "delete_by_external_id",
        "Delete records of a custom object, by external id.",
        repeatable=True,
        required=(("external_id",),),
        match_on=("external_id",),
        fields=("external_id",),
        cannot_undo="Deleted records do not come back.",
    ),
    _custom_object(
        "create_or_update_by_external_id",
        "Create records of a custom object, or change those with the same external id.",
        repeatable=True,
        required=(("external_id",),),
        match_on=("external_id",),
        fields=RECORD_FIELDS,
        cannot_undo=_MADE_OR_CHANGED,
    ),
    _custom_object(
        "create_or_update_by_name",
        "Create records of a custom object, or change those with the same name, where names are "
        "unique by the object's settings.",
        repeatable=True,
        required=(("name",),),
        match_on=("name",),
        fields=RECORD_FIELDS,
        cannot_undo=_MADE_OR_CHANGED,
    ),
)

OPERATIONS: dict[str, Operation] = {
    operation.name: documented(operation)
    for operation in (
        *_TICKETS,
        *_USERS,
        *_ORGANIZATIONS,
        *_MEMBERSHIPS,
        *_AGENTS,
        *_CUSTOM_OBJECTS,
    )
}


def find_operation(name: str) -> Operation | None:
    """The operation on records of one custom object: `custom_objects.car.create`."""
    named = _CUSTOM_OBJECT.fullmatch(name)
    if named is None:
        return None
    template = OPERATIONS.get(f"custom_objects.{KEY_PLACEHOLDER}.{named['action']}")
    if template is None:
        return None
    undone_by = template.undone_by.replace(KEY_PLACEHOLDER, named["key"])
    return replace(template, name=name, undone_by=undone_by)
