"""The vendors that Jobferry knows: those with a package, and those that a stack holds as documents.

A vendor's package is imported when its vendor is asked for, so that a cold function pays for the
one that its connection names, however many there are (docs/performance.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jobferry.vendors.protocol import Vendor

DOCUMENT_SECONDS = 60.0
"""How long a warm function goes on with a document before it looks whether there is a newer one."""


def _zendesk_support() -> Vendor:
    from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT

    return ZENDESK_SUPPORT


def _zendesk_sunshine() -> Vendor:
    from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE

    return ZENDESK_SUNSHINE


def _vidispine() -> Vendor:
    from jobferry.vendors.vidispine.adapter import VIDISPINE

    return VIDISPINE


LOADERS: Mapping[str, Callable[[], Vendor]] = {
    "zendesk_support": _zendesk_support,
    "zendesk_sunshine": _zendesk_sunshine,
    "vidispine": _vidispine,
}
"""Name of a vendor with a package → what imports the package and returns its entry."""


class UnusableVendorError(LookupError):
    """The document of a vendor cannot be read as it is stored."""


class VendorDocuments(Protocol):
    """Where vendors are kept as documents (`store.config.Config`)."""

    def vendor_revision(self, name: str) -> int | None: ...

    def vendor(self, name: str, revision: int | None = None) -> tuple[int, dict[str, Any]] | None:
        """(revision, document): the latest, or the one asked for."""
        ...

    def vendor_names(self) -> list[str]: ...


class VendorRegistry:
    """Vendors by name.

    Args:
        documents: where vendors are kept as documents; None: only those with a package are known.
        loaders: as `LOADERS`. A name that stands there is never looked for among the documents.
        monotonic: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        documents: VendorDocuments | None = None,
        loaders: Mapping[str, Callable[[], Vendor]] = LOADERS,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents = documents
        self._loaders = loaders
        self._monotonic = monotonic
        self._read: dict[str, tuple[float, int, Vendor]] = {}

    def named(self, name: str) -> Vendor:
        """The vendor of this name. The same object as before while its document is the same.

        Raises:
            LookupError: there is none, in a sentence.
            UnusableVendorError: there is a document, which cannot be read.
        """
        if name in self._loaders:
            return self._loaders[name]()
        read = self._read.get(name)
        if read is None or self._monotonic() - read[0] >= DOCUMENT_SECONDS:
            read = self._of_document(name, read)
            self._read[name] = read
        return read[2]

    def built_in(self) -> list[Vendor]:
        """The vendors with a package, each imported."""
        return [load() for load in self._loaders.values()]

    def is_built_in(self, name: str) -> bool:
        return name in self._loaders

    def names(self) -> list[str]:
        """Names of all vendors, those of documents last."""
        documents = [] if self._documents is None else self._documents.vendor_names()
        return [*self._loaders, *documents]

    def _of_document(
        self, name: str, read: tuple[float, int, Vendor] | None
    ) -> tuple[float, int, Vendor]:
        now = self._monotonic()
        revision = None if self._documents is None else self._documents.vendor_revision(name)
        if read is not None and read[1] == revision:
            return now, read[1], read[2]
        found = None
        if self._documents is not None and revision is not None:
            found = self._documents.vendor(name, revision)
        if found is None:
            raise LookupError(
                f"There is no vendor {name!r}. Known: {', '.join(self._loaders)}, and those that "
                "`jobferry vendor list` shows."
            )
        from jobferry.vendors.declarative.adapter import vendor_from

        try:
            return now, found[0], vendor_from(found[1])
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UnusableVendorError(
                f"The vendor {name!r} cannot be read as it is stored. "
                "Store it again with: jobferry vendor put FILE.yaml"
            ) from error


BUILT_IN = VendorRegistry()
"""The vendors with a package alone: what there is without a stack."""
