"""Outcomes of a run as a test wants them: written as if they had been decided so."""

from __future__ import annotations

from collections.abc import Iterable

from jobferry.domain.outcome import Outcome
from jobferry.store import Store

LAST_ROW = 20_000


def put_outcomes(store: Store, run_id: str, outcomes: Iterable[Outcome], expires_at: int) -> None:
    """Outcomes of rows, beside those that the run has, or instead of them."""
    kept = {outcome.row: outcome for outcome in store.rows.between(run_id, 1, LAST_ROW)}
    kept |= {outcome.row: outcome for outcome in outcomes}
    store.rows.purge(run_id, LAST_ROW)
    store.rows.put_unsent(run_id, list(kept.values()), expires_at)


def forget_outcome(store: Store, run_id: str, row: int, expires_at: int) -> None:
    """Take the outcome of one row away."""
    kept = [o for o in store.rows.between(run_id, 1, LAST_ROW) if o.row != row]
    store.rows.purge(run_id, LAST_ROW)
    store.rows.put_unsent(run_id, kept, expires_at)
