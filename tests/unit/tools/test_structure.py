"""The bounds of the code's structure hold, and the tool that counts them counts right."""

from __future__ import annotations

from pathlib import Path

from tools.structure import MODULE_LINES, figures, repeated


def test_six_equal_lines_are_found_wherever_they_stand() -> None:
    body = "".join(f"value_{n} = {n}\n" for n in range(6))
    sources = {"a.py": f"import os\n{body}", "b.py": f'"""Doc."""\n\n{body}', "c.py": body[:-12]}
    assert repeated(sources) == [["a.py:2", "b.py:3"]]


def test_equal_signatures_are_none() -> None:
    signature = "def name(\n" + "".join(f"    argument_{n}: int,\n" for n in range(8)) + "):\n"
    sources = {f"{n}.py": f"{signature}    return argument_{n}\n" for n in range(2)}
    assert repeated(sources) == []


def test_long_modules_and_functions_are_found(tmp_path: Path) -> None:
    lines = "\n".join(f"    x{n} = {n}" for n in range(MODULE_LINES))
    (tmp_path / "lane").mkdir()
    (tmp_path / "lane" / "session.py").write_text(f"def long():\n{lines}\n")
    found = figures(tmp_path)
    assert found.long_modules == {"lane/session.py": MODULE_LINES + 1}
    assert found.long_functions == {"lane/session.py:long": MODULE_LINES + 1}
    assert len(found.problems) == 2
