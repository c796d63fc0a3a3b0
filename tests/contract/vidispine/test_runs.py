"""Whole runs: the real steps in virtual time, carried against the simulated Vidispine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.types import JsonObject
from jobferry.vendors.vidispine.adapter import VIDISPINE
from tests.contract.simulated import simulated_world
from tests.examples import EXAMPLES
from vendorsim import RunningSimulator
from virtual.world import World

CONNECTION = "acme-media"
PROFILE = "tapes"


@dataclass(frozen=True)
class Site:
    """A deployment in memory whose connection leads to a simulator."""

    world: World
    sim: RunningSimulator

    def processed(self, rows: int) -> Run:
        lines = [f"tape-{n},Title {n}" for n in range(1, rows + 1)]
        return self.carried_file("\n".join(["Tape,Title", *lines]), PROFILE)

    def carried_file(self, text: str, profile: str) -> Run:
        run = self.world.processed(text, profile=profile)
        assert self.world.problems(run.run_id) == []
        return run

    def made(self) -> dict[int, str]:
        """Row → the id of the one item that was made of it."""
        effects = self.sim.effects(kind="item", action="created")["effects"]
        rows = [int(effect["external_id"].removeprefix("tape-")) for effect in effects]
        assert len(rows) == len(set(rows)), "a row was made twice"
        return dict(zip(rows, (effect["id"] for effect in effects), strict=True))


@pytest.fixture
def site() -> Iterator[Site]:
    accounts = {CONNECTION: (VIDISPINE.name, {"username": "admin", "password": "admin"})}
    with simulated_world(accounts, latency="20-60", path="/API") as (world, sim):
        world.put_profile(
            {
                "name": PROFILE,
                "connection": CONNECTION,
                "operation": "jobs.create",
                "columns": {"Tape": "external_id", "Title": "title"},
                "constants": {"type": "IMPORT"},
                "row_key": "Tape",
            }
        )
        yield Site(world, sim)


def test_every_row_becomes_one_item_in_few_requests(site: Site) -> None:
    run = site.processed(220)

    assert run.status is RunStatus.COMPLETED
    outcomes = site.world.outcomes(run.run_id)
    assert {row: outcome.vendor_id for row, outcome in outcomes.items()} == site.made()
    seen = site.sim.effects()
    assert seen["max_in_flight"] == VIDISPINE.capabilities.max_jobs
    by_path = seen["requests"]["by_path"]
    assert by_path["POST /API/job"] == 220
    # However often a lane looks: one request shows all of its jobs, with data and log.
    assert by_path["GET /API/job"] >= run.requests["poll"] * 0.95


FAULTS: dict[str, JsonObject] = {
    "answers lost": {"reset": True, "after": True},
    "requests lost": {"reset": True},
    "gateway errors": {"status": 502, "after": True},
    "throttled": {"rate_limited": "json", "retry_after": 5},
    "jobs failed": {"fail_job": True},
    "jobs aborted there": {"status_word": "ABORTED", "fail_job": True},
    "answers lost, jobs failed": {"reset": True, "after": True, "fail_job": True},
    "jobs only ever listed": {"list_only": True},
    "jobs forgotten": {"gone": 30.0},
}
LOSSLESS = ("answers lost", "requests lost", "gateway errors", "throttled", "jobs only ever listed")


@pytest.mark.parametrize("name", FAULTS)
def test_no_row_is_made_twice_and_no_outcome_is_a_guess(site: Site, name: str) -> None:
    match = {"method": "POST", "path": "API/job$", "every": 7}
    site.sim.set_faults({"match": match, "effect": FAULTS[name]})

    run = site.processed(70)

    made = site.made()
    for row, outcome in site.world.outcomes(run.run_id).items():
        if outcome.status is OutcomeStatus.SUCCEEDED:
            assert outcome.vendor_id == made[row]
        else:
            assert outcome.status is OutcomeStatus.UNKNOWN or row not in made
    if name in LOSSLESS:
        assert run.status is RunStatus.COMPLETED
    if "failed" in name or "aborted" in name:
        assert run.status is RunStatus.COMPLETED_WITH_FAILURES


def test_jobs_in_flight_are_queued_by_the_site_without_harm(site: Site) -> None:
    site.sim.change_settings(vidispine_running=10)

    run = site.processed(100)

    assert run.status is RunStatus.COMPLETED
    assert len(site.made()) == 100


@pytest.mark.parametrize(
    ("profile", "statuses"),
    [
        (
            "vidispine-imports",
            ["succeeded", "succeeded", "rejected", "skipped", "rejected", "succeeded"],
        ),
        ("vidispine-transcodes", ["succeeded"] * 3),
    ],
)
def test_the_samples_do_what_they_are_for(site: Site, profile: str, statuses: list[str]) -> None:
    example = EXAMPLES[profile]
    site.world.put_profile(example.document)

    run = site.carried_file(example.csv.read_text(), profile)

    outcomes = site.world.outcomes(run.run_id)
    assert [outcomes[row].status.value for row in sorted(outcomes)] == statuses
