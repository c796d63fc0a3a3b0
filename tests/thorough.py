"""How much of a long proof is done: all with THOROUGH=1 (`make thorough`), else a part.

A part is an even one: with `salt` the parts of tests beside each other differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

THOROUGH = os.environ.get("THOROUGH") == "1"


def some_of(count: int, every: int, salt: int = 0) -> range:
    """The numbers from 1 to `count`: all, or one in `every`."""
    return range(1, count + 1) if THOROUGH else range(1 + salt % every, count + 1, every)


def at_most(examples: int, short: int) -> int:
    """How many examples to try."""
    return examples if THOROUGH else short


def some_in(things: Iterable[T], every: int) -> list[T]:
    """The things: all, or one in `every`."""
    return list(things)[:: 1 if THOROUGH else every]
