"""What a run waits for, said of values: its pause, its connection's limits, its vendor's problems.

Every surface says the same (`status`, `watch`, the report), so that nobody has to guess why a run
does not go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobferry.domain.connection import ConnectionLimits
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.timestamps import timestamp
from jobferry.scheduler import concurrency
from jobferry.vendors.answers import JobReading

CONFIRMATION = "confirmation"
"""A person must say whether it goes on."""

PROBLEM = "problem"
"""Something is wrong that needs attention: rows fail, or a job waits at the vendor."""

RATE_LIMIT = "rate_limit"
"""The vendor has asked for no request before a moment."""

SLOTS = "slots"
"""The vendor takes no further job for now, or other runs have all the slots."""

_PROBLEMS = frozenset({"breaker", "policy", "connection_changed", "snapshot"})
"""Codes of pauses that come of something being wrong; all others just want a yes."""

_AT_WORK = frozenset({RunStatus.RUNNING, RunStatus.CLOSING})


def waiting_for(
    run: Run,
    limits: ConnectionLimits,
    now: float,
    problems: Sequence[JobReading] = (),
    *,
    under_way: int | None = None,
) -> list[dict[str, Any]]:
    """What a run waits for, what a person can do something about first.

    Args:
        limits: of its connection.
        now: epoch seconds.
        problems: its jobs that wait at the vendor, where the vendor was asked.
        under_way: chunks of the run that are claimed and not settled; None: not known.

    Returns:
        `{"for", "since", "until", "text"}` each, moments as `timestamp` writes them or None, and
        with a job's problem also its `job_id`.
    """
    if run.closed_at is not None:
        return []
    found: list[dict[str, Any]] = []
    if run.pause is not None and run.stop is None:
        what = PROBLEM if run.pause.code in _PROBLEMS else CONFIRMATION
        found.append(_entry(what, run.pause.reason, since=run.pause.at))
    found += [
        {**_entry(PROBLEM, f"A job waits at the vendor: {job.waiting_for}"), "job_id": job.job_id}
        for job in problems
        if job.waiting_for
    ]
    if run.trouble is not None:
        found.append(_entry(run.trouble.code, run.trouble.text, since=run.trouble.since))
    if run.status in _AT_WORK and not (run.suspended and run.paused):
        found += _of_limits(run, limits, now, under_way)
    return found


def _of_limits(
    run: Run, limits: ConnectionLimits, now: float, under_way: int | None
) -> list[dict[str, Any]]:
    """What the run's connection waits for."""
    found: list[dict[str, Any]] = []
    name = run.connection
    if limits.retry_after_until > now:
        text = f"The vendor has asked that nothing be sent on the connection {name} until then."
        found.append(_entry(RATE_LIMIT, text, until=limits.retry_after_until))
    sends = run.status is RunStatus.RUNNING and run.stop is None and run.pause is None
    if not sends:
        return found
    if limits.no_slot_until > now:
        text = "The vendor takes no further job until then."
        found.append(_entry(SLOTS, text, until=limits.no_slot_until))
    elif under_way == 0 and not concurrency.free_slots(limits, now):
        slots = concurrency.max_jobs(limits, now)
        text = f"Other runs have all {slots} slots of the connection {name}."
        found.append(_entry(SLOTS, text))
    return found


def _entry(
    what: str, text: str, *, since: float | None = None, until: float | None = None
) -> dict[str, Any]:
    return {
        "for": what,
        "since": None if since is None else timestamp(since),
        "until": None if until is None else timestamp(until),
        "text": text,
    }
