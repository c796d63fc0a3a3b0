"""Every write of the table, watched: what must never happen, and what a trace shows."""

from __future__ import annotations

from collections.abc import Callable

from jobferry.domain.outcome import OutcomeStatus
from jobferry.store import keys
from jobferry.store.operations import Item
from jobferry.store.outcome_blocks import decode
from tests.chaos.history import History, invocation


class StoreWatcher:
    """Called with each item before and after a write."""

    def __init__(self, history: History, note: Callable[[str], None]) -> None:
        self._history = history
        self._note = note

    def __call__(self, before: Item | None, after: Item | None) -> None:
        sk = str((after or before or {}).get("sk", ""))
        if sk.startswith(keys.BLOCK):
            self._watch_block(before, after)
        elif sk.startswith("CHUNK#") and after is not None:
            self._watch_chunk(before or {}, after)
        elif sk.startswith(keys.demand("")) and after is not None:
            self._history.demand_writers[after["run_id"]] = invocation.get()

    def _watch_block(self, before: Item | None, after: Item | None) -> None:
        """A row that has succeeded stays so, until its run is deleted."""
        if before is None:
            return
        if after is None and any(
            self._history.run_id(f) in before["pk"] for f in self._history.deleted
        ):
            return
        now = {o.row: o.status for o in decode(after["outcomes"])} if after is not None else {}
        for outcome in decode(before["outcomes"]):
            status = now.get(outcome.row)
            if outcome.status is OutcomeStatus.SUCCEEDED and status is not outcome.status:
                left = f"{before['pk']} row {outcome.row} is {status or 'nothing'} now"
                self._history.left_success.append(left)

    def _watch_chunk(self, before: Item, after: Item) -> None:
        names = ("state", "job_id", "attempt", "sending_at", "lost_at", "lane")
        if all(before.get(name) == after.get(name) for name in names):
            return
        run = str(after["run_id"])[0]
        sent = ", sent" if after.get("sending_at") and not after.get("job_id") else ""
        job = f" as {after['job_id']}" if after.get("job_id") else ""
        self._note(
            f"  chunk {run}{after['chunk']}: {before.get('state', 'new')} → {after['state']}"
            f"{sent}{job} (attempt {after['attempt']})"
        )
