"""OpenRun: any trigger's event → a claimed run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobferry.domain.run_request import ResumeRequest
from jobferry.runtime.observability import logged
from jobferry.runtime.triggers import TriggerError, moment_of, read_trigger
from jobferry.runtime.wiring import build_deps
from jobferry.steps.open_run import open_run, refuse, resume_run

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

deps = build_deps()


@logged("execution")
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    try:
        request = read_trigger(event["input"], deps.settings.inbox_bucket)
    except TriggerError as error:
        return refuse(str(error), deps)
    if isinstance(request, ResumeRequest):
        return resume_run(request.run_id, request.previous, event["execution"], deps)
    return open_run(request, event["execution"], deps, moment_of(event.get("started")))
