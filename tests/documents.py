"""What tests read of the documents: their sections, and the commands that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNBOOK = ROOT / "docs" / "runbook.md"
GUIDE = ROOT / "docs" / "guide.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_COMMENT = re.compile(r"\s+# .*$")


def sections(path: Path) -> dict[str, str]:
    """The text below each heading of the second level, by the heading."""
    parts = _SECTION.split(path.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(text: str, program: str) -> list[str]:
    """The commands of one program in a text, in code spans and in blocks, as they are typed."""
    found = [*_in_blocks(text), *(_SPAN.findall(_BLOCK.sub("", text)))]
    return [" ".join(each.split()) for each in found if each.split()[:1] == [program]]


def shown_commands(text: str, program: str) -> list[str]:
    """Those of `commands` that a reader is shown to type: in blocks, and in rows of tables."""
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    blocks = "".join(match[0] + "\n" for match in _BLOCK.finditer(text))
    return commands(f"{blocks}\n{rows}", program)


def _in_blocks(text: str) -> Iterator[str]:
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield _COMMENT.sub("", line.removeprefix("$ "))
