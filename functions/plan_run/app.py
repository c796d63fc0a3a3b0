"""PlanRun: a claimed run → chunks, or as many as fit into one invocation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobferry.runtime.observability import logged
from jobferry.runtime.wiring import build_deps, deadline
from jobferry.steps.plan_run import plan_run

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

deps = build_deps()

# Writing the last pages and the keys seen so far (some 160 MB for 10 million rows) takes time.
MARGIN_SECONDS = 90.0


@logged("run_id")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    scratch = Path(tempfile.gettempdir()) / "plan" / event["run_id"]
    return plan_run(event["run_id"], deps, deadline(context, MARGIN_SECONDS), scratch)
