"""From an operation and its records to the one request that Zendesk Support takes for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeGuard

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import RefusalScope, Refused
from jobferry.vendors.operation import Operation, RecordRules, compact_json
from jobferry.vendors.zendesk_support.operations import KEY_PLACEHOLDER, MERGE


@dataclass(frozen=True, slots=True)
class Request:
    """One submission.

    Attributes:
        path: below the API's root
        other_path: where an account may serve the same instead, and knows nothing of `path`
        body: what becomes JSON
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Any = None
    other_path: str | None = None

    @property
    def encoded_body(self) -> bytes | None:
        return None if self.body is None else compact_json(self.body)


READABLE = ("tickets", "users", "organizations")
"""Kinds of records that can be read many at a time."""

_Build = Callable[[Sequence[JsonObject]], Request | Refused]

_MERGED_TICKETS = frozenset({"id", "target_id"})
_TAG_CHANGES = frozenset({"additional_tags", "remove_tags"})
_DELETED_BY = {"delete": "id", "delete_by_external_id": "external_id"}
"""Actions on custom objects whose items are plain texts, and the field that the text is."""


def request_of(operation: Operation, records: Sequence[JsonObject]) -> Request | Refused:
    """The request for these records, or why no single request can carry them."""
    build = _BUILDERS.get(operation.name)
    if build is not None:
        return build(records)
    _, key, action = operation.name.split(".")
    return _custom_object_job(key, action, records)


def encode(operation: Operation, records: Sequence[JsonObject]) -> bytes:
    """What is sent, ids in the query included, so that it can be weighed and distinguished."""
    request = request_of(operation, records)
    if isinstance(request, Refused):
        return compact_json(list(records))
    named = ",".join((request.params or {}).values()).encode()
    return named + (request.encoded_body or b"")


def read_back_kind(operation: Operation) -> str | None:
    """Which of the `READABLE` a job of this operation makes, or changes; None: none of them."""
    kind = operation.name.split(".")[0]
    return kind if kind in READABLE and operation.name != MERGE else None


def _listed(method: str, path: str, plural: str) -> _Build:
    """Records in the body."""
    return lambda records: Request(method, path, body={plural: list(records)})


def _named(method: str, path: str, *, external: bool = False) -> _Build:
    """Nothing but ids, in the query; where `external`, either ids or external ids."""

    def build(records: Sequence[JsonObject]) -> Request | Refused:
        ids = [record.get("id") for record in records]
        if all(_is_whole(each) for each in ids):
            return Request(method, path, {"ids": ",".join(map(str, ids))})
        # A text with a comma would name two records.
        if not external:
            return Refused("invalid_id", "An id must be a whole number.")
        keys = [record.get("external_id") for record in records]
        if any(each is not None for each in ids) or not all(_is_single(each) for each in keys):
            return Refused(
                "invalid_id",
                "The rows of one job must all have a whole number as id and be named by it, or "
                "all have an external id without a comma and no id.",
            )
        return Request(method, path, {"external_ids": ",".join(map(str, keys))})

    return build


def _is_whole(value: object) -> TypeGuard[int | str]:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_single(value: object) -> bool:
    return isinstance(value, str) and value != "" and "," not in value


def _ticket_changes(records: Sequence[JsonObject]) -> Request | Refused:
    """One change for many ids where all rows ask for the same, else a change per ticket.

    Only the first form knows `additional_tags` and `remove_tags`; the second drops them without
    a word. https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
    """
    path = "/tickets/update_many"
    ids = [record.get("id") for record in records]
    changes = [{k: v for k, v in record.items() if k != "id"} for record in records]
    # A ticket that is named twice would be changed once, and only one row would have a result.
    distinct = all(isinstance(each, int) for each in ids) and len(set(ids)) == len(ids)
    if distinct and any(changes) and len({compact_json(change) for change in changes}) == 1:
        return Request("PUT", path, {"ids": ",".join(map(str, ids))}, {"ticket": changes[0]})
    if any(_TAG_CHANGES & change.keys() for change in changes):
        return Refused(
            "tags_need_one_change",
            "additional_tags and remove_tags work only where all rows of a job ask for the same "
            "change. Set batch_size: 1 in the profile, or map tags, which replaces all tags.",
        )
    return Request("PUT", path, body={"tickets": list(records)})


def _agent_attributes(records: Sequence[JsonObject]) -> Request | Refused:
    """One action with the same attribute values for many agents."""
    asked = [(record.get("action"), record.get("attribute_values")) for record in records]
    if len({compact_json(each) for each in asked}) > 1:
        return Refused(
            "attributes_differ",
            "The rows of one job must have the same action and attribute values. Make them "
            "constants of the profile, or set batch_size: 1.",
        )
    action, values = asked[0] if asked else (None, None)
    job = {
        "action": action,
        "attributes": {
            "attribute_values": [
                value if isinstance(value, dict) else {"id": value}
                for value in (values if isinstance(values, list) else [])
            ]
        },
        "items": [record.get("id") for record in records],
    }
    # The specification says `job`, a later one `jobs`: https://developer.zendesk.com/
    # api-reference/ticketing/ticket-management/skill_based_routing/
    path = "/routing/agents/instance_values/job"
    return Request("POST", path, body={"job": job}, other_path=f"{path}s")


