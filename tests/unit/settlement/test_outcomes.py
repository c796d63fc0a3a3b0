"""What becomes of a finished chunk's rows: decided, sent again, apart or together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from jobferry.binding.run_binding import RunContext
from jobferry.domain.chunk import Attempt, Chunk, ChunkOutcome, ChunkState, JobEnd, RetryChunk, Span
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.trouble import (
    SOURCE,
    SOURCE_MISSING,
    SOURCE_UNAVAILABLE,
    SOURCE_UNREADABLE,
    VENDOR_UNAVAILABLE,
)
from jobferry.settlement.outcomes import _outcome
from jobferry.settlement.retry_chunks import (
    REACH_BYTES,
    Remainder,
    bundled,
    parts_of,
)
from jobferry.settlement.retry_policy import BISECTIONS, Verdicts
from jobferry.steps.settle_job import settle_job
from jobferry.store.chunk_settling import SETTLE_BATCH
from jobferry.store.chunks import Chunks
from jobferry.store.objects import SourceError
from virtual.vendor import UPSERT
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
DONE = RecordResult(SUCCEEDED, vendor_id="id")
BUSY = RecordResult(FAILED, code="conflict", text="Busy.")
BAD = RecordResult(FAILED, code="RecordInvalid", text="No.")
UNSAID = RecordResult(UNKNOWN, code="unsaid", text="?")


def says(world: World, *told: Any) -> None:
    """What the adapter reads out of one job after the other, the last of it out of all others."""
    left = list(told)

    def read(*_args: Any) -> Any:
        results = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(results, Exception):
            raise results
        return results

    world.vendor = replace(world.vendor, read_results=read)


def ended(world: World, count: int, *, rows: int = 2, **job_end: Any) -> tuple[str, list[int]]:
    """A run with so many chunks whose jobs have ended."""
    run = world.planned(sample_csv(count * rows))
    now, chunks = world.clock.now(), world.store.chunks
    planned = world.store.runs.planned_chunks(run.run_id, 1, count)
    claimed = chunks.claim(run, 0, planned, chunks.pool(run.run_id), now, max_jobs=99)
    assert claimed is not None
    world.objects.put_json("evidence.json", {"jobs": {f"job-{n}": {} for n in range(9)}})
    for chunk in claimed:
        sent = chunks.begin_sending(chunk, f"t{chunk.number}", "d", now)
        assert sent is not None
        assert chunks.note_submitted(CONNECTION, sent, f"job-{chunk.number}", now)
        (job,) = chunks.get(run.run_id, [chunk.number])
        given = {"evidence": "evidence.json", **job_end}
        assert chunks.finish(CONNECTION, [job], [JobEnd(chunk.number, **given)], now)
    return run.run_id, [chunk.number for chunk in claimed]


def rows_of(world: World, run_id: str) -> list[tuple[OutcomeStatus, str | None]]:
    return [(o.status, o.error_code) for _, o in sorted(world.outcomes(run_id).items())]


class TestResults:
    @pytest.mark.parametrize(
        "results",
        [
            [DONE],
            [DONE, DONE, DONE],
            [DONE, RecordResult(SUCCEEDED, vendor_id=cast(str, 7))],
            [DONE, RecordResult(FAILED, code=cast(str, 7), text="x")],
            [DONE, RecordResult(FAILED, code="x", text=cast(str, 7))],
            ValueError("?"),
        ],
    )
    def test_what_makes_no_sense_decides_nothing(self, world: World, results: Any) -> None:
        run_id, numbers = ended(world, 1)
        says(world, results)
        assert settle_job(run_id, numbers, world.deps) == {"chunks": 1, "rows": 2}
        assert rows_of(world, run_id) == [(UNKNOWN, "answer_unusable")] * 2

    def test_a_file_that_is_needed_and_gone_leaves_them_unknown(self, world: World) -> None:
        run_id, numbers = ended(world, 1)
        says(world, SourceError(SOURCE_MISSING))
        for _ in range(2):  # once may be an accident of a deployment
            with pytest.raises(SourceError):
                settle_job(run_id, numbers, world.deps)
            world.clock.advance(31.0)
        settle_job(run_id, numbers, world.deps)
        assert rows_of(world, run_id) == [(UNKNOWN, "source_missing")] * 2

    @pytest.mark.parametrize("code", [SOURCE_UNREADABLE, SOURCE_UNAVAILABLE])
    def test_a_file_that_may_not_be_read_for_a_while_is_waited_for(
        self, world: World, code: str
    ) -> None:
        run_id, numbers = ended(world, 2)
        says(world, SourceError(code), [DONE, DONE], [DONE, DONE])
        with pytest.raises(SourceError):
            settle_job(run_id, numbers, world.deps)
        # The other job of the group is settled all the same, and the run says what it waits for.
        assert [c.state for c in world.store.chunks.all(run_id)].count(ChunkState.SETTLED) == 1
        assert world.run(run_id).troubles[SOURCE].code == code

        says(world, [DONE, DONE])
        settle_job(run_id, numbers, world.deps)
        assert rows_of(world, run_id) == [(SUCCEEDED, None)] * 4

    def test_evidence_that_is_gone_says_what_to_do(self, world: World) -> None:
        run_id, numbers = ended(world, 1, evidence="nowhere.json")
        settle_job(run_id, numbers, world.deps)
        assert "look the record up there" in (world.outcomes(run_id)[1].error or "")

    def test_those_not_finished_are_passed_over(self, world: World) -> None:
        run_id, numbers = ended(world, 1)
        says(world, [DONE, DONE])
        settle_job(run_id, numbers, world.deps)
        world.log.clear()
        says(world, [DONE])
        assert settle_job(run_id, numbers, world.deps) == {"chunks": 0, "rows": 0}
        assert world.warnings() == []

    @pytest.mark.parametrize("late", [False, True])
    def test_who_is_late_pauses_no_run(
        self,
        world: World,
        late: bool,
    ) -> None:
        world.put_profile({"on_error": {"lost": "stop"}})
        run_id, numbers = ended(world, 1)
        says(world, [DONE, UNSAID])
        read = world.store.chunks.get(run_id, numbers)
        if late:
            settle_job(run_id, numbers, world.deps)
            world.store.runs.resume(world.run(run_id))
        with mock.patch.object(Chunks, "get", return_value=read):
            settle_job(run_id, numbers, world.deps)
        assert world.run(run_id).paused is not late

    def test_the_breaker_quotes_a_row(self, world: World) -> None:
        world.put_profile({"breaker": {"at_least": 2, "share": 0.5}})
        run_id, numbers = ended(world, 1)
        says(world, [BAD, BAD])
        settle_job(run_id, numbers, world.deps)
        pause = world.run(run_id).pause
        assert pause is not None
        assert pause.reason.endswith("failed with RecordInvalid: No.")


class TestOutcome:
    @pytest.mark.parametrize(
        ("maybe_applied", "deletes", "code", "status", "kept"),
        [
            (True, True, "NotFound", SUCCEEDED, None),
            (False, True, "NotFound", FAILED, "NotFound"),
            (True, False, "NotFound", UNKNOWN, "NotFound"),
            (True, True, "RecordInvalid", UNKNOWN, "RecordInvalid"),
        ],
    )
    def test_what_is_gone_after_doubt_is_deleted(
        self,
        *,
        maybe_applied: bool,
        deletes: bool,
        code: str,
        status: OutcomeStatus,
        kept: str | None,
    ) -> None:
        result = RecordResult(FAILED, vendor_id="id", code=code, text="It is not there.")
        outcome = _outcome(1, result, a_chunk(maybe_applied=maybe_applied), deletes=deletes)
        assert (outcome.status, outcome.error_code) == (status, kept)
        assert (outcome.error is None) is (status is SUCCEEDED)
        assert outcome.vendor_id == "id"
        if status is UNKNOWN:
            assert (outcome.error or "").startswith("Sent before without a clear answer")

    @pytest.mark.parametrize(
        ("result", "twice", "code"),
        [
            (DONE, None, None),
            (DONE, "job-9", "carried_out_twice"),
            (BAD, "job-9", "RecordInvalid"),
            (UNSAID, "job-9", "unsaid"),
        ],
    )
    def test_a_success_may_be_one_of_two(
        self, result: RecordResult, twice: str | None, code: str | None
    ) -> None:
        outcome = _outcome(1, result, a_chunk(twice=twice), deletes=False)
        assert (outcome.status, outcome.error_code) == (result.status, code)
        assert ("job-9" in (outcome.error or "")) is (code == "carried_out_twice")


class TestHalving:
    @pytest.mark.parametrize(
        ("rows", "bisected", "again"),
        [(1, 0, 0), (2, 0, 2), (3, 0, 2), (2, BISECTIONS, 0), (2, BISECTIONS - 1, 2)],
    )
    def test_a_chunk_that_was_refused_as_a_whole(
        self, *, rows: int, bisected: int, again: int
    ) -> None:
        with World(max_records=rows, max_jobs=3) as world:
            refused = (FAILED, "bad", "No.")
            run_id, numbers = ended(world, 1, rows=rows, verdict=refused, bisect=True)
            for _ in range(bisected):
                world.store.runs.count_bisection(run_id)
            answer = settle_job(run_id, numbers, world.deps)
            assert answer == {"chunks": 1, "rows": 0 if again else rows}
            assert len(world.store.chunks.pool(run_id).again) == again
            assert rows_of(world, run_id) == ([] if again else [(FAILED, "bad")] * rows)

    def test_halves_stay_halves_when_others_are_faster(self, world: World) -> None:
        run_id, numbers = ended(world, 1, verdict=(FAILED, "bad", "No."), bisect=True)
        original, refused = Chunks.split, iter([False])

        def contended(chunks: Chunks, *args: Any) -> bool:
            return next(refused, True) and original(chunks, *args)

        with mock.patch.object(Chunks, "split", contended):
            settle_job(run_id, numbers, world.deps)
        made = world.store.chunks.get(run_id, sorted(world.store.chunks.pool(run_id).again))
        assert [c.row_numbers() for c in made] == [[1], [2]]


class TestAgain:
    def test_what_is_in_doubt_goes_apart(self, world: World) -> None:
        world.put_profile({"operation": UPSERT, "on_error": {"lost": "retry"}})
        run_id, numbers = ended(world, 2)
        says(world, [BUSY, UNSAID])
        assert settle_job(run_id, numbers, world.deps) == {"chunks": 2, "rows": 0}
        pool = world.store.chunks.pool(run_id)
        made = world.store.chunks.get(run_id, sorted(pool.again))
        assert [(c.maybe_applied, c.row_numbers()) for c in made] == [
            (False, [1]),
            (True, [2]),
            (False, [3]),
            (True, [4]),
        ]

    @pytest.mark.parametrize(
        ("settled", "pool_moved", "counted", "again"),
        [
            ([], False, 2, [[1, 3]]),
            ([], True, 2, [[1, 3]]),
            ([1], False, 1, [[3]]),
            ([2], False, 1, [[1]]),
            ([1, 2], False, 0, []),
        ],
    )
    def test_those_that_another_settles_meanwhile_are_not_sent_again(
        self,
        world: World,
        *,
        settled: Sequence[int],
        pool_moved: bool,
        counted: int,
        again: list[list[int]],
    ) -> None:
        run_id, numbers = ended(world, 2)
        says(world, [BUSY, DONE])
        original, first = Chunks.split, iter([1])

        def contended(chunks: Chunks, *args: Any) -> bool:
            for _ in first:
                read = world.store.chunks.get(run_id, settled)
                now = world.clock.now()
                run = world.run(run_id)
                world.store.chunks.settle(run, [ChunkOutcome(c, ()) for c in read], now)
                if pool_moved:
                    return False
            return original(chunks, *args)

        with mock.patch.object(Chunks, "split", contended):
            assert settle_job(run_id, numbers, world.deps)["chunks"] == counted
        pool = world.store.chunks.pool(run_id)
        made = world.store.chunks.get(run_id, sorted(pool.again))
        assert [c.row_numbers() for c in made] == again

    def test_all_of_a_bundle_wait_for_the_last(self, world: World) -> None:
        run_id, numbers = ended(world, 2)
        says(world, [BUSY, DONE])
        now = world.clock.now()
        with mock.patch(
            "jobferry.settlement.retry_chunks.again_at", side_effect=[now + 9.0, now + 50.0]
        ):
            settle_job(run_id, numbers, world.deps)
        (made,) = world.store.chunks.get(run_id, sorted(world.store.chunks.pool(run_id).again))
        assert made.not_before == now + 50.0


def a_chunk(**changes: Any) -> Chunk:
    plain: dict[str, Any] = {
        "run_id": "run",
        "number": 1,
        "lane": 0,
        "state": ChunkState.FINISHED,
        "spans": (Span(0, 90, 1, 3),),
        "attempt": 2,
        "token": "t",
        "sending_at": 5.0,
        "lost_at": 7.0,
    }
    return Chunk(**{**plain, **changes})


OWN = Attempt("t", 5.0, 7.0, (Span(0, 90, 1, 3),))
BEFORE = Attempt("s", 1.0, 2.0, (Span(0, 90, 1, 3),))


@pytest.mark.parametrize(
    ("chunk", "result", "part"),
    [
        ({}, BUSY, {"attempt": 2, "maybe_applied": False, "not_before": 110.0}),
        ({"maybe_applied": True}, BUSY, {"attempt": 2, "maybe_applied": True, "not_before": 110.0}),
        ({}, UNSAID, {"attempt": 2, "maybe_applied": True, "last": ("unsaid", "?")}),
        ({"bisect": True}, BUSY, {"attempt": 1, "not_before": 100.0, "earlier": (BEFORE,)}),
        (
            {"bisect": True},
            RecordResult(FAILED, code=VENDOR_UNAVAILABLE, text="x"),
            {"attempt": 2, "not_before": 100.0, "earlier": (BEFORE, OWN)},
        ),
        (
            {"bisect": True, "maybe_applied": True},
            RecordResult(UNKNOWN, code=VENDOR_UNAVAILABLE, text="x"),
            {"attempt": 2, "maybe_applied": True, "earlier": (BEFORE,)},
        ),
        (
            {},
            RecordResult(FAILED, code=VENDOR_UNAVAILABLE, text="x"),
            {"attempt": 2, "earlier": (BEFORE,)},
        ),
        ({}, RecordResult(FAILED), {"last": ("", "")}),
        ({}, BUSY, {"last": ("conflict", "Busy.")}),
    ],
)
def test_what_rows_that_go_again_bring_along(
    chunk: Mapping[str, Any], result: RecordResult, part: Mapping[str, Any]
) -> None:
    cut: list[Sequence[int]] = []

    def note(_chunk: Chunk, rows: Sequence[int]) -> tuple[Span, ...]:
        cut.append(rows)
        return (Span(30, 30, 2, 1),)

    context = cast(RunContext, SimpleNamespace(cut=note))
    results = [DONE, result, DONE]
    earlier = (BEFORE,)
    made = parts_of(
        a_chunk(**{"earlier": earlier, **chunk}), Verdicts((), [1]), results, context, 100.0
    )
    assert cut == [[2]]
    assert {name: getattr(made[0], name) for name in part} == part
    assert len(made) == 1


def remainder(
    number: int, offset: int, part: int = 50, chunk: int = 500, rows: int = 1, **changes: Any
) -> Remainder:
    """A chunk of which some bytes at an offset go again."""
    whole = (Span(offset, chunk, number, 10),)
    spans = (Span(offset, part, number, rows),)
    given: dict[str, Any] = {
        "attempt": 1,
        "maybe_applied": False,
        "not_before": 0.0,
        "last": ("a", ""),
    }
    tally = ChunkOutcome(a_chunk(number=number, spans=whole), ())
    return Remainder(tally, [RetryChunk(spans, **{**given, **changes})])


class TestGather:
    @pytest.mark.parametrize(
        ("remainders", "together"),
        [
            ([remainder(1, 0), remainder(2, 1_000)], True),
            ([remainder(1, 0, rows=5), remainder(2, 1_000, rows=5)], True),
            ([remainder(1, 0, rows=6), remainder(2, 1_000, rows=5)], False),
            ([remainder(1, 0, 300, 500), remainder(2, 1_000, 100, 100)], True),
            ([remainder(1, 0, 100, 100), remainder(2, 1_000, 400, 500)], True),
            ([remainder(1, 0, 300, 500), remainder(2, 1_000, 201, 500)], False),
            ([remainder(1, 7), remainder(2, 7 + REACH_BYTES - 50)], True),
            ([remainder(1, 7), remainder(2, 7 + REACH_BYTES - 49)], False),
        ],
    )
    def test_what_fits_into_one_job(self, remainders: list[Remainder], *, together: bool) -> None:
        assert len(bundled(remainders, 10)) == (1 if together else 2)

    def test_so_many_chunks_are_settled_at_once(self) -> None:
        many = [remainder(n, 1_000 * n, part=1, rows=1) for n in range(SETTLE_BATCH + 1)]
        assert [len(bundle) for bundle in bundled(many, 1_000)] == [SETTLE_BATCH, 1]

    def test_one_that_is_too_large_goes_by_itself(self) -> None:
        (only,) = [remainder(1, 0, rows=20)]
        assert bundled([only], 10) == [[only]]
