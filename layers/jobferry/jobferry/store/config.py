"""Configuration: connections, and profiles and vendors' documents with all their revisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jobferry.domain.connection import Connection
from jobferry.store import keys
from jobferry.store.operations import Put
from jobferry.store.table import ConditionFailedError, Table

OLD_CONNECTIONS = "CONNECTIONS"
OLD_PROFILES = "PROFILES"
"""Lists of names as they were once kept, where functions may write."""


class Config:
    """Connections, profiles and vendors that are documents. Names are also kept in one partition
    each, to be listed.

    All of it lies in partitions that begin with `CONFIG#`. What was put by an older version lies
    elsewhere (decision 23): it is read where there is nothing newer, and moved when it is put
    again.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def put_connection(self, connection: Connection) -> None:
        name = connection.name
        document = {
            "vendor": connection.vendor,
            "base_url": connection.base_url,
            "max_jobs": connection.max_jobs,
            "requests_per_minute": connection.requests_per_minute,
            "share": connection.share,
        }
        self._table.put_many(
            [
                {
                    "pk": keys.connection_config(name),
                    "sk": keys.CONFIG,
                    "document": json.dumps(document),
                    # Beside it: functions of an older stack take the document alone.
                    "by": connection.by,
                },
                {"pk": keys.CONNECTIONS, "sk": name},
            ]
        )
        self._table.delete_many(_old_connection(name))

    def connection(self, name: str) -> Connection | None:
        item = self._table.get(keys.connection_config(name), keys.CONFIG) or self._table.get(
            keys.connection(name), keys.CONFIG
        )
        if item is None:
            return None
        return Connection(name=name, by=item.get("by"), **json.loads(item["document"]))

    def is_unprotected(self, name: str) -> bool:
        """Whether a connection is still where an older version put it, and functions may write."""
        return self._table.get(keys.connection_config(name), keys.CONFIG) is None

    def connection_names(self) -> list[str]:
        return self._names(keys.CONNECTIONS, OLD_CONNECTIONS)

    def delete_connection(self, name: str) -> None:
        """Forget the account; its limits stay, since runs may still hold slots."""
        new = [(keys.connection_config(name), keys.CONFIG), (keys.CONNECTIONS, name)]
        self._table.delete_many([*new, *_old_connection(name)])

    def put_profile(self, name: str, document: Mapping[str, Any], *, by: str | None = None) -> int:
        """Keep a validated profile as its next revision, and return that number.

        Args:
            by: who puts it; None: nobody knows.
        """
        while True:
            revision = self._latest(keys.profile_config(name), keys.profile(name)) + 1
            if self._put_revision(keys.profile_config(name), revision, document, by):
                break
        self._table.put_many([{"pk": keys.PROFILES, "sk": name, "revision": revision}])
        self._table.delete_many([(OLD_PROFILES, name)])
        return revision

    def profile(self, name: str, revision: int | None = None) -> tuple[int, dict[str, Any]] | None:
        """(revision, document) of a profile: the latest listed one, or the one asked for."""
        number = revision
        if number is None:
            listed = self._table.get(keys.PROFILES, name) or self._table.get(OLD_PROFILES, name)
            if listed is None:
                return None
            number = int(listed["revision"])
        sort_key = keys.revision(number)
        item = self._table.get(keys.profile_config(name), sort_key) or self._table.get(
            keys.profile(name), sort_key
        )
        return (item["revision"], json.loads(item["document"])) if item else None

    def profile_by(self, name: str, revision: int) -> str | None:
        """Who has put a revision of a profile, as far as known."""
        item = self._table.get(keys.profile_config(name), keys.revision(revision))
        return item.get("by") if item else None

    def profile_names(self) -> list[str]:
        return self._names(keys.PROFILES, OLD_PROFILES)

    def delete_profile(self, name: str) -> None:
        """Take a profile off the list. Revisions stay: runs in progress still read theirs."""
        self._table.delete_many([(keys.PROFILES, name), (OLD_PROFILES, name)])

    def put_vendor(self, name: str, document: Mapping[str, Any], *, by: str | None = None) -> int:
        """Keep a validated vendor document as its next revision, and return that number.

        Args:
            by: who puts it; None: nobody knows.
        """
        while True:
            revision = self._latest(keys.vendor_config(name)) + 1
            if self._put_revision(keys.vendor_config(name), revision, document, by):
                break
        self._table.put_many([{"pk": keys.VENDORS, "sk": name, "revision": revision}])
        return revision

    def vendor_revision(self, name: str) -> int | None:
        """The revision of a vendor's document that holds; None: there is no such vendor."""
        listed = self._table.get(keys.VENDORS, name)
        return None if listed is None else int(listed["revision"])

    def vendor(self, name: str, revision: int | None = None) -> tuple[int, dict[str, Any]] | None:
        """(revision, document) of a vendor: the latest listed one, or the one asked for."""
        number = self.vendor_revision(name) if revision is None else revision
        if number is None:
            return None
        item = self._table.get(keys.vendor_config(name), keys.revision(number))
        return (number, json.loads(item["document"])) if item else None

    def vendor_by(self, name: str, revision: int) -> str | None:
        """Who has put a revision of a vendor's document, as far as known."""
        item = self._table.get(keys.vendor_config(name), keys.revision(revision))
        return item.get("by") if item else None

    def vendor_names(self) -> list[str]:
        return self._names(keys.VENDORS)

    def delete_vendor(self, name: str) -> None:
        """Take a vendor off the list. Its revisions stay, to be counted on from."""
        self._table.delete_many([(keys.VENDORS, name)])

    def _names(self, *lists: str) -> list[str]:
        return sorted({item["sk"] for names in lists for item in self._table.query(names)})

    def _put_revision(
        self, pk: str, revision: int, document: Mapping[str, Any], by: str | None
    ) -> bool:
        """Write a revision; False where somebody else wrote one of this number just now."""
        item = {
            "pk": pk,
            "sk": keys.revision(revision),
            "revision": revision,
            "document": json.dumps(document, ensure_ascii=False),
            "by": by,
        }
        try:
            self._table.write(Put(item, condition="attribute_not_exists(pk)"))
        except ConditionFailedError:
            return False
        return True

    def _latest(self, *places: str) -> int:
        """The highest revision in these partitions, listed or not; 0 when there is none."""
        found = [next(self._revisions(place), None) for place in places]
        return max((int(item["revision"]) for item in found if item), default=0)

    def _revisions(self, pk: str) -> Iterator[Mapping[str, Any]]:
        return self._table.query(pk, prefix=keys.REVISION, newest_first=True, limit=1)


def _old_connection(name: str) -> list[tuple[str, str]]:
    return [(keys.connection(name), keys.CONFIG), (OLD_CONNECTIONS, name)]
