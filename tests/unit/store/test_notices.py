"""A change is told by one, once; who dies while telling it leaves it to the next."""

from __future__ import annotations

from jobferry.store import Store, keys
from jobferry.store.notices import CLAIM_SECONDS
from jobferry.store.table import Table
from tests.unit.store.samples import EXPIRES, NOW, RUN, a_run

CHANGE = "closed#1700000000000"


def claimed(store: Store, owner: str, now: float = NOW, change: str = CHANGE) -> bool:
    return store.notices.claim(RUN, change, owner, now, EXPIRES)


def test_one_of_two_tells_it(store: Store) -> None:
    assert claimed(store, "a")
    assert not claimed(store, "b")
    assert claimed(store, "a", NOW + 1)


def test_what_is_told_is_nobody_s_to_tell(store: Store) -> None:
    assert claimed(store, "a")
    store.notices.note_sent(RUN, CHANGE, NOW + 1)
    for owner in ("a", "b"):
        assert not claimed(store, owner, NOW + 2)
        assert not claimed(store, owner, NOW + 10 * CLAIM_SECONDS)


def test_who_died_leaves_it_to_the_next(store: Store) -> None:
    assert claimed(store, "a")
    assert not claimed(store, "b", NOW + CLAIM_SECONDS)
    assert claimed(store, "b", NOW + CLAIM_SECONDS + 1)
    assert not claimed(store, "a", NOW + CLAIM_SECONDS + 2)


def test_changes_are_told_each(store: Store) -> None:
    assert claimed(store, "a", change="paused#1")
    store.notices.note_sent(RUN, "paused#1", NOW)
    assert claimed(store, "a", change="paused#2")
    assert claimed(store, "b", change="closed#1")


def test_the_mark_goes_with_its_time(store: Store, table: Table) -> None:
    assert claimed(store, "a")
    item = table.get(keys.run(RUN), keys.NOTICE + CHANGE)
    assert item is not None
    assert item["expires_at"] == EXPIRES


def test_the_marks_go_with_the_run(store: Store, table: Table) -> None:
    run = a_run(closed_at=NOW)
    store.runs.create(run)
    assert claimed(store, "a")
    store.runs.delete(run, NOW)
    assert table.get(keys.run(RUN), keys.NOTICE + CHANGE) is None
    store.notices.note_sent(RUN, CHANGE, NOW)
    assert table.get(keys.run(RUN), keys.NOTICE + CHANGE) is None
