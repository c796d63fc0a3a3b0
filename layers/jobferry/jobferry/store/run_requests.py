"""What operators ask of a run, and who asked: abort, force, resume, priority, resolve."""

from __future__ import annotations

import json
from dataclasses import asdict

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Resolving, Run, RunStatus, StopReason
from jobferry.store import keys
from jobferry.store.run_access import OPEN, RunAccess


class RunRequests(RunAccess):
    """Requests of operators, kept in the run's item; lanes and steps act on them."""

    def prioritise(self, run_id: str, priority: str, now: float, *, by: str | None = None) -> bool:
        """Keep another priority of a run; lanes tell the jobs that were made before.

        Args:
            by: who asks for it; None: nobody knows.

        Returns:
            False when it is closed, or gone.
        """
        named, unnamed = _last_by("priority", by)
        return self._change(
            run_id,
            assign={"priority": priority, "priority_at": now, **named},
            remove=unnamed,
            condition=OPEN,
        )

    def abort(
        self, run_id: str, stop: StopReason, *, end_jobs: bool, by: str | None = None
    ) -> bool:
        """Stop sending, and note whether lanes ask the vendor to end jobs. The first reason stays.

        Args:
            by: who asks for it; None: nobody knows. The first one stays, too.

        Returns:
            False when it is closed, or gone.
        """
        return self._change(
            run_id,
            assign={"end_jobs": True} if end_jobs else {},
            assign_once={
                "halt": {"code": stop.code, "reason": stop.reason},
                **_first_by("aborted", by),
            },
            condition=OPEN,
        )

    def force(self, run_id: str, stop: StopReason, *, by: str | None = None) -> bool:
        """Have a run closed with what is known of it. The first reason and who had it stay.

        Returns:
            False when it is closed, or gone.
        """
        return self._change(
            run_id,
            assign={"forced": True},
            assign_once={
                "halt": {"code": stop.code, "reason": stop.reason},
                **_first_by("aborted", by),
            },
            remove=("rests",),
            condition=OPEN,
        )

    def resume(self, run: Run, *, by: str | None = None) -> bool:
        """End the pause, and remember what was seen of the run; false when it is over already.

        Args:
            run: as it was read; a pause that has come since stays.
            by: who asks for it; None: nobody knows.
        """
        if run.pause is None:
            return False
        named, unnamed = _last_by("resumed", by)
        return self._change(
            run.run_id,
            assign={
                "failures_seen": json.dumps(run.failures),
                "carried_seen": run.processed,
                **named,
            },
            remove=("pause", *unnamed),
            condition=f"pause = :seen AND execution = :execution AND {OPEN}",
            values={":seen": asdict(run.pause), ":execution": run.execution},
        )

    def ask_resolve(self, run: Run, now: float, *, by: str | None = None) -> bool:
        """Open a closed run again, so that an execution asks about its unknown rows.

        Returns:
            False when it is open already, or gone.
        """
        asked = Resolving(now, unknown=run.outcomes.get(OutcomeStatus.UNKNOWN, 0))
        named, unnamed = _last_by("resolved", by)
        return self._change(
            run.run_id,
            assign={
                "resolving": asdict(asked),
                "status": RunStatus.CLOSING.value,
                "time_pk": keys.OPEN_RUNS,
                "idle": json.dumps([*run.idle, (run.closed_at or now, now)]),
                **named,
            },
            remove=("closed_at", "close", "rests", "expires_at", *unnamed),
            condition="attribute_exists(closed_at)",
        )

    def go_on_resolving(self, run_id: str, before: Resolving, after: Resolving) -> bool:
        """Note how far a resolve is; false when somebody else is further, or it is over."""
        return self._change(
            run_id,
            assign={"resolving": asdict(after)},
            condition=f"resolving = :before AND {OPEN}",
            values={":before": asdict(before)},
        )


def _first_by(what: str, by: str | None) -> dict[str, str]:
    """What notes who did something first; nothing where that is not known."""
    return {} if by is None else {keys.BY + what: by}


def _last_by(what: str, by: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """(attributes to set, to remove) that note who did something last.

    Where that is not known, the name of who did it before must not stay.
    """
    return ({}, (keys.BY + what,)) if by is None else ({keys.BY + what: by}, ())
