"""Two engines for one definition: moto's Step Functions, and the model that our tests run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.model import Model
from tests.engines.moto_states import MotoStates, moto_states
from tests.engines.script import Engine


@pytest.fixture(params=["moto", "model"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "model":
        return Model()
    states: Engine = request.getfixturevalue("states")
    return states


@pytest.fixture(scope="module")
def states() -> Iterator[MotoStates]:
    """One for a whole module, as the definition takes a second to read."""
    with moto_states() as made:
        yield made
