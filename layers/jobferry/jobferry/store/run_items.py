"""A run as it stands in the table: item ↔ `Run`.

Attributes keep their names for ever, and fields of `Run` do not: docs/data-model.md has both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import (
    Pause,
    PlanState,
    Resolving,
    Run,
    RunStatus,
    Source,
    StopReason,
)
from jobferry.domain.trouble import Trouble
from jobferry.store import keys
from jobferry.store.operations import Item


def pause_item(pause: Pause) -> dict[str, Any]:
    return {"code": pause.code, "reason": pause.reason, "at": pause.at}


def _trouble(item: Mapping[str, Any]) -> Trouble:
    return Trouble(item["code"], item["text"], item["since"], item["last"], item["times"])


def run_of(item: Item) -> Run:
    unpacked, resolving = item.get("unpacked"), item.get("resolving")
    stop, pause = item.get("halt"), item.get("pause")
    return Run(
        run_id=item["run_id"],
        status=RunStatus(item["status"]),
        profile=item["profile"],
        revision=item["revision"],
        connection=item["connection"],
        operation=item["operation"],
        source=Source(**item["source"]),
        started_at=item["started_at"],
        priority=item["priority"],
        execution=item["execution"],
        origin=item.get("origin"),
        closed_at=item.get("closed_at"),
        planned_at=item.get("planned_at"),
        plan=_plan_of(item),
        outcomes={status: item.get(f"n_{status.value}", 0) for status in OutcomeStatus},
        jobs_settled=item.get("jobs_settled", 0),
        stop=StopReason(stop["code"], stop["reason"]) if stop else None,
        pause=Pause(pause["code"], pause["reason"], pause["at"]) if pause else None,
        suspended=item.get("rests", False),
        jobs=item.get("jobs"),
        row_items=item.get("row_items", False),
        trial=item.get("trial"),
        failures=_with_prefix(item, keys.FAILED),
        failures_seen=json.loads(item.get("failures_seen", "{}")),
        processed_seen=item.get("carried_seen", 0),
        error=item.get("error"),
        lanes=item.get("lanes", 0),
        relaunches=item.get("relaunches", 0),
        settled_at_relaunch=item.get("settled_at_relaunch", -1),
        stuck_rows=item.get("stuck_rows", -1),
        stuck_since=item.get("stuck_since", 0.0),
        close=item.get("close"),
        requests=item.get("requests", {}),
        job_rows=item.get("job_rows"),
        forecast=json.loads(item.get("forecast", "null")),
        figures=json.loads(item.get("figures", "null")),
        bisected=item.get("halved", 0),
        settle_calls=item.get("settle_calls", 0),
        settle_gb_ms=item.get("settle_gb_ms", 0),
        settle_units=item.get("settle_units", 0),
        settle_reads=item.get("settle_reads", 0),
        vendor=item.get("vendor", ""),
        base_url=item.get("base_url", ""),
        troubles=_troubles_of(item),
        # Runs of before have an end from the beginning.
        expires_at=item["kept_until"] if "kept_until" in item else item.get("expires_at", 0),
        end_jobs=item.get("end_jobs", False),
        priority_at=item.get("priority_at", 0.0),
        forced=item.get("forced", False),
        resolving=Resolving(**resolving) if resolving else None,
        warnings=tuple(json.loads(item.get("warnings", "[]"))),
        by=_with_prefix(item, keys.BY),
        unpacked=Source(**unpacked) if unpacked else None,
        rested_at=item.get("rested_at"),
        idle=_idle_of(item),
    )


def _idle_of(item: Item) -> tuple[tuple[float, float], ...]:
    return tuple((start, end) for start, end in json.loads(item.get("idle", "[]")))


def _troubles_of(item: Item) -> dict[str, Trouble]:
    return {where: _trouble(value) for where, value in _with_prefix(item, keys.TROUBLE).items()}


def _plan_of(item: Item) -> PlanState:
    return PlanState(
        offset=item.get("plan_offset", 0),
        row=item.get("plan_row", 0),
        chunks=item.get("plan_chunks", 0),
        done=item.get("plan_done", False),
        dialect=json.loads(item.get("dialect", "null")),
        trial_chunks=item.get("plan_trial_chunks", 0),
        conflicts=item.get("plan_conflicts", 0),
    )


def _with_prefix(item: Item, prefix: str) -> dict[str, Any]:
    """The attributes whose names begin so, without the prefix."""
    return {
        name.removeprefix(prefix): value for name, value in item.items() if name.startswith(prefix)
    }
