"""Words of before are found in names, docstrings and pages, and nowhere in what is kept."""

from __future__ import annotations

import pytest

from tools.check_words import problems


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("layers/a.py", "next_look = 1\n", ["layers/a.py:1: next_look, better: poll"]),
        ("layers/a.py", "class LapState: ...\n", ["layers/a.py:1: LapState, better: iteration"]),
        ("layers/a.py", "look_up = lookup = looks_like = 1\n", []),
        ("tests/a.py", "next_look = 1\n", []),
        ("tests/a.py", '"""Two\nlaps."""\n', ["tests/a.py:2: laps, better: iterations"]),
        ("tests/a.py", "x = 1  # it is obeyed\n", ["tests/a.py:1: obeyed, better: kept"]),
        ("tests/a.py", 'x = item["lap"]\n', []),
        ("a.md", "Jobs\nunder way.", ["a.md:2: under way, better: in flight"]),
        ("a.md", "`lap` in [a page](0011-lap.md)", []),
    ],
)
def test_what_is_found(path: str, text: str, found: list[str]) -> None:
    assert list(problems(path, text)) == found
