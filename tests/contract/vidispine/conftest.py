"""The Vidispine adapter before a simulator without a past; no secret may show."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from jobferry.model import JsonObject
from tests.contract.test_adapter_scenarios import MAX_ANSWER_BYTES, READ_SECONDS
from tests.contract.vidispine.bench import VidispineBench
from vendorsim import ManualClock, RunningSimulator, start


@pytest.fixture
def bench(sim: RunningSimulator, clock: ManualClock) -> VidispineBench:
    """A vendor whose clock the test moves."""
    return VidispineBench(sim, clock)


@pytest.fixture(scope="session")
def _timed() -> Iterator[RunningSimulator]:
    with start(latency=0.001) as simulator:
        yield simulator


@pytest.fixture
def prompt_bench(_timed: RunningSimulator) -> VidispineBench:
    """A vendor on the machine's clock, so that it can hang; its jobs end at once."""
    _timed.reset()
    return VidispineBench(_timed)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[JsonObject], None]:
    """Bounds that a behaviour is meant to break, and no others are likely to."""

    def set_bounds(does: JsonObject) -> None:
        monkeypatch.setattr("jobferry.vendors.http.MAX_ANSWER_BYTES", MAX_ANSWER_BYTES)
        if "hang" in does:
            monkeypatch.setattr("jobferry.vendors.http.READ_SECONDS", READ_SECONDS)

    return set_bounds


@pytest.fixture(autouse=True)
def no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every library may log what it likes: the credentials are not in it."""
    caplog.set_level("DEBUG")
    yield
    assert not [secret for secret in VidispineBench.secrets if secret in caplog.text]
