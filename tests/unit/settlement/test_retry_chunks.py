"""Retried rows are gathered: few jobs, and nothing together that has not the same past."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, RetryChunk, Span
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.settlement.retry_chunks import REACH_BYTES, Remainder, bundled
from jobferry.store.chunk_settling import fits_a_transaction
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import KEY_FIELD
from virtual.world import World, sample_csv

ROW_BYTES = 50
MOST_ROWS = 10


def remainder(number: int, rows: int, attempt: int = 1, code: str = "conflict") -> Remainder:
    """A chunk of ten rows of which the first few go again."""
    offset, first = 1_000 * number, 10 * number + 1
    chunk = Chunk("run", number, 0, ChunkState.FINISHED, (Span(offset, 500, first, 10),))
    spans = (Span(offset, ROW_BYTES * rows, first, rows),)
    return Remainder(
        ChunkOutcome(chunk, ()), [RetryChunk(spans, attempt, False, 0.0, (code, "Try again."))]
    )


def rows_of(bundle: list[Remainder]) -> int:
    return sum(span.rows for one in bundle for span in one.part.spans)


REMAINDERS = st.lists(
    st.tuples(
        st.integers(1, 200), st.integers(1, 10), st.integers(1, 3), st.sampled_from(["a", "b"])
    ),
    unique_by=lambda one: one[0],
    max_size=60,
).map(lambda all_of: [remainder(*one) for one in all_of])


@given(REMAINDERS)
def test_each_goes_once_and_with_its_like(remainders: list[Remainder]) -> None:
    bundles = bundled(remainders, MOST_ROWS)
    gone = Counter(one.chunk.number for bundle in bundles for one in bundle)
    assert gone == Counter(one.chunk.number for one in remainders)
    for bundle in bundles:
        assert len({(one.part.attempt, one.part.last) for one in bundle}) == 1


@given(REMAINDERS)
def test_no_chunk_is_too_large(remainders: list[Remainder]) -> None:
    for bundle in bundled(remainders, MOST_ROWS):
        spans = [span for one in bundle for span in one.part.spans]
        assert fits_a_transaction([one.tally for one in bundle])
        assert rows_of(bundle) <= MOST_ROWS
        assert sum(span.length for span in spans) <= 500
        assert spans == sorted(spans)
        assert spans[-1].offset + spans[-1].length - spans[0].offset <= REACH_BYTES


@given(REMAINDERS)
def test_no_two_neighbours_would_fit_together(remainders: list[Remainder]) -> None:
    """Gathering in the order of the file leaves no chunk that could have taken the next rows."""
    bundles = bundled(remainders, MOST_ROWS)
    for bundle, after in pairwise(bundles):
        alike = bundle[0].part.attempt == after[0].part.attempt
        if alike and bundle[0].part.last == after[0].part.last:
            assert rows_of(bundle) + rows_of(after[:1]) > MOST_ROWS


class ConflictAtFirst:
    """One row of every ten meets a conflict the first time it is sent."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()

    def __call__(self, record: JsonObject) -> RecordResult:
        key = str(record[KEY_FIELD])
        self.sent[key] += 1
        if int(key[1:]) % 10 == 3 and self.sent[key] == 1:
            return RecordResult(OutcomeStatus.FAILED, code="DatabaseConflict", text="Collision")
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=f"id-{key}")


def test_a_row_of_each_job_makes_one_job_in_ten() -> None:
    with World(max_records=10, max_jobs=30) as world:
        world.account.result_of = ConflictAtFirst()
        run = world.processed(sample_csv(300))
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 300
        assert world.problems(run.run_id) == []
        assert 33 <= len(world.account.submissions) <= 36


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("nth", range(1, 13))
def test_a_crash_loses_and_doubles_nothing(nth: int, phase: Phase) -> None:
    with World(max_records=10, max_jobs=4) as world:
        world.account.result_of = ConflictAtFirst()
        world.effects.on_effect = CrashOnce(nth, phase, frozenset({"table.transact"}))
        try:
            run = world.processed(sample_csv(60))
        except Crash:
            pytest.fail("the run was not carried on")
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 60
        assert world.problems(run.run_id) == []
        jobs = world.account.jobs.values()
        sent = Counter(str(record[KEY_FIELD]) for job in jobs for record in job.records)
        assert all(n == 1 for key, n in sent.items() if int(key[1:]) % 10 != 3)
        assert max(sent.values()) <= 2
