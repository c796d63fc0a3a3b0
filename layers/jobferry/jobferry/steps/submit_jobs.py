"""Submit: fill the free slots of a lane at the beginning of its iteration."""

from __future__ import annotations

from jobferry.deps import Deps
from jobferry.domain.routes import LaneRoute
from jobferry.domain.timestamps import timestamp
from jobferry.lane.loop import commit, submit_first
from jobferry.lane.session import open_session
from jobferry.lane.state import LaneState
from jobferry.steps.poll_jobs import poll_jobs


def submit_jobs(state: LaneState, deps: Deps, deadline: float) -> LaneState:
    """One iteration's first submissions.

    Args:
        state: what Poll handed on (or the empty state of a new lane).
        deadline: epoch seconds after which no request may be begun.

    Returns:
        The state with the moment at which Poll has something to do. What it was given to settle
        is in hand beside it.
    """
    if state.whole:
        return _carry_small_run(state, deps, deadline)
    began_at = state.began_at or deps.now()
    state = state.then(settling=state.settle, settle=(), began_at=began_at)
    session = open_session(state, deps, deadline)
    if session is None:
        return state.then(state=LaneRoute.DONE, wait_until=timestamp(deps.now()))
    moment = submit_first(session)
    submitted = session.usage.counts["submit"]
    if submitted:
        deps.log("iteration begun", run_id=state.run_id, lane=state.lane, submitted=submitted)
    # What a lane of before has found, and nobody settles now, waits for Poll to hand it on.
    waits = session.goes_on and not session.to_settle
    return commit(session, moment if waits else deps.now())


def _carry_small_run(state: LaneState, deps: Deps, deadline: float) -> LaneState:
    """Submit and poll in one invocation. What is left when it ends, for a long wait or at the
    deadline, goes on in lanes, which CloseRun starts."""
    after = poll_jobs(state.then(began_at=deps.now()), deps, deadline)
    if after.state is not LaneRoute.DONE:
        deps.store.runs.relaunch(state.run_id, 0, -1)
    return after
