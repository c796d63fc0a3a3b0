"""Which network addresses a vendor's host may have. Pure, but for `resolve`.

The base URL of a connection is a name, and who controls the name decides where it leads. So the
address is checked when a connection is made, after the name was resolved, and the connection is
made to the very address that was checked.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = ip_network("64:ff9b::/96")
"""IPv4 addresses as an IPv6-only network writes them (RFC 6052)."""

_NEVER = tuple(
    ip_network(each)
    for each in (
        "169.254.0.0/16",  # link-local: the metadata of EC2 and of containers
        "fe80::/10",
        "fd00:ec2::/32",  # the metadata and time services of EC2 over IPv6
        "0.0.0.0/8",
    )
)


class NetworksError(ValueError):
    """The networks of a deployment are not networks."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where requests may go besides addresses of the public internet.

    Attributes:
        loopback: this machine, also without TLS: for a simulator on a local stack
        networks: private networks whose vendors may be reached
    """

    loopback: bool = False
    networks: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Whether a connection to this address may be made; what is no address is not allowed."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return all(self._allows(each) for each in _meant(found))

    def _allows(self, address: Address) -> bool:
        if address.is_loopback:
            return self.loopback
        if any(address in network for network in _NEVER):
            return False
        if address.is_multicast or address.is_unspecified:
            return False
        return address.is_global or any(address in network for network in self.networks)


PUBLIC = Reach()
LOOPBACK = Reach(loopback=True)


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks in a text, parted by commas; none in an empty one.

    Raises:
        NetworksError: one of them is no network in CIDR notation.
    """
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise NetworksError(f"VendorCidrs: {error}") from None


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which they should be tried.

    Raises:
        OSError: it cannot be resolved.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def allowed(addresses: Iterable[str], reach: Reach) -> list[str]:
    """Those of a host's addresses that may be connected to."""
    return [address for address in addresses if reach.allows(address)]


def _meant(address: Address) -> list[Address]:
    """An address, and the IPv4 addresses that are written in it."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    return [address]
