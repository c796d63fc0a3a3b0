"""docs/add-a-vendor.md shows the documents of this folder as they are, and explains every key."""

from __future__ import annotations

import re

from jobferry.vendors.declarative import validation
from tests.contract.documents.bench import DOCUMENT, FOLDER

GUIDE = (FOLDER.parents[2] / "docs" / "add-a-vendor.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_shows_the_whole_document() -> None:
    shelf = DOCUMENT.read_text(encoding="utf-8")

    assert "\n".join(part for part in SHOWN if part in shelf) == shelf


def test_what_it_shows_besides_is_of_another_document_here() -> None:
    press = (FOLDER / "press.yaml").read_text(encoding="utf-8")
    others = [part for part in SHOWN if part not in DOCUMENT.read_text(encoding="utf-8")]

    assert others
    assert all(part in press for part in others)


def test_every_key_is_explained() -> None:
    sections = [
        each
        for each in vars(validation).values()
        if isinstance(each, type) and issubclass(each, validation._Section)
    ]
    keys = {key for section in sections for key in validation._fields(section)}

    assert len(keys) > 50
    assert {key for key in keys if not re.search(rf"(^|[`.{{ ]){key}\b", GUIDE, re.M)} == set()
