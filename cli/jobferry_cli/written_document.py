"""Documents that people write (YAML or JSON), and the lines on which their faults are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from jobferry.domain.commands import Command
from jobferry.domain.document_words import Problem
from jobferry_cli.errors import CommandError

MOST_BYTES = 1_000_000
"""Of a file that somebody has written; more is another kind of file."""


def read_document(
    file: Path, next_command: Command, parse: Callable[[str], Any] = yaml.safe_load
) -> Any:
    """What stands in the file.

    Args:
        next_command: what to type when it cannot be read.
        parse: what the text is read by.

    Raises:
        CommandError: it is no text, or no YAML.
    """
    try:
        return parse(_text(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = f": it is no readable text file ({type(error).__name__})"
    except RecursionError:
        reason = ": it is nested too deep"
    except json.JSONDecodeError as error:
        reason = f" (line {error.lineno}): it is no JSON"
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        reason = f"{place}: {getattr(error, 'problem', None) or 'it is no YAML'}"
    raise CommandError(f"{file} cannot be read{reason}.", next_command=next_command)


def with_lines(file: Path, problems: Sequence[str]) -> list[str]:
    """The problems, in the order of the file's lines, each with its line where that is known."""
    try:
        root = yaml.compose(_text(file), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return list(problems)
    lines = [
        _line(root, problem.place)
        if isinstance(problem, Problem) and problem.place and root is not None
        else 0
        for problem in problems
    ]
    numbered = sorted(zip(lines, problems, strict=True), key=lambda pair: pair[0])
    return [f"line {line}: {problem}" if line else str(problem) for line, problem in numbered]


def _text(file: Path) -> str:
    with file.open(encoding="utf-8-sig") as stream:
        text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise yaml.YAMLError
    return text


def _line(root: yaml.Node, place: tuple[Any, ...]) -> int:
    """The line of the last key of a place that is in the file, counted from 1."""
    at, line = root, root.start_mark.line + 1
    for part in place:
        found = _inside(at, part)
        if found is None:
            break
        line, at = found
    return line


def _inside(node: yaml.Node, part: Any) -> tuple[int, yaml.Node] | None:
    """(line, value) of what a key or a number leads to."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if getattr(key, "value", None) == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        entry = node.value[part]
        return entry.start_mark.line + 1, entry
    return None
