"""Whole runs: the real steps in virtual time, with client credentials, against the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.types import JsonObject
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.simulated import simulated_world
from tests.examples import EXAMPLES
from vendorsim import RunningSimulator
from virtual.world import World

CONNECTION = "acme"
CLIENT = {"client_id": "sim-client", "client_secret": "sim-secret"}

IN_ORDER = (
    "new-tickets",
    "update-tickets",
    "tag-tickets",
    "merge-tickets",
    "spam-tickets",
    "purge-tickets",
    "delete-tickets",
    "new-users",
    "users",
    "update-users",
    "import-tickets",
    "new-organizations",
    "update-organizations",
    "new-organization-members",
    "old-organization-members",
    "new-group-members",
    "agent-skills",
    "old-group-members",
    "delete-organizations",
    "delete-users",
    "new-vehicles",
    "update-vehicles",
    "delete-vehicles",
    "vehicles",
    "vehicles-by-name",
    "old-vehicles",
)
"""The samples, each working on what those before it left in a fresh account."""


@dataclass(frozen=True)
class Site:
    """A deployment in memory whose connection leads to a simulator."""

    world: World
    sim: RunningSimulator

    def processed(self, text: str, **profile: object) -> Run:
        self.world.put_profile(
            {"row_key": None, "constants": {}, **profile, "connection": CONNECTION}
        )
        run = self.world.processed(text, profile=str(profile["name"]))
        assert self.world.problems(run.run_id) == []
        return run


@pytest.fixture
def site() -> Iterator[Site]:
    accounts = {CONNECTION: (ZENDESK_SUPPORT.name, CLIENT)}
    with simulated_world(accounts, latency="2-6") as (world, sim):
        sim.change_settings(requests_per_minute=0)
        yield Site(world, sim)


def test_the_samples_do_what_they_are_for(site: Site) -> None:
    samples = {
        name: example
        for name, example in EXAMPLES.items()
        if example.document["connection"] == CONNECTION
    }
    assert set(IN_ORDER) == set(samples)
    closed = {}
    for name in IN_ORDER:
        run = site.processed(samples[name].csv.read_text(), **samples[name].document)
        closed[name] = run.status

    # Among the new tickets there are the mistakes that people make.
    assert closed.pop("new-tickets") is RunStatus.COMPLETED_WITH_FAILURES
    assert {name for name, status in closed.items() if status is not RunStatus.COMPLETED} == set()


def test_a_record_that_is_too_large_is_rejected_and_the_others_go(site: Site) -> None:
    lines = ["name,external_id", "small,a", f"{'x' * 33_000},b", "small too,c"]

    run = site.processed(
        "\n".join(lines), name="made", operation="custom_objects.vehicle.create", columns=None
    )

    outcomes = site.world.outcomes(run.run_id)
    assert [outcomes[row].status for row in (1, 2, 3)] == ["succeeded", "rejected", "succeeded"]
    assert outcomes[2].error_code == "row_too_large"
    assert "32,768" in str(outcomes[2].error)


FAULTS: dict[str, JsonObject] = {
    "answers lost": {"reset": True, "after": True},
    "requests lost": {"reset": True},
    "gateway errors": {"status": 502, "after": True},
}
CREATED: dict[str, tuple[str, str]] = {
    "users.create": ("name,external_id", "n{n},u-{n}"),
    "organizations.create": ("name", "Org {n}"),
    "tickets.import": ("description,external_id,created_at", "d,i-{n},2019-05-01T10:00:00Z"),
    "custom_objects.vehicle.create": ("name,external_id", "n{n},v-{n}"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", CREATED)
def test_no_row_is_made_twice_and_no_outcome_is_a_guess(
    site: Site, operation: str, fault: str
) -> None:
    match = {"method": "POST", "path": "create_many$|/jobs$", "every": 3}
    site.sim.set_faults({"match": match, "effect": FAULTS[fault]})
    header, line = CREATED[operation]
    lines = [line.format(n=n) for n in range(1, 61)]

    run = site.processed(
        "\n".join([header, *lines]), name="made", operation=operation, columns=None, batch_size=10
    )

    made = {str(each["id"]) for each in site.sim.effects(action="created")["effects"]}
    outcomes = site.world.outcomes(run.run_id)
    succeeded = [o.vendor_id for o in outcomes.values() if o.status is OutcomeStatus.SUCCEEDED]
    unknown = [o for o in outcomes.values() if o.status is OutcomeStatus.UNKNOWN]
    assert len(outcomes) == 60
    assert len(set(succeeded)) == len(succeeded)
    assert set(succeeded) <= made
    assert len(made) <= 60
    assert len(succeeded) + len(unknown) == 60
    assert not unknown
