"""What the registry says of every vendor: declared data that steps and people rely on."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.operation import Operation, compact_json
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import VENDORS, Vendors, vendor_named
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT

OPERATIONS = [
    pytest.param(vendor, operation, id=f"{vendor.name} {operation.name}")
    for vendor in VENDORS.values()
    for operation in vendor.operations.values()
]


def test_vendors_are_known_by_their_names() -> None:
    assert {name: vendor.name for name, vendor in VENDORS.items()} == {
        name: name for name in VENDORS
    }
    assert vendor_named("zendesk_support") is ZENDESK_SUPPORT


def test_an_unknown_vendor_is_told_which_there_are() -> None:
    with pytest.raises(LookupError, match=r"'zendesk'.*zendesk_support"):
        vendor_named("zendesk")


def test_a_vendor_is_loaded_when_it_is_asked_for() -> None:
    asked: list[str] = []

    def load() -> Vendor:
        asked.append("zendesk_support")
        return ZENDESK_SUPPORT

    vendors = Vendors({"zendesk_support": load})

    assert list(vendors) == ["zendesk_support"]
    assert "zendesk_support" in vendors
    assert len(vendors) == 1
    assert asked == []
    assert vendors["zendesk_support"] is ZENDESK_SUPPORT
    assert asked == ["zendesk_support"]


def test_a_vendor_can_be_added_and_taken_away() -> None:
    vendors = Vendors({})
    vendors["mine"] = ZENDESK_SUPPORT
    assert dict(vendors) == {"mine": ZENDESK_SUPPORT}
    del vendors["mine"]
    assert vendors.get("mine") is None


@pytest.mark.parametrize(("vendor", "operation"), OPERATIONS)
def test_an_operation_is_declared_in_full(vendor: Vendor, operation: Operation) -> None:
    assert vendor.operation(operation.name) is operation
    assert operation.summary.endswith(".")
    assert operation.max_records >= 1
    assert operation.max_bytes >= 1
    assert all(operation.required)
    assert operation.folded <= set(operation.match_on)
    assert operation.fields
    assert set(operation.match_on) <= set(operation.fields)


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)
def test_capabilities_are_such_that_a_run_can_work(vendor: Vendor) -> None:
    capabilities = vendor.capabilities

    assert capabilities.poll_batch >= 1
    assert capabilities.max_jobs >= 1
    assert capabilities.retention_seconds > 0
    assert vendor.credential_forms


def test_an_unknown_operation_is_none() -> None:
    assert ZENDESK_SUPPORT.operation("tickets.explode") is None


def test_a_name_that_only_the_account_knows_is_asked_for() -> None:
    found = ZENDESK_SUPPORT.operation("custom_objects.car.create")

    assert found is not None
    assert found.name == "custom_objects.car.create"
    assert found.match_on == ZENDESK_SUPPORT.operations["custom_objects.<key>.create"].match_on
    assert ZENDESK_SUPPORT.operation("custom_objects.car.explode") is None


def test_zendesk_is_held_to_what_it_publishes() -> None:
    assert ZENDESK_SUPPORT.capabilities.max_jobs == 30
    assert ZENDESK_SUPPORT.capabilities.retention_seconds == 86_400
    most = {name: each.max_records for name, each in ZENDESK_SUPPORT.operations.items()}
    assert most.pop("tickets.merge") == 1
    assert set(most.values()) == {100}
    not_repeatable = {
        name for name, each in ZENDESK_SUPPORT.operations.items() if not each.repeatable
    }
    assert not_repeatable == {
        name
        for name in ZENDESK_SUPPORT.operations
        if name.endswith((".create", ".import", ".merge"))
    }


@pytest.mark.parametrize(
    ("filled", "repeatable"),
    [({"id", "status"}, True), ({"id", "comment"}, False), ({"voice_comment"}, False), ((), True)],
)
def test_an_update_with_a_comment_is_not_repeatable(
    filled: Iterable[str], repeatable: bool
) -> None:
    update = ZENDESK_SUPPORT.operation("tickets.update", filled)

    assert update is not None
    assert update.repeatable is repeatable
    assert ZENDESK_SUPPORT.operations["tickets.update"].repeatable


@given(st.lists(st.dictionaries(st.text(), st.text())))
def test_a_body_is_compact_json_of_the_records(records: list[dict[str, str]]) -> None:
    body = ZENDESK_SUPPORT.encode(ZENDESK_SUPPORT.operations["tickets.create"], records)

    assert json.loads(body) == {"tickets": records}
    assert body == compact_json({"tickets": records})


def test_ids_in_the_query_weigh_as_they_are_sent() -> None:
    deletion = ZENDESK_SUPPORT.operations["tickets.delete"]

    assert ZENDESK_SUPPORT.encode(deletion, [{"id": 1}, {"id": "22"}]) == b"1,22"
