"""Where requests may go, and that a name cannot lead them elsewhere."""

from __future__ import annotations

import socket

import pytest

from jobferry.vendors.answers import ThrottleReason
from jobferry.vendors.http import bounds
from jobferry.vendors.http.addresses import LOOPBACK, PUBLIC, NetworksError, Reach, networks_of
from jobferry.vendors.http.client import BaseUrlError, HttpClient, NoAnswer, check_base_url
from tests.unit.vendors.http.raw_server import OK, serving

ON_PREMISES = Reach(networks=networks_of("10.20.0.0/16, fd12:3456::/32"))

NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "not an address",
    "",
]
PRIVATE = ["10.0.0.5", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd99::1", "::ffff:10.0.0.5"]
THIS_MACHINE = ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]
THE_INTERNET = ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14"]

THIS_MACHINE_WRITTEN = ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]"]
PRIVATE_WRITTEN = ["10.0.0.5", "169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_allowed(address: str) -> None:
    everything = Reach(loopback=True, networks=networks_of("0.0.0.0/0,::/0"))
    assert not everything.allows(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_a_network(address: str) -> None:
    assert not PUBLIC.allows(address)
    assert not LOOPBACK.allows(address)
    assert not ON_PREMISES.allows(address)


@pytest.mark.parametrize("address", ["10.20.3.4", "fd12:3456:1::1", "::ffff:10.20.3.4"])
def test_private_addresses_within_a_network(address: str) -> None:
    assert ON_PREMISES.allows(address)


@pytest.mark.parametrize("address", THIS_MACHINE)
def test_this_machine_only_on_a_local_stack(address: str) -> None:
    assert LOOPBACK.allows(address)
    assert not Reach(networks=networks_of("0.0.0.0/0,::/0")).allows(address)


@pytest.mark.parametrize("address", THE_INTERNET)
def test_the_internet(address: str) -> None:
    assert PUBLIC.allows(address)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "vendor.example", "10.0.0.0;"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(NetworksError, match="VendorCidrs"):
        networks_of(text)


def test_no_networks() -> None:
    assert networks_of("") == networks_of(" , ") == ()


@pytest.mark.parametrize("host", [*THIS_MACHINE_WRITTEN, *PRIVATE_WRITTEN])
def test_an_address_in_a_base_url_is_checked_when_it_is_put(host: str) -> None:
    with pytest.raises(BaseUrlError, match="VendorCidrs"):
        check_base_url(f"https://{host}", PUBLIC)


def test_a_name_that_leads_to_a_private_address_is_never_sent_anything() -> None:
    with serving(OK) as server:
        port = server.url.rpartition(":")[2]
        client = HttpClient(f"http://localhost:{port}", lambda _: "Bearer x", reach=PUBLIC)
        answer = client.request("GET", "/")

        assert isinstance(answer, NoAnswer)
        assert answer.sent is False
        assert answer.cause is ThrottleReason.ADDRESS
        assert server.requests == []


def test_a_name_is_not_looked_up_again_after_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to an allowed address first and to another one a moment later."""
    with serving(OK) as server:
        port = int(server.url.rpartition(":")[2])
        looked_up = []

        def resolve(host: str, _port: int) -> list[str]:
            looked_up.append(host)
            return ["127.0.0.1"]

        monkeypatch.setattr(bounds, "resolve", resolve)
        real = socket.getaddrinfo
        asked: list[str] = []

        def getaddrinfo(host: str, *rest: object, **more: object) -> object:
            asked.append(host)
            return real(host, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        client = HttpClient(f"http://vendor.example:{port}", lambda _: "Bearer x", reach=LOOPBACK)
        answer = client.request("GET", "/")

    assert not isinstance(answer, NoAnswer)
    assert looked_up == ["vendor.example"]
    assert set(asked) <= {"127.0.0.1"}


def test_the_next_address_is_tried_where_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(OK) as server:
        port = int(server.url.rpartition(":")[2])
        addresses = ["10.0.0.1", "127.255.255.254", "127.0.0.1"]
        monkeypatch.setattr(bounds, "resolve", lambda _host, _port: addresses)
        client = HttpClient(f"http://vendor.example:{port}", lambda _: "Bearer x", reach=LOOPBACK)

        assert not isinstance(client.request("GET", "/"), NoAnswer)
