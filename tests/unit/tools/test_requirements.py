"""What is installed is what was locked: versions agree, every file has a hash, and no registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements" / "lock.txt"
LAYER = ROOT / "layers" / "jobferry" / "requirements.txt"
CLI = ROOT / "requirements" / "cli.txt"
TOOLS = ROOT / "requirements" / "tools.txt"
LOCKED = [LOCK, LAYER, CLI, TOOLS]
WITH_RUNTIME = {"boto3", "botocore", "s3transfer"}


def entries(path: Path) -> list[str]:
    """The requirements of a file, each with its hashes, as one line."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(path: Path) -> set[str]:
    """`name==version ; marker` of every requirement, without its hashes."""
    found = {str(Requirement(entry.split(" --hash=")[0])) for entry in entries(path)}
    assert found, f"{path} pins nothing"
    return found


def names(path: Path) -> set[str]:
    return {canonicalize_name(Requirement(pin).name) for pin in pins(path)}


def project() -> dict[str, list[str]]:
    """What pyproject.toml asks for: `dependencies`, and the extras by name."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"dependencies": described["dependencies"], **described["optional-dependencies"]}


def asked(*groups: str) -> set[str]:
    return {
        canonicalize_name(Requirement(item).name) for name in groups for item in project()[name]
    }


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_every_requirement_is_pinned_and_has_hashes(path: Path) -> None:
    for entry in entries(path):
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ,*]+( ; .+)?", requirement), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", item) for item in hashes), requirement


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_no_registry_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "-index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("path", [LAYER, CLI], ids=lambda path: path.parent.name)
def test_what_runs_is_what_was_tested(path: Path) -> None:
    locked = {pin.split(" ;")[0].split(";")[0].strip() for pin in pins(LOCK)}
    assert {pin.split(";")[0].strip() for pin in pins(path)} <= locked


def test_the_layer_has_all_that_the_project_needs_but_boto3() -> None:
    assert asked("dependencies") - WITH_RUNTIME <= names(LAYER)


def test_boto3_comes_from_the_runtime() -> None:
    assert not names(LAYER) & WITH_RUNTIME


def test_the_layer_is_asked_for_the_projects_own_names() -> None:
    layer = (ROOT / "requirements" / "layer.in").read_text(encoding="utf-8")
    wanted = {line for line in layer.splitlines() if line and not line.startswith("#")}
    assert wanted == asked("dependencies") - WITH_RUNTIME


def test_the_command_has_all_that_it_needs() -> None:
    assert asked("dependencies", "cli") <= names(CLI)


def test_the_layers_wheels_are_pinned_for_each_processor_and_python() -> None:
    """A pure wheel has two files at most; a compiled one has one for each Python and processor."""
    hashes = {
        Requirement(entry.split(" --hash=")[0]).name: entry.count("--hash=")
        for entry in entries(LAYER)
    }
    assert hashes["pydantic-core"] > 20
    assert hashes["charset-normalizer"] > 20
