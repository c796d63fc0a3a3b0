"""Configuration: connections, and profiles with all their revisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobferry.ledger import keys
from jobferry.ledger.table import ConditionFailedError, Put, Table

CONNECTIONS = "CONNECTIONS"
PROFILES = "PROFILES"


@dataclass(frozen=True, slots=True)
class Connection:
    """One vendor account. Its secret lies elsewhere, under the connection's name.

    share  the part of the request rate that Jobferry may use; the rest stays for people
    by     who has put it so, as far as known
    """

    name: str
    vendor: str
    base_url: str
    max_jobs: int | None = None
    requests_per_minute: int | None = None
    share: float = 1.0
    by: str | None = field(default=None, compare=False)


class Config:
    """Connections and profiles. Names are also kept in one partition each, to be listed."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put_connection(self, connection: Connection) -> None:
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
                    "pk": keys.connection(connection.name),
                    "sk": keys.CONFIG,
                    "document": json.dumps(document),
                    # Beside it: functions of an older stack take the document alone.
                    "by": connection.by,
                },
                {"pk": CONNECTIONS, "sk": connection.name},
            ]
        )

    def connection(self, name: str) -> Connection | None:
        item = self._table.get(keys.connection(name), keys.CONFIG)
        if item is None:
            return None
        return Connection(name=name, by=item.get("by"), **json.loads(item["document"]))

    def connection_names(self) -> list[str]:
        return [item["sk"] for item in self._table.query(CONNECTIONS)]

    def delete_connection(self, name: str) -> None:
        """Forget the account; its limits stay, since runs may still hold slots."""
        self._table.delete_many([(keys.connection(name), keys.CONFIG), (CONNECTIONS, name)])

    def put_profile(self, name: str, document: Mapping[str, Any], *, by: str | None = None) -> int:
        """Keep a validated profile as its next revision, and return that number.

        Args:
            by: who puts it; None: nobody knows.
        """
        while True:
            revision = (self._latest(name) or 0) + 1
            try:
                self._table.write(
                    Put(
                        {
                            "pk": keys.profile(name),
                            "sk": keys.revision(revision),
                            "revision": revision,
                            "document": json.dumps(document, ensure_ascii=False),
                            "by": by,
                        },
                        condition="attribute_not_exists(pk)",
                    )
                )
            except ConditionFailedError:
                continue  # somebody else wrote that revision just now
            self._table.put_many([{"pk": PROFILES, "sk": name, "revision": revision}])
            return revision

    def profile(self, name: str, revision: int | None = None) -> tuple[int, dict[str, Any]] | None:
        """(revision, document) of a profile: the latest listed one, or the one asked for."""
        number = revision
        if number is None:
            listed = self._table.get(PROFILES, name)
            if listed is None:
                return None
            number = int(listed["revision"])
        item = self._table.get(keys.profile(name), keys.revision(number))
        return (item["revision"], json.loads(item["document"])) if item else None

    def profile_by(self, name: str, revision: int) -> str | None:
        """Who has put a revision of a profile, as far as known."""
        item = self._table.get(keys.profile(name), keys.revision(revision))
        return item.get("by") if item else None

    def profile_names(self) -> list[str]:
        return [item["sk"] for item in self._table.query(PROFILES)]

    def delete_profile(self, name: str) -> None:
        """Take a profile off the list. Revisions stay: runs in progress still read theirs."""
        self._table.delete_many([(PROFILES, name)])

    def _latest(self, name: str) -> int | None:
        item = next(self._table.query(keys.profile(name), newest_first=True, limit=1), None)
        return int(item["revision"]) if item else None
