"""From a connection's name to a client that can speak: configuration, secret, vendor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jobferry.domain.connection import Connection
from jobferry.vendors.credentials import open_secret
from jobferry.vendors.http.addresses import PUBLIC, Reach
from jobferry.vendors.protocol import Vendor, VendorClient
from jobferry.vendors.registry import VendorDocuments, VendorRegistry

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SECRET_SECONDS = 300
"""How long a secret stays in a warm function: a rotation is seen within minutes, or on a 401."""

CONFIG_SECONDS = 60

ReadSecret = Callable[[str, bool], str]
"""(connection name, afresh?) → the credentials document."""


class ConnectionMissingError(LookupError):
    """A profile names a connection that is not there."""


@dataclass(frozen=True, slots=True)
class BoundConnection:
    """A connection with its vendor and a client for it."""

    connection: Connection
    vendor: Vendor
    client: VendorClient

    @property
    def max_jobs(self) -> int:
        """Jobs that may be in flight: what the operator allows, never above the vendor's limit."""
        return max_jobs(self.connection, self.vendor)


def max_jobs(connection: Connection, vendor: Vendor) -> int:
    limit = vendor.capabilities.max_jobs
    return limit if connection.max_jobs is None else min(limit, connection.max_jobs)


class ConnectionConfig(VendorDocuments, Protocol):
    """Where connections and vendors are configured (`store.config.Config`)."""

    def connection(self, name: str) -> Connection | None: ...


class Connections:
    """Clients by connection name, kept while the function is warm.

    Args:
        config: where connections are configured, and vendors that are documents.
        read_secret: reads the credentials of a connection.
        reach: addresses that requests may go to.
        vendors: the vendors that connections may name; None: all of `LOADERS` and of `config`.
    """

    def __init__(
        self,
        config: ConnectionConfig,
        read_secret: ReadSecret,
        *,
        reach: Reach = PUBLIC,
        monotonic: Callable[[], float] = time.monotonic,
        vendors: VendorRegistry | None = None,
    ) -> None:
        self.vendors = vendors or VendorRegistry(config, monotonic=monotonic)
        self._config = config
        self._read_secret = read_secret
        self._reach = reach
        self._monotonic = monotonic
        self._linked: dict[str, tuple[float, BoundConnection]] = {}

    def link(self, name: str) -> BoundConnection:
        """The client of a connection.

        Raises:
            ConnectionMissingError: there is no such connection.
            LookupError: there is no such vendor, or its document cannot be read.
        """
        now = self._monotonic()
        kept = self._linked.get(name)
        if kept is not None and now - kept[0] < CONFIG_SECONDS:
            kept[1].client.drop_idle_connections()
            return kept[1]
        connection = self._config.connection(name)
        if connection is None:
            raise ConnectionMissingError(
                f"There is no connection {name!r}. Make it with: jobferry connection put {name} …"
            )
        vendor = self.vendors.named(connection.vendor)
        linked = None if kept is None else kept[1]
        if linked and linked.connection == connection and linked.vendor is vendor:
            linked.client.drop_idle_connections()
        else:
            linked = self._build(connection, vendor)
        self._linked[name] = (now, linked)
        return linked

    def _build(self, connection: Connection, vendor: Vendor) -> BoundConnection:
        def credentials(refresh: bool) -> Mapping[str, str]:
            text = self._read_secret(connection.name, refresh)
            return open_secret(text, vendor.credential_forms, connection.base_url)

        client = vendor.client(connection.base_url, credentials, reach=self._reach)
        return BoundConnection(connection, vendor, client)


def secrets_manager(client: SecretsManagerClient, prefix: str) -> ReadSecret:
    """Reads credentials from Secrets Manager, cached for `SECRET_SECONDS`."""
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    provider = SecretsProvider(boto3_client=client)

    def read(name: str, refresh: bool) -> str:
        value = provider.get(prefix + name, max_age=SECRET_SECONDS, force_fetch=refresh)
        return value if isinstance(value, str) else ""

    return read
