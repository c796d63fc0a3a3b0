"""PollJobs: one look at all jobs of a lane."""

from __future__ import annotations

from typing import Any

from jobferry.steps.lane import LaneState
from jobferry.steps.poll_jobs import poll_jobs
from jobferry.wiring import build_deps

deps = build_deps()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return poll_jobs(LaneState.from_payload(event), deps).to_payload()
