"""SettleJob: finished jobs → one outcome per row."""

from __future__ import annotations

from typing import Any

from jobferry.steps.settle_job import settle_job
from jobferry.wiring import build_deps

deps = build_deps()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return settle_job(event["run_id"], event["chunks"], deps)
