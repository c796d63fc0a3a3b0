"""The moves of a chunk: every write of one goes along the table, whoever comes whenever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, JobEnd, RetryChunk
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import PlanState
from jobferry.store import Store
from jobferry.store.operations import Item
from jobferry.store.transitions import (
    TRANSITIONS,
    ChunkEvent,
    ClaimChange,
    ForbiddenMoveError,
    PoolChange,
    allows,
    as_markdown,
)
from tests.thorough import at_most
from tests.unit.store.samples import (
    CONNECTION,
    NOW,
    RUN,
    a_run,
    decided,
    in_claims,
    only,
    opened,
    planned,
    standing,
)
from virtual.table import FakeTable, fake_store

DATA_MODEL = Path(__file__).parents[3] / "docs" / "data-model.md"
CHUNKS = 3
RUN_OF_ALL = a_run(plan=PlanState(chunks=CHUNKS))

Act = Callable[[Store, Chunk, float], object]
"""(store, chunk as it was read, now) → something true when the move was made."""


def claim(store: Store, chunk: Chunk, now: float) -> object:
    pool = store.chunks.pool(RUN)
    slots = None if chunk.number == CHUNKS else 2
    # What is neither next nor put back cannot be had at all.
    if chunk.number not in {*range(pool.cursor, pool.end)[:1], *pool.released, *pool.again}:
        return None
    return store.chunks.claim(RUN_OF_ALL, 0, [planned(chunk.number)], pool, now, max_jobs=slots)


def split(store: Store, chunk: Chunk, now: float) -> object:
    part = RetryChunk(chunk.spans, chunk.attempt, False, 0.0, ("busy", "Busy."))
    pool = store.chunks.pool(RUN)
    return store.chunks.split(RUN_OF_ALL, [ChunkOutcome(chunk, ())], [part], pool, now)


def finish(store: Store, chunk: Chunk, now: float) -> object:
    return store.chunks.finish(CONNECTION, [chunk], [JobEnd(chunk.number, evidence="e")], now)


def settle(store: Store, chunk: Chunk, now: float) -> object:
    outcome = decided(chunk, {OutcomeStatus.SUCCEEDED: chunk.rows})
    return store.chunks.settle(a_run(), [outcome], now)


def finish_and_settle(store: Store, chunk: Chunk, now: float) -> object:
    outcome = decided(chunk, {OutcomeStatus.SUCCEEDED: chunk.rows})
    ends = {chunk.number: JobEnd(chunk.number, evidence="e")}
    return store.chunks.finish_and_settle(a_run(), [outcome], ends, now)


ACTS: dict[ChunkEvent, Act] = {
    ChunkEvent.CLAIM: claim,
    ChunkEvent.BEGIN_SENDING: lambda store, c, now: store.chunks.begin_sending(c, "t", "d", now),
    ChunkEvent.REVERT_SEND: lambda store, c, _: store.chunks.revert_send(c),
    ChunkEvent.NOTE_LOST: lambda store, c, now: store.chunks.note_lost(c, now),
    ChunkEvent.NOTE_SEARCH: lambda store, c, now: store.chunks.note_search(c, now),
    ChunkEvent.NOTE_SUBMITTED: lambda store, c, now: store.chunks.note_submitted(
        CONNECTION, c, f"job-{c.number}", now
    ),
    ChunkEvent.ADOPT: lambda store, c, now: store.chunks.adopt(
        CONNECTION, c, f"job-{c.number}", now
    ),
    ChunkEvent.NOTE_ASKED: lambda store, c, _: store.chunks.note_asked(replace(c, end_asked=True)),
    ChunkEvent.RELEASE: lambda store, c, _: store.chunks.release(CONNECTION, c),
    ChunkEvent.FINISH: finish,
    ChunkEvent.SETTLE: settle,
    ChunkEvent.FINISH_AND_SETTLE: finish_and_settle,
    ChunkEvent.SPLIT: split,
    ChunkEvent.ADOPT_LATE: lambda store, c, _: store.chunks.adopt_late(
        CONNECTION, c, f"late-{c.number}"
    ),
}


@dataclass(frozen=True)
class Standing:
    """How a chunk stands, and what belongs to it."""

    state: ChunkState | None
    slots: int
    in_pool: bool
    in_claim: bool

    @classmethod
    def of(cls, store: Store, number: int) -> Standing:
        pool = store.chunks.pool(RUN)
        found = [chunk for chunk in standing(store) if chunk.number == number]
        return cls(
            found[0].state if found else None,
            store.limits.get(CONNECTION).in_flight,
            pool.cursor <= number < pool.end or number in pool.released | pool.again,
            (RUN, 0, number) in set(in_claims(store)),
        )


def expected(event: ChunkEvent, before: Standing, holds_slot: bool) -> Standing:
    """How a chunk stands after an event, by the table."""
    move = TRANSITIONS[event]
    in_pool = {PoolChange.TAKEN: False, PoolChange.RELEASED: True, PoolChange.MADE: True}
    in_claim = {
        ClaimChange.WRITTEN: True,
        ClaimChange.REMOVED: False,
    }
    return Standing(
        move.after,
        before.slots + move.slots * holds_slot,
        in_pool.get(move.pool, before.in_pool),
        in_claim.get(move.claim, before.in_claim),
    )


PAIRS = {(before, move.after) for move in TRANSITIONS.values() for before in move.before}


def along_the_table(before: Item | None, after: Item | None) -> None:
    """A watcher of a table: no item of a chunk ever changes its state in another way."""
    for item in (before, after):
        if item is not None and not item["sk"].startswith("CHUNK#"):
            return
    was, now = [None if item is None else ChunkState(item["state"]) for item in (before, after)]
    # One that is claimed for the first time has no item until it moves on.
    assert (was, now) in PAIRS or (was is None and (ChunkState.CLAIMED, now) in PAIRS)


def chosen(pick: int, state: ChunkState) -> ChunkEvent:
    """An event for a chunk read in this state: mostly one that the table allows."""
    events = [event for event in sorted(ACTS) if allows(event, state) or pick % 8 == 0]
    return events[pick // 8 % len(events)] if events else ChunkEvent.SETTLE


STEP = st.tuples(st.integers(0, 999), st.integers(1, CHUNKS + 1), st.sampled_from((0, 0, 0, 1, 2)))
"""(what to do, with which chunk, how many versions behind)"""


@settings(
    max_examples=at_most(1000, 100), deadline=None, derandomize=True, phases=(Phase.generate,)
)
@given(st.lists(STEP, min_size=20, max_size=60))
def test_moves_in_any_order_go_along_the_table(steps: list[tuple[int, int, int]]) -> None:
    """Also those of a function that holds an old version of a chunk."""
    table = FakeTable()
    table.watchers.append(along_the_table)
    store = fake_store(table)
    opened(store, CHUNKS, max_jobs=2)
    # Every version of each chunk that was ever read, the newest last.
    versions: dict[int, list[Chunk]] = {
        n: [Chunk(RUN, n, 0, ChunkState.PLANNED, planned(n).spans)] for n in range(1, CHUNKS + 2)
    }
    for at, (pick, number, behind) in enumerate(steps):
        known = versions[number]
        chunk = known[-1 - min(behind, len(known) - 1)]
        event = chosen(pick, chunk.state)
        before = Standing.of(store, number)
        items = table.items()
        if event is not ChunkEvent.CLAIM and not allows(event, chunk.state):
            # Of a claim the table itself is asked: it reads the chunk anew.
            with pytest.raises(ForbiddenMoveError):
                ACTS[event](store, chunk, NOW + at)
            assert table.items() == items
            continue
        made = ACTS[event](store, chunk, NOW + at)
        after = Standing.of(store, number)
        if made:
            now_there = only(store, number)
            assert allows(event, before.state)
            assert after == expected(event, before, now_there.holds_slot)
        else:
            assert after == before
        versions[number] = [*known, *(c for c in standing(store) if c.number == number)]
        if made and event is ChunkEvent.SPLIT:
            newest = max(store.chunks.pool(RUN).again)
            assert Standing.of(store, newest) == expected(
                ChunkEvent.MAKE, Standing(None, after.slots, False, False), False
            )


@pytest.mark.parametrize("state", ChunkState)
@pytest.mark.parametrize("event", sorted(ACTS.keys() - {ChunkEvent.CLAIM}))
def test_a_move_that_is_not_in_the_table_is_an_error_at_once(
    event: ChunkEvent, state: ChunkState
) -> None:
    table = FakeTable()
    store = fake_store(table)
    opened(store, CHUNKS)
    chunk = Chunk(RUN, 1, 0, state, planned(1).spans)
    before = table.items()
    if allows(event, state):
        assert not ACTS[event](store, chunk, NOW), "there is no item of it"
        return
    with pytest.raises(ForbiddenMoveError, match=f"{event} of a chunk that is {state}; it must be"):
        ACTS[event](store, chunk, NOW)
    assert table.items() == before


def test_every_event_has_its_move_and_every_move_its_test() -> None:
    assert set(TRANSITIONS) == set(ChunkEvent) == {*ACTS, ChunkEvent.MAKE}


def test_every_state_is_reached_and_every_one_but_the_last_ones_is_left() -> None:
    assert {move.after for move in TRANSITIONS.values()} == set(ChunkState)
    left = {before for before, after in PAIRS if before is not after}
    assert {*ChunkState} - left == {ChunkState.SETTLED, ChunkState.SPLIT}


def test_slots_are_freed_as_often_as_they_are_taken() -> None:
    """A chunk that holds a slot is in a state from which an event frees it, and no other is."""
    holding = {move.after for move in TRANSITIONS.values() if move.slots == 1}
    changed = True
    while changed:
        more = {
            move.after
            for move in TRANSITIONS.values()
            if not move.slots and set(move.before) & holding
        }
        changed = not more <= holding
        holding |= more
    freeing: set[Any] = {
        state for move in TRANSITIONS.values() if move.slots == -1 for state in move.before
    }
    assert holding == freeing == {ChunkState.CLAIMED, ChunkState.SUBMITTED}


def test_the_page_prints_the_table() -> None:
    """Mended by `python -c "from jobferry.store.transitions import *; print(as_markdown())"`."""
    assert as_markdown() in DATA_MODEL.read_text()
