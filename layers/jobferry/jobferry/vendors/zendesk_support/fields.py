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

# Limits of single endpoints, by /introduction/rate-limits/. It gives them for one endpoint of each
# kind without naming the bulk form, so they are declared for the bulk form as well.
UPDATE_TICKETS: dict[str, Any] = {"endpoint": "tickets-update", "endpoint_per_minute": 100}
UPDATE_USERS: dict[str, Any] = {"endpoint": "users-update", "endpoint_per_minute": 60}
