"""Retried rows: chunks of their own, gathered over the chunks that are settled together.

A chunk of which some rows go again is settled for the others in the same transaction, so every
row is always in exactly one chunk that can still decide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from jobferry.binding.run_binding import RunContext
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, RetryChunk, attempts_of
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.trouble import VENDOR_UNAVAILABLE
from jobferry.settlement.retry_policy import Verdicts, again_at, bisected_rows
from jobferry.store.chunk_settling import fits_a_transaction
from jobferry.store.row_items import ERROR_CHARACTERS
from jobferry.vendors.operation import most_records

REACH_BYTES = 4 * 1024 * 1024
"""Of the file, from the first row of a chunk to its last: it is read in one piece."""


@dataclass(frozen=True)
class Remainder:
    """What of a finished chunk goes again.

    Attributes:
        tally: what is decided of it, counted
        parts: the retried rows: those that may have been applied apart from the others
    """

    tally: ChunkOutcome
    parts: Sequence[RetryChunk]

    @property
    def chunk(self) -> Chunk:
        return self.tally.chunk

    @property
    def part(self) -> RetryChunk:
        """All of it, where no doubt divides its rows."""
        (part,) = self.parts
        return part


def parts_of(
    chunk: Chunk,
    verdicts: Verdicts,
    results: Sequence[RecordResult],
    context: RunContext,
    now: float,
) -> list[RetryChunk]:
    """The rows of a chunk that go again.

    Raises:
        SourceError: the file cannot be read, so that nobody knows where they lie.
    """
    doubts = {
        at: chunk.maybe_applied or results[at].status is OutcomeStatus.UNKNOWN
        for at in verdicts.again
    }
    return [
        _part(chunk, rows, results, context, now, maybe_applied=maybe_applied)
        for maybe_applied in (False, True)
        if (rows := [at for at, doubt in doubts.items() if doubt is maybe_applied])
    ]


def _part(
    chunk: Chunk,
    rows: Sequence[int],
    results: Sequence[RecordResult],
    context: RunContext,
    now: float,
    *,
    maybe_applied: bool,
) -> RetryChunk:
    """Some rows of a chunk, by their positions in it.

    A chunk that was refused as a whole is bisected, and that attempt does not count: nothing of it
    was done, and only one row of it may be to blame. One that was lost counts.
    """
    numbers, first = chunk.row_numbers(), results[rows[0]]
    lost = chunk.bisect and first.code == VENDOR_UNAVAILABLE
    refused = chunk.bisect and not lost
    return RetryChunk(
        spans=context.cut(chunk, [numbers[position] for position in rows]),
        attempt=chunk.attempt - 1 if refused else chunk.attempt,
        maybe_applied=maybe_applied,
        not_before=now if chunk.bisect else again_at(now, chunk.attempt),
        last=(first.code or "", (first.text or "")[:ERROR_CHARACTERS]),
        earlier=attempts_of(chunk) if lost and not maybe_applied else chunk.earlier,
    )


def put_retry_chunks(remainders: Sequence[Remainder], context: RunContext, deps: Deps) -> int:
    """Make chunks of the retried rows; returns how many chunks this call settled so."""
    bisected = [one for one in remainders if one.chunk.bisect]
    mixed = [one for one in remainders if not one.chunk.bisect and len(one.parts) > 1]
    others = [one for one in remainders if not one.chunk.bisect and len(one.parts) == 1]
    most = most_records(context.profile, context.operation)
    done = sum(_split([one], _bisected(one, context), context, deps) for one in bisected)
    done += sum(_split([one], one.parts, context, deps) for one in mixed)
    for gathered in bundled(others, most):
        done += _split(gathered, [_joined(gathered)], context, deps)
    return done


def bundled(remainders: Iterable[Remainder], most_rows: int) -> list[list[Remainder]]:
    """Remainders that make one chunk together, in the order of the file. Pure.

    Only what has the same past goes together, no more rows than a job may have, and no more bytes
    than one of their jobs has had: so much was accepted before.
    """
    past = attrgetter("part.attempt", "part.maybe_applied", "part.last", "part.earlier")
    bundles: list[list[Remainder]] = []
    for _, alike in groupby(sorted(remainders, key=past), past):
        bundle: list[Remainder] = []
        for one in sorted(alike, key=lambda one: one.part.spans[0].offset):
            if bundle and not _fits([*bundle, one], most_rows):
                bundles.append(bundle)
                bundle = []
            bundle.append(one)
        bundles.append(bundle)
    return bundles


def _fits(bundle: Sequence[Remainder], most_rows: int) -> bool:
    spans = [span for one in bundle for span in one.part.spans]
    most_bytes = max(sum(span.length for span in one.chunk.spans) for one in bundle)
    end = max(span.offset + span.length for span in spans)
    return (
        fits_a_transaction([one.tally for one in bundle])
        and sum(span.rows for span in spans) <= most_rows
        and sum(span.length for span in spans) <= most_bytes
        and end - spans[0].offset <= REACH_BYTES
    )


def _joined(bundle: Sequence[Remainder]) -> RetryChunk:
    """All their rows in one chunk. Rows of other chunks may lie between: spans keep their order."""
    spans = sorted(span for one in bundle for span in one.part.spans)
    return replace(
        bundle[0].part,
        spans=tuple(spans),
        not_before=max(one.part.not_before for one in bundle),
    )


def _bisected(one: Remainder, context: RunContext) -> list[RetryChunk]:
    return [
        replace(part, spans=context.cut(one.chunk, half))
        for part in one.parts
        for half in bisected_rows([s.first_row + i for s in part.spans for i in range(s.rows)])
    ]


def _split(
    bundle: Sequence[Remainder], parts: Sequence[RetryChunk], context: RunContext, deps: Deps
) -> int:
    """Settle these chunks with the chunks that their other rows make, all or none.

    Returns:
        How many this call settled: none that another call has settled before.
    """
    run, chunks = context.run, deps.store.chunks
    while bundle:
        pool = chunks.pool(run.run_id)
        if chunks.split(run, [one.tally for one in bundle], parts, pool, deps.now()):
            if bundle[0].chunk.bisect:
                deps.store.runs.count_bisection(run.run_id)
            rows = sum(span.rows for part in parts for span in part.spans)
            numbers = [one.chunk.number for one in bundle]
            deps.log("rows go again", run_id=run.run_id, chunks=numbers, rows=rows)
            return len(bundle)
        found = chunks.get(run.run_id, [one.chunk.number for one in bundle])
        left = {chunk.number for chunk in found if chunk.state is ChunkState.FINISHED}
        if len(left) < len(bundle):
            bundle = [one for one in bundle if one.chunk.number in left]
            parts = [_joined(bundle)] if bundle else []
    return 0
