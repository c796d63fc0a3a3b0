"""The shortest and the longest wait."""

from __future__ import annotations

FLOOR = 0.2
"""The shortest wait between two looks: a request takes about as long."""

CEILING = 60.0
"""The longest: whatever was learned, a look a minute is affordable."""
