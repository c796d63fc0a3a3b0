"""Names of profiles and connections: safe as a part of a key, of a path and of a run's id."""

from __future__ import annotations

import re

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$"

_NAME = re.compile(NAME)
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
"""A profile's name, and what `run_id_of` adds to it."""


def is_name(value: object) -> bool:
    """Whether a value can be the name of a profile or of a connection."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_run_id(value: object) -> bool:
    """Whether a value can be the id of a run."""
    return isinstance(value, str) and _RUN.fullmatch(value) is not None
