"""Plan: chunks of good rows, an outcome for every other row, the same however often it stops."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.domain.chunk import PlannedChunk
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.steps.open_run import open_run
from jobferry.store import plan_writer
from jobferry.store.config import Config
from jobferry.store.plan_writer import PlanMovedError
from jobferry.store.runs import Runs
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import CONNECTION, World, sample_csv

MIXED = "Name,Ref\nname,r1\n,r2\nname,r3\nname,r1\nname,\nname,r4\n,r5\nname,r3\nname,r6\n"
"""Good rows are 1, 3, 6 and 9; 2, 5 and 7 lack a value; 4 and 8 repeat a key."""


def opened(world: World, body: str | bytes) -> str:
    run_id: str = open_run(world.drop(body), "arn:execution:0", world.deps)["run_id"]
    return run_id


def planned_in_steps(world: World, body: str | bytes) -> tuple[Run, int]:
    """Plan with a deadline that has always passed; returns the run and how many steps it took."""
    run_id = opened(world, body)
    world.seconds["plan"] = 0.0
    for step in range(1, 5_000):
        if world.plan(run_id)["state"] != "planning":
            return world.run(run_id), step
    raise AssertionError("planning makes no progress")


def plan_of(world: World, run: Run) -> tuple[Any, list[PlannedChunk], dict[int, Outcome]]:
    chunks = world.store.runs.planned_chunks(run.run_id, 1, run.plan.chunks)
    return (run.plan, run.outcomes), chunks, world.outcomes(run.run_id)


def test_good_rows_are_cut_into_chunks_and_lanes_may_start(world: World) -> None:
    run_id = opened(world, sample_csv(5))
    answer = world.plan(run_id)
    assert answer == {"run_id": run_id, "state": "small", "lanes": [0]}
    run = world.run(run_id)
    assert (run.status, run.lanes) == (RunStatus.RUNNING, 1)
    assert (run.plan.row, run.plan.chunks, run.plan.done) == (5, 3, True)
    chunks = world.store.runs.planned_chunks(run_id, 1, 9)
    assert [(c.number, c.rows) for c in chunks] == [(1, 2), (2, 2), (3, 1)]
    assert world.store.chunks.pool(run_id).left == 3
    assert world.outcomes(run_id) == {}


def test_other_rows_have_their_outcome_at_once(world: World) -> None:
    world.put_profile({"row_key": "Ref"})
    run = world.planned(MIXED)
    rejected, skipped = OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED
    found = {row: (o.status, o.error_code) for row, o in world.outcomes(run.run_id).items()}
    assert found == {
        2: (rejected, "missing_value"),
        4: (skipped, "duplicate_row_key"),
        5: (rejected, "missing_row_key"),
        7: (rejected, "missing_value"),
        8: (skipped, "duplicate_row_key"),
    }
    assert (run.outcomes[rejected], run.outcomes[skipped]) == (3, 2)
    sent = world.store.runs.planned_chunks(run.run_id, 1, 9)
    assert [n for c in sent for s in c.spans for n in range(s.first_row, s.first_row + s.rows)] == [
        1,
        3,
        6,
        9,
    ]


def test_planning_again_changes_nothing(world: World) -> None:
    run = world.planned(MIXED)
    before = world.table.items()
    assert world.plan(run.run_id)["state"] == "small"
    assert world.table.items() == before
    world.clock.advance(60)
    world.plan(run.run_id)
    demand = f"NEED#{run.run_id}"
    assert [i for i in world.table.items() if i["sk"] != demand] == [
        i for i in before if i["sk"] != demand
    ]


@pytest.mark.parametrize("row_key", [None, "Ref"])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_plan_made_in_steps_is_the_plan_made_at_once(
    row_key: str | None, batch_size: int
) -> None:
    body = "Name,Ref\n" + "".join(f"{'' if i % 7 == 3 else 'n'},r{i % 50}\n" for i in range(250))
    plans = []
    for in_steps in (False, True):
        with World(max_records=2) as world:
            world.put_profile({"row_key": row_key, "batch_size": batch_size})
            run, steps = planned_in_steps(world, body) if in_steps else (world.planned(body), 1)
            assert (steps > 20) is in_steps
            plans.append(plan_of(world, run))
    assert plans[0] == plans[1]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.sampled_from(["n,a", "n,b", "n,c", ",a", "n,", '"n\nn",d', "n,e,f"])),
    batch_size=st.integers(1, 3),
    crash=st.integers(1, 12),
)
def test_a_planner_that_dies_leaves_the_same_plan(
    rows: list[str], batch_size: int, crash: int
) -> None:
    body = "\n".join(["Name,Ref", *rows]) + "\n"
    plans = []
    for number in (0, crash):
        with World(max_records=3) as world:
            world.put_profile({"row_key": "Ref", "batch_size": batch_size})
            run_id = opened(world, body)
            world.seconds["plan"] = 0.0
            world.effects.on_effect = CrashOnce(number, Phase.BEFORE)
            state = "planning"
            while state == "planning":
                try:
                    state = world.plan(run_id)["state"]
                except Crash:
                    continue
            plans.append(plan_of(world, world.run(run_id)))
    assert plans[0] == plans[1]


def test_a_plan_of_many_pages_is_written_as_it_grows(world: World) -> None:
    world.put_profile({"batch_size": 1})
    with mock.patch.object(plan_writer, "CHUNKS_AT_ONCE", 120):
        run = world.planned(sample_csv(333))
    chunks = world.store.runs.planned_chunks(run.run_id, 1, 400)
    assert [c.number for c in chunks] == list(range(1, 334))
    assert [c.spans[0].first_row for c in chunks] == list(range(1, 334))


def test_planning_reads_profile_and_connection_once(world: World) -> None:
    run_id = opened(world, sample_csv(5))
    with (
        mock.patch.object(Config, "profile", side_effect=Config.profile, autospec=True) as profile,
        mock.patch.object(
            Config, "connection", side_effect=Config.connection, autospec=True
        ) as connected,
    ):
        assert world.plan(run_id)["state"] == "small"
    assert (profile.call_count, connected.call_count) == (1, 1)


def test_many_bad_rows_are_written_as_they_come(world: World) -> None:
    world.put_profile({"max_rejected": 1})
    body = "Name,Ref\n" + ",r\n" * 1_300
    run_id = opened(world, body)
    assert world.plan(run_id) == {"run_id": run_id, "state": "nothing_to_send", "lanes": []}
    assert world.run(run_id).outcomes[OutcomeStatus.REJECTED] == 1_300
    assert len(world.outcomes(run_id)) == 1_300


def test_a_header_alone_is_nothing_to_send(world: World) -> None:
    for body in ("Name,Ref", "Name,Ref\n", "Name,Ref\n\n\n"):
        run_id = opened(world, body)
        assert world.plan(run_id)["state"] == "nothing_to_send"
        assert (world.run(run_id).rows, world.run(run_id).plan.done) == (0, True)


REFUSED = {
    "empty": b"",
    "blank": b" \n\n",
    "no header": b"a,b\nc,d\n",
    "a column is missing": b"Name\nx\n",
    "a column twice": b"Name,Name,Ref\nx,y,z\n",
    "a workbook": b"PK\x03\x04" + b"\0" * 40,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_used_fails_the_run(world: World, body: bytes) -> None:
    run = world.processed(body)
    assert (run.status, run.rows, run.plan.done) == (RunStatus.FAILED, 0, False)
    assert run.error
    assert world.account.submissions == []
    assert world.plan(run.run_id)["state"] == "unusable"


LATE = b"Name,Ref\n,r0\n" + b"".join(b"thing,r%06d\n" % i for i in range(24_000)) + b"\xff,x\n"
"""Bytes that are not UTF-8, beyond what is looked at first, after a bad row."""


def test_a_file_refused_late_leaves_no_outcome() -> None:
    with World() as world, mock.patch.object(plan_writer, "REJECTS_AT_ONCE", 1):
        run = world.processed(LATE)
        assert run.status is RunStatus.FAILED
        assert "UTF-8" in (run.error or "")
        assert world.outcomes(run.run_id) == {}
        assert world.account.submissions == []
        assert world.problems(run.run_id) == []


def test_a_file_refused_after_a_checkpoint_counts_no_row() -> None:
    with World() as world, mock.patch.object(plan_writer, "CHUNKS_AT_ONCE", 100):
        run = world.processed(LATE)
        assert run.status is RunStatus.FAILED
        assert world.outcomes(run.run_id) == {}
        assert world.problems(run.run_id) == []


def test_two_planners_at_once_do_not_count_twice(world: World) -> None:
    run_id = opened(world, MIXED)
    before = world.run(run_id)
    world.plan(run_id)
    after = world.run(run_id)
    with (
        mock.patch.object(Runs, "must_get", return_value=before),
        pytest.raises(PlanMovedError),
    ):
        world.plan(run_id)
    assert world.run(run_id) == after


def test_a_planner_that_is_behind_fails_no_run_that_is_planned(world: World) -> None:
    run_id = opened(world, MIXED)
    connection = world.store.config.connection(CONNECTION)
    assert connection is not None
    world.store.config.delete_connection(CONNECTION)

    def planned_meanwhile(kind: str, phase: Phase) -> None:
        if kind == "table.write" and phase is Phase.BEFORE:
            world.effects.on_effect = lambda _kind, _phase: None
            world.store.config.put_connection(connection)
            assert world.plan(run_id)["state"] == "small"

    world.effects.on_effect = planned_meanwhile
    world.plan(run_id)

    run, outcomes = world.run(run_id), world.outcomes(run_id)
    assert run.status is RunStatus.RUNNING
    assert run.settled_rows == len(outcomes) > 0


def test_a_crash_leaves_no_outcome_of_a_run_that_cannot_go_on(world: World) -> None:
    world.put_profile({"batch_size": 1})
    run_id = opened(world, MIXED)
    world.seconds["plan"] = 0.0
    while not world.outcomes(run_id):
        assert world.plan(run_id)["state"] == "planning"
    world.store.config.delete_connection(CONNECTION)
    world.effects.on_effect = CrashOnce(1, Phase.AFTER, frozenset({"table.write"}))
    with pytest.raises(Crash):
        world.plan(run_id)
    assert world.plan(run_id)["state"] == "unusable"
    assert world.run(run_id).status is RunStatus.FAILED
    assert world.outcomes(run_id) == {}


def test_the_row_with_the_first_key_is_remembered_over_a_pause(world: World) -> None:
    world.put_profile({"row_key": "Ref", "batch_size": 1})
    run, _ = planned_in_steps(world, sample_csv(6) + "again,r1\n")
    (outcome,) = world.outcomes(run.run_id).values()
    assert (outcome.row, outcome.status) == (7, OutcomeStatus.SKIPPED)
    assert "row 1" in (outcome.error or "")


def test_lost_keys_are_never_taken_for_none(world: World) -> None:
    world.put_profile({"row_key": "Ref", "batch_size": 1})
    run_id = opened(world, sample_csv(6))
    world.seconds["plan"] = 0.0
    world.plan(run_id)
    row = world.run(run_id).plan.row
    world.objects.delete(f"plans/{run_id}/seen-{row:010d}.keys")
    with pytest.raises(ClientError):
        world.plan(run_id)
    assert world.run(run_id).plan.done is False
