"""What clients of vendors share that speak HTTP: whom to ask before a request, and how many there
were."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobferry.vendors.http.client import HttpClient
    from jobferry.vendors.protocol import Meter


class HttpVendorClient:
    """The part of a `vendors.protocol.VendorClient` that is the same for each.

    Args:
        http: to one account.
    """

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    @property
    def meter(self) -> Meter | None:
        return self._http.meter

    @meter.setter
    def meter(self, meter: Meter | None) -> None:
        self._http.meter = meter

    @property
    def requests_made(self) -> int:
        return self._http.requests_made

    def drop_idle_connections(self) -> None:
        self._http.drop_idle_connections()
