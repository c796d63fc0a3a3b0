"""Connections, and profiles with their revisions."""

from __future__ import annotations

import json
from dataclasses import replace

from jobferry.domain.connection import Connection
from jobferry.store import Store, keys
from jobferry.store.table import Table

ACME = Connection("acme", "fake", "https://acme.example", 7, 300, 0.5)


class TestConnections:
    def test_a_connection_comes_back_as_it_was_put(self, store: Store) -> None:
        store.config.put_connection(ACME)
        assert store.config.connection("acme") == ACME

    def test_who_has_put_it_is_no_part_of_what_it_is(self, store: Store, table: Table) -> None:
        store.config.put_connection(replace(ACME, by="ann"))
        kept = store.config.connection("acme")
        assert kept is not None
        assert (kept.by, kept) == ("ann", ACME)
        # Functions of an older stack make a connection of the document.
        (item,) = table.query(keys.connection_config("acme"))
        assert "by" not in json.loads(item["document"])

    def test_connections_are_listed_and_deleted(self, store: Store) -> None:
        for name in ("b", "a"):
            store.config.put_connection(Connection(name, "fake", "https://x.example"))
        assert store.config.connection_names() == ["a", "b"]
        store.config.delete_connection("a")
        assert store.config.connection_names() == ["b"]
        assert store.config.connection("a") is None

    def test_limits_outlive_their_connection(self, store: Store) -> None:
        store.config.put_connection(ACME)
        store.limits.ensure("acme", 5)
        store.config.delete_connection("acme")
        assert store.limits.get("acme").ceiling == 5


class TestWhatAnOlderVersionPut:
    """It lies in partitions that functions may write to, and is moved when it is put again."""

    OLD = json.dumps(
        {
            "vendor": "fake",
            "base_url": "https://acme.example",
            "max_jobs": 7,
            "requests_per_minute": 300,
            "share": 0.5,
        }
    )

    def test_a_connection(self, store: Store, table: Table) -> None:
        table.put_many(
            [
                {"pk": "CONN#acme", "sk": "CONFIG", "document": self.OLD},
                {"pk": "CONNECTIONS", "sk": "acme"},
            ]
        )
        assert store.config.connection("acme") == ACME
        assert store.config.connection_names() == ["acme"]
        assert store.config.is_unprotected("acme")

        moved = replace(ACME, base_url="https://new.example")
        store.config.put_connection(moved)
        assert store.config.connection("acme") == moved
        assert not store.config.is_unprotected("acme")
        assert store.config.connection_names() == ["acme"]
        assert table.get("CONN#acme", "CONFIG") is None
        assert list(table.query("CONNECTIONS")) == []

    def test_a_connection_is_deleted(self, store: Store, table: Table) -> None:
        table.put_many(
            [
                {"pk": "CONN#acme", "sk": "CONFIG", "document": self.OLD},
                {"pk": "CONNECTIONS", "sk": "acme"},
            ]
        )
        store.config.delete_connection("acme")
        assert store.config.connection("acme") is None
        assert store.config.connection_names() == []

    def test_a_profile(self, store: Store, table: Table) -> None:
        table.put_many(
            [
                {"pk": "PROFILE#p", "sk": "REV#00000004", "revision": 4, "document": '{"n": 4}'},
                {"pk": "PROFILE#p", "sk": "CONTENT#abc", "run_id": "r"},
                {"pk": "PROFILES", "sk": "p", "revision": 4},
            ]
        )
        assert store.config.profile("p") == (4, {"n": 4})
        assert store.config.profile_names() == ["p"]

        assert store.config.put_profile("p", {"n": 5}) == 5
        assert store.config.profile("p") == (5, {"n": 5})
        assert store.config.profile("p", 4) == (4, {"n": 4})
        assert store.config.profile_names() == ["p"]
        store.config.delete_profile("p")
        assert store.config.profile("p") is None


