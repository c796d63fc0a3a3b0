"""Undoing what a run made, from its own outcomes: every record that it made is deleted again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.simulated import simulated_world
from tests.unit.cli.shell import Shell
from vendorsim import RunningSimulator

ACCOUNTS = {
    "support": ("zendesk_support", {"email": "agent@example.com", "token": "sim-token"}),
    "sunshine": ("zendesk_sunshine", {"bearer": "sim-token"}),
}

ROWS = 7

MADE = {
    "tickets.create": ("support", "comment.body", "text {n}"),
    "tickets.import": ("support", "description,created_at", "text {n},2019-05-01T10:00:00Z"),
    "users.create": ("support", "name,email", "Ada {n},ada{n}@example.org"),
    "organizations.create": ("support", "name", "Org {n}"),
    "custom_objects.vehicle.create": ("support", "name", "Car {n}"),
    "resources.post": ("sunshine", "type,attributes.name", "product,thing {n}"),
}


@pytest.fixture
def site() -> Iterator[tuple[Shell, RunningSimulator]]:
    with simulated_world(ACCOUNTS, latency="2-6") as (world, sim):
        yield Shell(world), sim


def ids_of(sim: RunningSimulator, action: str) -> list[str]:
    return sorted(str(each["id"]) for each in sim.effects(action=action)["effects"])


def processed(shell: Shell, file: Path, profile: Path, name: str) -> dict[str, Any]:
    assert shell("profile", "put", profile).code == 0
    assert shell("plan", file, "--profile", name, "--json").document["to_send"] == ROWS
    return shell("run", file, "--profile", name, "--wait", "--json").document


@pytest.mark.parametrize("operation", MADE)
def test_what_a_run_made_is_deleted_and_nothing_else(
    site: tuple[Shell, RunningSimulator], tmp_path: Path, operation: str
) -> None:
    shell, sim = site
    connection, header, line = MADE[operation]
    file, profile = tmp_path / "made.csv", tmp_path / "made.yaml"
    file.write_text("\n".join([header, *(line.format(n=n) for n in range(ROWS))]))
    profile.write_text(f"{{name: made, connection: {connection}, operation: {operation}}}")
    made = processed(shell, file, profile, "made")
    assert made["outcomes"]["succeeded"] == ROWS

    undo = shell("undo", made["run_id"], "--out", tmp_path, "--json")

    assert undo.code == 0
    assert ids_of(sim, "deleted") == []
    plan = undo.document
    name = plan["next"][1].rpartition(" ")[2]
    undone = processed(shell, Path(plan["csv"]), Path(plan["profile"]), name)
    assert undone["outcomes"]["succeeded"] == ROWS
    assert ids_of(sim, "deleted") == ids_of(sim, "created")
    assert len(ids_of(sim, "created")) == ROWS
