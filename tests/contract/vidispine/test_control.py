"""What an operator can do to a run whose vendor lets jobs be changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.lane.state import LaneState
from jobferry.operator.delete_run import delete_run
from jobferry.operator.job_control import abort_run, change_priority, list_problems, waiting_jobs
from jobferry.operator.vendor_requests import VendorUnavailableError
from tests.contract.simulated import simulated_world
from tests.unit.cli.shell import Shell
from vendorsim import RunningSimulator
from virtual.world import World

CONNECTION = "acme-media"
ADMIN = {"username": "admin", "password": "admin"}
AS_ADMIN = {"Authorization": "Basic YWRtaW46YWRtaW4=", "Accept": "application/json"}


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
    assert abort_run(run, "Wrong file.", world.deps)
    world.restarts.append((run.run_id, run.execution))
    world.run_restarts()

    closed = world.run(run.run_id)
    assert closed.status is RunStatus.ABORTED
    assert closed.outcomes[OutcomeStatus.FAILED] == 6
    assert world.problems(run.run_id) == []


def test_priority_reaches_the_jobs(simulated: tuple[World, RunningSimulator]) -> None:
    world, sim = simulated
    run = under_way(world)
    assert change_priority(run, "high", world.deps)
    assert world.run(run.run_id).priority == "high"
    assert set(priorities(sim)) == {"MEDIUM"}

    world.poll(LaneState(run.run_id, 0))
    assert priorities(sim) == ["HIGH"] * 6


def priorities(sim: RunningSimulator) -> list[str]:
    """The priorities that jobs were made with, in the order of their rows."""
    jobs = sim.request("GET", "/API/job?user=false&sort=jobId&number=100", headers=AS_ADMIN).json()
    return [job["priority"] for job in sorted(jobs["job"], key=lambda job: int(job["jobId"][3:]))]


def test_new_jobs_have_the_priority_of_their_run_unless_their_row_says_one(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    columns = {"Ref": "external_id", "Urgency": {"field": "priority", "optional": True}}
    world.put_profile(
        {
            "connection": CONNECTION,
            "operation": "jobs.create",
            "columns": columns,
            "constants": {"type": "IMPORT"},
        }
    )
    text = "Ref,Urgency\nr1,\nr2,lowest\nr3,\n"
    run = world.execute(world.drop(text, options={"jobferry-priority": "highest"}))

    assert run.status is RunStatus.COMPLETED
    assert priorities(sim) == ["HIGHEST", "LOWEST", "HIGHEST"]


def test_jobs_made_after_a_change_have_the_new_priority(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    run = world.planned("Name,Ref\na,r1\nb,r2\n")
    assert change_priority(run, "immediate", world.deps)
    world.submit(LaneState(run.run_id, 0))
    assert priorities(sim) == ["IMMEDIATE", "IMMEDIATE"]


def test_jobs_that_wait_are_told_while_the_run_is_open(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    shell = Shell(world)
    run = under_way(world, rows=2)
    assert shell("status", run.run_id, "--json").document["waiting"] == []

    problem = {"type": "Storage", "requirement": "10 GB of room"}
    sim.change_settings(vidispine_problems=[problem])
    world.clock.advance(600)
    jobs = {chunk.job_id for chunk in world.store.chunks.all(run.run_id)}
    waiting = shell("status", run.run_id, "--json").document["waiting"]
    assert {entry["job_id"] for entry in waiting} == jobs
    assert {entry["for"] for entry in waiting} == {"problem"}
    needs = "A job waits at the vendor: 10 GB of room (Storage)"
    assert {entry["text"] for entry in waiting} == {needs}
    shown = shell("status", run.run_id).stdout.splitlines()
    assert shown.count(f"Waiting   {needs}") == 1
    assert f"Next:     jobferry problems {run.run_id}" in shown
    told = shell("problems", run.run_id).stdout
    assert told.startswith(f"{CONNECTION}: Storage (1")
    assert f"{run.run_id} row 1 (VX-1)" in told


def test_a_job_that_waits_and_does_not_say_for_what(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    run = under_way(world, rows=1)
    sim.set_faults(
        {"match": {"method": "POST", "path": "API/job$"}, "effect": {"status_word": "WAITING"}}
    )
    other = under_way(world, rows=2)
    world.clock.advance(600)
    assert waiting_jobs(run, world.deps) == []
    assert [job.waiting_for for job in waiting_jobs(other, world.deps)] == ["something"] * 2


def test_status_is_told_though_the_vendor_is_away(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    shell = Shell(world)
    run = under_way(world)
    sim.set_faults({"match": {"path": "API/"}, "effect": {"status": 503}})
    with pytest.raises(VendorUnavailableError):
        waiting_jobs(run, world.deps)
    answer = shell("status", run.run_id, "--json")
    assert answer.code == 0
    assert answer.document["waiting"] == []
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry connection test {CONNECTION}"


def test_deleting_a_run_takes_the_records_of_its_jobs_along(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    run = world.processed("Name,Ref\n" + "".join(f"n{i},r{i}\n" for i in range(3)))
    other = world.processed("Name,Ref\nn9,r9\n")
    first = next(iter(world.store.chunks.all(run.run_id))).job_id
    # Somebody has removed one of them already, or we have and were interrupted.
    assert sim.request("DELETE", f"/API/job?id={first}", headers=AS_ADMIN).ok
    answer = Shell(world)("delete", run.run_id, "--vendor-jobs", "--yes", "--json")

    assert answer.document["vendor_jobs"] == 3
    assert world.store.runs.get(run.run_id) is None
    left = sim.request("GET", "/API/job?user=false", headers=AS_ADMIN).json()
    assert [job["jobId"] for job in left["job"]] == [
        chunk.job_id for chunk in world.store.chunks.all(other.run_id)
    ]


def test_a_run_stays_whole_when_the_vendor_cannot_be_asked(
    simulated: tuple[World, RunningSimulator],
) -> None:
    world, sim = simulated
    run = world.processed("Name,Ref\na,r1\n")
    sim.set_faults({"match": {"method": "DELETE"}, "effect": {"status": 503}})
    before = kept(world)
    with pytest.raises(VendorUnavailableError):
        delete_run(run, world.deps, vendor_jobs=True)
    answer = Shell(world)("delete", run.run_id, "--vendor-jobs", "--yes")
    assert answer.code == 2
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry connection test {CONNECTION}"
    assert kept(world) == before


def kept(world: World) -> list[dict[str, object]]:
    """What the table keeps, but for the requests of the last minute."""
    return [item for item in world.table.items() if item["sk"] != "REQUESTS"]


def test_a_vendor_that_is_gone_is_a_sentence(simulated: tuple[World, RunningSimulator]) -> None:
    world, _ = simulated
    world.store.config.put_connection(Connection(CONNECTION, "vidispine", "http://127.0.0.1:9"))
    answer = Shell(world)("problems")
    assert answer.code == 2
    assert f"The vendor of the connection {CONNECTION} did not do as asked." in answer.stderr


def test_problems_name_the_rows_that_wait(simulated: tuple[World, RunningSimulator]) -> None:
    world, sim = simulated
    sim.change_settings(vidispine_problems=[{"type": "Storage"}])
    run = under_way(world)
    world.clock.advance(600)
    (found,) = list_problems(None, world.deps)
    jobs = {c.job_id: c for c in world.store.chunks.all(run.run_id)}
    assert set(found.rows) == {(run.run_id, c.number, job) for job, c in jobs.items()}
    assert found.problem.kind == "Storage"
