"""SubmitJobs: one iteration's submissions of a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobferry.lane.state import LaneState
from jobferry.runtime.observability import logged
from jobferry.runtime.wiring import build_deps, deadline
from jobferry.steps.submit_jobs import submit_jobs
from jobferry.vendors.http.limits import REQUEST_SECONDS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

deps = build_deps()

# A request begun at the last moment may take its full time-out, and its job must be noted.
MARGIN_SECONDS = REQUEST_SECONDS + 15.0


@logged("run_id", "lane")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    state = LaneState.from_payload(event)
    return submit_jobs(state, deps, deadline(context, MARGIN_SECONDS)).to_payload()
