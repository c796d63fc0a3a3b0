"""Submit: fill the free slots of a lane at the beginning of its lap."""

from __future__ import annotations

from jobferry.deps import Deps
from jobferry.domain.routes import LaneRoute
from jobferry.domain.timestamps import timestamp
from jobferry.lane.poller import next_poll_at
from jobferry.lane.session import open_lane
from jobferry.lane.state import LaneState
from jobferry.lane.submitter import fill_slots


def submit_jobs(state: LaneState, deps: Deps, deadline: float) -> LaneState:
    """One lap's first submissions.

    Args:
        state: what Poll handed on (or the empty state of a new lane).
        deadline: epoch seconds after which no request may be begun.

    Returns:
        The state with the moment at which Poll has something to do. What it was given to settle
        is in hand beside it.
    """
    began_at = state.began_at or deps.now()
    state = state.then(settling=state.settle, settle=(), began_at=began_at)
    work = open_lane(state, deps, deadline)
    if work is None:
        return state.then(state=LaneRoute.DONE, wait_until=timestamp(deps.now()))
    fill_slots(work)
    submitted = work.counts["submit"]
    if submitted:
        deps.log("lap begun", run_id=state.run_id, lane=state.lane, submitted=submitted)
    # What a lane of before has found, and nobody settles now, waits for Poll to hand it on.
    waits = work.goes_on and not work.to_settle
    moment = min(next_poll_at(work), work.next_submit_at) if waits else deps.now()
    return work.commit(moment)
