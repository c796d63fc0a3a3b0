"""The vendor of a scenario before a simulator without a past."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from jobferry.domain.types import JsonObject
from tests.contract.conformance.bench import Bench
from tests.contract.conformance.scenarios import MAX_ANSWER_BYTES, READ_SECONDS, Case
from vendorsim import ManualClock, RunningSimulator, Scenario, Settings
from vendorsim.settings import Latency
from vendorsim.simulator import Simulator

Served = dict[tuple[type[Simulator], bool], RunningSimulator]
"""Simulators that run, by their class and whether a test moves their clock."""

_PROMPT = Settings(latency=Latency(0.001, 0.001))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario: which scenario of the kit, with which vendor")


@pytest.fixture(scope="session")
def _served() -> Iterator[Served]:
    running: Served = {}
    yield running
    for simulator in running.values():
        simulator.stop()


@pytest.fixture(scope="session")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def case() -> Case:
    """Replaced by the parameters of every test."""
    return Case("")


@pytest.fixture
def bench(
    make_bench: type[Bench],
    case: Case,
    _served: Served,
    _clock: ManualClock,
) -> Bench:
    """A vendor whose clock the test moves."""
    key = (make_bench.simulator, True)
    if key not in _served:
        _served[key] = RunningSimulator(make_bench.simulator(clock=_clock))
    _served[key].reset(requests_per_minute=0)
    return make_bench(_served[key], _clock)


@pytest.fixture
def prompt_bench(
    make_bench: type[Bench],
    case: Case,
    _served: Served,
) -> Bench:
    """A vendor on the machine's clock, so that it can hang; its jobs end at once."""
    key = (make_bench.simulator, False)
    if key not in _served:
        _served[key] = RunningSimulator(make_bench.simulator(Scenario(settings=_PROMPT)))
    _served[key].reset(requests_per_minute=0)
    return make_bench(_served[key])


@pytest.fixture
def tight_bounds(monkeypatch: pytest.MonkeyPatch) -> Callable[[JsonObject], None]:
    """Bounds that a behaviour is meant to break, and no others are likely to."""

    def set_bounds(does: JsonObject) -> None:
        monkeypatch.setattr("jobferry.vendors.http.client.MAX_ANSWER_BYTES", MAX_ANSWER_BYTES)
        if "hang" in does:
            monkeypatch.setattr("jobferry.vendors.http.client.READ_SECONDS", READ_SECONDS)

    return set_bounds
