"""Do what an operator asks of a run's jobs: end them, or give them another priority.

The request stands on the run, and each lane asks the vendor about its own jobs, with requests that
are paid for. So it reaches jobs that were submitted after it, waits when the vendor asks for it,
and needs nobody to stay. What was asked is noted on the chunk after the vendor has answered: a
crash in between asks once more, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.lane.feedback import apply_throttle
from jobferry.lane.session import LaneSession
from jobferry.scheduler import rate_limit
from jobferry.scheduler.snapshot import NEVER
from jobferry.vendors.answers import Ambiguous, Refused, Throttled
from jobferry.vendors.protocol import JobControl

AT_ONCE = 20
"""Requests of this kind in a row; then the lane sees to its jobs and slots first."""

TRY_AGAIN = 30.0
"""Seconds until a request without a clear answer is made once more."""

STALE_PRIORITY = 300.0
"""Seconds after a change during which a job may still be made with the priority before: longer than
any function that submits may run (270 s, `run.asl.json`)."""

Answer = Refused | Throttled | Ambiguous | None


@dataclass(frozen=True, slots=True)
class _OperatorRequest:
    """One request to make.

    Attributes:
        asked: the chunk as it is noted when the vendor has answered
    """

    asked: Chunk
    make: Callable[[], Answer]


def apply_operator_requests(session: LaneSession) -> None:
    """Ask the vendor what the run's operator wants asked, as far as there are requests for it.

    `session.pace.operator_from` says when to go on; never, when nothing is left to ask.
    """
    if session.context.run.priority != session.run.priority:
        # Jobs that are made from now on have it from the beginning.
        session.context = replace(session.context, run=session.run)
    now = session.deps.now()
    if session.pace.operator_from not in (0.0, NEVER) and now < session.pace.operator_from:
        return
    session.pace.operator_from = NEVER
    retry_after_until: float | None = None
    for made, request in enumerate(_open_requests(session)):
        if retry_after_until is None:
            retry_after_until = session.read_limits().retry_after_until
        now = session.deps.now()
        if now < retry_after_until:
            session.pace.operator_from = retry_after_until
            return
        if made >= AT_ONCE or now >= session.deadline:
            session.pace.operator_from = now
            return
        if not _paid(session) or not _asked(session, request):
            return


def _open_requests(session: LaneSession) -> Iterator[_OperatorRequest]:
    """What is still to be asked about the lane's jobs, the oldest chunk first."""
    run, can = session.run, session.linked.vendor.capabilities
    end = run.end_jobs and can.abort
    tell = run.priority_at > 0 and can.priority and run.stop is None
    if not end and not tell:
        return
    control = cast("JobControl", session.linked.client)
    reason = run.stop.reason if run.stop else None
    word = can.priority_word(run.priority)
    for chunk in session.chunks.in_state(ChunkState.SUBMITTED):
        job_id = str(chunk.job_id)
        if end and not chunk.end_asked:
            yield _OperatorRequest(
                replace(chunk, end_asked=True),
                lambda job_id=job_id: control.abort(job_id, reason=reason, cleanup=True),  # type: ignore[misc]
            )
        elif tell and _to_tell(chunk, run.priority, run.priority_at):
            yield _OperatorRequest(
                replace(chunk, priority_asked=run.priority),
                lambda job_id=job_id: control.set_priority(job_id, word),  # type: ignore[misc]
            )


def _to_tell(chunk: Chunk, priority: str, changed_at: float) -> bool:
    """Whether a job may have another priority than its run."""
    made_at = chunk.sending_at or 0.0
    reported = chunk.priority_asked
    return reported != priority and (reported is not None or made_at < changed_at + STALE_PRIORITY)


def _paid(session: LaneSession) -> bool:
    """Take one request; false when there is none, and `operator_from` says from when there is."""
    granted, more_at = session.take_requests(1, session.account_limit())
    if not granted:
        session.pace.operator_from = more_at
        return False
    return True


def _asked(session: LaneSession, request: _OperatorRequest) -> bool:
    """Make one request and note it; false when the vendor must be left alone for now."""
    with session.meter.prepaid(1):
        answer = request.make()
    session.count(other=1)
    number, now = request.asked.number, session.deps.now()
    if isinstance(answer, Throttled):
        apply_throttle(session, answer)
        session.pace.operator_from = max(session.pace.poll_not_before, now + 1.0)
        return False
    if isinstance(answer, Ambiguous):
        asked_until = rate_limit.retry_after_until(now, answer.retry_after or 0.0)
        session.pace.operator_from = max(now + TRY_AGAIN, asked_until)
        return False
    if answer is not None:
        # A job that has ended, or that nobody may change: it is seen through.
        session.deps.warn(
            "operator request refused", run_id=session.run.run_id, chunk=number, code=answer.code
        )
    if session.deps.store.chunks.note_asked(request.asked):
        session.chunks.keep([request.asked])
    else:
        session.reload([number])
    return True
