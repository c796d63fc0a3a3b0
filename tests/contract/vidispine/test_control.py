"""What an operator can do to a run whose vendor lets jobs be changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.ledger.runs import Run
from jobferry.model import OutcomeStatus, RunStatus
from jobferry.steps.control_jobs import abort_run, change_priority, list_problems
from jobferry.steps.lane import LaneState
from tests.contract.simulated import simulated_world
from tests.fakes.world import World
from vendorsim import RunningSimulator

CONNECTION = "acme-media"
ADMIN = {"username": "admin", "password": "admin"}


@pytest.fixture
def simulated() -> Iterator[tuple[World, RunningSimulator]]:
    with simulated_world({CONNECTION: ("vidispine", ADMIN)}, latency="500") as (world, sim):
        world.put_profile(
            {
                "name": "things",
                "connection": CONNECTION,
                "operation": "jobs.create",
                "columns": {"Ref": "external_id", "Name": "title"},
                "constants": {"type": "IMPORT"},
                "row_key": "Ref",
            }
        )
        yield world, sim


def under_way(world: World, rows: int = 6) -> Run:
    """A run whose jobs are with the vendor."""
    lines = [f"Name {n},r{n}" for n in range(1, rows + 1)]
    run = world.planned("\n".join(["Name,Ref", *lines]))
    world.submit(LaneState(run.run_id, 0))
    return world.run(run.run_id)


def test_abort_ends_the_jobs_and_skips_the_rest(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, _ = simulated
    run = under_way(world)
    assert abort_run(run, "Wrong file.", world.deps) == 6
    state = LaneState(run.run_id, 0)
    while state.state == "working":
        state = world.submit(state)
        world.settle(state)
        world.clock.advance(5)
        state = world.poll(state)
    world.close(run.run_id)

    closed = world.run(run.run_id)
    assert closed.status is RunStatus.ABORTED
    assert closed.outcomes[OutcomeStatus.FAILED] == 6
    assert world.problems(run.run_id) == []


def test_priority_reaches_the_jobs(simulated: tuple[World, RunningSimulator]) -> None:
    world, _ = simulated
    run = under_way(world)
    assert change_priority(run, "high", world.deps) == 6
    assert world.run(run.run_id).priority == "high"


def test_problems_name_the_rows_that_wait(simulated: tuple[World, RunningSimulator]) -> None:
    world, sim = simulated
    sim.change_settings(vidispine_problems=[{"type": "Storage"}])
    run = under_way(world)
    world.clock.advance(600)
    (found,) = list_problems(None, world.deps)
    jobs = {c.job_id: c for c in world.ledger.chunks.all(run.run_id)}
    assert set(found.rows) == {(run.run_id, c.number, job) for job, c in jobs.items()}
    assert found.problem.kind == "Storage"
