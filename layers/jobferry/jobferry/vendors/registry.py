"""The vendors that Jobferry can carry rows to. Adding one is a module and a few lines here.

A vendor's module is imported when its vendor is asked for, so that a cold function pays for the
one that its connection names, however many there are (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping

from jobferry.vendors.protocol import Vendor


def _zendesk_support() -> Vendor:
    from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT

    return ZENDESK_SUPPORT


def _zendesk_sunshine() -> Vendor:
    from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE

    return ZENDESK_SUNSHINE


def _vidispine() -> Vendor:
    from jobferry.vendors.vidispine.adapter import VIDISPINE

    return VIDISPINE


class Vendors(MutableMapping[str, Vendor]):
    """Vendors by name, each loaded when it is asked for. Names alone load nothing.

    Args:
        loaders: name → what imports the vendor's module and returns its entry.
    """

    def __init__(self, loaders: Mapping[str, Callable[[], Vendor]]) -> None:
        self._loaders = dict(loaders)

    def __getitem__(self, name: str) -> Vendor:
        return self._loaders[name]()

    def __setitem__(self, name: str, vendor: Vendor) -> None:
        self._loaders[name] = lambda: vendor

    def __delitem__(self, name: str) -> None:
        del self._loaders[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)

    def __contains__(self, name: object) -> bool:
        return name in self._loaders


VENDORS = Vendors(
    {
        "zendesk_support": _zendesk_support,
        "zendesk_sunshine": _zendesk_sunshine,
        "vidispine": _vidispine,
    }
)


def vendor_named(name: str) -> Vendor:
    """The vendor of this name.

    Raises:
        LookupError: with the names there are.
    """
    if name not in VENDORS:
        raise LookupError(f"There is no vendor {name!r}. Known: {', '.join(VENDORS)}")
    return VENDORS[name]
