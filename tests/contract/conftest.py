"""A simulator for clients that nobody here wrote, on a clock that the tests move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vendorsim import ManualClock, RunningSimulator, start


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
