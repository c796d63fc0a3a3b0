"""Workflows have few rights, pin what they use, and call targets and settings that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in load(path)["jobs"].values():
        yield from job["steps"]


def rights(path: Path) -> dict[str, str]:
    """What the workflow, or one of its jobs, may do with its token."""
    workflow = load(path)
    found = dict(workflow["permissions"])
    for job in workflow["jobs"].values():
        found.update(job.get("permissions", {}))
    return found


every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def test_there_is_one_to_test_and_one_to_deploy() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "deploy"]


@every_workflow
def test_rights_are_named_and_few(path: Path) -> None:
    deploys = path.stem == "deploy"

    assert rights(path) == {"contents": "read", **({"id-token": "write"} if deploys else {})}


@every_workflow
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    used = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]

    assert len(used) == sum("uses" in step for step in steps(path)) > 0
    for line in used:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@every_workflow
def test_a_checkout_keeps_no_credentials(path: Path) -> None:
    checkouts = [
        step for step in steps(path) if step.get("uses", "").startswith("actions/checkout")
    ]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@every_workflow
def test_only_targets_and_settings_of_the_makefile_are_called(path: Path) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    settings = set(re.findall(r"^([A-Z]+) [?:]?=", MAKEFILE, re.MULTILINE)) | {"CI"}
    commands = [shlex.split(step["run"]) for step in steps(path) if "run" in step]

    assert commands
    for program, target, *arguments in commands:
        assert program == "make"
        assert target in phony.split()
        for argument in arguments:
            assert argument.partition("=")[0] in settings, argument


@every_workflow
def test_no_text_from_outside_becomes_part_of_a_command(path: Path) -> None:
    assert all("${{" not in step.get("run", "") for step in steps(path))


@every_workflow
def test_every_job_ends(path: Path) -> None:
    assert all(0 < job["timeout-minutes"] <= 90 for job in load(path)["jobs"].values())


def test_tests_run_on_the_oldest_python_and_on_that_of_the_functions() -> None:
    matrix = load(FOLDER / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    (runtime,) = re.findall(r"^RUNTIME := python(.+)$", MAKEFILE, re.MULTILINE)

    assert matrix["python"] == ["3.11", runtime]


def test_credentials_come_by_oidc_and_after_the_build() -> None:
    path = FOLDER / "deploy.yml"
    names = [step.get("run", step.get("uses", "")).split("@")[0] for step in steps(path)]
    (credentials,) = [step for step in steps(path) if "aws-actions" in step.get("uses", "")]

    of_interest = [name.split(" RUNTIME")[0] for name in names if not name.startswith("actions/")]
    assert of_interest == [
        "make build",
        "aws-actions/configure-aws-credentials",
        "make deploy CI=1",
    ]
    assert credentials["with"]["role-to-assume"] == "${{ vars.AWS_DEPLOY_ROLE_ARN }}"
    assert "secrets." not in path.read_text("utf-8")
