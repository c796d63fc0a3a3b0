"""What a lane has learned of how long jobs take, handed to others of the connection, and theirs."""

from __future__ import annotations

from jobferry.lane.connection_requests import learn_latencies
from jobferry.lane.session import LaneSession
from jobferry.scheduler import policy
from jobferry.scheduler.completion import can_estimate


def share_lessons(session: LaneSession) -> None:
    """Note what polls have taught of jobs, and forget that it is to be noted."""
    ages, run = session.ages, session.run
    if ages.observed:
        learn_latencies(session.deps.store.limits, run.connection, run.operation, ages.observed)
        ages.observed.clear()


def learn_early(session: LaneSession) -> None:
    """While nothing is known of jobs: share the first lessons at once, or take those of others.

    Who cannot tell when a job ends would never find a slot beside runs that can. A lane of one slot
    does as well by polls.
    """
    ages, run, settings = session.ages, session.run, session.settings
    if session.knows_jobs:
        return
    if can_estimate(ages.latency, settings):
        share_lessons(session)
        session.knows_jobs = True
    elif policy.window_of(session.snapshot(), session.deps.now(), settings) > 1:
        known = session.deps.store.limits.latencies(run.connection, run.operation).get("")
        ages.latency = known if can_estimate(known, settings) else ages.latency
        session.knows_jobs = can_estimate(ages.latency, settings)
