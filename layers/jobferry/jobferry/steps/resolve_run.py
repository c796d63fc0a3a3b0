"""Resolve: ask the vendor once more about the jobs of a closed run whose rows are `unknown`.

A job that was given up (`job_never_ended`, or a vendor that refused to be read) may have ended
since, and its results may still be there. Nothing is sent. What is read decides rows that are
`unknown` and no others; then the run is open again, to be closed with new files and a new report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from jobferry.ledger.chunks import Chunk
from jobferry.ledger.runs import Run
from jobferry.model import JsonObject, Outcome, OutcomeStatus, RunStatus
from jobferry.steps.context import RunContext, load_context
from jobferry.steps.control_jobs import VendorUnavailableError, in_words
from jobferry.steps.deps import Deps
from jobferry.vendors.base import Ambiguous, JobPhase, PollAnswer

JOBS_AT_ONCE = 100
"""Jobs whose answers are held in memory, and kept as evidence together."""


@dataclass
class Resolved:
    """What came of it.

    jobs   jobs that were asked about
    ended  of these, jobs whose results could be read
    rows   rows that are decided now, by outcome
    """

    jobs: int = 0
    ended: int = 0
    rows: Counter[OutcomeStatus] = field(default_factory=Counter)


def resolve_run(run: Run, deps: Deps) -> Resolved:
    """Decide what can be decided now. Repeating it is harmless, after a crash, too.

    Afterwards a run that has changed is open, and an execution must carry it to its end.

    Raises:
        VendorUnavailableError: the vendor could not be asked.
        LookupError: the run's connection is gone.
    """
    context = load_context(run, deps)
    unknown = _unknown_rows(run, deps)
    resolved = Resolved()
    for chunks in _batches(run, unknown, deps):
        readings = _read(context, [str(chunk.job_id) for chunk in chunks], deps)
        resolved.jobs += len(chunks)
        resolved.ended += len(readings)
        _keep(run, readings, deps)
        for chunk in chunks:
            if str(chunk.job_id) in readings:
                outcomes = _decided(chunk, readings[str(chunk.job_id)], unknown, context)
                resolved.rows += deps.ledger.rows.resolve(run.run_id, outcomes, run.expires_at)
    if deps.ledger.runs.must_get(run.run_id).status is RunStatus.CLOSING:
        deps.ledger.runs.reopen(run.run_id)
    deps.log("run resolved", run_id=run.run_id, jobs=resolved.jobs, rows=resolved.rows.total())
    return resolved


def _unknown_rows(run: Run, deps: Deps) -> dict[str, set[int]]:
    """Job id → its rows that are unknown."""
    found: dict[str, set[int]] = {}
    for outcome in deps.ledger.rows.for_a_person(run.run_id, run.rows):
        if outcome.status is OutcomeStatus.UNKNOWN and outcome.job_id is not None:
            found.setdefault(outcome.job_id, set()).add(outcome.row)
    return found


def _batches(run: Run, unknown: Mapping[str, set[int]], deps: Deps) -> Iterator[list[Chunk]]:
    batch: list[Chunk] = []
    for chunk in deps.ledger.chunks.all(run.run_id):
        if chunk.job_id in unknown:
            batch.append(chunk)
        if len(batch) == JOBS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(context: RunContext, job_ids: Sequence[str], deps: Deps) -> dict[str, JsonObject]:
    """The vendor's own objects of the jobs that have ended."""
    answer = deps.connections.link(context.run.connection).client.poll(job_ids)
    if not answer.readings:
        _say_why(answer)
    return {
        job_id: reading.raw
        for job_id, reading in answer.readings.items()
        if reading.phase is JobPhase.ENDED and reading.raw is not None
    }


def _say_why(answer: PollAnswer) -> None:
    raise VendorUnavailableError(
        in_words(answer.refused or answer.throttled or Ambiguous(answer.problem or "no answer"))
    )


def _keep(run: Run, readings: Mapping[str, JsonObject], deps: Deps) -> None:
    """Keep what was read as evidence, beside that of the run's lanes."""
    if readings:
        now = deps.now()
        key = f"evidence/{run.run_id}/resolved-{int(now * 1000)}.json"
        deps.objects.put_json(key, {"polled_at": now, "jobs": dict(readings)})


def _decided(
    chunk: Chunk, raw: JsonObject, unknown: Mapping[str, set[int]], context: RunContext
) -> list[Outcome]:
    """Outcomes of the chunk's unknown rows that the job's results decide."""
    results = context.vendor.read_results(
        context.operation, raw, chunk.rows, partial(context.records, chunk)
    )
    open_rows = unknown[str(chunk.job_id)]
    return [
        Outcome(
            row=row,
            status=result.status,
            vendor_id=result.vendor_id,
            error_code=result.code,
            error=result.text,
            job_id=chunk.job_id,
            attempts=chunk.attempt,
        )
        for row, result in zip(chunk.row_numbers(), results, strict=True)
        if row in open_rows and result.status is not OutcomeStatus.UNKNOWN
    ]
