"""The Vidispine adapter before a simulator without a past; no secret may show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.vidispine.bench import VidispineBench
from vendorsim import ManualClock, RunningSimulator


@pytest.fixture
def bench(sim: RunningSimulator, clock: ManualClock) -> VidispineBench:
    """A vendor whose clock the test moves."""
    return VidispineBench(sim, clock)


@pytest.fixture(autouse=True)
def no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every library may log what it likes: the credentials are not in it."""
    caplog.set_level("DEBUG")
    yield
    assert not [secret for secret in VidispineBench.secrets if secret in caplog.text]
