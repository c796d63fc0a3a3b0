"""Finished jobs → one outcome per row, then one transaction per chunk.

Outcomes are written in the transaction that counts them, conditioned on the chunk's state; so the
step may be repeated at any point and by anyone, and whoever is too late writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from jobferry.binding.run_binding import RunContext, load_context
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, JobEnd, RetryChunk, finished
from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.row_verdict import ANSWER_UNUSABLE, after_doubt
from jobferry.domain.run import Run
from jobferry.domain.trouble import SOURCE, SOURCE_MISSING, TEXTS
from jobferry.settlement.circuit_breaker import count_failures
from jobferry.settlement.pause_run import pause_run, trip_breaker
from jobferry.settlement.retry_chunks import Remainder, parts_of, put_retry_chunks
from jobferry.settlement.retry_policy import Verdicts, kept_in_order, may_bisect, sort_out
from jobferry.store.objects import ObjectMissingError, SourceError
from jobferry.store.outcome_blocks import fitted
from jobferry.store.row_items import CODE_CHARACTERS, ID_CHARACTERS, storable
from jobferry.store.rows import with_own_items
from jobferry.vendors.answers import DATA_ERRORS

POLICY = "policy"
"""Why a run is paused: the profile says so of an error's class."""

_RECORDS_UNREADABLE = RecordResult(
    OutcomeStatus.UNKNOWN,
    code=SOURCE_MISSING,
    text="The job ended; its results cannot be matched, as the file of the run cannot be read.",
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a call has settled.

    Attributes:
        chunks: their numbers, those that made others (`split`) left out
        split: chunks of which some rows go again
        rows: rows that got their outcome
        unreadable: why the file could not be read, where it was needed; the rest is settled
    """

    chunks: Sequence[int]
    split: int
    rows: int
    unreadable: SourceError | None = None


@dataclass
class _Batch:
    """What was decided so far of chunks that are counted together."""

    codes: set[str]
    outcomes: list[Outcome] = field(default_factory=list)
    chunk_outcomes: list[ChunkOutcome] = field(default_factory=list)
    remainders: list[Remainder] = field(default_factory=list)
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    unreadable: SourceError | None = None

    def count(self, chunk: Chunk, outcomes: Sequence[Outcome], parts: Sequence[RetryChunk]) -> None:
        failures = count_failures(outcomes, self.codes)
        self.codes |= failures.keys()
        self.outcomes += outcomes
        tally = ChunkOutcome(chunk, outcomes, failures)
        if parts:
            self.remainders.append(Remainder(tally, parts))
        else:
            self.chunk_outcomes.append(tally)


def settle_chunks(
    run: Run,
    numbers: Sequence[int],
    deps: Deps,
    used: Callable[[], Mapping[str, int]],
    evidence: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settled:
    """Settle these chunks of a run.

    Args:
        evidence: archive key → job id → raw answer, as far as it is at hand.
        used: what was used for them so far, kept in the same transaction.
    """
    context = load_context(run, deps)
    batch = _Batch(set(run.failures), evidence=_copied_evidence(evidence or {}))
    for chunk in deps.store.chunks.get(run.run_id, numbers):
        if chunk.state is ChunkState.FINISHED:
            _settle_one(chunk, batch, context, deps)
    split = put_retry_chunks(batch.remainders, context, deps)
    settled = deps.store.chunks.settle(run, batch.chunk_outcomes, deps.now(), used=used())
    return _judged(context, batch, settled, split, deps)


def settle_at_once(
    context: RunContext,
    ended: Sequence[tuple[Chunk, JobEnd]],
    evidence: Mapping[str, Mapping[str, Any]],
    deps: Deps,
) -> Settled:
    """Settle jobs in the very move that notes their end.

    Only those of which whoever reads them decides every row alike, and for good. A chunk with rows
    that go again or are unknown, or of a run that is stopped, is left as it is: it is finished, and
    then settled by SettleJobs.

    Args:
        ended: chunks as they stand in the table, and how their jobs ended.
        evidence: archive key → job id → raw answer, of what they ended with.
    """
    run = context.run
    batch = _Batch(set(run.failures), evidence=_copied_evidence(evidence))
    job_ends: dict[int, JobEnd] = {}
    for chunk, job_end in ended:
        outcomes = _decided_for_good(finished(chunk, job_end, deps.now()), batch, context, deps)
        if outcomes is not None:
            batch.count(chunk, outcomes, ())
            job_ends[chunk.number] = job_end
    deps.store.rows.put_copies(
        run.run_id, with_own_items(batch.outcomes, row_items=run.row_items), run.expires_at
    )
    settled = deps.store.chunks.finish_and_settle(run, batch.chunk_outcomes, job_ends, deps.now())
    return _judged(context, batch, settled, 0, deps)


def _copied_evidence(evidence: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: dict(jobs) for key, jobs in evidence.items()}


def _decided_for_good(
    chunk: Chunk, batch: _Batch, context: RunContext, deps: Deps
) -> Sequence[Outcome] | None:
    """The outcomes of a chunk whose job has ended; None where another call may decide otherwise."""
    if context.run.stop is not None or chunk.verdict is not None or chunk.bisect:
        return None
    try:
        verdicts = _sorted_out(chunk, _results_of(chunk, context, deps, batch.evidence), context)
    except SourceError:
        return None
    if verdicts.again or verdicts.stop is not None:
        return None
    outcomes = _outcomes(chunk, verdicts, context)
    return None if any(o.status is OutcomeStatus.UNKNOWN for o in outcomes) else outcomes


def _judged(
    context: RunContext, batch: _Batch, settled: Sequence[int], split: int, deps: Deps
) -> Settled:
    """What was settled; pauses the run where too many of its rows fail."""
    if batch.codes:
        # Also of another call, which may have died before it looked.
        so_far = deps.store.runs.must_get(context.run.run_id)
        trip_breaker(so_far, context.profile.breaker, batch.outcomes, deps)
    now_settled = set(settled)
    decided = sum(t.chunk.rows for t in batch.chunk_outcomes if t.chunk.number in now_settled)
    return Settled(tuple(settled), split, decided, batch.unreadable)


def _outcomes(chunk: Chunk, verdicts: Verdicts, context: RunContext) -> Sequence[Outcome]:
    rows, deletes = chunk.row_numbers(), context.operation.deletes
    return fitted(
        [_outcome(rows[at], result, chunk, deletes=deletes) for at, result in verdicts.decided]
    )


def _settle_one(chunk: Chunk, batch: _Batch, context: RunContext, deps: Deps) -> None:
    """Decide the rows of one chunk; it is counted with the others of the batch."""
    try:
        results = _results_of(chunk, context, deps, batch.evidence)
        sorted_out = _sorted_out(chunk, results, context)
        contested = _contested(chunk, results, sorted_out, context)
        verdicts, parts = _with_parts(chunk, results, sorted_out, context, deps)
    except SourceError as error:
        batch.unreadable = error
        return
    outcomes = _outcomes(chunk, verdicts, context)
    if not _copied(chunk, outcomes, contested, context.run, deps):
        return
    batch.count(chunk, outcomes, parts)
    if verdicts.stop is not None:
        code, text = verdicts.stop
        reason = f"A row failed with {code}, at which the profile says stop: {text}"
        pause_run(chunk.run_id, POLICY, reason, deps, error=code)


def _results_of(
    chunk: Chunk, context: RunContext, deps: Deps, evidence: dict[str, dict[str, Any]]
) -> list[RecordResult]:
    """One result per row of the chunk; where its answer cannot be read, all are unknown.

    Raises:
        SourceError: the file is needed, and may be readable later.
    """
    try:
        results = _results(chunk, context, deps, evidence)
        if len(results) == chunk.rows and all(map(_in_words, results)):
            return results
        reason = f"{len(results)} results for {chunk.rows} rows, or one that is not in words"
    except SourceError as error:
        _give_up_the_file(error, context.run, deps)
        deps.warn("records unreadable", run_id=chunk.run_id, chunk=chunk.number)
        return [_RECORDS_UNREADABLE] * chunk.rows
    except DATA_ERRORS as error:
        reason = type(error).__name__
    deps.warn("answer unusable", run_id=chunk.run_id, chunk=chunk.number, reason=reason)
    status, code, text = ANSWER_UNUSABLE
    return [RecordResult(status, code=code, text=text)] * chunk.rows


def _give_up_the_file(error: SourceError, run: Run, deps: Deps) -> None:
    """Return where the file of a run is waited for no longer: then what is known must do.

    Raises:
        SourceError: it was not unreadable for long enough yet.
    """
    if run.forced:
        return
    code = error.code
    if not deps.store.runs.note_trouble(run, SOURCE, code, TEXTS[code], deps.now()).stops:
        raise error


def _in_words(result: RecordResult) -> bool:
    """Whether what a result says is text, so that a row can hold it."""
    said: tuple[object, ...] = (result.vendor_id, result.code, result.text)
    return all(each is None or isinstance(each, str) for each in said)


def _sorted_out(chunk: Chunk, results: Sequence[RecordResult], context: RunContext) -> Verdicts:
    """What is decided, and which rows go again: none of a run that is stopped."""
    run = context.run
    if run.stop is not None:
        return _by_policy(chunk, results, context, max_attempts=0)
    if chunk.bisect and chunk.rows > 1 and may_bisect(run.bisected, run.jobs_settled):
        return Verdicts((), range(chunk.rows))
    return _by_policy(chunk, results, context, max_attempts=context.profile.max_attempts)


def _with_parts(
    chunk: Chunk,
    results: Sequence[RecordResult],
    verdicts: Verdicts,
    context: RunContext,
    deps: Deps,
) -> tuple[Verdicts, Sequence[RetryChunk]]:
    """The verdicts, and the chunks of retried rows.

    What cannot be read cannot be sent again: then this was its last attempt.

    Raises:
        SourceError: it may be readable later.
    """
    if not verdicts.again:
        return verdicts, ()
    try:
        if context.profile.in_order:
            verdicts = kept_in_order(verdicts, results, _names(chunk, context))
        return verdicts, parts_of(chunk, verdicts, results, context, deps.now())
    except SourceError as error:
        _give_up_the_file(error, context.run, deps)
        last = _by_policy(chunk, results, context, max_attempts=0)
        return Verdicts(last.decided, (), verdicts.stop), ()


def _names(chunk: Chunk, context: RunContext) -> list[str]:
    """The record that each row of the chunk means; empty where it names none."""
    operation = context.operation
    fields = operation.identified_by or operation.match_on
    return [
        next((f"{name}:{record[name]}" for name in fields if record.get(name)), "")
        for record in context.records(chunk)
    ]


def _by_policy(
    chunk: Chunk, results: Sequence[RecordResult], context: RunContext, *, max_attempts: int
) -> Verdicts:
    return sort_out(
        results,
        attempt=chunk.attempt,
        max_attempts=max_attempts,
        repeatable=context.operation.repeatable,
        policies=context.profile.on_error,
    )


def _contested(
    chunk: Chunk, results: Sequence[RecordResult], verdicts: Verdicts, context: RunContext
) -> frozenset[int]:
    """Rows that another call may send again, whatever this one makes of them.

    Whoever has read the run before it was stopped, or while jobs of it were bisected, sends rows
    again that this call decides; and so does who can read the file when this call cannot.
    """
    positions: Sequence[int] = verdicts.again
    if chunk.bisect and chunk.rows > 1:
        positions = range(chunk.rows)
    elif context.run.stop is not None:
        most = context.profile.max_attempts
        positions = _by_policy(chunk, results, context, max_attempts=most).again
    numbers = chunk.row_numbers()
    return frozenset(numbers[at] for at in positions)


def _copied(
    chunk: Chunk, outcomes: Sequence[Outcome], contested: frozenset[int], run: Run, deps: Deps
) -> bool:
    """Write the items of rows that have one of their own, before the chunk is counted: no row that
    needs a person is ever missing in the index.

    An `unknown` row is written with care, too: it may be resolved once the run is closed.

    Returns:
        False when the chunk is settled already and nothing is left to do.
    """
    rows = deps.store.rows
    careful: list[Outcome] = []
    sure: list[Outcome] = []
    for outcome in with_own_items(outcomes, row_items=run.row_items):
        unknown = outcome.status is OutcomeStatus.UNKNOWN
        (careful if unknown or outcome.row in contested else sure).append(outcome)
    if careful and not rows.put_copies_unless_settled(chunk, careful, run.expires_at):
        return False
    rows.put_copies(run.run_id, sure, run.expires_at)
    return True


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


def _outcome(row: int, reported: RecordResult, chunk: Chunk, *, deletes: bool) -> Outcome:
    """The final word on a row."""
    result = after_doubt(reported, chunk, deletes=deletes)
    return Outcome(
        row=row,
        status=result.status,
        vendor_id=storable(result.vendor_id, ID_CHARACTERS),
        error_code=storable(result.code, CODE_CHARACTERS),
        error=storable(result.text),
        job_id=chunk.job_id,
        attempts=chunk.attempt,
    )
