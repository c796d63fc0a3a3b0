"""docs/add-a-vendor.md shows the document of this folder as it is."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.documents.bench import DOCUMENT

GUIDE = Path(__file__).parent.parent.parent.parent / "docs" / "add-a-vendor.md"


def test_the_guide_shows_the_whole_document() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)

    assert "\n".join(shown) == DOCUMENT.read_text(encoding="utf-8")
