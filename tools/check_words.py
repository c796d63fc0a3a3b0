"""Words that are not used any more, each with the field's term that stands in its place.

    python tools/check_words.py

Looks at names in code, docstrings, comments, help and pages. What an older version has written into
the table, a payload or a decision keeps its words: docs/decisions and CHANGELOG.md are history.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent

WORDS: Mapping[str, str] = {
    "lap": "iteration",
    "laps": "iterations",
    "heed": "apply",
    "heeds": "applies",
    "heeded": "applied",
    "obey": "keep to",
    "obeys": "keeps to",
    "obeyed": "kept",
    "foretold": "estimated",
    "foretell": "estimate",
    "foretells": "estimates",
    "presumption": "estimate",
    "presume": "estimate",
    "presumes": "estimates",
    "presumed": "estimated",
    "penance": "penalty",
    "hiccup": "transient error",
    "hiccups": "transient errors",
    "flying": "in flight",
    "narrate": "report",
    "ledger": "store",
    "wishes": "requests",
    "deeds": "actions",
    "under way": "in flight",
    "rows that go again": "retried rows",
    "next look": "next poll",
    "last look": "last poll",
}
"""Word → what to say instead."""

NAMES: Mapping[str, str] = {
    "look": "poll",
    "looks": "polls",
    "looked": "polled",
    "told": "advertised, or reported",
    "carried": "processed, or sent",
    "halve": "bisect",
    "halved": "bisected",
    "patience": "wait",
    "gather": "parallel_map",
}
"""The same for parts of names in the layer: in sentences they are plain English."""

SKIPPED = ("docs/decisions/", "CHANGELOG.md", "tools/check_words.py", "simulators/vendorsim/")

FORMER = frozenset(
    {
        *("CarriedOn", "CarriedOutTwice", "carried_out_twice", "CARRIED_OUT_TWICE", "laps"),
        "ledger",  # the simulator's, of what really happened
    }
)
"""Names that alarms, tables or files of people have by now: metrics, codes, attributes."""

PLAIN = re.compile(r"look_?up|looks_like", re.IGNORECASE)
"""Parts of names that are the field's own."""


def problems(path: str, text: str) -> Iterator[str]:
    """What is wrong with the words of one file: `path:line: word, better: term`."""
    if not path.endswith(".py"):
        prose = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", _blank, text, flags=re.DOTALL)
        yield from _in_prose(path, prose, 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or token.string.startswith(('"""', 'r"""')):
            yield from _in_prose(path, re.sub(r"`[^`]*`", _blank, token.string), token.start[0])
        elif token.type == tokenize.NAME and token.string not in FORMER:
            banned = {**WORDS, **NAMES} if path.startswith("layers/") else WORDS
            parts = re.findall(r"[a-z]+|[A-Z][a-z]*", PLAIN.sub("", token.string))
            for part in parts:
                if part.lower() in banned:
                    better = banned[part.lower()]
                    yield f"{path}:{token.start[0]}: {token.string}, better: {better}"


def _in_prose(path: str, text: str, line: int) -> Iterator[str]:
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, WORDS))})\b", re.IGNORECASE)
    for found in pattern.finditer(text):
        at = line + text.count("\n", 0, found.start())
        yield f"{path}:{at}: {found[0]}, better: {WORDS[found[0].lower()]}"


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def files() -> list[str]:
    """Everything that is kept, and has words of ours."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split() if not name.startswith(SKIPPED)]


def main() -> int:
    found = [
        problem
        for name in files()
        if (ROOT / name).exists()
        for problem in problems(name, (ROOT / name).read_text(encoding="utf-8"))
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
