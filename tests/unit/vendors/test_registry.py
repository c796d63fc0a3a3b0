"""What the registry says of every vendor: declared data that steps and people rely on."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.store.config import Config
from jobferry.vendors.operation import Operation, compact_json
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import (
    BUILT_IN,
    DOCUMENT_SECONDS,
    LOADERS,
    UnusableVendorError,
    VendorRegistry,
)
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.documents.bench import SHELF_DOCUMENT
from virtual.clock import Clock
from virtual.table import fake_store

OPERATIONS = [
    pytest.param(vendor, operation, id=f"{vendor.name} {operation.name}")
    for vendor in BUILT_IN.built_in()
    for operation in vendor.operations.values()
]


def test_vendors_are_known_by_their_names() -> None:
    assert {name: BUILT_IN.named(name).name for name in BUILT_IN.names()} == {
        name: name for name in LOADERS
    }
    assert BUILT_IN.named("zendesk_support") is ZENDESK_SUPPORT


def test_an_unknown_vendor_is_told_which_there_are() -> None:
    with pytest.raises(LookupError, match=r"'zendesk'.*zendesk_support"):
        BUILT_IN.named("zendesk")


def test_a_vendor_is_loaded_when_it_is_asked_for() -> None:
    asked: list[str] = []

    def load() -> Vendor:
        asked.append("zendesk_support")
        return ZENDESK_SUPPORT

    vendors = VendorRegistry(None, {"zendesk_support": load})

    assert vendors.names() == ["zendesk_support"]
    assert vendors.is_built_in("zendesk_support")
    assert asked == []
    assert vendors.named("zendesk_support") is ZENDESK_SUPPORT
    assert asked == ["zendesk_support"]


class TestDocuments:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def config(self) -> Config:
        config: Config = fake_store().config
        config.put_vendor("shelf", SHELF_DOCUMENT)
        return config

    @pytest.fixture
    def vendors(self, config: Config, clock: Clock) -> VendorRegistry:
        return VendorRegistry(config, monotonic=clock.now)

    def test_a_vendor_that_has_no_package_is_read_from_its_document(
        self, vendors: VendorRegistry
    ) -> None:
        assert vendors.names() == [*LOADERS, "shelf"]
        assert not vendors.is_built_in("shelf")
        assert vendors.named("shelf").title == "Shelf"
        assert vendors.named("shelf") is vendors.named("shelf")

    def test_a_new_revision_is_seen_after_a_minute(
        self, vendors: VendorRegistry, config: Config, clock: Clock
    ) -> None:
        first = vendors.named("shelf")
        config.put_vendor("shelf", {**SHELF_DOCUMENT, "title": "Shelf 2"})

        assert vendors.named("shelf") is first
        clock.advance(DOCUMENT_SECONDS)
        assert vendors.named("shelf").title == "Shelf 2"

    def test_the_same_revision_is_the_same_vendor(
        self, vendors: VendorRegistry, clock: Clock
    ) -> None:
        first = vendors.named("shelf")
        clock.advance(DOCUMENT_SECONDS)

        assert vendors.named("shelf") is first

    def test_a_document_does_not_take_the_place_of_a_package(
        self, vendors: VendorRegistry, config: Config
    ) -> None:
        config.put_vendor("vidispine", {**SHELF_DOCUMENT, "name": "vidispine"})

        assert vendors.named("vidispine") is BUILT_IN.named("vidispine")

    def test_a_vendor_that_was_deleted_is_gone(
        self, vendors: VendorRegistry, config: Config, clock: Clock
    ) -> None:
        vendors.named("shelf")
        config.delete_vendor("shelf")
        clock.advance(DOCUMENT_SECONDS)

        with pytest.raises(LookupError, match="no vendor 'shelf'"):
            vendors.named("shelf")

    def test_a_document_that_cannot_be_read_says_what_to_type(
        self, vendors: VendorRegistry, config: Config
    ) -> None:
        config.put_vendor("odd", {"name": "odd"})

        with pytest.raises(UnusableVendorError, match=r"jobferry vendor put"):
            vendors.named("odd")


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


@pytest.mark.parametrize("vendor", BUILT_IN.built_in(), ids=LOADERS)
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