def test_nothing_of_it_lies_where_functions_may_write(store: Store, table: Table) -> None:
    store.config.put_connection(ACME)
    store.config.put_profile("p", {})
    written_by_functions = ("CONN#acme", "CONNECTIONS", "PROFILE#p", "PROFILES")
    assert [pk for pk in written_by_functions if list(table.query(pk))] == []


class TestProfiles:
    def test_the_latest_revision_counts(self, store: Store) -> None:
        assert store.config.put_profile("p", {"text": "ä"}) == 1
        assert store.config.put_profile("p", {"text": "ö"}) == 2
        assert store.config.profile("p") == (2, {"text": "ö"})
        assert store.config.profile("p", 1) == (1, {"text": "ä"})

    def test_each_revision_knows_who_has_put_it(self, store: Store) -> None:
        store.config.put_profile("p", {"n": 1}, by="ann")
        store.config.put_profile("p", {"n": 2})
        assert store.config.profile_by("p", 1) == "ann"
        assert store.config.profile_by("p", 2) is None
        assert store.config.profile_by("p", 3) is None

    def test_what_is_not_there_is_none(self, store: Store) -> None:
        assert store.config.profile("p") is None
        store.config.put_profile("p", {})
        assert store.config.profile("p", 9) is None

    def test_a_deleted_profile_keeps_its_revisions(self, store: Store) -> None:
        store.config.put_profile("p", {"n": 1})
        store.config.delete_profile("p")
        assert store.config.profile_names() == []
        assert store.config.profile("p") is None
        assert store.config.profile("p", 1) == (1, {"n": 1})
        assert store.config.put_profile("p", {"n": 2}) == 2
        assert store.config.profile_names() == ["p"]

    def test_two_people_at_once_make_two_revisions(self, store: Store, table: Table) -> None:
        store.config.put_profile("p", {"n": 1})
        # Somebody has taken revision 2, between our look and our write.
        seen_before = list(table.query("CONFIG#PROFILE#p"))
        store.config.put_profile("p", {"n": 2})
        polls = iter([seen_before])
        query = table.query

        def stale_once(*args: object, **kwargs: object) -> object:
            stale = next(polls, None)
            return iter(stale) if stale is not None else query(*args, **kwargs)  # type: ignore[arg-type]

        table.query = stale_once  # type: ignore[method-assign, assignment]
        assert store.config.put_profile("p", {"n": 3}) == 3
        assert store.config.profile("p", 2) == (2, {"n": 2})
        assert store.config.profile("p") == (3, {"n": 3})


class TestVendors:
    def test_the_latest_revision_counts(self, store: Store) -> None:
        assert store.config.put_vendor("shelf", {"title": "ä"}, by="ann") == 1
        assert store.config.put_vendor("shelf", {"title": "ö"}) == 2
        assert store.config.vendor_revision("shelf") == 2
        assert store.config.vendor("shelf") == (2, {"title": "ö"})
        assert store.config.vendor("shelf", 1) == (1, {"title": "ä"})
        assert store.config.vendor_by("shelf", 1) == "ann"
        assert store.config.vendor_by("shelf", 2) is None
        assert store.config.vendor_names() == ["shelf"]

    def test_what_is_not_there_is_none(self, store: Store) -> None:
        assert store.config.vendor_revision("shelf") is None
        assert store.config.vendor("shelf") is None
        assert store.config.vendor("shelf", 3) is None
        assert store.config.vendor_names() == []

    def test_a_deleted_vendor_counts_on_from_its_revisions(self, store: Store) -> None:
        store.config.put_vendor("shelf", {"n": 1})
        store.config.delete_vendor("shelf")

        assert store.config.vendor("shelf") is None
        assert store.config.vendor_names() == []
        assert store.config.put_vendor("shelf", {"n": 2}) == 2

    def test_functions_may_only_read_where_it_lies(self, store: Store, table: Table) -> None:
        store.config.put_vendor("shelf", {"n": 1})

        assert [item["sk"] for item in table.query("CONFIG#VENDORS")] == ["shelf"]
        assert len(list(table.query("CONFIG#VENDOR#shelf"))) == 1
