"""Who did something, in words that fit into one line of a status.

Names come from outside: from AWS, from an execution's input, from whoever uploads a file. They are
kept short and printable, and none of them is ever needed for anything but to be shown.
"""

from __future__ import annotations

from jobferry.domain.names import is_name

MOST_CHARACTERS = 256
"""Of a name; an ARN of a role's session has up to 180 or so."""

SWEEP = "sweep"
"""Opened a file whose event was lost."""

_ARN = "arn:"


def name_of(text: object) -> str | None:
    """A name from outside on one line, cut after `MOST_CHARACTERS`; None where there is none."""
    if not isinstance(text, str):
        return None
    shown = "".join(c if c.isprintable() else "?" for c in text.strip()[:MOST_CHARACTERS])
    return shown or None


def claimed(text: object) -> str | None:
    """Who an uploader says to be: an ARN, so that it is not taken for a schedule or the sweep.

    Nobody has checked it.
    """
    name = name_of(text)
    return name if name is not None and name.startswith(_ARN) else None


def schedule_named(name: object) -> str | None:
    """A schedule as who has started a run; None where this is no schedule's name."""
    return f"schedule {name}" if is_name(name) else None


def uploader(requester: object) -> str | None:
    """Who has uploaded a file, as far as S3's event tells: an account, or a service of AWS."""
    name = name_of(requester)
    if name is None or name == SWEEP:
        return name
    account = name.isascii() and name.isdigit()
    return name_of(f"upload by account {name}" if account else f"upload by {name}")
