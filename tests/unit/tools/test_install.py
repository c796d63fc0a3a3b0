"""Installing says what it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.install import packages_in, said

ROOT = Path(__file__).parents[3]


def test_packages_of_a_lock_are_counted() -> None:
    text = "a==1 \\\n    --hash=sha256:0\nb-c[x,y]==2.0 ; python_version < '3.12'\n# d==1\n-e .\n"
    assert packages_in([text, "e.f==3\n"]) == 3
    lock = (ROOT / "requirements" / "lock.txt").read_text()
    assert packages_in([lock]) == sum(
        "==" in line[:60] and line[0] not in " #" for line in lock.splitlines() if line
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "Collecting boto3==1.2 (from -r lock.txt (line 3))",
            (4, "fetching package 4 of at most 9"),
        ),
        ("Installing collected packages: a, b", (3, "unpacking 3 packages")),
        ("  Downloading a.whl (3 kB)", (3, "")),
        ("", (3, "")),
    ],
)
def test_what_a_line_of_pip_means(line: str, words: tuple[int, str]) -> None:
    assert said(line, 3, 9) == words


def test_what_fails_is_shown_and_is_a_failure(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("not a requirement at all\n")
    tried = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "install.py"), "-r", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode != 0
    assert "not a requirement at all" in tried.stderr
