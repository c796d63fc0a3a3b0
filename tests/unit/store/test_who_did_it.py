"""Who did something to a run: the first who stopped it, the last who did anything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobferry.domain.run import Halt, Pause, RunStatus
from jobferry.store import Ledger
from tests.unit.store.samples import NOW, RUN, a_run

Deed = Callable[[Ledger, str | None], bool]

HALT = Halt("aborted", "No.")


def _resume(ledger: Ledger, by: str | None) -> bool:
    ledger.runs.pause(RUN, Pause("trial", "Look.", NOW))
    return ledger.runs.resume(ledger.runs.must_get(RUN), by=by)


def _resolve(ledger: Ledger, by: str | None) -> bool:
    before = ledger.runs.must_get(RUN).resolving
    assert ledger.runs.close(RUN, RunStatus.UNRESOLVED, NOW, {}, {}, resolving=before)
    return ledger.runs.ask_resolve(ledger.runs.must_get(RUN), NOW, by=by)


LAST: dict[str, Deed] = {
    "priority": lambda ledger, by: ledger.runs.prioritise(RUN, "high", NOW, by=by),
    "resumed": _resume,
    "resolved": _resolve,
}
FIRST: dict[str, Deed] = {
    "abort": lambda ledger, by: ledger.runs.abort(RUN, HALT, end_jobs=True, by=by),
    "abort without ending jobs": lambda ledger, by: ledger.runs.abort(
        RUN, HALT, end_jobs=False, by=by
    ),
    "force": lambda ledger, by: ledger.runs.force(RUN, HALT, by=by),
}


def by(ledger: Ledger) -> dict[str, str]:
    return dict(ledger.runs.must_get(RUN).by)


@pytest.mark.parametrize("deed", LAST)
def test_the_last_one_is_kept_and_nobody_in_the_place_of_a_stranger(
    ledger: Ledger, deed: str
) -> None:
    ledger.runs.create(a_run(by={"started": "eve"}))
    for who in ("ann", "bob"):
        assert LAST[deed](ledger, who)
        assert by(ledger) == {"started": "eve", deed: who}
    assert LAST[deed](ledger, None)
    assert by(ledger) == {"started": "eve"}


@pytest.mark.parametrize("deed", FIRST)
def test_the_first_one_who_stops_it_is_kept(ledger: Ledger, deed: str) -> None:
    ledger.runs.create(a_run())
    assert FIRST[deed](ledger, None)
    assert by(ledger) == {}
    for who in ("ann", "bob", None):
        assert FIRST[deed](ledger, who)
        assert by(ledger) == {"aborted": "ann"}


@pytest.mark.parametrize("deed", ["priority", "resumed"])
def test_what_was_not_done_is_by_nobody(ledger: Ledger, deed: str) -> None:
    ledger.runs.create(a_run())
    ledger.runs.close(RUN, RunStatus.COMPLETED, NOW, {}, {})
    assert not LAST[deed](ledger, "ann")
    assert not FIRST["force"](ledger, "ann")
    assert by(ledger) == {}


@pytest.mark.parametrize("who", ["ann", None])
def test_the_mark_of_a_deleted_run_says_who(ledger: Ledger, who: str | None) -> None:
    run = a_run()
    ledger.runs.create(run)
    ledger.runs.delete(run, by=who)
    assert ledger.runs.is_deleted(RUN)
    assert ledger.runs.deleted_by(RUN) == who


def test_of_a_run_that_is_there_nobody_is_known_to_have_deleted_it(ledger: Ledger) -> None:
    ledger.runs.create(a_run())
    assert ledger.runs.deleted_by(RUN) is None
