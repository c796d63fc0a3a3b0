"""What answers of a vendor mean for a run and for all who share its connection: waits, limits,
failures that stop a run when they last, and their end."""

from __future__ import annotations

from dataclasses import replace

from jobferry.domain.run import StopReason
from jobferry.domain.trouble import (
    ADDRESS_NOT_ALLOWED,
    CREDENTIALS_UNUSABLE,
    POLL,
    SUBMIT,
    TEXTS,
    VENDOR_THROTTLES,
    VENDOR_UNREACHABLE,
    Trouble,
)
from jobferry.lane.connection_requests import lower_rate
from jobferry.lane.session import LaneSession
from jobferry.scheduler import concurrency, rate_limit
from jobferry.vendors.answers import RateReading, Throttled, ThrottleReason

_NEVER_SENT = {
    ThrottleReason.UNREACHABLE: VENDOR_UNREACHABLE,
    ThrottleReason.CREDENTIALS: CREDENTIALS_UNUSABLE,
    ThrottleReason.ADDRESS: ADDRESS_NOT_ALLOWED,
}
"""Why a request never left → what keeps the run from going on."""


def apply_throttle(session: LaneSession, answer: Throttled, where: str = POLL) -> None:
    """Make every lane of the connection wait as the vendor asks.

    Args:
        where: what the vendor was asked for (`jobferry.domain.trouble`).
    """
    session.throttled.set()
    if answer.absurd_hint:
        session.deps.warn("absurd Retry-After", connection=session.run.connection)
    if answer.reason is ThrottleReason.BUDGET:
        session.wait_for_requests(_next_request_at(session))
        return
    if answer.reason in _NEVER_SENT:
        code = _NEVER_SENT[answer.reason]
        block_until(session, note_failure(session, where, code, TEXTS[code]).next_try)
        return
    if not session.chunks.submitted or answer.reason is ThrottleReason.RATE:
        note_failure(session, where, VENDOR_THROTTLES, TEXTS[VENDOR_THROTTLES])
    if answer.reason is ThrottleReason.SLOTS:
        _wait_for_slot(session, answer, where)
    else:
        _wait_for_rate(session, answer, where)


def block_until(session: LaneSession, until: float) -> None:
    """Nothing is asked on the whole connection before this moment."""
    session.throttled.set()
    session.pace.poll_not_before = max(session.pace.poll_not_before, until)
    session.deps.store.limits.block(session.run.connection, until)


def apply_advertised_limits(session: LaneSession, read: RateReading) -> None:
    """Keep the limits that the vendor's headers name."""
    store, connection = session.deps.store.limits, session.run.connection
    if read.requests_limit and read.requests_limit != session.requests.advertised:
        store.advertised_rate(connection, read.requests_limit)
        session.requests = store.requests(connection)
    if read.jobs_limit and read.jobs_limit != session.limits.advertised_jobs:
        store.advertised_jobs(connection, read.jobs_limit)
        session.limits = replace(session.limits, advertised_jobs=read.jobs_limit)
    if read.requests_remaining == 0 and read.resets_in:
        store.block(connection, session.deps.now() + read.resets_in)


def apply_acceptance(session: LaneSession, limits: RateReading | None) -> None:
    """A submission was accepted: what stood in the way is over, and headers tell of limits."""
    end_outage(session)
    note_success(session, SUBMIT)
    if limits is not None:
        apply_advertised_limits(session, limits)
        if limits.jobs_remaining == 0:
            session.note_slots_used_up()


def end_outage(session: LaneSession) -> None:
    """The vendor gave a clear answer: an outage is over."""
    if session.limits.unclear:
        store, now = session.deps.store.limits, session.deps.now()
        store.end_outage(session.run.connection, session.limits, now)
        session.limits = replace(session.limits, unclear=0, outage_until=0.0)


def note_failure(session: LaneSession, where: str, code: str, text: str) -> Trouble:
    """Something keeps the run from going on; it is stopped where that was borne long enough."""
    now = session.deps.now()
    known = session.run.troubles.get(where)
    if known is not None and known.is_the_same(code, now):
        return known
    trouble = session.deps.store.runs.note_trouble(session.run, where, code, text, now)
    session.keep_trouble(where, trouble)
    if trouble.times == 1:
        session.deps.warn(
            "run is kept from going on", run_id=session.run.run_id, where=where, code=code
        )
    if trouble.stops and session.run.stop is None:
        session.stop(StopReason(code, text))
    return trouble


def note_success(session: LaneSession, where: str) -> None:
    """Nothing keeps the run from going on at this place."""
    if where in session.run.troubles:
        session.deps.store.runs.end_trouble(session.run, where)
        session.keep_trouble(where, None)


def _next_request_at(session: LaneSession) -> float:
    soonest = session.deps.now() + session.settings.min_poll_interval
    denied = session.meter.denied
    return soonest if denied is None else max(denied.until, soonest)


def _wait_for_slot(session: LaneSession, answer: Throttled, where: str) -> None:
    """The vendor has no slot for us, and our own jobs do not explain it."""
    now = session.deps.now()
    quiet = now - _last_accepted(session, where)
    until = concurrency.no_slot_until(now, answer.retry_after, quiet, session.settings)
    session.deps.store.limits.full(session.run.connection, until)


def _last_accepted(session: LaneSession, where: str) -> float:
    """When the vendor last took a job of this lane that is in flight, or first said no."""
    if submitted := session.chunks.submitted:
        return max(chunk.submitted_at or 0.0 for chunk in submitted.values())
    trouble = session.run.troubles.get(where)
    return session.usage.began_at if trouble is None else trouble.since


def _wait_for_rate(session: LaneSession, answer: Throttled, where: str) -> None:
    """The vendor has had too many requests, or asks for a pause."""
    now, connection = session.deps.now(), session.run.connection
    known = session.run.troubles.get(where)
    lasting = 0.0 if known is None else now - known.since
    until = rate_limit.retry_after_until(now, answer.retry_after, lasting, session.settings)
    block_until(session, until)
    store = session.deps.store.limits
    if rate_limit.tells_of_a_rate(answer.retry_after):
        lower_rate(store, connection, session.linked.connection.request_budget, now)
        session.requests = store.requests(connection)
    if answer.limits is not None:
        apply_advertised_limits(session, answer.limits)
