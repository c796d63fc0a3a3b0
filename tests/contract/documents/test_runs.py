"""Whole runs with a vendor that is a document: the real steps in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from tests.contract import simulated
from tests.contract.documents.bench import FOLDER, SHELF, SHELF_DOCUMENT, read
from tests.contract.documents.simulator import API_KEYS, GOOD, simulator_of
from vendorsim import Clock, RunningSimulator, Scenario, Settings
from vendorsim.settings import parse_latency
from virtual.world import World

Shelved = tuple[World, RunningSimulator]

PROFILE = {
    "name": "books",
    "connection": "library",
    "operation": "books.add",
    "columns": {"Code": "external_id", "Title": "title"},
    "row_key": "Code",
}


def start_shelf(*, clock: Clock, latency: str) -> RunningSimulator:
    settings = Settings(latency=parse_latency(latency))
    return RunningSimulator(simulator_of(SHELF_DOCUMENT)(Scenario(settings=settings), clock))


@pytest.fixture
def shelved(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelved]:
    monkeypatch.setattr(simulated, "start", start_shelf)
    accounts = {"library": (SHELF.name, GOOD["bearer"])}
    with simulated.simulated_world(accounts, latency="2", documents=[SHELF_DOCUMENT]) as pair:
        pair[0].put_profile(PROFILE)
        yield pair


def processed(world: World, rows: int) -> Run:
    lines = [f"b-{n},Book {n}" for n in range(1, rows + 1)]
    run = world.processed("\n".join(["Code,Title", *lines]), profile="books")
    assert world.problems(run.run_id) == []
    return run


def made(sim: RunningSimulator) -> dict[int, str]:
    """Row → the book that was made of it."""
    effects = sim.effects(kind="record")["effects"]
    rows = [int(effect["external_id"].removeprefix("b-")) for effect in effects]
    assert len(rows) == len(set(rows)), "a row was made twice"
    return dict(zip(rows, (effect["id"] for effect in effects), strict=True))


def test_every_row_becomes_one_book(shelved: Shelved) -> None:
    world, sim = shelved

    run = processed(world, 1_005)

    assert run.status is RunStatus.COMPLETED
    outcomes = world.outcomes(run.run_id)
    assert {row: outcome.vendor_id for row, outcome in outcomes.items()} == made(sim)
    assert sim.effects()["requests"]["submit"] == 11


@pytest.mark.parametrize(
    "effect",
    [{"reset": True, "after": True}, {"status": 502}, {"fail_job": {"after_rows": 40}}],
    ids=["answers lost", "gateway errors", "jobs died half-way"],
)
def test_what_cannot_be_known_is_unknown_and_nothing_is_sent_twice(
    shelved: Shelved, effect: dict[str, object]
) -> None:
    world, sim = shelved
    match = {"method": "POST", "path": "v1/imports$", "every": 3}
    sim.set_faults({"match": match, "effect": effect})

    run = processed(world, 600)

    books = made(sim)
    outcomes = world.outcomes(run.run_id)
    assert {outcome.status for outcome in outcomes.values()} == {
        OutcomeStatus.SUCCEEDED,
        OutcomeStatus.UNKNOWN,
    }
    assert run.status is RunStatus.UNRESOLVED
    for row, outcome in outcomes.items():
        if outcome.status is OutcomeStatus.SUCCEEDED:
            assert outcome.vendor_id == books[row]


class TestSearchedByToken:
    """A vendor whose document says how lost jobs are found loses no row to a lost answer."""

    @pytest.fixture
    def press(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelved]:
        document = read(FOLDER / "press.yaml")

        def start(*, clock: Clock, latency: str) -> RunningSimulator:
            settings = Settings(latency=parse_latency(latency))
            return RunningSimulator(simulator_of(document)(Scenario(settings=settings), clock))

        monkeypatch.setattr(simulated, "start", start)
        accounts = {"library": ("press", API_KEYS)}
        with simulated.simulated_world(accounts, latency="2", documents=[document]) as pair:
            columns = {"Code": "external_id", "Title": "address"}
            profile = {**PROFILE, "operation": "labels.print", "columns": columns}
            pair[0].put_profile(profile)
            yield pair

    @pytest.mark.parametrize(
        "effect", [{"reset": True, "after": True}, {"status": 502}], ids=["taken", "not taken"]
    )
    def test_every_row_ends_with_what_became_of_it(
        self, press: Shelved, effect: dict[str, object]
    ) -> None:
        world, sim = press
        sim.set_faults({"match": {"method": "POST", "nth": [3, 6, 9]}, "effect": effect})

        run = processed(world, 600)

        assert run.status is RunStatus.COMPLETED
        outcomes = world.outcomes(run.run_id)
        assert {row: outcome.vendor_id for row, outcome in outcomes.items()} == made(sim)
