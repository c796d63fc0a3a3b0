"""Commands of make, of SAM and of Python in the documents are ones that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml
from samcli.commands.build.command import cli as sam_build  # type: ignore[import-untyped]
from samcli.commands.deploy.command import cli as sam_deploy  # type: ignore[import-untyped]

from tests.documents import DOCUMENTS, ROOT, commands

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+) *[?:]?=", MAKEFILE, re.MULTILINE))
VARIABLES |= set(re.findall(r"\$\(if \$\(([A-Z]+)\)", MAKEFILE))
SAM = {"deploy": sam_deploy, "build": sam_build}
PROGRAMS = ("make", "sam", "python", "pytest")


class _Template(yaml.SafeLoader):
    """Reads the template without what its short forms stand for."""


_Template.add_multi_constructor("!", lambda *_: None)
PARAMETERS = set(yaml.load((ROOT / "template.yaml").read_text(), _Template)["Parameters"])


def shown() -> Iterator[tuple[str, str]]:
    """Page and command, without the environment's folder before the program."""
    for page in DOCUMENTS:
        text = page.read_text(encoding="utf-8").replace(".venv/bin/", "")
        for program in PROGRAMS:
            for command in dict.fromkeys(commands(text, program)):
                if command != program:
                    yield page.name, command


def problems(command: str) -> list[str]:
    """What is wrong with a command of make, SAM or Python."""
    program, *words = shlex.split(re.sub(r"[\[\]]", "", command))
    match program:
        case "make":
            return _of_make(words)
        case "sam":
            return _of_sam(words)
    return _of_python(words)


def _of_make(words: list[str]) -> list[str]:
    found = []
    for word in words:
        name, is_set, value = word.partition("=")
        if not is_set:
            found += [] if name in TARGETS else [f"there is no target {name}"]
        elif name not in VARIABLES:
            found.append(f"there is no variable {name}")
        elif name == "PARAMS":
            found += _unknown_parameters(value.split())
    return found


def _of_sam(words: list[str]) -> list[str]:
    if words[0] not in SAM:
        return [f"SAM has no {words[0]}"]
    known = {option for each in SAM[words[0]].params for option in each.opts}
    found = [
        f"sam {words[0]} has no {word}"
        for word in words[1:]
        if word.startswith("-") and word not in known
    ]
    return found + _unknown_parameters(word for word in words[1:] if "=" in word)


def _unknown_parameters(words: Iterator[str] | list[str]) -> list[str]:
    names = [word.partition("=")[0] for word in words]
    return [f"there is no parameter {n}" for n in names if n not in PARAMETERS and n != "…"]


def _of_python(words: list[str]) -> list[str]:
    found = []
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m" and word != "pytest":
            module = ROOT.joinpath(*word.split("."))
            there = module.is_dir() or module.with_suffix(".py").exists()
            found += [] if there else [f"there is no module {word}"]
        elif re.match(r"(tests|tools|benchmarks)/", word) and not list(ROOT.glob(word)):
            found.append(f"there is no file {word}")
    return found


@pytest.mark.parametrize(("page", "command"), sorted(set(shown())))
def test_a_command_of_the_documents_is_one(page: str, command: str) -> None:
    assert problems(command) == [], page


def test_pages_have_some() -> None:
    pages = {page for page, _ in shown()}
    assert {"README.md", "CONTRIBUTING.md", "deploy.md", "guide.md", "chaos.md"} <= pages


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make dmeo", "there is no target dmeo"),
        ("make demo VENDORS=a", "there is no variable VENDORS"),
        ('make deploy PARAMS="AlarmMail=a@example.org"', "there is no parameter AlarmMail"),
        ("sam depoly --guided", "SAM has no depoly"),
        ("sam deploy --guide", "sam deploy has no --guide"),
        ("sam deploy --parameter-overrides Rows=1", "there is no parameter Rows"),
        ("python tools/nothing.py", "there is no file tools/nothing.py"),
        ("python -m tests.nothing", "there is no module tests.nothing"),
        ("pytest tests/unit/nothing.py", "there is no file tests/unit/nothing.py"),
    ],
)
def test_what_is_none_is_found(command: str, problem: str) -> None:
    assert problems(command) == [problem]
