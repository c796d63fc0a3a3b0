"""SettleJob: finished jobs → one outcome per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobferry.runtime.observability import logged
from jobferry.runtime.wiring import build_deps
from jobferry.steps.settle_job import settle_job

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

deps = build_deps()


@logged("run_id")
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    return settle_job(event["run_id"], event["chunks"], deps)
