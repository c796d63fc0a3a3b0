"""Settle: one outcome per row of finished jobs, then one transaction per chunk.

Outcomes are puts with a fixed key, and the counting happens once, conditioned on the chunk's
state; so the step may be repeated at any point and by anyone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from jobferry.ledger.chunks import Chunk
from jobferry.model import ChunkState, Outcome, OutcomeStatus, RecordResult
from jobferry.objects import ObjectMissingError
from jobferry.steps.context import RunContext, load_context
from jobferry.steps.deps import Deps


def settle_job(run_id: str, numbers: Sequence[int], deps: Deps) -> dict[str, Any]:
    """Settle these chunks.

    Returns:
        How many were settled now, and how many rows that decided.
    """
    run = deps.ledger.runs.must_get(run_id)
    context = load_context(run, deps)
    evidence: dict[str, dict[str, Any]] = {}
    settled = rows = 0
    for chunk in deps.ledger.chunks.get(run_id, numbers):
        if chunk.state is not ChunkState.FINISHED:
            continue
        results = _results(chunk, context, deps, evidence)
        outcomes = [
            _outcome(row, result, chunk)
            for row, result in zip(chunk.row_numbers(), results, strict=True)
        ]
        deps.ledger.rows.put(run_id, outcomes, run.expires_at)
        counts = Counter(outcome.status for outcome in outcomes)
        if deps.ledger.chunks.settle(
            run.connection, chunk, counts, deps.now(), was_job=chunk.job_id is not None
        ):
            settled += 1
            rows += chunk.rows
    deps.log("jobs settled", run_id=run_id, chunks=settled, rows=rows)
    return {"chunks": settled, "rows": rows}


def _results(
    chunk: Chunk, context: RunContext, deps: Deps, evidence: dict[str, dict[str, Any]]
) -> list[RecordResult]:
    """One result per row of the chunk, in the order sent."""
    if chunk.verdict is not None:
        status, code, text = chunk.verdict
        return [RecordResult(status, code=code, text=text)] * chunk.rows
    key = chunk.evidence or ""
    try:
        if key not in evidence:
            evidence[key] = deps.objects.get_json(key)["jobs"]
        raw = evidence[key][chunk.job_id or ""]
    except (ObjectMissingError, KeyError, json.JSONDecodeError):
        lost = RecordResult(
            OutcomeStatus.UNKNOWN,
            code="evidence_missing",
            text="The stored answer of the vendor is gone; look the record up there.",
        )
        deps.warn("evidence missing", run_id=chunk.run_id, chunk=chunk.number)
        return [lost] * chunk.rows
    return context.vendor.read_results(
        context.operation, raw, chunk.rows, partial(context.records, chunk)
    )


def _outcome(row: int, result: RecordResult, chunk: Chunk) -> Outcome:
    return Outcome(
        row=row,
        status=result.status,
        vendor_id=result.vendor_id,
        error_code=result.code,
        error=result.text,
        job_id=chunk.job_id,
        attempts=chunk.attempt,
    )
