"""The samples of `profiles/` and `events/`: one for every operation, and each of them works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.local.samples import SAMPLES
from tests.contract.simulated import simulated_world
from tests.fakes.world import World
from vendorsim import RunningSimulator

ROOT = Path(__file__).parent.parent.parent
PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))
ACCOUNTS = {sample.connection: (sample.vendor, sample.credentials) for sample in SAMPLES}


@pytest.fixture(scope="module")
def simulated() -> Iterator[tuple[World, RunningSimulator]]:
    with simulated_world(ACCOUNTS, latency="1") as pair:
        yield pair


def operation_of(path: Path) -> str:
    return str(yaml.safe_load(path.read_text())["operation"])


def test_every_operation_has_a_sample() -> None:
    sampled = {operation_of(path) for path in PROFILES}
    missing = {
        name
        for vendor in BUILT_IN.built_in()
        for name in vendor.operations
        if not any(re.fullmatch(re.sub(r"<\w+>", r"\\w+", name), each) for each in sampled)
    }
    assert missing == set()


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_sample_is_carried_to_its_end(
    path: Path, simulated: tuple[World, RunningSimulator]
) -> None:
    world, _ = simulated
    document = validate(yaml.safe_load(path.read_text()))
    world.store.config.put_profile(document["name"], document)
    run = world.processed((ROOT / "events" / f"{path.stem}.csv").read_bytes(), profile=path.stem)

    assert world.problems(run.run_id) == []
    assert run.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES)
    assert run.plan.chunks > 0
    assert run.outcomes[OutcomeStatus.UNKNOWN] == 0
