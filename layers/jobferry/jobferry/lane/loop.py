"""What a lane does in one invocation: ask the scheduler, do what it says, and ask again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobferry.domain.routes import LaneRoute
from jobferry.domain.timestamps import timestamp
from jobferry.domain.trouble import SUBMIT, TEXTS, VENDOR_THROTTLES
from jobferry.lane.claimed_jobs import remember
from jobferry.lane.connection_requests import note_requests
from jobferry.lane.feedback import note_failure
from jobferry.lane.lessons import learn_early, share_lessons
from jobferry.lane.offer import read_offer
from jobferry.lane.operator_requests import apply_operator_requests
from jobferry.lane.poller import poll
from jobferry.lane.recovery import recover
from jobferry.lane.session import LaneSession
from jobferry.lane.state import LaneState
from jobferry.lane.submission import take_back_intents
from jobferry.lane.submitter import release_ready, skip_stopped, submit
from jobferry.scheduler import lanes, policy, rate_limit
from jobferry.scheduler.policy import (
    Decision,
    Finish,
    Poll,
    Submit,
    Wait,
)
from jobferry.scheduler.snapshot import NEVER

Stays = Callable[[LaneSession, float], bool]
"""(session, moment of the next thing to do) → whether to wait for it in this invocation."""


def run_lane(session: LaneSession, stays: Stays) -> float:
    """Submit and poll until there is a wait that is not worth staying for, or the end.

    Returns:
        When the lane has something to do again (epoch seconds); infinity: never by itself.
    """
    while session.goes_on:
        session.refresh()
        if not session.goes_on:
            break
        learn_early(session)
        apply_operator_requests(session)
        _follow_run(session)
        match decide(session):
            case Poll() as order:
                poll(session, order)
            case Submit() as order:
                submit(session, order)
                # Refused chunks have ended already: what they say may stop the run.
                if not stays(session, session.deps.now()):
                    break
            case Wait(until=until, release=release):
                if release:
                    release_ready(session)
                    continue
                moment = min(until, session.pace.operator_from)
                if not session.goes_on or _has_no_share(session) or not stays(session, moment):
                    return moment
                session.deps.sleep(max(0.0, moment - session.deps.now()))
                session.pace.pool = None
            case Finish():
                break
    return session.deps.now()


def submit_first(session: LaneSession) -> float:
    """The submissions with which an iteration begins; polls are left to its second step.

    Returns:
        When there is something to do again (epoch seconds).
    """
    _follow_run(session)
    decision = decide(session, polls=False)
    if isinstance(decision, Submit):
        submit(session, decision)
        decision = decide(session, polls=False)
    if isinstance(decision, Wait) and decision.release:
        release_ready(session)
        decision = decide(session, polls=False)
    now = session.deps.now()
    if not isinstance(decision, Wait):
        return now
    return min(decision.until, policy.next_poll_at(session.snapshot(), now, session.settings))


def decide(session: LaneSession, *, polls: bool = True) -> Decision:
    """What the scheduler says, by what is known now.

    Args:
        polls: whether to poll where that is due.
    """
    session.read_limits()
    now, settings = session.deps.now(), session.settings
    lane = session.snapshot()
    may_submit = now < session.deadline and policy.may_submit(lane, now, settings)
    if may_submit and session.pace.pool is None:
        read_offer(session)
        lane = session.snapshot()
    if not polls:
        lane = replace(lane, poll_not_before=NEVER)
    return policy.decide(lane, now, settings)


def commit(session: LaneSession, moment: float, *, iterations: int = 0) -> LaneState:
    """Note what was used and learned.

    Args:
        moment: when the lane goes on.
        iterations: how many are over with this.

    Returns:
        The state with what is to be settled next, which waits until that moment.
    """
    take_back_intents(session)
    _note_usage(session, iterations)
    state, now, settings = session.state, session.deps.now(), session.settings
    going_at = moment if moment < NEVER else now + settings.max_poll_interval
    idle = _has_no_share(session)
    if idle:
        times = min(state.idle, settings.idle_steps_in_ramp) if session.ramping else state.idle
        going_at = max(going_at, lanes.idle_until(now, times, settings))
    to_settle = [chunk.number for chunk in session.to_settle]
    ended = iterations and not session.goes_on and not to_settle
    session.deps.store.runs.count(
        session.run,
        state.lane,
        session.usage.counts,
        alive_until=0.0 if ended else max(now, going_at),
    )
    return state.then(
        settle=tuple(map(tuple, lanes.settle_groups(to_settle, settings))),
        last_polled_at=session.pace.last_polled_at,
        large=needs_large(session),
        idle=state.idle + 1 if idle else 0,
        wait_until=timestamp(going_at),
    )


def needs_large(session: LaneSession) -> bool:
    """Whether the lane's next iteration is too much work for the small function."""
    latency, run = session.ages.latency, session.run
    if latency is None or not run.plan.chunks:
        return False
    slots = min(lanes.window_for(session.limits.ceiling, max(1, run.lanes)), run.plan.chunks)
    if latency.jobs < slots:
        return False  # of the first that run side by side the quick ones are seen first
    per_minute = session.account_limit().get(rate_limit.ACCOUNT)
    rows = run.plan.row / run.plan.chunks
    return lanes.needs_large(slots, latency.mean, per_minute, rows, session.settings)


