"""The life of a run after its creation: begun, taken over, paused, stopped, closed, deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Pause, Resolving, Run, RunStatus, StopReason
from jobferry.domain.trouble import POLL, SOURCE, SUBMIT
from jobferry.store import keys
from jobferry.store.chunk_items import ended_item, kept_until
from jobferry.store.operations import Item, Update
from jobferry.store.run_access import OPEN, RunAccess
from jobferry.store.run_items import pause_item
from jobferry.store.table import ConditionFailedError

BEHIND_SECONDS = 3_600.0
"""No function is behind by more: it runs for a quarter of an hour at the most."""


class RunLifecycle(RunAccess):
    """Which execution works on a run, and how far it is."""

    def take_over(
        self,
        run_id: str,
        execution: str,
        previous: str,
        idle: Sequence[tuple[float, float]] = (),
    ) -> bool:
        """Make `execution` the one that works on the run, if `previous` still is.

        Args:
            idle: `Run.idle_until` now.
        """
        return self._change(
            run_id,
            assign={
                "execution": execution,
                "relaunches": 0,
                "settled_at_relaunch": -1,
                **_idle(idle),
            },
            remove=("rests", "rested_at"),
            condition="execution = :previous AND attribute_not_exists(closed_at)",
            values={":previous": previous},
        )

    def begin(self, run_id: str, lanes: int, forecast: Mapping[str, Any]) -> None:
        """The plan is done and lanes may claim."""
        self._change(
            run_id,
            assign={
                "status": RunStatus.RUNNING.value,
                "lanes": lanes,
                "forecast": json.dumps(forecast),
            },
            condition="#status = :planning",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value},
        )

    def relaunch(self, run_id: str, relaunches: int, settled: int) -> None:
        """Note that lanes start once more, and how far the run was.

        A lane that asks to be renewed notes (0, -1): it is alive, whatever it waits for.
        """
        self._change(
            run_id,
            assign={"relaunches": relaunches, "settled_at_relaunch": settled},
            condition=OPEN,
        )

    def note_stuck(self, run: Run, now: float) -> float:
        """Lanes start once more; returns since when they do with as many rows settled as now."""
        if run.settled_rows == run.stuck_rows:
            return run.stuck_since
        self._change(
            run.run_id,
            assign={"stuck_rows": run.settled_rows, "stuck_since": now},
            condition=OPEN,
        )
        return now

    def stop(self, run_id: str, stop: StopReason) -> bool:
        """Stop sending. The first reason stays; false when the run is closed or gone."""
        return self._change(
            run_id,
            assign_once={"halt": {"code": stop.code, "reason": stop.reason}},
            condition=OPEN,
        )

    def pause(self, run_id: str, pause: Pause) -> bool:
        """Send nothing more until somebody says so; false when it is paused, stopped or over."""
        return self._change(
            run_id,
            assign={"pause": pause_item(pause)},
            condition=f"{OPEN} AND attribute_not_exists(pause) AND attribute_not_exists(halt)",
        )

    def rest(self, run_id: str, now: float) -> bool:
        """Note that the execution of a paused run ends; false when the run is paused no more."""
        return self._change(
            run_id,
            assign={"rests": True},
            assign_once={"rested_at": now},
            condition="attribute_exists(pause) AND attribute_not_exists(halt)",
        )

    def save_close(self, run_id: str, key: str | None) -> None:
        """Keep where the state of closing lies, for the next invocation to go on from there.

        None: the files are about to be completed; from here on closing begins anew.
        """
        self._change(
            run_id,
            assign={"close": key, "status": RunStatus.CLOSING.value},
            condition=OPEN,
        )

    def close(
        self,
        run_id: str,
        status: RunStatus,
        now: float,
        requests: Mapping[str, int],
        figures: Mapping[str, Any],
        error: str | None = None,
        *,
        jobs: Mapping[str, int] | None = None,
        expires_at: int = 0,
        resolving: Resolving | None = None,
        idle: Sequence[tuple[float, float]] = (),
    ) -> bool:
        """Give the run its final status; false when it has one already.

        Args:
            jobs: how many were planned, submitted and finished.
            expires_at: when the table forgets it (epoch seconds); 0: never.
            resolving: as it was read before the proof of the sum. Whoever proved it before an
                operator asked for a resolve has old files and an old status, and is too late.
            idle: `Run.idle_until` now.
        """
        fields: dict[str, Any] = {
            "figures": json.dumps(figures),
            "status": status.value,
            "closed_at": now,
            "requests": dict(requests),
            "time_pk": keys.CLOSED_RUNS,
            **_idle(idle),
        }
        if jobs is not None:
            fields["jobs"] = dict(jobs)
        if expires_at:
            fields["expires_at"] = expires_at
        if error is not None:
            fields["error"] = error
        same = "attribute_not_exists(resolving)" if resolving is None else "resolving = :resolving"
        troubles = tuple(keys.TROUBLE + where for where in (SUBMIT, POLL, SOURCE))
        closed = self._change(
            run_id,
            assign=fields,
            remove=("close", "pause", "rests", "rested_at", *troubles),
            condition=f"{OPEN} AND {same}",
            values={} if resolving is None else {":resolving": asdict(resolving)},
        )
        if not expires_at:
            return closed
        with suppress(ConditionFailedError):
            self._table.write(
                Update(
                    keys.run(run_id),
                    keys.POOL,
                    assign={"expires_at": expires_at},
                    condition="attribute_exists(pk)",
                )
            )
        return closed

    def prolong(self, run: Run, expires_at: int) -> None:
        """Keep what is written of an open run for longer: what is written from now on."""
        self._change(
            run.run_id, assign={"kept_until": expires_at}, condition="attribute_exists(pk)"
        )

    def prolong_items(self, run: Run, expires_at: int, now: float) -> None:
        """Keep chunks, plan and figures of a run for longer; those written already."""
        of_chunks = kept_until(replace(run, expires_at=expires_at), now)
        for item in self._table.query(keys.run(run.run_id)):
            until = of_chunks if item["sk"].startswith(keys.CHUNK) else expires_at
            if 0 < item.get("expires_at", 0) < until - 86_400:
                with suppress(ConditionFailedError):
                    self._table.write(_prolonged(item, until))

    def fail(self, run_id: str, reason: str) -> bool:
        """The file or the profile cannot be used at all; CloseRun gives the closing time.

        Rows that were counted before this was known count no more.

        Returns:
            False when the run is planned, failed, closed or gone: what may have been sent, and
            what is counted, stays as it is.
        """
        nothing = {f"n_{status.value}": 0 for status in OutcomeStatus}
        return self._change(
            run_id,
            assign={"status": RunStatus.FAILED.value, "error": reason, **nothing},
            condition="#status = :planning AND (attribute_not_exists(plan_done) "
            "OR plan_done = :undone)",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value, ":undone": False},
        )

    def delete(self, run: Run, now: float, *, by: str | None = None) -> None:
        """Forget a closed run: chunks, plan and counts, and its own entry last.

        A mark stays, so that a late event for the same file does not carry it once more. Of chunks
        of a run that was closed just now the numbers stay for a while: a function that was far
        behind when it ended may hold one as claimed and never sent, and finds its item there.

        Args:
            now: epoch seconds.
            by: who asks for it, kept with the mark; None: nobody knows.
        """
        pk = keys.run(run.run_id)
        mark: Item = {"pk": pk, "sk": keys.DELETED, "expires_at": run.expires_at}
        if by is not None:
            mark["by"] = by
        self._table.put_many([mark])
        kept: tuple[str, ...] = (keys.META, keys.DELETED)
        if (run.closed_at or now) > now - BEHIND_SECONDS:
            chunks = self._table.query(pk, prefix=keys.CHUNK)
            self._table.put_many(ended_item(item, now + BEHIND_SECONDS) for item in chunks)
            kept += (keys.CHUNK,)
        self._table.delete_many(
            (pk, item["sk"]) for item in self._table.query(pk) if not item["sk"].startswith(kept)
        )
        self._table.delete_many([(pk, keys.META)])

    def is_deleted(self, run_id: str) -> bool:
        """Whether there was such a run, and an operator has deleted it."""
        return self._table.get(keys.run(run_id), keys.DELETED) is not None

    def deleted_by(self, run_id: str) -> str | None:
        """Who has deleted a run, as far as known."""
        return (self._table.get(keys.run(run_id), keys.DELETED) or {}).get("by")


def _prolonged(item: Item, expires_at: int) -> Update:
    return Update(
        item["pk"],
        item["sk"],
        assign={"expires_at": expires_at},
        condition="attribute_exists(pk)",
    )


def _idle(idle: Sequence[tuple[float, float]]) -> dict[str, str]:
    """Kept as it is known now; of most runs there is none, and nothing is written."""
    return {"idle": json.dumps([list(each) for each in idle])} if idle else {}
