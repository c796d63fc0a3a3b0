"""OpenRun: any trigger's event → a claimed run."""

from __future__ import annotations

from typing import Any

from jobferry.steps.open_run import open_run, resume_run
from jobferry.triggers import ResumeRequest, moment_of, read_trigger
from jobferry.wiring import build_deps

deps = build_deps()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    request = read_trigger(event["input"], deps.settings.inbox_bucket)
    if isinstance(request, ResumeRequest):
        return resume_run(request.run_id, request.previous, event["execution"], deps)
    return open_run(request, event["execution"], deps, moment_of(event.get("started")))
