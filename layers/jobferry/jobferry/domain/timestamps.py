"""Moments as people and the state machine read them."""

from __future__ import annotations

from datetime import UTC, datetime

_LATEST = 253_402_300_799.0
"""The last second that a date can be written for: the end of the year 9999."""


def timestamp(moment: float) -> str:
    """Epoch seconds as the Wait state and people read them: UTC, milliseconds.

    A moment that no date can be written for becomes the nearest one that has one.
    """
    return (
        datetime.fromtimestamp(min(max(0.0, moment), _LATEST), UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
