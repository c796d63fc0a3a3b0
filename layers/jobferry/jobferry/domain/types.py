"""Types without a better place."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
