"""Who did something to a run: the first who stopped it, the last who did anything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobferry.domain.run import Pause, RunStatus, StopReason
from jobferry.store import Store
from tests.unit.store.samples import NOW, RUN, a_run

Deed = Callable[[Store, str | None], bool]

HALT = StopReason("aborted", "No.")


def _resume(store: Store, by: str | None) -> bool:
    store.runs.pause(RUN, Pause("trial", "Look.", NOW))
    return store.runs.resume(store.runs.must_get(RUN), by=by)


def _resolve(store: Store, by: str | None) -> bool:
    before = store.runs.must_get(RUN).resolving
    assert store.runs.close(RUN, RunStatus.UNRESOLVED, NOW, {}, {}, resolving=before)
    return store.runs.ask_resolve(store.runs.must_get(RUN), NOW, by=by)


LAST: dict[str, Deed] = {
    "priority": lambda store, by: store.runs.prioritise(RUN, "high", NOW, by=by),
    "resumed": _resume,
    "resolved": _resolve,
}
FIRST: dict[str, Deed] = {
    "abort": lambda store, by: store.runs.abort(RUN, HALT, end_jobs=True, by=by),
    "abort without ending jobs": lambda store, by: store.runs.abort(
        RUN, HALT, end_jobs=False, by=by
    ),
    "force": lambda store, by: store.runs.force(RUN, HALT, by=by),
}


def by(store: Store) -> dict[str, str]:
    return dict(store.runs.must_get(RUN).by)


@pytest.mark.parametrize("action", LAST)
def test_the_last_one_is_kept_and_nobody_in_the_place_of_a_stranger(
    store: Store, action: str
) -> None:
    store.runs.create(a_run(by={"started": "eve"}))
    for who in ("ann", "bob"):
        assert LAST[action](store, who)
        assert by(store) == {"started": "eve", action: who}
    assert LAST[action](store, None)
    assert by(store) == {"started": "eve"}


@pytest.mark.parametrize("action", FIRST)
def test_the_first_one_who_stops_it_is_kept(store: Store, action: str) -> None:
    store.runs.create(a_run())
    assert FIRST[action](store, None)
    assert by(store) == {}
    for who in ("ann", "bob", None):
        assert FIRST[action](store, who)
        assert by(store) == {"aborted": "ann"}


@pytest.mark.parametrize("action", ["priority", "resumed"])
def test_what_was_not_done_is_by_nobody(store: Store, action: str) -> None:
    store.runs.create(a_run())
    store.runs.close(RUN, RunStatus.COMPLETED, NOW, {}, {})
    assert not LAST[action](store, "ann")
    assert not FIRST["force"](store, "ann")
    assert by(store) == {}


@pytest.mark.parametrize("who", ["ann", None])
def test_the_mark_of_a_deleted_run_says_who(store: Store, who: str | None) -> None:
    run = a_run()
    store.runs.create(run)
    store.runs.delete(run, NOW, by=who)
    assert store.runs.is_deleted(RUN)
    assert store.runs.deleted_by(RUN) == who


def test_of_a_run_that_is_there_nobody_is_known_to_have_deleted_it(store: Store) -> None:
    store.runs.create(a_run())
    assert store.runs.deleted_by(RUN) is None
