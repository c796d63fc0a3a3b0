"""CloseRun: the proof of the sum, result files, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobferry.runtime.observability import logged
from jobferry.runtime.wiring import build_deps, deadline
from jobferry.steps.close_run import close_run

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

deps = build_deps()

# Completing the uploads and rendering the report of a long run takes this long at the most.
MARGIN_SECONDS = 90.0


@logged("run_id")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return close_run(event["run_id"], deps, deadline(context, MARGIN_SECONDS))
