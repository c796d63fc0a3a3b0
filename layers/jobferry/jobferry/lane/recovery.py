"""What to do with a submission whose answer was lost: ask the vendor, never guess.

The adapter looks for the job: found, it is adopted; proven absent (`lane.absence`), the chunk goes
back to the pool; neither, and its rows are `unknown`. Repeatable operations simply go again where
the vendor cannot tell by the token alone, which would cost more requests than it saves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from jobferry.binding.run_binding import RunContext
from jobferry.deps import Deps
from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, JobEnd, attempts_of, lost_from
from jobferry.domain.row_verdict import SUBMISSION_LOST
from jobferry.domain.trouble import POLL, SOURCE, TEXTS, VENDOR_UNAVAILABLE, Trouble
from jobferry.domain.types import JsonObject
from jobferry.lane import absence, feedback
from jobferry.lane.absence import Step
from jobferry.lane.session import LaneSession
from jobferry.lane.submission import take_back_intents
from jobferry.store.objects import SourceError
from jobferry.vendors.answers import DATA_ERRORS, Found, FoundState, Throttled
from jobferry.vendors.connections import BoundConnection
from jobferry.vendors.lost_submission import (
    NO_JOBS,
    JobsUnreadError,
    KnownJobs,
    LostSubmission,
)

LOST_BEFORE_BISECTION = 2
"""Attempts without a clear answer after which a chunk goes again in halves."""

OtherJobs = Callable[[Chunk], KnownJobs]
"""`ClaimedJobs.beside`: the jobs that are not those of a chunk's lost submission."""

_NOT_KNOWN = Found(
    FoundState.PENDING, reason="it could not be read which jobs are others", readable=False
)

_NO_RECORDS = "the file of the run cannot be read"


class Search(NamedTuple):
    """A search for a lost submission.

    Attributes:
        requests: what it took
        throttled: how the vendor wants to be left alone meanwhile
        again_at: when to search once more, where the vendor could not tell yet
        read: whether the vendor could be read; None: it was not asked
        source: why the run's file could not be read (`jobferry.domain.trouble`), without which the
            vendor was not asked; None where it was read or not needed
    """

    requests: int = 0
    throttled: Throttled | None = None
    again_at: float = 0.0
    read: bool | None = None
    source: str | None = None


class LateJob(NamedTuple):
    """What was found of earlier submissions; `job_id` is None where nothing was."""

    job_id: str | None = None
    requests: int = 0


def recover(session: LaneSession) -> None:
    """Search for submissions whose answer was lost, where their time has come."""
    others = session.jobs_of_others
    _write_lost(session)
    for chunk in session.chunks.lost:
        now = session.deps.now()
        if session.throttled.is_set() or now >= session.deadline:
            return
        if chunk.unwritten or now < session.search_at(chunk):
            continue
        trouble = _cannot_search(session)
        if session.run.stop is not None and trouble is not None:
            _give_up(session, chunk, trouble)
        else:
            _search_on(session, chunk, others)


def _write_lost(session: LaneSession) -> None:
    """What only a claim says may have been sent gets an item, so that it is searched for."""
    now, run, chunks = session.deps.now(), session.run, session.chunks
    late = {c.number for c in chunks.lost if c.unwritten and now >= lost_from(c)}
    if late:
        take_back_intents(session)  # what is in hand was not sent
        found = session.deps.store.chunks.write_lost(
            run.connection, run.run_id, session.state.lane, now
        )
        chunks.drop(late)
        chunks.keep(chunk for chunk in found if chunk.number in late)


def _cannot_search(session: LaneSession) -> Trouble | None:
    """Why a lost submission can be searched for no more."""
    source = session.run.troubles.get(SOURCE)
    return session.cannot_ask or (source if source is not None and source.stops else None)


def _give_up(session: LaneSession, chunk: Chunk, trouble: Trouble) -> None:
    """A lost submission of a stopped run whose vendor cannot be asked stays unknown."""
    text = f"It is not known whether these rows were carried out: {trouble.text}"
    verdict = row_verdict.when_lost(SUBMISSION_LOST, text)
    store, now = session.deps.store.chunks, session.deps.now()
    job_end = JobEnd(chunk.number, verdict=verdict)
    session.chunks.finish(store.finish(session.run.connection, [chunk], [job_end], now))


