"""Tickets: what a job does to one of them, and how one is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, get_args

from vendorsim.values import EMAIL, JsonObject, iso_time
from vendorsim.zendesk_support.operations import (
    ACCOUNT_ID,
    CANONICAL_HOST,
    Operation,
    Row,
    RowRefused,
)
from vendorsim.zendesk_support.records import Record, RecordId, Store, Table, merged

Merged = Literal["sources", "target"]
"""What the results of a merge name."""

BLANK_DESCRIPTION = "cannot be blank"
_NO_DOMAIN = ".invalid"
"""No mail can be sent below it (RFC 2606): such an address looks well and is none."""
_OUTDATED = "Safe Update prevented the update due to outdated ticket data."
_CLOSED = "closed"
_NOT_STORED = {
    "additional_tags",
    "comment",
    "comments",
    "id",
    "remove_tags",
    "safe_update",
    "updated_stamp",
}
_FIELDS = frozenset(
    {
        "additional_collaborators",
        "additional_tags",
        "allow_attachments",
        "assignee_email",
        "assignee_id",
        "attribute_value_ids",
        "brand_id",
        "collaborator_ids",
        "collaborators",
        "comment",
        "custom_fields",
        "custom_status_id",
        "description",
        "due_at",
        "email_cc_ids",
        "email_ccs",
        "external_id",
        "fields",
        "follower_ids",
        "followers",
        "group_id",
        "id",
        "is_public",
        "macro_id",
        "macro_ids",
        "metadata",
        "organization_id",
        "priority",
        "problem_id",
        "raw_subject",
        "recipient",
        "remove_tags",
        "requester",
        "requester_id",
        "safe_update",
        "satisfaction_rating",
        "sharing_agreement_ids",
        "status",
        "subject",
        "submitter_id",
        "tags",
        "ticket_form_id",
        "type",
        "updated_stamp",
        "via",
        "via_followup_source_id",
        "via_id",
        "voice_comment",
    }
)
"""What a request may say of a ticket.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
"""
_PAST = frozenset({"comments", "created_at", "solved_at", "updated_at"})
"""What only an import may say."""
_DEFAULTS: JsonObject = {
    "external_id": None,
    "type": None,
    "subject": None,
    "description": None,
    "priority": None,
    "status": "new",
    "requester_id": None,
    "submitter_id": None,
    "assignee_id": None,
    "organization_id": None,
    "group_id": None,
    "tags": [],
    "custom_fields": [],
}


def present(record: Record) -> JsonObject:
    """A ticket as a read shows it."""
    return {
        "id": record.id,
        "url": f"{CANONICAL_HOST}/api/v2/tickets/{record.id}.json",
        "created_at": iso_time(record.created_at),
        "updated_at": iso_time(record.updated_at),
        **_DEFAULTS,
        **record.fields,
    }


def description_of(ticket: JsonObject) -> str:
    """The text of a new ticket, blank if it has none."""
    comments = ticket.get("comments")
    first = comments[0] if isinstance(comments, list) and comments else {}
    for comment in (ticket.get("comment"), first):
        given = comment if isinstance(comment, dict) else {"body": comment}
        text = given.get("body") or given.get("html_body") or given.get("value")
        if text and str(text).strip():
            return str(text)
    return str(ticket.get("description") or "").strip()


def present_comment(record: Record) -> JsonObject:
    """A comment as a read shows it."""
    comment = record.fields
    body = str(comment.get("body") or comment.get("value") or comment.get("html_body") or "")
    return {
        "id": record.id,
        "type": "Comment",
        "author_id": comment.get("author_id"),
        "body": body,
        "html_body": comment.get("html_body") or f'<div class="zd-comment"><p>{body}</p></div>',
        "plain_body": body,
        "public": comment.get("public", True),
        "attachments": [],
        "created_at": iso_time(record.created_at),
    }


def add_comments(store: Store, ticket_id: RecordId, ticket: JsonObject, at: float) -> None:
    """Keep what a ticket, or a change of one, says besides its fields; an import brings many."""
    past = ticket.get("comments")
    said = ticket.get("comment", ticket.get("description"))
    given = [*(past if isinstance(past, list) else []), said]
    for comment in given:
        fields = comment if isinstance(comment, dict) else {"body": comment}
        if any(fields.get(name) for name in ("body", "html_body", "value")):
            (comment_id,) = store.comments.reserve(1)
            store.comments.insert(comment_id, {**fields, "ticket_id": ticket_id}, at)


def stored(ticket: JsonObject) -> JsonObject:
    """The fields that stay with a ticket."""
    return {name: value for name, value in ticket.items() if name not in _NOT_STORED}


def _create(row: Row) -> JsonObject:
    description = description_of(row.record)
    if not description:
        raise RowRefused("Description", BLANK_DESCRIPTION)
    _refuse_bad_requester(row.record.get("requester"))
    tickets = row.store.tickets
    fields = stored(row.record) | {"description": description}
    row.note("created", tickets, tickets.insert(row.new_id, fields, row.at))
    add_comments(row.store, row.new_id, row.record, row.at)
    return {"index": row.index, "id": row.new_id, "account_id": ACCOUNT_ID}


def _refuse_bad_requester(requester: object) -> None:
    """A requester whose address is none fails the ticket; the words are assumed."""
    email = requester.get("email") if isinstance(requester, dict) else None
    if email not in (None, "") and not EMAIL.fullmatch(str(email)):
        raise RowRefused("Requester", f"Email: {email} is not properly formatted")
    if str(email).casefold().endswith(_NO_DOMAIN):
        raise RowRefused("Requester", f"Email: {email} cannot receive mail")


def _update(row: Row) -> JsonObject:
    ticket = _existing(row, row.record.get("id"))
    _refuse_outdated(row, ticket)
    changes = merged(ticket.fields, stored(row.record), "custom_fields")
    if row.bulk:
        tags = _words(changes if "tags" in changes else ticket.fields, "tags")
        added, removed = _words(row.record, "additional_tags"), _words(row.record, "remove_tags")
        changes["tags"] = [tag for tag in dict.fromkeys([*tags, *added]) if tag not in removed]
    row.store.tickets.update(ticket, changes, row.at)
    add_comments(row.store, ticket.id, row.record, row.at)
    row.note("updated", row.store.tickets, ticket)
    return {"action": "update", "id": ticket.id, "status": "Updated", "success": True}


def _delete(row: Row) -> JsonObject:
    ticket = _existing(row, row.record.get("id"))
    row.store.tickets.remove(ticket, row.at)
    row.note("deleted", row.store.tickets, ticket)
    return {"action": "delete", "id": ticket.id, "status": "Deleted", "success": True}


def _mark_as_spam(row: Row) -> JsonObject:
    """Deletes the ticket and suspends its requester; the result's form is assumed."""
    ticket = _existing(row, row.record.get("id"))
    row.store.tickets.remove(ticket, row.at)
    row.note("deleted", row.store.tickets, ticket, {**row.record, "spam": True})
    requester = row.store.users.get(ticket.fields.get("requester_id"))
    if requester:
        row.store.users.update(requester, {"suspended": True}, row.at)
        row.note("updated", row.store.users, requester, {"suspended": True})
    return {"action": "update", "id": ticket.id, "status": "Updated", "success": True}


