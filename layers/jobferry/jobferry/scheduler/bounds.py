"""The shortest and the longest wait."""

from __future__ import annotations

MIN_POLL_INTERVAL = 0.2
"""The shortest wait between two looks: a request takes about as long."""

MAX_POLL_INTERVAL = 60.0
"""The longest: whatever was learned, a look a minute is affordable."""
