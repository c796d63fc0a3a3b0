"""Fields of Zendesk Support's records, their types, and what names a record.

Every field that a request may set, by the pages of /ticketing/tickets/tickets/ (with
/ticket_comments/ and /ticket_import/), /users/users/, /organizations/organizations/ and
/custom-data/custom-objects/custom_object_records/ there: what is not listed is warned of.
"""

from __future__ import annotations

from typing import Any

from jobferry.domain.profile import ColumnType

TICKET_FIELDS = (
    "subject",
    "comment.body",
    "comment.html_body",
    "comment.public",
    "comment.author_id",
    "comment.uploads",
    "requester_id",
    "requester.email",
    "requester.name",
    "requester.locale_id",
    "assignee_id",
    "assignee_email",
    "group_id",
    "organization_id",
    "external_id",
    "priority",
    "status",
    "custom_status_id",
    "type",
    "tags",
    "due_at",
    "brand_id",
    "ticket_form_id",
    "custom_fields[<id>]",
    "fields",
    "description",
    "raw_subject",
    "recipient",
    "submitter_id",
    "problem_id",
    "collaborator_ids",
    "collaborators",
    "additional_collaborators",
    "email_cc_ids",
    "email_ccs",
    "follower_ids",
    "followers",
    "sharing_agreement_ids",
    "attribute_value_ids",
    "macro_id",
    "macro_ids",
    "metadata",
    "via",
    "via_id",
    "via_followup_source_id",
    "voice_comment",
    "satisfaction_rating",
    "is_public",
    "allow_attachments",
)
TICKET_CHANGE_FIELDS = ("additional_tags", "remove_tags", "safe_update", "updated_stamp")
"""What only a change may say."""

USER_FIELDS = (
    "name",
    "email",
    "external_id",
    "phone",
    "shared_phone_number",
    "role",
    "custom_role_id",
    "organization_id",
    "organization_ids",
    "organization.name",
    "default_group_id",
    "verified",
    "skip_verify_email",
    "identities",
    "tags",
    "notes",
    "details",
    "alias",
    "signature",
    "time_zone",
    "locale",
    "locale_id",
    "moderator",
    "only_private_comments",
    "restricted_agent",
    "suspended",
    "ticket_restriction",
    "agent_brand_ids",
    "photo",
    "remote_photo_url",
    "user_fields.<key>",
)
ORGANIZATION_FIELDS = (
    "name",
    "external_id",
    "domain_names",
    "details",
    "notes",
    "group_id",
    "shared_tickets",
    "shared_comments",
    "tags",
    "organization_fields.<key>",
)
RECORD_FIELDS = ("name", "external_id", "custom_object_fields.<key>")

# The ids of a deletion travel in the query, parted by commas: a cell must hold just one.
ID_TYPE = {"id": ColumnType.INTEGER}

TICKET_TYPES = {
    **dict.fromkeys(
        (
            "assignee_id",
            "brand_id",
            "group_id",
            "organization_id",
            "problem_id",
            "requester_id",
            "submitter_id",
            "ticket_form_id",
        ),
        ColumnType.INTEGER,
    ),
    "requester.email": ColumnType.EMAIL,
}
USER_TYPES = {"organization_id": ColumnType.INTEGER, "email": ColumnType.EMAIL}
ORGANIZATION_TYPES = {"group_id": ColumnType.INTEGER}

BY_ID: dict[str, Any] = {"required": (("id",),), "match_on": ("id",), "types": ID_TYPE}

# Users and organizations are named by either key; Zendesk folds the case of external ids.
BY_EITHER_ID: dict[str, Any] = {
    "required": (("id", "external_id"),),
    "match_on": ("id", "external_id"),
    "folded": frozenset({"external_id"}),
    "types": ID_TYPE,
}

# A user that Zendesk could not take comes back as little more than a number
# (cloudbees-oss/zendesk-java-client, issue 325).
USER_KEYS: dict[str, Any] = {
    "match_on": ("external_id", "email"),
    "folded": frozenset({"external_id", "email"}),
    "says_status": True,
}

EXTERNAL_ID = "external_id"

_SET_OFF = (
    "What the records were before the change is known only of runs with `snapshot: true`. What the "
    "change has set off (notifications, triggers) stays."
)

# What records are before a change can be read by ids, 100 at a time, or by external ids (fewer, as
# these are long): https://developer.zendesk.com/api-reference/ticketing/users/users/#show-many-users
_BY_ID = {"id": 100}
_BY_EITHER_ID = {"id": 100, EXTERNAL_ID: 50}

PUT_BACK_TICKETS: dict[str, Any] = {
    "read_by": _BY_ID,
    "restores": {
        "additional_tags": "tags",
        "remove_tags": "tags",
        "fields": "custom_fields",
        "requester": "requester_id",
        "assignee_email": "assignee_id",
        "collaborators": "collaborator_ids",
        "additional_collaborators": "collaborator_ids",
        "followers": "follower_ids",
        "email_ccs": "email_cc_ids",
        "comment": "",
        "voice_comment": "",
        "description": "",
        "macro_id": "",
        "macro_ids": "",
        "metadata": "",
        "via": "",
        "via_id": "",
        "via_followup_source_id": "",
        "attribute_value_ids": "",
        "safe_update": None,
        "updated_stamp": None,
    },
    "cannot_undo": f"{_SET_OFF} Comments stay.",
}
PUT_BACK_USERS: dict[str, Any] = {
    "read_by": _BY_EITHER_ID,
    "restores": {
        "organization": "organization_id",
        "organization_ids": "",
        "identities": "",
        "photo": "",
        "remote_photo_url": "",
        "skip_verify_email": None,
    },
    "cannot_undo": _SET_OFF,
}
PUT_BACK_ORGANIZATIONS: dict[str, Any] = {"read_by": _BY_EITHER_ID, "cannot_undo": _SET_OFF}
PUT_BACK_RECORDS: dict[str, Any] = {"read_by": _BY_ID, "cannot_undo": _SET_OFF}

# Limits of single endpoints, by /introduction/rate-limits/. It gives them for one endpoint of each
# kind without naming the bulk form, so they are declared for the bulk form as well.
UPDATE_TICKETS: dict[str, Any] = {"endpoint": "tickets-update", "endpoint_per_minute": 100}
UPDATE_USERS: dict[str, Any] = {"endpoint": "users-update", "endpoint_per_minute": 60}
