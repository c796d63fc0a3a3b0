"""Poll: look at the jobs of a lane when some should have ended, and refill what came free.

A short wait is cheaper here than as a lap of the state machine, and a slot that waits for a lap
is a slot that stands empty: so the function stays while the next moment is near, and leaves when
there is something to settle or a long wait ahead.
"""

from __future__ import annotations

from jobferry.deps import Deps
from jobferry.domain.profile import Policy
from jobferry.domain.routes import LaneRoute
from jobferry.lane.operator_requests import apply_operator_requests
from jobferry.lane.poller import next_poll_at, poll_once
from jobferry.lane.session import LaneSession, going_on, open_lane
from jobferry.lane.state import LaneState
from jobferry.lane.submitter import fill_slots
from jobferry.scheduler import lanes


def poll_jobs(state: LaneState, deps: Deps, deadline: float) -> LaneState:
    """Carry the lane's jobs on until a long wait, a lap's worth of results, or the end.

    Args:
        deadline: epoch seconds after which no request may be begun.

    Returns:
        The state with the groups of chunks to settle, when to go on, and whether to.
    """
    work = open_lane(state, deps, deadline)
    if work is None:
        return state.then(state=LaneRoute.DONE, settle=(), settling=())
    stops = Policy.STOP in work.context.profile.on_error.values()
    iteration = lanes.WATCHFUL_SECONDS if stops else lanes.ITERATION_SECONDS
    leave_at = min(deadline, deps.now() + iteration)
    fill_at = deps.now()
    while work.goes_on:
        work.refresh()
        if not work.goes_on:
            break
        apply_operator_requests(work)
        if next_poll_at(work) <= deps.now():
            poll_once(work)
            fill_at = deps.now()
        if fill_at <= deps.now():
            fill_slots(work)
            fill_at = work.next_submit_at
        moment = min(next_poll_at(work), fill_at, work.operator_from)
        if not work.goes_on or work.has_no_share or not _stays(work, moment, leave_at):
            break
        deps.sleep(max(0.0, moment - deps.now()))
    moment = deps.now()
    if work.goes_on:
        moment = min(next_poll_at(work), work.next_submit_at, work.operator_from)
    return going_on(work.commit(moment, laps=1).then(settling=()), work)


def _stays(work: LaneSession, moment: float, leave_at: float) -> bool:
    """Whether to wait for the next moment here."""
    if _may_judge(work):
        return False
    if len(work.to_settle) >= lanes.ITERATION_CHUNKS:
        return False
    wait = moment - work.deps.now()
    return moment < leave_at and lanes.worth_staying(wait, work.deps.settings.memory_gb)


def _may_judge(work: LaneSession) -> bool:
    """Whether settling what is finished lets the breaker judge for the first time."""
    breaker = work.context.profile.breaker
    if breaker is None:
        return False
    finished = sum(chunk.rows for chunk in work.to_settle)
    return work.run.processed < breaker.at_least <= work.run.processed + finished