def _delete_permanently(row: Row) -> JsonObject:
    ticket = row.store.tickets.get_deleted(row.record.get("id"))
    if ticket is None:
        raise RowRefused("Ticket", "not found")
    row.store.tickets.purge(ticket)
    row.note("deleted", row.store.tickets, ticket, {**row.record, "permanent": True})
    return {"success": True}


def _merge(named: Merged) -> Callable[[Row], JsonObject]:
    """One source ticket into the target of the path, with the comments that each side gets.

    That closed tickets cannot be merged is assumed, and so is the form of the result.
    """

    def apply(row: Row) -> JsonObject:
        target = _open(row, int(row.target))
        source = _open(row, row.record.get("id"))
        if source is target:
            raise RowRefused("Ticket", "cannot be merged into itself")
        tickets = row.store.tickets
        tickets.update(target, {}, row.at)
        row.note("updated", tickets, target, {**row.record, "merged_from": source.id})
        tickets.update(source, {"status": _CLOSED}, row.at)
        row.note("updated", tickets, source, {**row.record, "merged_into": target.id})
        shown = source if named == "sources" else target
        return {"action": "update", "id": shown.id, "status": "Updated", "success": True}

    return apply


def _open(row: Row, ticket_id: int | None) -> Record:
    ticket = _existing(row, ticket_id)
    if ticket.fields.get("status") == _CLOSED:
        raise RowRefused("Status", "closed prevents ticket merge")
    return ticket


