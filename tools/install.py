"""pip, which says what it does: a word every few seconds, instead of a line per file or none.

    python tools/install.py --no-deps --require-hashes -r requirements/lock.txt

Runs in a fresh environment, so that it needs nothing but Python.
"""

from __future__ import annotations

import itertools
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

EVERY_SECONDS = 3.0
KEPT_LINES = 30
"""Of pip's last words, which are shown when it fails."""

_PINNED = re.compile(r"^[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?==", re.MULTILINE)


def packages_in(locks: Iterable[str]) -> int:
    """How many packages some lock files pin."""
    return sum(len(_PINNED.findall(text)) for text in locks)


def said(line: str, seen: int, packages: int) -> tuple[int, str]:
    """What a line of pip's means: packages that were fetched by then, and what goes on.

    Args:
        seen: packages that were fetched before.
    """
    if line.startswith("Collecting "):
        seen += 1
        return seen, f"fetching package {seen} of at most {packages}"
    if line.startswith("Installing collected"):
        return seen, f"unpacking {seen} packages"
    return seen, ""


def main(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    locks = [Path(name).read_text() for flag, name in _pairs(arguments) if flag == "-r"]
    packages = packages_in(locks)
    pip = subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(pip, lines), daemon=True).start()
    began = told = time.monotonic()
    kept: list[str] = []
    seen, doing = 0, "starting pip"
    while True:
        try:
            line = lines.get(timeout=EVERY_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            break
        kept = [*kept, line][-KEPT_LINES:] if line else kept
        seen, now = said(line, seen, packages)
        doing = now or doing
        if time.monotonic() - told >= EVERY_SECONDS:
            told = time.monotonic()
            print(f"· {doing}, {told - began:.0f} s", flush=True)
    if pip.wait() != 0:
        print("".join(kept), file=sys.stderr)
    return pip.returncode


def _pairs(words: list[str]) -> Iterable[tuple[str, str]]:
    return itertools.pairwise(words)


def _read(pip: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert pip.stdout is not None
    for line in pip.stdout:
        lines.put(line)
    lines.put(None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
