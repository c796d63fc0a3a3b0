from __future__ import annotations

from collections.abc import Iterator

import pytest

from virtual.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Chunks of two rows, three jobs at a time."""
    with World(max_records=2, max_jobs=3) as made:
        yield made


@pytest.fixture
def settled_later(world: World) -> None:
    """No poll settles what it has seen ended: all of it is left to SettleJobs."""
    world.schedule_with(rows_settled_at_once=0)


@pytest.fixture
def list_world() -> Iterator[World]:
    """The same at a vendor that is searched by its list of jobs: an intent for each chunk."""
    with World(max_records=2, max_jobs=3, token_search=False) as made:
        yield made
