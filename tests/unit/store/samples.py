"""Runs and chunks for the tests of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobferry.domain.chunk import Chunk, ChunkOutcome, PlannedChunk, Span
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import PlanState, Run, RunStatus, Source
from jobferry.store import Store

NOW = 1_767_225_600.25
EXPIRES = 1_800_000_000
CONNECTION = "acme"
RUN = "things-0123456789ab"


def a_run(run_id: str = RUN, **changes: Any) -> Run:
    plain: dict[str, Any] = {
        "run_id": run_id,
        "status": RunStatus.PLANNING,
        "profile": "things",
        "revision": 3,
        "connection": CONNECTION,
        "operation": "things.create",
        "source": Source("inbox", "inbox/things/a.csv", "v1", 4711),
        "started_at": NOW,
        "execution": "arn:execution:1",
        "expires_at": EXPIRES,
    }
    return Run(**{**plain, **changes})


def planned(number: int, rows: int = 10) -> PlannedChunk:
    return PlannedChunk(number, (Span(100 * number, 100, rows * (number - 1) + 1, rows),))


def opened(store: Store, chunks: int, *, max_jobs: int = 30, run_id: str = RUN) -> None:
    """A planned run with this many chunks to claim."""
    run = a_run(run_id, plan=PlanState(chunks=chunks))
    store.runs.create(run)
    store.limits.ensure(CONNECTION, max_jobs)
    store.runs.put_page(run, [planned(n) for n in range(1, chunks + 1)])
    store.chunks.open_pool(run)


def claim(
    store: Store,
    numbers: Sequence[int],
    *,
    lane: int = 0,
    now: float = NOW,
    max_jobs: int | None = 30,
    run_id: str = RUN,
) -> list[Chunk]:
    """Claim chunks of the pool as it is; fails the test when they are not to be had."""
    claimed = store.chunks.claim(
        a_run(run_id),
        lane,
        [planned(n) for n in numbers],
        store.chunks.pool(run_id),
        now,
        max_jobs=max_jobs,
    )
    assert claimed is not None
    return claimed


def only(store: Store, number: int, run_id: str = RUN) -> Chunk:
    """A chunk as it is kept."""
    (chunk,) = (chunk for chunk in standing(store, run_id) if chunk.number == number)
    return chunk


def decided(
    chunk: Chunk,
    counts: Mapping[OutcomeStatus, int],
    failures: Mapping[str, int] | None = None,
) -> ChunkOutcome:
    """So many rows of a chunk with each status, from its first row on."""
    statuses = [status for status, rows in counts.items() for _ in range(rows)]
    outcomes = [
        Outcome(row, status, job_id=chunk.job_id, attempts=chunk.attempt)
        for row, status in zip(chunk.row_numbers(), statuses, strict=False)
    ]
    return ChunkOutcome(chunk, outcomes, failures or {})


def standing(store: Store, run_id: str = RUN) -> list[Chunk]:
    """All chunks that are not in the plan alone: those with an item, and those of claims."""
    chunks = {chunk.number: chunk for chunk in store.chunks.in_flight(CONNECTION, run_id)}
    chunks |= {chunk.number: chunk for chunk in store.chunks.all(run_id)}
    return [chunks[number] for number in sorted(chunks)]


def in_claims(store: Store) -> list[tuple[str, int, int]]:
    """(run, lane, chunk) of all that is in a claim, settled or not."""
    return sorted(
        (claim.run_id, claim.lane, number)
        for claim in store.chunks.claims(CONNECTION)
        for number in claim.numbers
    )


def tidy(store: Store, lane: int | None = None, run_id: str = RUN) -> None:
    """What a lane does with claims that are done with."""
    store.chunks.forget_spent(store.chunks.held(CONNECTION, run_id, lane).spent)
