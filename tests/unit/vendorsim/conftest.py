"""One simulator for all tests of the simulator, on a clock that the tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vendorsim import ManualClock, RunningSimulator, start

RunJob = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def _served() -> Iterator[tuple[RunningSimulator, ManualClock]]:
    clock = ManualClock()
    with start(clock=clock) as simulator:
        yield simulator, clock


@pytest.fixture
def clock(_served: tuple[RunningSimulator, ManualClock]) -> ManualClock:
    return _served[1]


@pytest.fixture
def sim(_served: tuple[RunningSimulator, ManualClock]) -> RunningSimulator:
    """A simulator without a past; its jobs take two seconds."""
    _served[0].reset()
    return _served[0]


@pytest.fixture
def submit(sim: RunningSimulator) -> RunJob:
    """Send a job that is accepted: its status as answered."""

    def send(method: str, path: str, body: object = None, *, status: int = 200) -> dict[str, Any]:
        answer = sim.request(method, f"/api/v2/{path}", json=body)
        assert answer.status_code == status, answer.text
        accepted: dict[str, Any] = answer.json()["job_status"]
        return accepted

    return send


@pytest.fixture
def run_job(sim: RunningSimulator, clock: ManualClock, submit: RunJob) -> RunJob:
    """Send a job and let it end: its status then."""

    def run(method: str, path: str, body: object = None, *, status: int = 200) -> dict[str, Any]:
        accepted = submit(method, path, body, status=status)
        clock.advance(2)
        shown = sim.request("GET", f"/api/v2/job_statuses/{accepted['id']}")
        ended: dict[str, Any] = shown.json()["job_status"]
        return ended

    return run
