"""Deleting a run: nothing of it is left, wherever it was interrupted, and it stays gone."""

from __future__ import annotations

import pytest

from jobferry.ledger.runs import Run
from jobferry.steps.control_jobs import RunOpenError
from jobferry.steps.delete_run import Deleted, delete_run
from jobferry.steps.open_run import open_run
from tests.fakes.effects import Crash, CrashOnce, Phase
from tests.fakes.world import World, things


def left_of(world: World, run: Run) -> list[str]:
    """Keys of the table and the archive that hold something of a run."""
    held = [f"{item['pk']} {item['sk']}" for item in world.table.items()]
    return [key for key in (*held, *world.objects.keys()) if run.run_id in key]


def test_nothing_is_left_but_a_mark(world: World) -> None:
    run = world.carried(things(5) + ",bad\n")
    kept = world.carried(things(2))
    before = left_of(world, kept)
    archived = sum(run.run_id in key for key in world.objects.keys("results/"))
    archived += sum(run.run_id in key for key in world.objects.keys("evidence/"))
    assert delete_run(run, world.deps) == Deleted(6, archived, None)
    assert left_of(world, run) == [f"RUN#{run.run_id} DELETED"]
    assert left_of(world, kept) == before
    assert world.ledger.runs.get(run.run_id) is None
    assert [r.run_id for _, r in world.ledger.runs.newest()] == [kept.run_id]


def test_a_late_event_does_not_carry_it_again(world: World) -> None:
    request = world.drop(things(3))
    run = world.execute(request)
    delete_run(run, world.deps)
    sent = len(world.account.submissions)
    assert open_run(request, "arn:execution:late", world.deps)["state"] == "duplicate"
    assert world.ledger.runs.get(run.run_id) is None
    assert len(world.account.submissions) == sent


def test_an_open_run_is_left_alone(world: World) -> None:
    run = world.planned(things(3))
    before = left_of(world, run)
    with pytest.raises(RunOpenError):
        delete_run(run, world.deps)
    assert left_of(world, run) == before


def test_a_file_that_could_not_be_used_can_be_deleted(world: World) -> None:
    run = world.carried(b"")
    assert delete_run(run, world.deps).rows == 0
    assert left_of(world, run) == [f"RUN#{run.run_id} DELETED"]


@pytest.mark.parametrize("phase", list(Phase))
def test_it_can_be_interrupted_anywhere_and_finished(world: World, phase: Phase) -> None:
    number = 0
    while True:
        run = world.carried(things(5))
        number += 1
        world.effects.on_effect = crash = CrashOnce(number, phase)
        try:
            delete_run(run, world.deps)
        except Crash:
            found = world.ledger.runs.get(run.run_id)
            if found is not None:
                delete_run(found, world.deps)
        assert left_of(world, run) == [f"RUN#{run.run_id} DELETED"]
        if len(crash.seen) < number:
            break
    assert number > 5