def _existing(row: Row, ticket_id: int | None) -> Record:
    ticket = row.store.tickets.get(ticket_id)
    if ticket is None:
        raise RowRefused("Ticket", "not found")
    return ticket


def _words(record: JsonObject, field: str) -> list[str]:
    value = record.get(field)
    if isinstance(value, str):
        return value.split()
    return [str(word) for word in value] if isinstance(value, list) else []


def _refuse_outdated(row: Row, ticket: Record) -> None:
    """Collision protection: with the stamp of the queueing where a bulk change brings none."""
    stamp = row.record.get("updated_stamp")
    if row.record.get("safe_update") and not stamp and not row.bulk:
        raise RowRefused("updated_stamp", "cannot be blank")
    if stamp:
        outdated = int(ticket.updated_at) > _stamp_time(stamp)
    else:
        outdated = row.bulk and ticket.updated_at > row.queued_at
    if outdated:
        raise RowRefused(None, _OUTDATED, error="UpdateConflict")


def _stamp_time(stamp: object) -> float:
    """Epoch seconds of an `updated_stamp`; UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(str(stamp))
    except ValueError as error:
        raise RowRefused("updated_stamp", "is invalid") from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _table(store: Store, _target: str) -> Table:
    return store.tickets


CREATE = Operation(
    name="tickets.create",
    job_type="Bulk Create Ticket",
    worker="TicketBulkCreateJob",
    doing="Creating ticket #{n}",
    failure="TicketCreateFailed",
    apply=_create,
    mints=_table,
    scattered=True,
    fields=_FIELDS,
)
IMPORT = Operation(
    name="tickets.import",
    job_type="Bulk Import Ticket",
    worker="TicketBulkImportJob",
    doing="Creating ticket #{n}",
    failure="TicketCreateFailed",
    apply=_create,
    mints=_table,
    scattered=True,
    fields=_FIELDS | _PAST,
)
UPDATE = Operation(
    name="tickets.update",
    job_type="Bulk Update Ticket",
    worker="TicketBulkUpdateJobV3",
    doing="Updating ticket #{n}",
    failure="TicketUpdateFailed",
    apply=_update,
    failure_id=True,
    fields=_FIELDS,
)
DELETE = Operation(
    name="tickets.delete",
    job_type="Bulk Update Ticket",
    worker="TicketBulkUpdateJobV3",
    doing="Deleting ticket #{n}",
    failure="TicketDeleteFailed",
    apply=_delete,
    failure_id=True,
)
MARK_AS_SPAM = Operation(
    name="tickets.mark_as_spam",
    job_type="Bulk Update Ticket",
    worker="TicketBulkUpdateJobV3",
    doing="Updating ticket #{n}",
    failure="TicketUpdateFailed",
    apply=_mark_as_spam,
    failure_id=True,
)
DELETE_PERMANENTLY = Operation(
    name="tickets.delete_permanently",
    job_type="Bulk Delete Ticket",
    worker="TicketDeletionJob",
    doing="Deleting ticket #{n}",
    failure="TicketDeleteFailed",
    apply=_delete_permanently,
    summarised=True,
)
MERGES: dict[Merged, Operation] = {
    named: Operation(
        name="tickets.merge",
        job_type="Merge Ticket",
        worker="TicketMergeJob",
        doing="Merging ticket #{n}",
        failure="TicketMergeFailed",
        apply=_merge(named),
        failure_id=True,
    )
    for named in get_args(Merged)
}
"""By the setting `merge_results`."""
