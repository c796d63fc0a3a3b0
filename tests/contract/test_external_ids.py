"""Lost submissions of rows without any key of their own, distinguished by the ids that we add."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from tests.contract.simulated import simulated_world
from vendorsim import RunningSimulator
from virtual.world import World

ACCOUNTS = {
    "support": ("zendesk_support", {"email": "agent@example.com", "token": "sim-token"}),
    "sunshine": ("zendesk_sunshine", {"bearer": "sim-token"}),
}

ROWS = 60

FAULTS: dict[str, JsonObject] = {
    "carried out, answer lost": {"reset": True, "after": True},
    "never arrived": {"reset": True},
}

ALIKE = {
    "tickets.create": ("support", "subject,comment.body", "Hello,The same in every row"),
    "tickets.import": ("support", "subject,description", "Hello,The same in every row"),
    "custom_objects.vehicle.create": ("support", "name", "A car like all others"),
    "users.create_or_update": ("support", "name,email", "The same in every row,"),
    "resources.post": ("sunshine", "type,attributes.name", "product,like all others"),
}
"""Operation → connection, header, and the line that stands in every row."""


@pytest.fixture
def site() -> Iterator[tuple[World, RunningSimulator]]:
    with simulated_world(ACCOUNTS, latency="2-6") as (world, sim):
        sim.change_settings(requests_per_minute=0)
        yield world, sim


def processed(world: World, operation: str, **settings: object) -> Run:
    connection, header, line = ALIKE[operation]
    profile = {"name": "alike", "connection": connection, "operation": operation, "columns": None}
    world.put_profile({**profile, "batch_size": 10, "max_attempts": 9, **settings})
    run = world.processed("\n".join([header, *[line] * ROWS]), profile="alike")
    assert world.problems(run.run_id) == []
    return run


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", ALIKE)
def test_rows_that_are_all_alike_are_made_once_each(
    site: tuple[World, RunningSimulator], operation: str, fault: str
) -> None:
    world, sim = site
    match = {"method": "POST", "path": "_many$|/jobs$", "every": 2}
    sim.set_faults({"match": match, "effect": FAULTS[fault]})

    run = processed(world, operation)

    made = [str(each["id"]) for each in sim.effects(action="created")["effects"]]
    outcomes = world.outcomes(run.run_id).values()
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.SUCCEEDED}
    assert sorted(str(outcome.vendor_id) for outcome in outcomes) == sorted(made)
    assert len(made) == ROWS


def test_each_record_holds_the_run_and_its_row(site: tuple[World, RunningSimulator]) -> None:
    world, sim = site

    run = processed(world, "tickets.create")

    kept = [each["external_id"] for each in sim.effects(action="created")["effects"]]
    assert sorted(kept) == sorted(f"jobferry:{run.run_id}:{row}" for row in range(1, ROWS + 1))


def test_none_is_added_where_the_profile_says_so(site: tuple[World, RunningSimulator]) -> None:
    world, sim = site

    processed(world, "tickets.create", add_external_id=False)

    made = sim.effects(action="created")["effects"]
    assert len(made) == ROWS
    assert not any(each["external_id"] for each in made)
