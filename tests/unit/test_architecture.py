"""Imports point one way, every package has its place, and each outside world has one door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "layers" / "jobferry" / "jobferry"

# Package (or module at the top) → what of jobferry it may import, beside itself. What is not here
# fails: a new package needs a line.
MAY_IMPORT: dict[str, set[str]] = {
    "domain": set(),
    "scheduler": {"domain"},
    "csvfile": {"domain"},
    "store": {"domain"},
    "vendors": {"domain"},
    "deps": {"scheduler", "store", "vendors"},
    "binding": {"deps", "domain", "scheduler", "csvfile", "store", "vendors"},
    "reporting": {"deps", "domain", "scheduler", "csvfile", "store", "vendors"},
    "settlement": {"deps", "domain", "scheduler", "store", "vendors", "binding"},
    "lane": {"deps", "domain", "scheduler", "store", "vendors", "binding", "settlement"},
    "operator": {
        *("deps", "domain", "scheduler", "csvfile", "store", "vendors"),
        *("binding", "reporting", "settlement", "lane"),
    },
    "steps": {
        *("deps", "domain", "scheduler", "csvfile", "store", "vendors"),
        *("binding", "reporting", "settlement", "lane", "operator"),
    },
    "runtime": {"deps", "domain", "store", "vendors"},
}

# Library → the only modules that may import it when they run.
DOORS = {
    "requests": {"vendors/http/client.py"},
    "boto3": {"runtime/wiring.py", "store/wire.py"},
    "pydantic": {"binding/profile_document.py", "vendors/declarative/validation.py"},
    "aws_lambda_powertools": {"runtime/observability.py", "vendors/connections.py"},
}

STEPS = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}

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


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_modules_are_found() -> None:
    assert len(MODULES) > 100


def test_every_package_has_its_place() -> None:
    assert {part_of(path) for path in MODULES} - {"__init__"} == set(MAY_IMPORT)


def test_no_two_packages_may_import_each_other() -> None:
    placed: set[str] = set()
    while fits := {name for name in MAY_IMPORT.keys() - placed if MAY_IMPORT[name] <= placed}:
        placed |= fits
    assert placed == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    allowed = MAY_IMPORT.get(part, set()) | {part}
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("jobferry.")}
    assert used <= allowed, used - allowed


@pytest.mark.parametrize("library", DOORS)
def test_libraries_come_in_by_their_door(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name.split(".")[0] == library for name in imports_of(path))
    }
    assert users == DOORS[library]


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        str(path.relative_to(PACKAGE)) for path in MODULES if "os.environ" in path.read_text()
    }
    assert readers == {"runtime/settings.py"}


def test_steps_are_exactly_the_functions() -> None:
    assert {path.stem for path in (PACKAGE / "steps").glob("*.py")} - {"__init__"} == STEPS


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/app.py")), ids=str)
def test_one_verb_stands_in_four_places(path: Path) -> None:
    verb = path.parent.name
    assert (PACKAGE / "steps" / f"{verb}.py").exists()
    assert (ROOT / "tests" / "unit" / "steps" / f"test_{verb}.py").exists()
    assert len(path.read_text().splitlines()) <= 50
