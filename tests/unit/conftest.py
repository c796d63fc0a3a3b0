from __future__ import annotations

from collections.abc import Iterator

import pytest

from virtual.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Chunks of two rows, three jobs at a time."""
    with World(max_records=2, max_jobs=3) as made:
        yield made
