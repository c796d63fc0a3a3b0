"""Poll: poll the jobs of a lane when some should have ended, and refill what came free.

A short wait is cheaper here than as an iteration of the state machine, and a slot that waits for
one is a slot that stands empty: so the function stays while the next moment is near, and leaves
before a long wait, when much is left to be settled, or once when its lane needs the large function.
"""

from __future__ import annotations

from functools import partial

from jobferry.deps import Deps
from jobferry.domain.profile import Policy
from jobferry.domain.routes import LaneRoute
from jobferry.lane.loop import commit, needs_large, routed, run_lane
from jobferry.lane.session import LaneSession, open_session
from jobferry.lane.state import LaneState
from jobferry.scheduler import lanes


def poll_jobs(state: LaneState, deps: Deps, deadline: float) -> LaneState:
    """Go on with the lane's jobs until a long wait, an iteration's worth of results, or the end.

    Args:
        deadline: epoch seconds after which no request may be begun.

    Returns:
        The state with the groups of chunks to settle, when to go on, and whether to.
    """
    session = open_session(state, deps, deadline)
    if session is None:
        return state.then(state=LaneRoute.DONE, settle=(), settling=())
    stops = Policy.STOP in session.context.profile.on_error.values()
    settings = deps.scheduling
    longest = settings.watchful_iteration_seconds if stops else settings.iteration_seconds
    moment = run_lane(session, partial(_stays, leave_at=min(deadline, deps.now() + longest)))
    after = commit(session, moment, iterations=1)
    return routed(session, after).then(settling=())


def _stays(session: LaneSession, moment: float, leave_at: float) -> bool:
    """Whether to wait for the next moment here."""
    if _may_judge(session) or len(session.to_settle) >= session.settings.iteration_chunks:
        return False
    state = session.state
    if not (state.large or state.whole) and needs_large(session):
        return False
    wait = moment - session.deps.now()
    return moment < leave_at and lanes.is_cheaper_here(wait, session.deps.settings.memory_gb)


def _may_judge(session: LaneSession) -> bool:
    """Whether settling what is finished lets the breaker judge for the first time."""
    breaker = session.context.profile.breaker
    if breaker is None:
        return False
    finished = sum(chunk.rows for chunk in session.to_settle)
    processed = session.run.processed
    return processed < breaker.at_least <= processed + finished
