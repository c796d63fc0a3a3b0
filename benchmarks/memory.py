"""Memory of this process."""

from __future__ import annotations

import resource
import sys


def peak_mb() -> float:
    """The most megabytes that this process has had resident."""
    # The kernel counts in kilobytes on Linux and in bytes on macOS.
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
