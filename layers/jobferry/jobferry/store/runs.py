"""Runs: claimed once, planned page by page, counted by settled chunks only.

`Runs` is all that can be done with a run; this module makes and reads its item, the modules that it
is put together from do the rest.
"""

from __future__ import annotations

from dataclasses import asdict

from jobferry.domain.run import Run, RunGoneError
from jobferry.store import keys
from jobferry.store.content_marks import ContentMarks
from jobferry.store.lane_counters import LaneCounters
from jobferry.store.operations import Item, Put
from jobferry.store.plan_pages import PlanPages
from jobferry.store.run_index import RunIndex
from jobferry.store.run_items import pause_item, run_of
from jobferry.store.run_lifecycle import RunLifecycle
from jobferry.store.run_notes import RunNotes
from jobferry.store.run_requests import RunRequests
from jobferry.store.table import ConditionFailedError


class Runs(PlanPages, RunLifecycle, RunRequests, RunNotes, RunIndex, LaneCounters, ContentMarks):
    """Access to runs, their plans and their counters."""

    def create(self, run: Run) -> bool:
        """Claim a run; false when it exists already."""
        item: Item = {
            "pk": keys.run(run.run_id),
            "sk": keys.META,
            "time_pk": keys.OPEN_RUNS,
            "time_sk": f"{run.started_at:017.3f}#{run.run_id}",
            "run_id": run.run_id,
            "status": run.status.value,
            "profile": run.profile,
            "revision": run.revision,
            "connection": run.connection,
            "operation": run.operation,
            "source": asdict(run.source),
            "started_at": run.started_at,
            "priority": run.priority,
            "execution": run.execution,
            # The item itself has no end while the run is open: `close` gives it one.
            "kept_until": run.expires_at,
        }
        if run.vendor:
            item |= {"vendor": run.vendor, "base_url": run.base_url}
        if run.pause is not None:
            item["pause"] = pause_item(run.pause)
        if run.origin is not None:
            item["origin"] = run.origin
        if run.job_rows is not None:
            item["job_rows"] = run.job_rows
        if run.row_items:
            item["row_items"] = True
        if run.trial is not None:
            item["trial"] = run.trial
        if run.error is not None:
            item["error"] = run.error
        item |= {keys.BY + what: name for what, name in run.by.items()}
        try:
            self._table.write(Put(item, condition="attribute_not_exists(pk)"))
        except ConditionFailedError:
            return False
        return True

    def get(self, run_id: str) -> Run | None:
        item = self._table.get(keys.run(run_id), keys.META)
        return run_of(item) if item else None

    def must_get(self, run_id: str) -> Run:
        run = self.get(run_id)
        if run is None:
            raise RunGoneError(f"there is no run {run_id}")
        return run
