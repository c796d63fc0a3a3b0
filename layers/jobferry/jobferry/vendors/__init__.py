"""The vendors that Jobferry can carry rows to. Adding one is a module and a line here."""

from __future__ import annotations

from jobferry.vendors.base import Vendor
from jobferry.vendors.vidispine import VIDISPINE
from jobferry.vendors.zendesk_sunshine import ZENDESK_SUNSHINE
from jobferry.vendors.zendesk_support import ZENDESK_SUPPORT

VENDORS: dict[str, Vendor] = {
    vendor.name: vendor for vendor in (ZENDESK_SUPPORT, ZENDESK_SUNSHINE, VIDISPINE)
}


def vendor_named(name: str) -> Vendor:
    """The vendor of this name.

    Raises:
        LookupError: with the names there are.
    """
    try:
        return VENDORS[name]
    except KeyError:
        raise LookupError(f"There is no vendor {name!r}. Known: {', '.join(VENDORS)}") from None
