"""What the Makefile's targets run, without running it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


# What a surrounding `make test` hands on, and what says that nobody is there to ask.
OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CI"}


def make(*arguments: str) -> str:
    """What make prints."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def commands(*arguments: str) -> list[list[str]]:
    """The commands that make would run, each as its words, with the environment at hand."""
    said = make("--dry-run", "--no-print-directory", "--old-file=setup", *arguments)
    return [shlex.split(line) for line in said.replace("\\\n", " ").splitlines()]


def deploying(*arguments: str) -> dict[str, list[str]]:
    """Step of `make deploy` → its words after the step's name, in the order that they run."""
    steps = {}
    for words in commands("deploy", *arguments):
        program, first, *rest = [word for word in words if not word.startswith("PATH=")]
        if Path(program).name == "sam":
            steps[f"sam {first}"] = rest
        elif first == "tools/check_build.py":
            steps[rest[0]] = rest[1:]
        else:
            steps[first] = rest
    return steps


def parameters(words: list[str]) -> dict[str, str]:
    given = words[words.index("--parameter-overrides") + 1 :]
    return dict(item.split("=", 1) for item in given)


def test_deploy_goes_from_check_to_build_to_check_to_aws() -> None:
    assert list(deploying()) == [
        "before",
        "sam build",
        "after",
        "tools/compile_layer.py",
        "sam deploy",
    ]


@pytest.mark.parametrize(
    ("arguments", "runtime", "architecture"),
    [
        ([], "python3.13", "arm64"),
        (["RUNTIME=python3.12", "ARCHITECTURE=x86_64"], "python3.12", "x86_64"),
    ],
)
def test_what_is_built_is_what_is_deployed(
    arguments: list[str], runtime: str, architecture: str
) -> None:
    steps = deploying(*arguments)

    wanted = {"Runtime": runtime, "Architecture": architecture}
    assert parameters(steps["sam build"]) == wanted
    assert parameters(steps["sam deploy"]) == wanted
    checked = ["--runtime", runtime, "--architecture", architecture]
    assert steps["before"][:4] == checked
    assert steps["after"] == checked


def test_other_parameters_are_for_the_deployment() -> None:
    steps = deploying("PARAMS=AlarmEmail='ops team@example.org' SweepMinutes=9")

    given = parameters(steps["sam deploy"])
    assert given["AlarmEmail"] == "ops team@example.org"
    assert given["SweepMinutes"] == "9"
    assert "SweepMinutes=9" in steps["before"]
    assert set(parameters(steps["sam build"])) == {"Runtime", "Architecture"}


def test_stack_and_region_are_passed_on() -> None:
    words = deploying("STACK=second", "REGION=eu-west-1")["sam deploy"]

    assert words[words.index("--stack-name") + 1] == "second"
    assert words[words.index("--region") + 1] == "eu-west-1"
    assert "--region" not in deploying()["sam deploy"]
    assert "jobferry" in deploying()["sam deploy"]


def test_a_person_confirms_and_ci_does_not() -> None:
    assert "--no-confirm-changeset" in deploying("CI=1")["sam deploy"]
    words = deploying()["sam deploy"]
    assert not {"--no-confirm-changeset", "--guided"} & set(words)
    config = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
    assert "confirm_changeset = true" in config


def test_a_container_is_used_when_asked_for() -> None:
    steps = deploying("CONTAINER=1")

    assert "--use-container" in steps["sam build"]
    assert "--container" in steps["before"]
    assert "--use-container" not in deploying()["sam build"]


def test_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    said = make("help")

    listed = {line.split()[0] for line in said.splitlines() if line[:1].isalpha()}
    assert listed == set(phony.split())


@pytest.mark.parametrize(
    ("arguments", "vendor", "kept"),
    [
        ([], "zendesk_support", False),
        (["KEEP=1"], "zendesk_support", True),
        (["KEEP=", "VENDOR=vidispine"], "vidispine", False),
    ],
)
def test_the_demo_keeps_its_stack_when_asked(arguments: list[str], vendor: str, kept: bool) -> None:
    (words,) = commands("demo", *arguments)
    assert words[1:3] == ["-m", "tools.demo"]
    assert words[words.index("--vendor") + 1] == vendor
    assert ("--keep" in words) is kept