def _note_usage(session: LaneSession, iterations: int) -> None:
    """Note what was used and learned, for the run and for the connection."""
    store, run, usage, now = session.deps.store, session.run, session.usage, session.deps.now()
    session.linked.client.meter = None
    made, usage.uncounted = usage.uncounted, 0
    note_requests(store.limits, run.connection, made, now)
    remember(session.claimed_jobs, session.state.lane)
    store.chunks.forget_spent(session.chunks.spent)
    share_lessons(session)
    session.count(
        laps=iterations,
        gb_ms=round(1000 * (session.deps.now() - usage.began_at) * session.deps.settings.memory_gb),
        write_units=store.write_units() - usage.units_before + 1,
        read_units=store.read_units() - usage.reads_before,
    )


def routed(session: LaneSession, state: LaneState) -> LaneState:
    """The state after an iteration: done, to be renewed, or still at work."""
    settings = session.settings
    events = state.events + lanes.events_of_iteration(len(state.settle), settings)
    if not session.goes_on and not state.settle:
        route = LaneRoute.DONE
    elif _is_long(session, state, events) or _is_old(session, state) or _misses_a_lane(session):
        route = LaneRoute.RENEW
        session.deps.store.runs.relaunch(session.run.run_id, 0, -1)
    else:
        route = LaneRoute.WORKING
    return state.then(iteration=state.iteration + 1, events=events, state=route)


def _follow_run(session: LaneSession) -> None:
    """Do what the run asks of a lane besides submitting and polling."""
    stop, now = session.run.stop, session.deps.now()
    if stop is not None:
        skip_stopped(session, stop)  # asks the vendor nothing, so that it need not wait for it
    _hold_back(session)
    if now < session.limits.retry_after_until:
        if SUBMIT in session.run.troubles or session.left or session.chunks.ready:
            # Whoever of the connection's runs asked, the answer keeps all of them from going on.
            note_failure(session, SUBMIT, VENDOR_THROTTLES, TEXTS[VENDOR_THROTTLES])
    elif session.chunks.lost:
        session.throttled.clear()
        recover(session)
        _hold_back(session)  # what a search gave back, too


def _hold_back(session: LaneSession) -> None:
    """What is left of a paused run is not this lane's to wait for."""
    if session.run.paused:
        release_ready(session)
        session.left = 0


def _has_no_share(session: LaneSession) -> bool:
    return policy.has_no_share(session.snapshot(), session.deps.now(), session.settings)


def _is_long(session: LaneSession, state: LaneState, events: int) -> bool:
    """Whether the history is long enough. What its last iteration has found is settled by the
    next lane, so each lane settles what its first one has found, or none ever would."""
    return events >= session.settings.max_events and state.iteration > 0


def _is_old(session: LaneSession, state: LaneState) -> bool:
    return session.deps.now() - state.began_at >= session.settings.renew_seconds


def _misses_a_lane(session: LaneSession) -> bool:
    """Whether another lane of the run has died: a fresh one reads its jobs when all are renewed."""
    run, state, now = session.run, session.state, session.deps.now()
    if run.lanes <= 1:
        return False
    heard = session.deps.store.runs.alive_until(run.run_id)
    dead = [
        lane
        for lane in range(run.lanes)
        if lane != state.lane
        and lanes.is_dead(heard.get(lane, state.began_at), state.began_at, now, session.settings)
    ]
    if dead:
        session.deps.warn("lanes are silent", run_id=run.run_id, lanes=dead)
    return bool(dead)