def _merge(records: Sequence[JsonObject]) -> Request | Refused:
    """One ticket into another, with the comments that both may get.

    https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#merge-tickets-into-target-ticket
    """
    if len(records) != 1:
        return Refused("one_merge_per_job", "A job merges one row's ticket.")
    (record,) = records
    source, target = record.get("id"), record.get("target_id")
    if not (_is_whole(source) and _is_whole(target)):
        return Refused("invalid_id", "The ids of both tickets must be whole numbers.")
    if int(source) == int(target):
        return Refused("merge_into_itself", "A ticket cannot be merged into itself.")
    rest = {name: value for name, value in record.items() if name not in _MERGED_TICKETS}
    return Request("POST", f"/tickets/{int(target)}/merge", body={"ids": [int(source)], **rest})


def _custom_object_job(key: str, action: str, records: Sequence[JsonObject]) -> Request | Refused:
    """An action on records of one custom object.

    https://developer.zendesk.com/api-reference/custom-data/custom-objects/custom_object_records/
    """
    if key == KEY_PLACEHOLDER:
        return Refused(
            "custom_object_not_named",
            f"Write the key of the custom object for {KEY_PLACEHOLDER} in the profile's operation.",
            RefusalScope.RUN,
        )
    field = _DELETED_BY.get(action)
    items: list[Any] = list(records)
    if field is not None:
        items = [str(record.get(field, "")) for record in records]
    job = {"action": action, "items": items}
    return Request("POST", f"/custom_objects/{key}/jobs", body={"job": job})


def record_rules(operation: Operation, filled: Set[str]) -> RecordRules:
    """What Zendesk's requests ask of single records, so that no row hurts its neighbours."""
    if operation.name == "tickets.update" and not _TAG_CHANGES & filled:
        return RecordRules()
    return _RULES.get(operation.name, RecordRules())


def _id_or_external_id(record: JsonObject) -> tuple[str, str] | None:
    key, external = record.get("id"), record.get("external_id")
    if key not in (None, ""):
        if not _is_whole(key):
            return "invalid_id", "The id must be a whole number."
        return None if external in (None, "") else ("invalid_id", _ONE_NAME)
    if not _is_single(external):
        return "invalid_id", f"{_ONE_NAME} An external id must hold no comma."
    return None


_ONE_NAME = "A row names its record by an id or by an external id, not by both or neither."


def _name_of(record: JsonObject) -> str:
    return "external_id" if record.get("id") in (None, "") else "id"


def _only_id(record: JsonObject) -> tuple[str, str] | None:
    return None if _is_whole(record.get("id")) else ("invalid_id", "The id must be a whole number.")


def _merge_rule(record: JsonObject) -> tuple[str, str] | None:
    source, target = record.get("id"), record.get("target_id")
    if not (_is_whole(source) and _is_whole(target)):
        return "invalid_id", "The ids of both tickets must be whole numbers."
    if int(source) == int(target):
        return "merge_into_itself", "A ticket cannot be merged into itself."
    return None


def _tag_change(record: JsonObject) -> bytes | None:
    """Rows that add or remove tags go together where they ask for the same change.

    Today's page shows these fields also in requests with a change for each ticket; its older
    edition said that they do not work there. Both show them for one change of many tickets.
    https://developer.zendesk.com/documentation/ticketing/managing-tickets/
    adding-tags-to-tickets-without-overwriting-existing-tags/
    """
    if not _TAG_CHANGES & record.keys():
        return None
    return compact_json({name: value for name, value in record.items() if name != "id"})


def _attribute_change(record: JsonObject) -> bytes:
    return compact_json([record.get("action"), record.get("attribute_values")])


_RULES = {
    "tickets.update": RecordRules(group_of=_tag_change),
    "tickets.delete": RecordRules(judge=_only_id),
    "tickets.mark_as_spam": RecordRules(judge=_only_id),
    "tickets.delete_permanently": RecordRules(judge=_only_id),
    "users.delete": RecordRules(judge=_id_or_external_id, group_of=_name_of),
    "organizations.delete": RecordRules(judge=_id_or_external_id, group_of=_name_of),
    "organization_memberships.delete": RecordRules(judge=_only_id),
    "group_memberships.delete": RecordRules(judge=_only_id),
    MERGE: RecordRules(judge=_merge_rule),
    "agents.set_attributes": RecordRules(group_of=_attribute_change),
}


_BUILDERS: dict[str, _Build] = {
    "tickets.create": _listed("POST", "/tickets/create_many", "tickets"),
    "tickets.import": _listed("POST", "/imports/tickets/create_many", "tickets"),
    "tickets.update": _ticket_changes,
    "tickets.delete": _named("DELETE", "/tickets/destroy_many"),
    "tickets.mark_as_spam": _named("PUT", "/tickets/mark_many_as_spam"),
    "tickets.delete_permanently": _named("DELETE", "/deleted_tickets/destroy_many"),
    "users.create": _listed("POST", "/users/create_many", "users"),
    "users.create_or_update": _listed("POST", "/users/create_or_update_many", "users"),
    "users.update": _listed("PUT", "/users/update_many", "users"),
    "users.delete": _named("DELETE", "/users/destroy_many", external=True),
    "organizations.create": _listed("POST", "/organizations/create_many", "organizations"),
    "organizations.update": _listed("PUT", "/organizations/update_many", "organizations"),
    "organizations.delete": _named("DELETE", "/organizations/destroy_many", external=True),
    "organization_memberships.create": _listed(
        "POST", "/organization_memberships/create_many", "organization_memberships"
    ),
    "organization_memberships.delete": _named("DELETE", "/organization_memberships/destroy_many"),
    "group_memberships.create": _listed(
        "POST", "/group_memberships/create_many", "group_memberships"
    ),
    "group_memberships.delete": _named("DELETE", "/group_memberships/destroy_many"),
    MERGE: _merge,
    "agents.set_attributes": _agent_attributes,
}
