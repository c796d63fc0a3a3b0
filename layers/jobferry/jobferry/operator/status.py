"""What people and scripts see of a run: the status document of every surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobferry.deps import Deps
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.timestamps import timestamp
from jobferry.operator.next_steps import commands_of, next_steps
from jobferry.operator.waiting import waiting_for
from jobferry.reporting.timeline import Timeline
from jobferry.settlement.circuit_breaker import failed_by_class
from jobferry.vendors.answers import JobReading

ACTIONS = ("started", "aborted", "resumed", "priority", "resolved")
"""What people do to runs, as far as it is known who did it."""


def run_summary(run: Run) -> dict[str, Any]:
    """What a run's own item says: the status document but for `jobs`, `requests`, `waiting`.

    `seconds` (of work, without pauses) and `paused_seconds` are null until the run is closed.
    """
    return {
        "run_id": run.run_id,
        "status": run.phase.value,
        "profile": run.profile,
        "operation": run.operation,
        "connection": run.connection,
        "priority": run.priority,
        "rows": run.rows,
        "outcomes": {s.value: run.outcomes.get(s, 0) for s in OutcomeStatus},
        "started_at": timestamp(run.started_at),
        "closed_at": None if run.closed_at is None else timestamp(run.closed_at),
        "seconds": None if run.closed_at is None else _seconds(run, run.closed_at),
        "paused_seconds": None if run.closed_at is None else _idle_seconds(run, run.closed_at),
        "source": {
            "bucket": run.source.bucket,
            "key": run.source.key,
            "version_id": run.source.version_id,
        },
        "origin": run.origin,
        "forecast": run.forecast,
        "figures": run.figures or None,
        "error": run.error or (run.stop.reason if run.stop else None),
        "error_code": run.stop.code if run.stop else None,
        "failed_by_class": failed_by_class(run.failures, run.outcomes.get(OutcomeStatus.FAILED, 0)),
        "paused": _paused(run),
        "by": {action: run.by.get(action) for action in ACTIONS},
    }


def _paused(run: Run) -> dict[str, Any] | None:
    if run.pause is None or run.stop is not None:
        return None
    return {"code": run.pause.code, "reason": run.pause.reason, "at": timestamp(run.pause.at)}


def run_document(run: Run, deps: Deps, problems: Sequence[JobReading] = ()) -> dict[str, Any]:
    """The status document of a run, live while it goes on.

    Args:
        problems: jobs that wait for somebody to act, where the vendor was asked for them.
    """
    document, under_way, run = _document(run, deps)
    limits = deps.store.limits.get(run.connection)
    document |= {
        "waiting": waiting_for(run, limits, deps.now(), problems, under_way=under_way),
        "warnings": list(run.warnings),
    }
    steps = next_steps(document)
    return {
        **document,
        "steps": [{"text": step.text, "commands": list(step.commands)} for step in steps],
        "next": commands_of(steps),
    }


def _document(run: Run, deps: Deps) -> tuple[dict[str, Any], int, Run]:
    """All but what it waits for, how many of its chunks are in flight, and the run as it is now."""
    chunks = deps.store.chunks
    if run.closed_at is not None:
        jobs = _jobs_of(run, deps)
        requests = {**_no_requests(), **run.requests}
        return {**run_summary(run), "jobs": jobs, "requests": requests}, 0, run
    in_flight = chunks.in_flight(run.connection, run.run_id)
    counts = Timeline.of(run, in_flight).job_counts
    # Read again after what is in flight: a job that is settled in between must not be missing.
    run = deps.store.runs.must_get(run.run_id)
    document = {
        **run_summary(run),
        "seconds": _seconds(run, run.closed_at or deps.now()),
        "paused_seconds": _idle_seconds(run, run.closed_at or deps.now()),
        "jobs": {
            "planned": run.plan.chunks,
            "submitted": min(run.plan.chunks, run.jobs_settled + counts["submitted"]),
            "finished": min(run.plan.chunks, run.jobs_settled + counts["finished"]),
        },
        "requests": deps.store.runs.requests(run.run_id),
    }
    return document, len(in_flight), run


def _jobs_of(run: Run, deps: Deps) -> dict[str, int]:
    """Jobs of a closed run. One of before they were kept has those that were counted, once its
    chunks have expired."""
    if run.jobs is not None:
        return dict(run.jobs)
    if not run.plan.chunks:
        return _no_jobs()
    jobs = Timeline.of(run, deps.store.chunks.all(run.run_id)).job_counts
    if jobs["finished"] < run.jobs_settled:
        jobs |= dict.fromkeys(("submitted", "finished"), run.jobs_settled)
    return jobs


def _idle_seconds(run: Run, until: float) -> float:
    return round(sum(end - start for start, end in run.idle_until(until)), 1)


def _seconds(run: Run, until: float) -> float:
    return round(run.worked(until), 1)


def row_document(outcome: Outcome) -> dict[str, Any]:
    """One row's outcome as scripts read it."""
    return {
        "row": outcome.row,
        "status": outcome.status.value,
        "vendor_id": outcome.vendor_id,
        "error_code": outcome.error_code,
        "error": outcome.error,
        "job_id": outcome.job_id,
        "attempts": outcome.attempts,
    }


def _no_jobs() -> dict[str, int]:
    return {"planned": 0, "submitted": 0, "finished": 0}


def _no_requests() -> dict[str, int]:
    return {"submit": 0, "poll": 0, "other": 0}