def _search_on(session: LaneSession, chunk: Chunk, others: OtherJobs) -> None:
    """Search once, and note what came of it."""
    latency = session.ages.latency
    seconds = session.settings.unknown_job_seconds if latency is None else latency.median
    with session.meter.waiting(session.deps.sleep, session.deadline):
        search = resolve_lost(chunk, session.context, session.linked, session.deps, others, seconds)
    session.pace.search_not_before[chunk.number] = search.again_at
    session.count(other=search.requests)
    if search.throttled is not None:
        feedback.apply_throttle(session, search.throttled)
    elif search.read:
        feedback.note_success(session, POLL)
    elif search.read is False:
        feedback.note_failure(session, POLL, VENDOR_UNAVAILABLE, TEXTS[VENDOR_UNAVAILABLE])
    if search.source is not None:
        feedback.note_failure(session, SOURCE, search.source, TEXTS[search.source])
    elif search.read is not None:
        feedback.note_success(session, SOURCE)
    session.reload([chunk.number])
    if chunk.number not in session.chunks:
        session.note_released(chunk.number)


def late_job(session: LaneSession, chunk: Chunk) -> str | None:
    """The job of an earlier submission of these rows that was taken for never made."""
    if not chunk.earlier:
        return None
    with session.meter.waiting(session.deps.sleep, session.deadline):
        late = search_earlier(
            chunk, session.context, session.linked, session.deps, session.jobs_of_others
        )
    session.count(other=late.requests)
    return late.job_id


def resolve_lost(
    chunk: Chunk,
    context: RunContext,
    linked: BoundConnection,
    deps: Deps,
    others: OtherJobs,
    job_seconds: float,
) -> Search:
    """Resolve one claimed chunk that was sent and has no job.

    Does nothing while the request may still be in flight.

    Args:
        others: asked only when the vendor must be searched.
        job_seconds: how long a job takes: what goes again unasked waits so long, since the job may
            be in flight after all and hold its slot.
    """
    now = deps.now()
    if now < lost_from(chunk):
        return Search()
    repeat_from = lost_from(chunk) + job_seconds if context.operation.repeatable else None
    if repeat_from is not None and not context.vendor.capabilities.token_search:
        if now >= repeat_from:
            _again(chunk, context, deps, "the vendor gave no clear answer")
        return Search()
    found, source = _find(chunk, context, linked, deps, others, now)
    if repeat_from is not None and found.state is FoundState.ABSENT:
        if now >= repeat_from:
            _again(chunk, context, deps, "the vendor did not take it")
            return Search(found.requests, found.throttled)
        found = replace(found, state=FoundState.PENDING)
    step, searched = absence.judge(
        found,
        absence.searches_of(chunk),
        now,
        retention=context.vendor.capabilities.retention_seconds,
    )
    if step is Step.WAIT:
        deps.store.chunks.note_search(
            chunk, now, unseen_at=searched.unseen_at, readable_at=searched.readable_at
        )
        again_at = searched.next_at if repeat_from is None else min(searched.next_at, repeat_from)
        read = None if found is _NOT_KNOWN or source is not None else found.readable
        return Search(found.requests, found.throttled, max(now, again_at), read, source)
    if step is Step.ADOPT and not _adopted(found, chunk, context, deps, now):
        # It is another chunk's job, or another search was faster: what it tells is doubtful.
        doubtful = replace(found, state=FoundState.PENDING, job_id=None)
        step, searched = absence.judge(
            doubtful,
            absence.searches_of(chunk),
            now,
            retention=context.vendor.capabilities.retention_seconds,
        )
        if step is Step.WAIT:
            deps.store.chunks.note_search(chunk, now, readable_at=searched.readable_at)
            return Search(found.requests, found.throttled, max(now, searched.next_at), True)
    _decide(step, found, chunk, context, deps, now)
    return Search(found.requests, found.throttled, read=found.readable)


def _adopted(found: Found, chunk: Chunk, context: RunContext, deps: Deps, now: float) -> bool:
    """Whether the job that was found is the chunk's now."""
    if found.job_id is None:
        return False
    return deps.store.chunks.adopt(context.run.connection, chunk, found.job_id, now)


