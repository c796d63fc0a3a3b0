"""Commands for people to type, whose words a shell takes as they are."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import NewType

Command = NewType("Command", str)
"""A command line in which every word is quoted where a shell would read more into it."""


def command(*words: object) -> Command:
    """The command `jobferry` with these words. A word may be anybody's: a file's name, a run's."""
    return other_command("jobferry", *words)


def other_command(*words: object) -> Command:
    """The same for another program, which is the first word."""
    return Command(shlex.join(map(str, words)))


@dataclass(frozen=True, slots=True)
class Step:
    """What a person does next: a sentence, and the commands that do it.

    Attributes:
        text: plain words; code in backticks
    """

    text: str
    commands: tuple[Command, ...] = ()
