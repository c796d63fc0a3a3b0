"""Moments as people read them: in UTC, and as their own clock shows them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def both_times(moment: str, zone: tzinfo | None = None) -> str:
    """`2026-03-31 09:30 UTC (11:30 CEST)`; UTC alone where the local clock shows it.

    Args:
        moment: RFC 3339, as documents have it.
        zone: the local one; None: that of this machine.
    """
    at = datetime.fromisoformat(moment)
    there, here = at.astimezone(UTC), at.astimezone(zone)
    shown = f"{there:%Y-%m-%d %H:%M} UTC"
    if here.utcoffset() == there.utcoffset():
        return shown
    day = "" if here.date() == there.date() else f"{here:%Y-%m-%d} "
    return f"{shown} ({day}{here:%H:%M %Z})"
