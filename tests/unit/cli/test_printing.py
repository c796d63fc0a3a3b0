"""Modules of the command write to a terminal in one place, and type no command by hand."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest

import jobferry_cli

FOLDER = Path(jobferry_cli.__file__).parent
DOOR = FOLDER / "output.py"
MODULES = sorted(set(FOLDER.rglob("*.py")) - {DOOR})

_NAMES = frozenset({"print", "input", "Console", "Progress", "Live", "getpass"})
_ATTRIBUTES = {
    "click": {"echo", "secho", "echo_via_pager", "confirm", "prompt", "progressbar", "pause"},
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__"},
    "rich": {"print", "inspect"},
    "os": {"write", "system"},
    "traceback": {"print_exc", "print_exception"},
    "logging": {"basicConfig", "StreamHandler"},
}

_COMMAND_GOES_ON = re.compile(r"(?<![`\w])(?:jobferry|aws|sam) [^.:;()]*$")


def writers(source: str) -> list[str]:
    """What in a module writes to a terminal by itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) if name in _NAMES:
                found.append(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if name in _ATTRIBUTES.get(
                module, ()
            ):
                found.append(f"{module}.{name}")
            case ast.ImportFrom(module=str(module), names=names):
                hidden = _ATTRIBUTES.get(module, set()) | _NAMES
                found += [f"{module}.{each.name}" for each in names if each.name in hidden]
    return found


def typed_by_hand(source: str) -> list[str]:
    """Texts with a command and something filled in that no shell word was made of."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.JoinedStr)
        for part, filled_in in itertools.pairwise(node.values)
        if isinstance(part, ast.Constant)
        and _COMMAND_GOES_ON.search(str(part.value))
        and isinstance(filled_in, ast.FormattedValue)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_prints_by_the_one_place_alone(path: Path) -> None:
    assert writers(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_fills_nothing_into_a_command_unquoted(path: Path) -> None:
    assert typed_by_hand(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "print('x')",
        "import sys\nsys.stdout.write('x')",
        "from sys import stderr",
        "click.echo('x')",
        "from click import secho",
        "from rich.console import Console\nConsole().print('x')",
    ],
)
def test_other_ways_to_print_are_seen(source: str) -> None:
    assert writers(source) != []


def test_a_command_by_hand_is_seen() -> None:
    assert typed_by_hand('f"Next:  jobferry watch {run_id}"') != []
    assert typed_by_hand('f"There is no run {run_id!r}."') == []
