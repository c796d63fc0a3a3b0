"""What Zendesk's pages say of fields and of notifications, for people who plan.

Nothing here changes what is sent: words and types from the pages that `fields` names; what is
mailed from https://support.zendesk.com/hc/en-us/articles/4408828984346 (the standard triggers) and
the page of the Users API (`skip_verify_email`). Triggers are the account's own, so that all of it
is "may".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jobferry.domain.profile import ColumnType
from jobferry.vendors.operation import Notifies, Operation
from jobferry.vendors.zendesk_support.fields import ID_TYPE

_TICKET_VALUES = {
    "status": ("new", "open", "pending", "hold", "solved", "closed"),
    "priority": ("low", "normal", "high", "urgent"),
    "type": ("problem", "incident", "question", "task"),
}
_USER_VALUES = {
    "role": ("end-user", "agent", "admin"),
    "ticket_restriction": ("organization", "groups", "assigned", "requested"),
}
_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "tickets": _TICKET_VALUES,
    "users": _USER_VALUES,
    "agents": {"action": ("upsert", "update", "delete")},
}

_LISTS = (
    "tags additional_tags remove_tags collaborator_ids collaborators email_cc_ids follower_ids "
    "macro_ids sharing_agreement_ids attribute_value_ids organization_ids agent_brand_ids "
    "domain_names comment.uploads"
)
_TRUTHS = (
    "comment.public safe_update is_public allow_attachments verified skip_verify_email moderator "
    "only_private_comments restricted_agent suspended shared_phone_number shared_tickets "
    "shared_comments default view_tickets"
)
_NUMBERS = (
    "comment.author_id requester.locale_id custom_status_id macro_id via_id "
    "via_followup_source_id custom_role_id default_group_id locale_id"
)
_TIMES = "due_at created_at updated_at solved_at updated_stamp"
_OBJECTS = (
    "comments metadata via voice_comment additional_collaborators email_ccs followers identities "
    "photo fields"
)
_TYPES: Mapping[str, ColumnType] = {
    **dict.fromkeys(_LISTS.split(), ColumnType.LIST),
    **dict.fromkeys(_TRUTHS.split(), ColumnType.BOOLEAN),
    **dict.fromkeys(_NUMBERS.split(), ColumnType.INTEGER),
    **dict.fromkeys(_TIMES.split(), ColumnType.DATETIME),
    **dict.fromkeys(_OBJECTS.split(), ColumnType.JSON),
    "assignee_email": ColumnType.EMAIL,
}

_BODIES = ("comment.body", "comment.html_body")
_MAILS = "Zendesk's triggers may mail"
_NOTIFIES: Mapping[str, Notifies] = {
    "tickets.create": Notifies(
        "requester",
        f"{_MAILS} them, and those in copy, that their ticket has arrived, and agents what they "
        "are assigned. A private first comment (comment.public: false) keeps the standard ones "
        "from mailing customers; tickets.import fires none.",
        named_by=("requester.email", "requester_id"),
        unless={"comment.public": False},
    ),
    "tickets.update": Notifies(
        "requester",
        f"{_MAILS} them, and those in copy, each public comment. comment.public: false makes the "
        "comments private. Triggers of the account may also act on other changes.",
        named_by=("id",),
        needs=_BODIES,
        unless={"comment.public": False},
    ),
    "tickets.merge": Notifies(
        "requester",
        f"{_MAILS} them the comments of the merge that are public.",
        named_by=("id",),
        needs=("target_comment", "source_comment"),
    ),
    "users.create": Notifies(
        "user",
        "Zendesk may mail them a welcome, and ask them to verify their address. "
        "skip_verify_email: true keeps it from that.",
        named_by=("email",),
        needs=("email",),
        unless={"skip_verify_email": True},
    ),
    "users.create_or_update": Notifies(
        "user",
        "Zendesk may mail a welcome to those who are new, and ask them to verify their address. "
        "skip_verify_email: true keeps it from that.",
        named_by=("email",),
        needs=("email",),
        unless={"skip_verify_email": True},
    ),
}


def documented(operation: Operation) -> Operation:
    """The operation with what the pages say of its fields and notifications."""
    values = _VALUES.get(operation.name.partition(".")[0], {})
    # What may be named by an id besides is needed, and listed there.
    listed = {*operation.fields, *(name for names in operation.required for name in names)}
    types = _TYPES if operation.name.startswith("custom_objects.") else {**_TYPES, **ID_TYPE}
    return replace(
        operation,
        values={name: words for name, words in values.items() if name in listed},
        usual_types={name: kind for name, kind in types.items() if name in listed},
        notifies=_NOTIFIES.get(operation.name),
    )
