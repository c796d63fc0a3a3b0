"""Carry out what an operator wants of a run's jobs: end them, or give them another priority.

The wish stands on the run, and each lane asks the vendor about its own jobs, with requests that are
paid for. So it reaches jobs that were submitted after the wish, waits when the vendor asks for it,
and needs nobody to stay. What was asked is noted on the chunk after the vendor has answered: a
crash in between asks once more, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.lane.session import NEVER, LaneSession
from jobferry.scheduler import rate_limit
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

    asked  the chunk as it is noted when the vendor has answered
    """

    asked: Chunk
    make: Callable[[], Answer]


def apply_operator_requests(work: LaneSession) -> None:
    """Ask the vendor what the run's operator wants asked, as far as there are requests for it.

    `work.operator_from` says when to go on; never, when nothing is left to ask.
    """
    if work.context.run.priority != work.run.priority:
        # Jobs that are made from now on have it from the beginning.
        work.context = replace(work.context, run=work.run)
    now = work.deps.now()
    if work.operator_from not in (0.0, NEVER) and now < work.operator_from:
        return
    work.operator_from = NEVER
    retry_after_until: float | None = None
    for made, wish in enumerate(_wishes(work)):
        if retry_after_until is None:
            retry_after_until = work.read_limits().retry_after_until
        now = work.deps.now()
        if now < retry_after_until:
            work.operator_from = retry_after_until
            return
        if made >= AT_ONCE or now >= work.deadline:
            work.operator_from = now
            return
        if not _paid(work) or not _asked(work, wish):
            return


def _wishes(work: LaneSession) -> Iterator[_OperatorRequest]:
    """What is still to be asked about the lane's jobs, the oldest chunk first."""
    run, can = work.run, work.linked.vendor.capabilities
    end = run.end_jobs and can.abort
    tell = run.priority_at > 0 and can.priority and run.stop is None
    if not end and not tell:
        return
    control = cast("JobControl", work.linked.client)
    reason = run.stop.reason if run.stop else None
    word = can.priority_word(run.priority)
    for chunk in sorted(work.in_state(ChunkState.SUBMITTED), key=lambda chunk: chunk.number):
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
    told = chunk.priority_asked
    return told != priority and (told is not None or made_at < changed_at + STALE_PRIORITY)


def _paid(work: LaneSession) -> bool:
    """Take one request; false when there is none, and `operator_from` says from when there is."""
    granted, more_at = work.take_requests(1, work.account_limit())
    if not granted:
        work.operator_from = more_at
        return False
    return True


def _asked(work: LaneSession, wish: _OperatorRequest) -> bool:
    """Make one request and note it; false when the vendor must be left alone for now."""
    with work.meter.prepaid(1):
        answer = wish.make()
    work.counts["other"] += 1
    number, now = wish.asked.number, work.deps.now()
    if isinstance(answer, Throttled):
        work.apply_throttle(answer)
        work.operator_from = max(work.poll_not_before, now + 1.0)
        return False
    if isinstance(answer, Ambiguous):
        asked_until = rate_limit.retry_after_until(now, answer.retry_after or 0.0)
        work.operator_from = max(now + TRY_AGAIN, asked_until)
        return False
    if answer is not None:
        # A job that has ended, or that nobody may change: it is seen through.
        work.deps.warn("wish refused", run_id=work.run.run_id, chunk=number, code=answer.code)
    if work.deps.store.chunks.note_asked(wish.asked):
        work.keep([wish.asked])
    else:
        work.reload([number])
    return True