def _decide(
    step: Step, found: Found, chunk: Chunk, context: RunContext, deps: Deps, now: float
) -> None:
    """Do what a search has decided."""
    connection, chunks = context.run.connection, deps.store.chunks
    if step is Step.ADOPT:
        return
    if step is Step.AGAIN:
        _again(chunk, context, deps, "the vendor did not take it")
    elif context.operation.repeatable:
        _again(chunk, context, deps, found.reason or "the vendor gave no clear answer")
    else:
        text = (
            "It is not known whether these rows were carried out: the answer was lost, and "
            f"{found.reason or 'the vendor cannot say'}. Look them up at the vendor."
        )
        verdict = row_verdict.when_lost(SUBMISSION_LOST, text)
        chunks.finish(connection, [chunk], [JobEnd(chunk.number, verdict=verdict)], now)


def search_earlier(
    chunk: Chunk, context: RunContext, linked: BoundConnection, deps: Deps, others: OtherJobs
) -> LateJob:
    """Look once more for submissions of a chunk's rows that were taken for never made.

    To be asked when the chunk's own job has ended, before its rows are settled. A search that
    cannot be made finds nothing, and is warned of.
    """
    requests = 0
    for attempt in chunk.earlier:
        found, _ = _find(
            replace(
                chunk,
                token=attempt.token,
                sending_at=attempt.sent_at,
                lost_at=attempt.lost_at,
                spans=attempt.spans,
            ),
            context,
            linked,
            deps,
            others,
            deps.now(),
        )
        requests += found.requests
        if found.state is FoundState.FOUND and found.job_id not in (None, chunk.job_id):
            return LateJob(found.job_id, requests)
    return LateJob(None, requests)


def _find(
    chunk: Chunk,
    context: RunContext,
    linked: BoundConnection,
    deps: Deps,
    others: OtherJobs,
    now: float,
) -> tuple[Found, str | None]:
    """Ask the vendor. An answer that the adapter cannot digest counts as none.

    Returns:
        What the vendor says, and why the run's file could not be read, if that kept it from being
        asked.
    """
    by_token = context.vendor.capabilities.token_search
    source = None
    records: list[JsonObject] = []
    try:
        records = context.records(chunk)
    except SourceError as error:
        source = None if by_token else error.code
    if source is not None:
        found = Found(FoundState.PENDING, reason=_NO_RECORDS, readable=False)
    else:
        lost = LostSubmission(
            token=chunk.token,
            sent_at=chunk.sending_at or 0.0,
            records=records,
            # A token tells the job by itself.
            jobs=NO_JOBS if by_token else others(chunk),
            lost_at=lost_from(chunk),
        )
        try:
            found = linked.client.find(context.operation, lost, now)
        except JobsUnreadError:
            found = _NOT_KNOWN
        except DATA_ERRORS as error:
            reason = f"the search ended in {type(error).__name__}"
            found = Found(FoundState.PENDING, reason=reason, readable=False)
    deps.warn(
        "lost submission",
        run_id=chunk.run_id,
        chunk=chunk.number,
        token=chunk.token,
        found=found.state.value,
        job_id=found.job_id,
        reason=found.reason,
    )
    return found, source


def _again(chunk: Chunk, context: RunContext, deps: Deps, reason: str) -> None:
    """Back to the pool, as often as the profile allows; smaller where it was lost more than once,
    as a request may time out for its size."""
    run = context.run
    doubtful = context.operation.repeatable
    earlier = None if doubtful else attempts_of(chunk)
    if deps.store.limits.get(run.connection).was_outage(lost_from(chunk)):
        # The vendor was out: that is not held against these rows, however long it takes.
        before = chunk.attempt - 1
        deps.store.chunks.release(
            run.connection, chunk, attempt=before, maybe_applied=doubtful, earlier=earlier
        )
        return
    left = chunk.attempt < context.profile.max_attempts
    bisect = left and chunk.rows > 1 and chunk.attempt >= LOST_BEFORE_BISECTION
    if left and not bisect:
        deps.store.chunks.release(run.connection, chunk, maybe_applied=doubtful, earlier=earlier)
        return
    verdict = row_verdict.when_never_answered(
        VENDOR_UNAVAILABLE, reason, chunk.attempt, repeatable=doubtful
    )
    job_end = JobEnd(chunk.number, verdict=verdict, bisect=bisect)
    deps.store.chunks.finish(run.connection, [chunk], [job_end], deps.now())
