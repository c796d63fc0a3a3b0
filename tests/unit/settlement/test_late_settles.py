"""A settle that is far behind decides nothing over what has been decided meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from jobferry.domain.chunk import Chunk, ChunkOutcome, JobEnd, PlannedChunk, RetryChunk
from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.domain.types import JsonObject
from jobferry.lane.state import LaneState
from jobferry.settlement.abandon_run import abandon_run
from jobferry.settlement.retry_policy import BISECTIONS
from jobferry.steps.settle_job import settle_job
from virtual.effects import Phase
from virtual.vendor import Behaviour, Reply
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
HALT = StopReason("aborted", "Stopped by hand.")

pytestmark = pytest.mark.usefixtures("settled_later")


class Meanwhile:
    """Something that happens just before whoever is at work writes the first rows."""

    def __init__(self, world: World, happening: Callable[[], None]) -> None:
        self._world, self._happening = world, happening
        world.effects.on_effect = self

    def __call__(self, kind: str, phase: Phase) -> None:
        if phase is Phase.BEFORE and kind in {"table.put_many", "table.transact"}:
            self._world.effects.on_effect = lambda _kind, _phase: None
            self._happening()


def finished(world: World, result: Callable[[JsonObject], RecordResult | None]) -> Run:
    """A run of one job, which has ended and is not settled."""
    world.account.result_of = result
    state = world.submit(LaneState(world.planned(sample_csv(2)).run_id, 0))
    world.clock.advance(25)
    world.poll(state)
    return world.run(state.run_id)


def in_conflict(_record: JsonObject) -> RecordResult:
    return RecordResult(FAILED, code="DatabaseConflict", text="Collision")


def first_in_conflict(record: JsonObject) -> RecordResult:
    if record["ref"] == "r1":
        return in_conflict(record)
    return RecordResult(SUCCEEDED, vendor_id="id-r2")


def chunk(world: World, run: Run) -> Chunk:
    (found,) = world.store.chunks.get(run.run_id, [1])
    return found


def sent_again(world: World, run: Run, decided: int = 0) -> None:
    """Rows of the first chunk go again, all but the last `decided`, and succeed."""
    chunks = world.store.chunks
    whole = chunk(world, run)
    rows = whole.row_numbers()
    again = rows[: len(rows) - decided]
    part = RetryChunk(
        (whole.spans[0]._replace(rows=len(again)),), 1, False, 0.0, ("c", "Collision")
    )
    tally = ChunkOutcome(whole, outcomes(rows[len(again) :], SUCCEEDED))
    assert chunks.split(run, [tally], [part], chunks.pool(run.run_id), world.clock.now())
    pool = chunks.pool(run.run_id)
    (number,) = pool.again
    now = world.clock.now()
    offered = [PlannedChunk(number, part.spans)]
    (claimed,) = chunks.claim(run, 0, offered, pool, now, max_jobs=3) or ()
    verdict = (SUCCEEDED, "", "")
    assert chunks.finish(CONNECTION, [claimed], [JobEnd(number, verdict=verdict)], now)
    settle_job(run.run_id, [number], world.task_deps())


def closed(world: World, run: Run) -> None:
    now = world.clock.now()
    world.store.runs.close(
        run.run_id, RunStatus.UNRESOLVED, now, {}, {}, expires_at=int(now) + 86_400
    )


def outcomes(rows: list[int], status: OutcomeStatus) -> list[Outcome]:
    return [Outcome(row, status) for row in rows]


def adds_up(world: World, run: Run) -> Counter[OutcomeStatus]:
    """The outcomes of a run, if they are those that it has counted."""
    counted = Counter({s: n for s, n in world.run(run.run_id).outcomes.items() if n})
    assert Counter(world.statuses(run.run_id)) == counted
    return counted


@pytest.mark.parametrize(
    ("result", "decided"), [(in_conflict, 0), (first_in_conflict, 1)], ids=["all", "some"]
)
def test_rows_that_went_again_before_the_run_was_stopped(
    world: World, result: Callable[[JsonObject], RecordResult], decided: int
) -> None:
    run = finished(world, result)
    world.store.runs.stop(run.run_id, HALT)
    Meanwhile(world, lambda: sent_again(world, run, decided))

    assert settle_job(run.run_id, [1], world.task_deps()) == {"chunks": 0, "rows": 0}

    assert adds_up(world, run) == {SUCCEEDED: 2}


def test_a_job_that_was_halved_while_it_could_be(world: World) -> None:
    world.account.will_reply(Reply(Behaviour.REFUSE, http_status=422))
    state = world.submit(LaneState(world.planned(sample_csv(2)).run_id, 0))
    run = world.run(state.run_id)
    assert chunk(world, run).bisect
    for _ in range(BISECTIONS):
        world.store.runs.count_bisection(run.run_id)
    Meanwhile(world, lambda: sent_again(world, run))

    assert settle_job(run.run_id, [1], world.task_deps())["rows"] == 0

    assert adds_up(world, run) == {SUCCEEDED: 2}


def unsaid(_record: JsonObject) -> None:
    return None


def test_unknown_rows_that_were_resolved_since(world: World) -> None:
    run = finished(world, unsaid)

    def resolved() -> None:
        settle_job(run.run_id, [1], world.task_deps())
        closed(world, run)
        world.store.runs.ask_resolve(world.run(run.run_id), world.clock.now())
        world.store.rows.resolve(run.run_id, outcomes([1, 2], SUCCEEDED), run.expires_at)

    Meanwhile(world, resolved)

    assert settle_job(run.run_id, [1], world.task_deps())["rows"] == 0

    assert adds_up(world, run) == {SUCCEEDED: 2}


def test_a_run_that_is_deleted_gets_no_item_back(world: World) -> None:
    run = finished(world, unsaid)

    def deleted() -> None:
        settle_job(run.run_id, [1], world.task_deps())
        closed(world, run)
        world.store.rows.purge(run.run_id, 2)
        world.store.runs.delete(world.run(run.run_id), world.clock.now())

    Meanwhile(world, deleted)

    assert settle_job(run.run_id, [1], world.task_deps())["rows"] == 0

    left = [item["sk"] for item in world.table.items() if run.run_id in item["pk"]]
    assert left == ["CHUNK#0000000001", "DELETED"], "for an hour it is known to be at its end"
    assert world.store.chunks.get(run.run_id, [1])[0].spans == ()


def test_a_run_that_is_written_off_while_its_rows_are_settled(world: World) -> None:
    run = finished(world, in_conflict)
    Meanwhile(world, lambda: sent_again(world, run))

    assert abandon_run(run, "The connection is gone.", world.task_deps(), world.clock.now() + 60)

    assert adds_up(world, run) == {SUCCEEDED: 2}


@pytest.mark.parametrize("rows", [1, 2])
def test_what_a_stopped_run_cannot_know_is_unknown(world: World, rows: int) -> None:
    """A row that may have been created is not `failed` because nothing is sent any more."""
    broken = RecordResult(FAILED, code="InternalServerError", text="Oops")
    run = finished(world, lambda record: broken if record["ref"] <= f"r{rows}" else None)
    world.store.runs.stop(run.run_id, HALT)
    settle_job(run.run_id, [1], world.task_deps())
    assert adds_up(world, run) == {UNKNOWN: 2}
