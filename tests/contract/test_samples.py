"""The examples: one for every operation, and each of them works."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from jobferry.binding.profile_document import validate
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.local.samples import SAMPLES
from tests.contract.simulated import simulated_world
from tests.examples import EXAMPLES, Example
from vendorsim import RunningSimulator
from virtual.world import World

ACCOUNTS = {sample.connection: (sample.vendor, sample.credentials) for sample in SAMPLES}


@pytest.fixture(scope="module")
def simulated() -> Iterator[tuple[World, RunningSimulator]]:
    with simulated_world(ACCOUNTS, latency="1") as pair:
        yield pair


def test_every_operation_has_a_sample() -> None:
    sampled = {example.operation for example in EXAMPLES.values()}
    missing = {
        name
        for vendor in BUILT_IN.built_in()
        for name in vendor.operations
        if not any(re.fullmatch(re.sub(r"<\w+>", r"\\w+", name), each) for each in sampled)
    }
    assert missing == set()


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_runs_to_its_end(
    example: Example, simulated: tuple[World, RunningSimulator]
) -> None:
    world, _ = simulated
    document = validate(example.document)
    world.store.config.put_profile(document["name"], document)
    run = world.processed(example.csv.read_bytes(), profile=document["name"])

    assert world.problems(run.run_id) == []
    assert run.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES)
    assert run.plan.chunks > 0
    assert run.outcomes[OutcomeStatus.UNKNOWN] == 0
