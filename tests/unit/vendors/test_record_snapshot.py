"""What of a record is kept before it is changed: what the row sends, as it was, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from jobferry.vendors.operation import Operation
from jobferry.vendors.record_snapshot import KeptRecord, kept_of
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT


def operation(name: str) -> Operation:
    found = ZENDESK_SUPPORT.operation(name) or ZENDESK_SUNSHINE.operation(name)
    assert found is not None
    return found


TICKET = {
    "id": 7,
    "subject": "Old",
    "priority": None,
    "tags": ["a", "b"],
    "requester_id": 9,
    "collaborator_ids": [1],
    "custom_fields": [{"id": 11, "value": "x"}, {"id": 12, "value": None}],
    "external_id": "E",
    "updated_at": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("sent", "fields", "lost"),
    [
        ({"id": 7, "subject": "New"}, {"subject": "Old"}, ()),
        ({"id": 7, "priority": "high"}, {"priority": None}, ()),
        ({"id": 7, "tags": ["c"]}, {"tags": ["a", "b"]}, ()),
        ({"id": 7, "additional_tags": ["c"], "remove_tags": ["a"]}, {"tags": ["a", "b"]}, ()),
        (
            {"id": 7, "custom_fields": [{"id": 11, "value": "y"}, {"id": 13, "value": True}]},
            {"custom_fields[11]": "x", "custom_fields[13]": None},
            (),
        ),
        ({"id": 7, "requester": {"email": "a@b.c"}}, {"requester_id": 9}, ()),
        ({"id": 7, "followers": [{"user_id": 1}]}, {}, ("followers",)),
        ({"id": 7, "collaborators": [3]}, {"collaborator_ids": [1]}, ()),
        ({"id": 7, "comment": {"body": "hello"}}, {}, ("comment",)),
        ({"id": 7, "safe_update": True, "updated_stamp": "x"}, {}, ()),
        ({"id": 7, "external_id": "F"}, {"external_id": "E"}, ()),
        ({"id": 7, "unheard_of": 1}, {}, ("unheard_of",)),
    ],
)
def test_of_a_ticket(sent: Any, fields: Any, lost: Any) -> None:
    assert kept_of(operation("tickets.update"), sent, TICKET) == KeptRecord(7, fields, lost)


USER = {
    "id": 5,
    "external_id": "e",
    "name": "Ada",
    "organization_id": None,
    "user_fields": {"plan": "gold", "since": None},
}


@pytest.mark.parametrize(
    ("sent", "fields", "lost"),
    [
        ({"external_id": "e", "name": "B"}, {"name": "Ada"}, ()),
        ({"external_id": "E", "name": "B"}, {"external_id": "e", "name": "Ada"}, ()),
        ({"id": 5, "external_id": "x"}, {"external_id": "e"}, ()),
        ({"id": 5, "organization": {"name": "O"}}, {"organization_id": None}, ()),
        (
            {"id": 5, "user_fields": {"plan": "tin", "new": 1}},
            {"user_fields.plan": "gold", "user_fields.new": None},
            (),
        ),
        ({"id": 5, "user_fields": {"a.b": 1}}, {}, ("user_fields.a.b",)),
        ({"id": 5, "skip_verify_email": True, "photo": {}}, {}, ("photo",)),
    ],
)
def test_of_a_user(sent: Any, fields: Any, lost: Any) -> None:
    assert kept_of(operation("users.update"), sent, USER) == KeptRecord(5, fields, lost)


def test_of_records_of_custom_objects() -> None:
    before = {"id": "01", "name": "Car", "custom_object_fields": {"wheels": 4}}
    sent = {"id": "01", "name": "Bus", "custom_object_fields": {"wheels": 6}}
    kept = kept_of(operation("custom_objects.car.update"), sent, before)
    assert kept == KeptRecord("01", {"name": "Car", "custom_object_fields.wheels": 4})
    before = {"id": "u", "type": "car", "attributes": {"wheels": 4}}
    kept = kept_of(operation("resources.update"), {"id": "u", "attributes": {"doors": 2}}, before)
    assert kept == KeptRecord("u", {"attributes.doors": None})


@pytest.mark.parametrize("before", [None, {}, {"id": None}, {"id": True}, {"id": [1]}])
def test_of_a_record_that_was_not_there(before: Any) -> None:
    kept = kept_of(operation("tickets.update"), {"id": 7, "subject": "x"}, before)
    assert kept == KeptRecord(None)
    assert KeptRecord.from_json(kept.to_json()) == kept


def test_it_is_kept_as_json() -> None:
    kept = KeptRecord(7, {"tags": ["a"], "priority": None}, ("comment",))
    assert KeptRecord.from_json(kept.to_json()) == kept


def test_which_operations_are_readable() -> None:
    readable = {
        each.name
        for vendor in (ZENDESK_SUPPORT, ZENDESK_SUNSHINE)
        for each in vendor.operations.values()
        if each.readable_in_batches
    }
    assert readable == {
        "tickets.update",
        "users.update",
        "organizations.update",
        "custom_objects.<key>.update",
        "resources.update",
    }


@pytest.mark.parametrize(
    ("filled", "records", "requests"),
    [({"id"}, 100, 1), ({"external_id"}, 100, 2), ({"id", "external_id"}, 100, 1), ({"id"}, 1, 1)],
)
def test_requests_that_a_read_takes(filled: set[str], records: int, requests: int) -> None:
    assert operation("users.update").reads(records, filled) == requests
