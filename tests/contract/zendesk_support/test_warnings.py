"""What Zendesk says it left out of a request that it took: from the header to the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.types import JsonObject
from jobferry.operator.status import run_document
from jobferry.vendors.answers import Accepted
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.simulated import simulated_world
from tests.contract.zendesk_support.bench import ZendeskBench
from vendorsim import RunningSimulator
from virtual.world import World

REMOVED = 'Removed restricted keys ["subjet", "priorty"] from parameters according to whitelist'
ACCOUNT = {"support": ("zendesk_support", {"email": "agent@example.com", "token": "sim-token"})}
MISSPELT = {"Subject": "subjet", "Body": "comment.body", "Prio": "priorty"}
BODY = "Subject,Body,Prio\n" + "".join(f"s{n},b{n},high\n" for n in range(6))


@pytest.fixture
def site() -> Iterator[tuple[World, RunningSimulator]]:
    with simulated_world(ACCOUNT, latency="2") as (world, sim):
        sim.change_settings(requests_per_minute=0)
        world.put_profile(
            {
                "name": "typo",
                "connection": "support",
                "operation": "tickets.create",
                "columns": MISSPELT,
                "batch_size": 2,
            }
        )
        yield world, sim


@pytest.mark.parametrize("operation", ["tickets.create", "tickets.update", "tickets.import"])
def test_keys_that_zendesk_removes_are_told(bench: ZendeskBench, operation: str) -> None:
    made = bench.submitted(bench.records(2))
    bench.pass_time()
    ids = [effect["id"] for effect in bench.sim.effects(action="created")["effects"]]
    records: list[JsonObject] = [
        {"comment": {"body": "text"}, "subjet": "a", "priorty": "high"},
        {"comment": {"body": "text"}, "subjet": "b"},
    ]
    if operation == "tickets.update":
        records = [{"id": each, **record} for each, record in zip(ids, records, strict=True)]

    answer = bench.client.submit(bench.vendor.operations[operation], records, "token")

    assert isinstance(answer, Accepted)
    assert answer.job_id != made
    assert answer.warnings == (REMOVED,)
    bench.pass_time()
    done = bench.effects_of(answer.job_id)
    assert len(done) == 2
    assert not any({"subjet", "priorty"} & effect["fields"].keys() for effect in done.values())


def test_the_header_of_any_answer_is_read(bench: ZendeskBench) -> None:
    bench.befall(bench.write, after=True, headers={"X-Zendesk-API-Warn": "Something\tis  old"})

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Accepted)
    assert answer.warnings == ("Something is old",)


@pytest.mark.parametrize("name", ["tickets.create", "tickets.update", "tickets.import"])
def test_what_an_operation_lists_is_not_removed(bench: ZendeskBench, name: str) -> None:
    operation = ZENDESK_SUPPORT.operations[name]
    tops = {path.partition(".")[0].partition("[")[0] for path in operation.fields}
    ticket = {**dict.fromkeys(tops), "id": 1, "comment": {"body": "text"}}
    ticket = {key: value for key, value in ticket.items() if not key.endswith("_tags")}
    if name != "tickets.update":
        del ticket["id"]

    answer = bench.client.submit(operation, [ticket, {**ticket, "subject": "x"}], "token")

    assert isinstance(answer, Accepted), answer
    assert answer.warnings == ()


def test_the_plan_and_the_vendor_warn_of_the_same_slip(
    site: tuple[World, RunningSimulator],
) -> None:
    world, _ = site
    run = world.processed(BODY, profile="typo")

    assert run.outcomes[OutcomeStatus.SUCCEEDED] == 6
    subject, priority, removed = run_document(run, world.deps)["warnings"]
    assert subject.endswith("Did you mean subject?")
    assert priority.endswith("Did you mean priority?")
    assert removed == f"Zendesk Support warns: {REMOVED}"
    assert "subjet" not in repr(world.log)
    assert "restricted" not in repr(world.log)


def test_a_trial_finds_it_before_the_rest_is_sent(site: tuple[World, RunningSimulator]) -> None:
    world, sim = site
    run = world.execute(world.drop(BODY, profile="typo", options={"jobferry-trial": "4"}))

    assert run.pause is not None
    assert run.pause.reason == f"The trial is paused. Zendesk Support warns: {REMOVED}"
    assert sim.effects(action="created")["counts"]["ticket"]["created"] == 2
