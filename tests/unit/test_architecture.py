"""Imports point one way, and each outside world has one door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "layers" / "jobferry" / "jobferry"

# Package or module → what of jobferry it may import, beside itself.
MAY_IMPORT = {
    "commands": set(),
    "model": set(),
    "names": set(),
    "inbox": {"names"},
    "prices": set(),
    "latency": set(),
    "budget": set(),
    "shares": set(),
    "troubles": set(),
    "pacing": {"latency", "prices"},
    "forecast": {"latency", "pacing", "prices"},
    "breaker": {"model", "errors"},
    "ramp": {"model", "vendors"},
    "stake": {"model", "ramp", "vendors"},
    "csvfile": {"model"},
    "errors": {"csvfile"},
    "retrying": {"model", "errors"},
    "ledger": {"model", "budget", "latency", "shares", "troubles"},
    "vendors": {"model", "errors"},
    "report": {"model", "csvfile", "inbox"},
    "reopened": set(),
    "objects": {"model", "ledger", "reopened", "troubles"},
    "results": {"model", "csvfile", "objects"},
    "profile_fit": {"model", "vendors"},
    "profiles": {"model", "names", "csvfile", "errors", "retrying", "profile_fit"},
    "profile_warnings": {"model", "csvfile", "ledger", "vendors"},
    "connections": {"model", "ledger", "pacing", "vendors"},
}

# Library → the only modules that may import it when they run.
DOORS = {
    "requests": {"vendors/http.py"},
    "boto3": {"wiring.py", "ledger/table.py"},
    "pydantic": {"profiles.py"},
    "aws_lambda_powertools": {"observability.py", "connections.py"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports when it runs; those for type checking alone are left out."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_modules_are_found() -> None:
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part not in MAY_IMPORT:
        return
    allowed = MAY_IMPORT[part] | {part}
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("jobferry.")}
    assert used <= allowed, used - allowed


@pytest.mark.parametrize("library", DOORS)
def test_libraries_come_in_by_their_door(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == library for name in imports_of(path))
    }
    assert users <= DOORS[library]


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        str(path.relative_to(PACKAGE)) for path in MODULES if "os.environ" in path.read_text()
    }
    assert readers == {"settings.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/app.py")), ids=str)
def test_one_verb_stands_in_four_places(path: Path) -> None:
    verb = path.parent.name
    assert (PACKAGE / "steps" / f"{verb}.py").exists()
    assert (ROOT / "tests" / "unit" / "steps" / f"test_{verb}.py").exists()
    assert len(path.read_text().splitlines()) <= 50
