"""Whole runs: the real steps in virtual time, carried against the simulated Sunshine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.types import JsonObject
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from tests.contract.simulated import simulated_world
from vendorsim import RunningSimulator
from virtual.world import World

CONNECTION = "acme-sunshine"
PROFILE = "products"


@dataclass(frozen=True)
class Account:
    """A deployment in memory whose connection leads to a simulator."""

    world: World
    sim: RunningSimulator

    def put_profile(self, operation: str, *, name: str = PROFILE) -> None:
        self.world.put_profile(
            {
                "name": name,
                "connection": CONNECTION,
                "operation": operation,
                "columns": {"Sku": "external_id", "Name": "attributes.name"},
                "constants": {"type": "product"},
                "row_key": "Sku",
                "batch_size": 10,
                "max_attempts": 6,
            }
        )

    def processed(self, rows: int, *, profile: str = PROFILE) -> Run:
        lines = [f"sku-{n},Product {n}" for n in range(1, rows + 1)]
        run = self.world.processed("\n".join(["Sku,Name", *lines]), profile=profile)
        assert self.world.problems(run.run_id) == []
        return run

    def made(self) -> dict[int, str]:
        """Row → the id of the one record that was made of it."""
        effects = self.sim.effects(kind="resource", action="created")["effects"]
        rows = [int(effect["external_id"].removeprefix("sku-")) for effect in effects]
        assert len(rows) == len(set(rows)), "a row was made twice"
        return dict(zip(rows, (effect["id"] for effect in effects), strict=True))


@pytest.fixture
def account() -> Iterator[Account]:
    accounts = {CONNECTION: (ZENDESK_SUNSHINE.name, {"bearer": "sim-token"})}
    with simulated_world(accounts, latency="2-6") as (world, sim):
        yield Account(world, sim)


@pytest.mark.parametrize("operation", ["resources.post", "resources.external_id_set"])
def test_every_row_becomes_one_record(account: Account, operation: str) -> None:
    account.put_profile(operation)

    run = account.processed(1_005)

    assert run.status is RunStatus.COMPLETED
    made = account.made()
    outcomes = account.world.outcomes(run.run_id)
    assert {row: outcome.vendor_id for row, outcome in outcomes.items()} == made
    requests = account.sim.effects()["requests"]
    assert requests["submit"] == 101
    # Each job is read by id once, and a look at the unfinished ones takes two requests; only the
    # last one of all, alone in flight, is looked at by its id.
    assert 101 <= requests["by_path"]["GET /api/sunshine/jobs/{id}"] <= 101 + 2
    assert requests["by_path"]["GET /api/sunshine/jobs"] <= 2 * 40


def test_a_second_run_finds_every_external_id_in_use(account: Account) -> None:
    account.put_profile("resources.post")
    account.processed(20)

    account.put_profile("resources.post", name="other")
    again = account.processed(20, profile="other")

    assert again.status is RunStatus.COMPLETED_WITH_FAILURES
    assert len(account.made()) == 20
    first = account.world.outcomes(again.run_id)[1]
    assert (first.status, first.error_code) == (OutcomeStatus.FAILED, "UnprocessableEntity")


FAULTS: dict[str, JsonObject] = {
    "answers lost": {"reset": True, "after": True},
    "requests lost": {"reset": True},
    "gateway errors": {"status": 502, "after": True},
    "throttled": {"rate_limited": "json", "retry_after": 5},
    "too many jobs": {"too_many_jobs": True},
    "jobs failed half-way": {"fail_job": {"after_rows": 4}},
    "jobs failed half-way without a word": {"fail_job": {"after_rows": 4}, "results": "null"},
    "jobs aborted": {"status_word": "aborted"},
    "rows refused": {"fail_rows": {"probability": 0.5}},
    "answers lost, rows refused": {"reset": True, "after": True, "fail_rows": {"indexes": [0]}},
    "answers lost, jobs failed": {"reset": True, "after": True, "fail_job": {"after_rows": 4}},
}


@pytest.mark.parametrize("effect", FAULTS.values(), ids=FAULTS)
def test_no_row_is_made_twice_and_no_outcome_is_a_guess(
    account: Account, effect: JsonObject
) -> None:
    account.put_profile("resources.post")
    match = {"method": "POST", "path": "sunshine/jobs$", "every": 3}
    account.sim.set_faults({"match": match, "effect": effect})

    run = account.processed(120)

    made = account.made()
    for row, outcome in account.world.outcomes(run.run_id).items():
        if outcome.status is OutcomeStatus.SUCCEEDED:
            assert outcome.vendor_id == made[row]
        else:
            assert outcome.status is OutcomeStatus.UNKNOWN or row not in made
    lossless = "answers lost", "requests lost", "gateway errors", "throttled", "too many jobs"
    if effect in [FAULTS[name] for name in lossless]:
        assert run.status is RunStatus.COMPLETED


def test_a_full_account_stops_the_run(account: Account) -> None:
    account.put_profile("resources.post")
    account.sim.change_settings(sunshine_max_records=0)

    run = account.processed(1_000)

    outcomes = account.world.outcomes(run.run_id).values()
    assert {outcome.status for outcome in outcomes} == {
        OutcomeStatus.FAILED,
        OutcomeStatus.SKIPPED,
    }
    assert {outcome.error_code for outcome in outcomes} == {"vendor_quota_exceeded"}
    assert account.sim.effects()["requests"]["submit"] <= 5
    assert account.made() == {}
