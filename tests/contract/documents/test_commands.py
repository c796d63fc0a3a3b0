"""From a document to a run's outcomes by commands alone: nothing is deployed in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jobferry.vendors.connections import Connections
from jobferry.vendors.http.addresses import LOOPBACK
from tests.contract import simulated
from tests.contract.documents.bench import DOCUMENT
from tests.contract.documents.simulator import GOOD
from tests.contract.documents.test_runs import PROFILE, start_shelf
from tests.unit.cli.shell import SECRETS, Shell
from vendorsim import RunningSimulator


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Shell, RunningSimulator]]:
    """A stack that knows no vendor but its own, with a terminal before it."""
    monkeypatch.setattr(simulated, "start", start_shelf)
    with simulated.simulated_world({}, latency="2") as (world, sim):
        shell = Shell(world)
        connections = Connections(
            world.store.config,
            lambda name, _afresh: shell.secrets.values[SECRETS + name],
            reach=LOOPBACK,
            monotonic=world.clock.now,
        )
        settings = replace(world.deps.settings, reach=LOOPBACK)
        world.deps = replace(world.deps, settings=settings, connections=connections)
        yield shell, sim


def test_a_vendor_is_put_and_rows_become_its_records(
    terminal: tuple[Shell, RunningSimulator], tmp_path: Path
) -> None:
    shell, sim = terminal
    credentials, profile, rows = (
        tmp_path / name for name in ("shelf.json", "books.yaml", "books.csv")
    )
    credentials.write_text(json.dumps(GOOD["bearer"]))
    profile.write_text(yaml.safe_dump(PROFILE))
    rows.write_text("Code,Title\n" + "".join(f"b-{n},Book {n}\n" for n in range(1, 251)))

    def done(*words: object) -> None:
        answer = shell(*words)
        assert answer.code == 0, answer.stderr

    done("vendor", "put", DOCUMENT)
    where = ("--vendor", "shelf", "--base-url", sim.url, "--credentials", credentials)
    done("connection", "put", "library", *where)
    done("connection", "test", "library")
    done("profile", "put", profile)
    done("plan", rows, "--profile", "books")
    run = shell("run", rows, "--profile", "books", "--wait", "--json")

    assert run.code == 0, run.stderr
    assert run.document["outcomes"]["succeeded"] == 250
    effects = sim.effects(kind="record")["effects"]
    assert len({effect["external_id"] for effect in effects}) == len(effects) == 250
