"""Settle: one outcome per row of a finished chunk, counted once."""

from __future__ import annotations

import pytest

from jobferry.domain.chunk import ChunkState
from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.lane.state import LaneState
from jobferry.steps.settle_job import settle_job
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import World, sample_csv

FAILED, UNKNOWN, SUCCEEDED = OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SUCCEEDED

pytestmark = pytest.mark.usefixtures("settled_later")


def every_second(record: JsonObject) -> RecordResult | None:
    """r1 and r4 … succeed, r2 and r5 … fail, of r3 and r6 … the vendor says nothing."""
    number = int(record["ref"].removeprefix("r")) % 3
    if number == 0:
        return None
    if number == 1:
        return RecordResult(SUCCEEDED, vendor_id=f"id-{record['ref']}")
    return RecordResult(FAILED, code="RecordInvalid", text="Name: is taken")


@pytest.fixture
def state(world: World) -> LaneState:
    """A lane with three finished chunks of six rows together."""
    world.account.result_of = every_second
    state = world.submit(LaneState(world.planned(sample_csv(6)).run_id, 0))
    world.clock.advance(25)
    return world.poll(state)


def test_every_row_has_what_the_vendor_said_of_it(world: World, state: LaneState) -> None:
    assert settle_job(state.run_id, [1, 2], world.deps) == {"chunks": 2, "rows": 4}
    assert world.outcomes(state.run_id) == {
        1: Outcome(1, SUCCEEDED, vendor_id="id-r1", job_id="job-1", attempts=1),
        2: Outcome(2, FAILED, None, "RecordInvalid", "Name: is taken", "job-1", 1),
        3: Outcome(3, UNKNOWN, None, "unsaid", "The vendor did not say.", "job-2", 1),
        4: Outcome(4, SUCCEEDED, vendor_id="id-r4", job_id="job-2", attempts=1),
    }
    run = world.run(state.run_id)
    assert (run.outcomes[SUCCEEDED], run.outcomes[FAILED], run.outcomes[UNKNOWN]) == (2, 1, 1)
    assert run.jobs_settled == 2


def test_settling_twice_changes_nothing(world: World, state: LaneState) -> None:
    world.settle(state)
    before = world.table.items()
    world.clock.advance(5)
    assert settle_job(state.run_id, [1, 2, 3], world.deps) == {"chunks": 0, "rows": 0}
    assert world.table.items() == before


def test_only_finished_chunks_are_settled(world: World) -> None:
    state = world.submit(LaneState(world.planned(sample_csv(10)).run_id, 0))
    assert settle_job(state.run_id, [1, 5, 99], world.deps) == {"chunks": 0, "rows": 0}
    assert world.outcomes(state.run_id) == {}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("number", [1, 2])
def test_a_crash_anywhere_is_mended_by_doing_it_again(
    world: World, state: LaneState, number: int, phase: Phase
) -> None:
    world.effects.on_effect = CrashOnce(number, phase)
    with pytest.raises(Crash):
        world.settle(state)
    world.settle(state)
    run = world.run(state.run_id)
    assert (run.settled_rows, run.jobs_settled, len(world.outcomes(state.run_id))) == (6, 3, 6)
    assert {c.state for c in world.store.chunks.all(state.run_id)} == {ChunkState.SETTLED}


@pytest.mark.parametrize("damage", ["gone", "garbage", "no jobs", "another job"])
def test_rows_are_unknown_when_the_evidence_is_missing(
    world: World, state: LaneState, damage: str
) -> None:
    (key,) = world.objects.keys("evidence/")
    match damage:
        case "gone":
            world.objects.delete(key)
        case "garbage":
            world.objects.put(key, b'{"jobs": {', "application/json")
        case "no jobs":
            world.objects.put_json(key, {})
        case "another job":
            world.objects.put_json(key, {"jobs": {"job-77": {}}})
    world.settle(state)
    assert {(o.status, o.error_code) for o in world.outcomes(state.run_id).values()} == {
        (UNKNOWN, "evidence_missing")
    }
    assert world.run(state.run_id).outcomes[UNKNOWN] == 6


def test_rows_keep_their_numbers_across_bad_rows(world: World) -> None:
    run = world.processed("Name,Ref\na,r1\n,x\nb,r2\n,x\n,x\nc,r3\n")
    vendor_ids = {row: o.vendor_id for row, o in world.outcomes(run.run_id).items()}
    assert vendor_ids == {1: "id-r1", 2: None, 3: "id-r2", 4: None, 5: None, 6: "id-r3"}
