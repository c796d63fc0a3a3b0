"""Connections: a client per name, kept while warm, made anew when its configuration changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from jobferry.domain.connection import Connection
from jobferry.store import Store
from jobferry.vendors.connections import (
    CONFIG_SECONDS,
    ConnectionMissingError,
    Connections,
    max_jobs,
    secrets_manager,
)
from jobferry.vendors.credentials import AddressMismatchError, CredentialsError, secret_of
from jobferry.vendors.http.addresses import PUBLIC
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import VendorRegistry
from tests.contract.documents.bench import SHELF_DOCUMENT
from virtual.clock import Clock
from virtual.table import fake_store
from virtual.vendor import VENDOR, Account, FakeClient, fake_vendor

ACME = Connection("acme", VENDOR, "https://acme.example")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor(clock: Clock) -> Vendor:
    return fake_vendor(Account(clock))


def registry_of(vendor: Vendor) -> VendorRegistry:
    return VendorRegistry(None, {VENDOR: lambda: vendor})


@pytest.fixture
def store() -> Store:
    made = fake_store()
    made.config.put_connection(ACME)
    return made


@pytest.fixture
def connections(store: Store, clock: Clock, vendor: Vendor) -> Connections:
    return Connections(
        store.config,
        lambda _name, _afresh: '{"bearer": "secret"}',
        reach=PUBLIC,
        monotonic=clock.now,
        vendors=registry_of(vendor),
    )


def test_a_client_is_kept_and_woken_before_each_use(connections: Connections) -> None:
    first = connections.link("acme")
    again = connections.link("acme")
    assert again.client is first.client
    assert isinstance(first.client, FakeClient)
    assert first.client.woken == 1


def test_the_configuration_is_read_again_after_a_while(
    connections: Connections, store: Store, clock: Clock
) -> None:
    first = connections.link("acme")
    clock.advance(CONFIG_SECONDS)
    assert connections.link("acme").client is first.client
    changed = Connection("acme", VENDOR, "https://new.example", max_jobs=4)
    store.config.put_connection(changed)
    assert connections.link("acme").connection == ACME
    clock.advance(CONFIG_SECONDS)
    linked = connections.link("acme")
    assert (linked.connection, linked.max_jobs) == (changed, 4)
    assert linked.client is not first.client


def test_a_vendor_that_is_a_document_has_a_new_client_for_a_new_revision(
    store: Store, clock: Clock
) -> None:
    store.config.put_vendor("shelf", SHELF_DOCUMENT)
    store.config.put_connection(Connection("books", "shelf", "https://shelf.example"))
    connections = Connections(
        store.config, lambda _name, _afresh: '{"bearer": "x"}', monotonic=clock.now
    )

    first = connections.link("books")
    store.config.put_vendor("shelf", {**SHELF_DOCUMENT, "title": "Shelf 2"})
    clock.advance(CONFIG_SECONDS)
    second = connections.link("books")

    assert (first.vendor.title, second.vendor.title) == ("Shelf", "Shelf 2")
    assert second.client is not first.client


def test_a_connection_that_is_not_there(connections: Connections) -> None:
    with pytest.raises(ConnectionMissingError, match="jobferry connection put nobody"):
        connections.link("nobody")


def test_a_vendor_that_is_not_there(connections: Connections, store: Store) -> None:
    store.config.put_connection(Connection("odd", "nobody", "https://x.example"))
    with pytest.raises(LookupError, match="no vendor 'nobody'"):
        connections.link("odd")


@pytest.mark.parametrize(("allowed", "jobs"), [(None, 30), (7, 7), (500, 30)])
def test_jobs_in_flight_are_limited_by_both_sides(
    vendor: Vendor, allowed: int | None, jobs: int
) -> None:
    connection = Connection("acme", VENDOR, "https://x.example", max_jobs=allowed)
    assert max_jobs(connection, vendor) == jobs


def test_credentials_are_read_only_when_they_are_needed(store: Store) -> None:
    asked: list[tuple[str, bool]] = []
    given: list[object] = []

    def read(name: str, afresh: bool) -> str:
        asked.append((name, afresh))
        return '{"bearer": "secret"}' if afresh else '{"password": "x"}'

    def client(_url: str, credentials: object, **_options: object) -> FakeClient:
        given.append(credentials)
        return FakeClient(Account(Clock()))

    entry = fake_vendor(Account(Clock()))
    object.__setattr__(entry, "client", client)
    Connections(store.config, read, reach=PUBLIC, vendors=registry_of(entry)).link("acme")
    assert asked == []
    (credentials,) = given
    assert callable(credentials)
    assert credentials(True) == {"bearer": "secret"}
    with pytest.raises(CredentialsError, match="bearer"):
        credentials(False)
    assert asked == [("acme", True), ("acme", False)]


def opened(store: Store, secret: str) -> Callable[[bool], Mapping[str, str]]:
    """What the client of the connection `acme` gets when it asks for its credentials."""
    given: list[Callable[[bool], Mapping[str, str]]] = []

    def client(_url: str, credentials: Any, **_options: object) -> FakeClient:
        given.append(credentials)
        return FakeClient(Account(Clock()))

    entry = fake_vendor(Account(Clock()))
    object.__setattr__(entry, "client", client)
    Connections(store.config, lambda _name, _afresh: secret, vendors=registry_of(entry)).link(
        "acme"
    )
    return given[0]


def test_credentials_go_to_the_address_that_they_were_given_for(store: Store) -> None:
    secret = secret_of({"bearer": "secret"}, ACME.base_url)
    assert opened(store, secret)(False) == {"bearer": "secret"}


@pytest.mark.parametrize(
    "address", ["https://evil.example", "https://acme.example.evil.example", "", None, 7]
)
def test_whoever_changes_the_address_gets_no_credentials(store: Store, address: object) -> None:
    secret = json.dumps({"bearer": "secret", "base_url": address})
    ask = opened(store, secret)
    if address is None:
        ask = opened(store, '{"bearer": "secret", "base_url": null}')
    with pytest.raises(AddressMismatchError, match="another address"):
        ask(False)


def test_a_secret_of_an_older_version_has_no_address(store: Store) -> None:
    assert opened(store, '{"bearer": "secret"}')(False) == {"bearer": "secret"}


def test_secrets_are_cached_and_read_afresh_when_asked() -> None:
    values = iter(["one", "two"])

    class Client:
        def get_secret_value(self, SecretId: str, **_more: object) -> dict[str, str]:  # noqa: N803
            assert SecretId == "stack/acme"
            return {"SecretString": next(values)}

    read = secrets_manager(Client(), "stack/")  # type: ignore[arg-type]
    assert [read("acme", False), read("acme", False), read("acme", True)] == ["one", "one", "two"]
