"""The examples of `examples/`: a profile and a CSV for each, found by the profile's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parent.parent / "examples"


class Example(NamedTuple):
    """One example.

    Attributes:
        document: the profile as it is written.
        csv: a file for it.
        path: of the profile.
    """

    document: dict[str, Any]
    csv: Path
    path: Path

    @property
    def vendor(self) -> str:
        return self.path.parent.name

    @property
    def operation(self) -> str:
        return str(self.document["operation"])


def _examples() -> dict[str, Example]:
    found = {}
    for path in sorted(FOLDER.glob("*/*.yaml")):
        document = yaml.safe_load(path.read_text())
        found[document["name"]] = Example(document, path.with_suffix(".csv"), path)
    return found


EXAMPLES = _examples()
"""Name of the profile → example."""
