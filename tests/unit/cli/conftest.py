from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.shell import Shell
from virtual.world import World, sample_csv


@pytest.fixture
def shell() -> Iterator[Shell]:
    with World() as world:
        yield Shell(world)


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a CSV: of so many good rows, or this text."""

    def write(content: int | str = 3, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_text(
            sample_csv(content) if isinstance(content, int) else content, encoding="utf-8"
        )
        return path

    return write
