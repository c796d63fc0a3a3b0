"""Send one chunk once, and write down what the vendor answered.

The order that makes it safe (design: submitting without duplicates): the chunk is claimed with its
slot, what its records are is kept where the profile asks for it, the intent is written, the vendor
is called once, the job is noted. A crash in between leaves a chunk that says how far it came;
`lane.recovery` asks the vendor about it before anything is sent again. Where the vendor is searched
by a token, the claim is the intent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from jobferry.binding.run_warnings import fresh_warnings, in_vendors_words, is_trial, pause_trial
from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, ChunkState, JobEnd, token_of
from jobferry.domain.connection import OUTAGE_FROM
from jobferry.domain.outcome import Verdict
from jobferry.domain.run import StopReason
from jobferry.domain.trouble import SOURCE, SUBMIT, TEXTS, VENDOR_UNAVAILABLE
from jobferry.domain.types import JsonObject
from jobferry.lane import feedback
from jobferry.lane.keep_records import keep_records
from jobferry.lane.session import LaneSession
from jobferry.scheduler import concurrency, rate_limit
from jobferry.store.objects import SourceError
from jobferry.store.row_items import CODE_CHARACTERS, storable
from jobferry.vendors.answer_gate import usable_id
from jobferry.vendors.answers import (
    DATA_ERRORS,
    Accepted,
    Ambiguous,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)

_OF_THE_BODY = frozenset({400, 409, 413, 422})
"""HTTP statuses of a request whose body cannot be taken: one of its records may be to blame. So it
may where no request was made of the records at all (no status)."""


def send_once(session: LaneSession, chunk: Chunk) -> None:
    """Send one chunk, and note what the vendor answered."""
    if session.throttled.is_set() or session.deps.now() >= session.deadline:
        release(session, [chunk])
        return
    records = _records(session, chunk)
    if records is None:
        return
    with session.meter.prepaid(requests_each(session)):
        _send(session, chunk, records)


def requests_each(session: LaneSession) -> int:
    """Requests that sending one chunk takes: the reads of its records before, and its own."""
    return 1 + session.context.reads_per_job


def _send(session: LaneSession, chunk: Chunk, records: Sequence[JsonObject]) -> None:
    context, deps, chunks = session.context, session.deps, session.deps.store.chunks
    if context.reads_per_job and not keep_records(session, chunk, records):
        release(session, [chunk])
        return
    began = deps.now()
    sent = session.chunks.take_intent(chunk.number)
    if sent is None or began - (sent.sending_at or 0.0) > session.settings.intent_seconds:
        digest = hashlib.sha256(context.vendor.encode(context.operation, records)).hexdigest()
        token = token_of(chunk.run_id, chunk.number, chunk.sendings + 1)
        began = deps.now()
        sent = chunks.begin_sending(chunk, token, digest, began)
    if sent is None:
        session.reload([chunk.number])
        return
    if deps.now() - began > session.settings.intent_seconds:
        # Others may soon take this submission for lost, and send it: then nobody sends it now.
        _take_back(session, sent)
        return
    session.note_sending(sent)
    answer = _answer(session, records, sent.token)
    match answer:
        case Accepted():
            _accepted(session, sent, answer, began)
        case Refused():
            _refused(session, chunk, sent, answer)
        case Throttled():
            _throttled(session, chunk, sent, answer)
        case Ambiguous():
            _unclear(session, sent, answer)


def release(session: LaneSession, chunks: Sequence[Chunk]) -> None:
    """Return to the pool what was claimed and not sent."""
    for chunk in chunks:
        session.chunks.take_intent(chunk.number)
        session.deps.store.chunks.release(session.run.connection, chunk)
        session.note_released(chunk.number)


def take_back_intents(session: LaneSession) -> None:
    """Of claims that are intents, what is still in hand was not sent: whoever reads it may send it.

    Nothing may be on its way: all else of them was noted.
    """
    by_claim = {chunk.claim: chunk for chunk in session.chunks.take_intents()}
    for claim, chunk in by_claim.items():
        if not session.deps.store.chunks.keep_claimed(session.run.connection, chunk):
            session.chunks.drop(c.number for c in session.chunks.ready if c.claim == claim)


def _take_back(session: LaneSession, sent: Chunk) -> None:
    """Nothing was done with the chunk: it is as it was before it was sent."""
    if sent.unwritten:
        session.chunks.keep_unsent(sent)
        return
    back = session.deps.store.chunks.revert_send(sent)
    if back is None:
        session.reload([sent.number])
    else:
        session.chunks.keep([back])


def _records(session: LaneSession, chunk: Chunk) -> list[JsonObject] | None:
    """What to send of a chunk; None where the file cannot be read, and the chunk is released."""
    try:
        records = session.context.records(chunk)
    except SourceError as error:
        release(session, [chunk])
        feedback.note_failure(session, SOURCE, error.code, TEXTS[error.code])
        session.throttled.set()
        return None
    if SOURCE in session.run.troubles:
        feedback.note_success(session, SOURCE)
    return records


def _answer(session: LaneSession, records: Sequence[JsonObject], token: str) -> SubmitAnswer:
    """What the vendor answers. What the adapter cannot make sense of may have been applied."""
    try:
        answer = session.linked.client.submit(session.context.operation, records, token)
    except DATA_ERRORS as error:
        return Ambiguous(f"the answer is unusable ({type(error).__name__})")
    if isinstance(answer, Accepted) and not usable_id(answer.job_id):
        return Ambiguous("the answer names no usable job")
    return answer


def _accepted(session: LaneSession, sent: Chunk, answer: Accepted, began: float) -> None:
    deps, now = session.deps, session.deps.now()
    # The vendor began with it while the answer was on its way.
    at = now - min(2.0, (now - began) / 2)
    if deps.store.chunks.note_submitted(session.run.connection, sent, answer.job_id, at):
        state = ChunkState.SUBMITTED
        job = replace(sent, state=state, job_id=answer.job_id, submitted_at=at, unwritten=False)
        session.note_accepted(job, now - began)
    else:
        # Somebody else has the chunk; or the job is another chunk's, and this one's is searched
        # for.
        deps.warn("job not noted", run_id=sent.run_id, chunk=sent.number)
        if sent.unwritten:
            deps.store.chunks.note_lost(sent, now)
        session.reload([sent.number])
        session.note_accepted(None, now - began)
    feedback.apply_acceptance(session, answer.limits)
    _keep_warnings(session, sent, answer)


def _keep_warnings(session: LaneSession, sent: Chunk, answer: Accepted) -> None:
    """Keep for people what the vendor warned of. Of a trial nothing more is sent until they saw."""
    said = [in_vendors_words(session.context.vendor.title, text) for text in answer.warnings]
    fresh = fresh_warnings([*session.run.warnings, *session.warned], said)
    if not fresh:
        return
    session.warned += fresh
    for text in fresh:
        session.deps.store.runs.warn(session.run.run_id, text)
    if is_trial(session.run, sent):
        pause_trial(session.run, fresh[0], session.deps)
        session.throttled.set()
        session.refresh_soon()
        session.throttled.set()


def _refused(session: LaneSession, chunk: Chunk, sent: Chunk, answer: Refused) -> None:
    """A refusal of the request decides its rows; one of the account is tried again for a while."""
    feedback.end_outage(session)
    store, connection = session.deps.store.chunks, session.run.connection
    if answer.scope is RefusalScope.RUN and answer.http_status is not None:
        trouble = feedback.note_failure(session, SUBMIT, answer.code, answer.message)
        if not trouble.stops:
            store.release(connection, sent, attempt=chunk.attempt)
            session.note_released(chunk.number)
            session.throttled.set()
            return
    elif answer.scope is RefusalScope.RUN:
        # Our own refusal is the same every time.
        session.stop(StopReason(answer.code, answer.message))
    else:
        feedback.note_success(session, SUBMIT)
    verdict = row_verdict.when_refused(chunk, answer.code, answer.message)
    bisect = _may_be_one_row(chunk, answer)
    job_end = JobEnd(chunk.number, verdict=_storable(verdict), bisect=bisect)
    session.chunks.finish(store.finish(connection, [sent], [job_end], session.deps.now()))


def _storable(verdict: Verdict) -> Verdict:
    """A verdict in a vendor's words, as the table can hold it."""
    code, text = storable(verdict.code, CODE_CHARACTERS), storable(verdict.text)
    return Verdict(verdict.status, code or "", text or "")


def _may_be_one_row(chunk: Chunk, refusal: Refused) -> bool:
    """Whether one of its rows may be to blame, so that it is bisected."""
    return (
        refusal.scope is RefusalScope.CHUNK
        and (refusal.http_status is None or refusal.http_status in _OF_THE_BODY)
        and chunk.rows > 1
        and not chunk.maybe_applied
    )


def _throttled(session: LaneSession, chunk: Chunk, sent: Chunk, answer: Throttled) -> None:
    """Nothing was done: wait as the vendor asks, and learn what its limits are."""
    store, connection, now = session.deps.store, session.run.connection, session.deps.now()
    limits = session.read_limits()
    if answer.reason in (ThrottleReason.RATE, ThrottleReason.SLOTS):
        feedback.end_outage(session)
    if answer.reason is ThrottleReason.SLOTS:
        over = limits.in_flight > concurrency.max_jobs(limits, now, session.settings)
        if over and answer.retry_after is None:
            # Too early by a moment: the chunk stays in hand until another job should have ended.
            session.note_no_slot()
            _take_back(session, sent)
            return
        if over:
            store.limits.note_over_limit_penalty(connection)
        else:
            found = limits.in_flight - len(session.chunks.without_job)
            store.limits.learn_jobs(connection, found, now)
    store.chunks.release(connection, sent, attempt=chunk.attempt)
    session.note_released(chunk.number)
    feedback.apply_throttle(session, answer, SUBMIT)


def _unclear(session: LaneSession, sent: Chunk, answer: Ambiguous) -> None:
    """It may have been applied: it is searched for. Several in a row are an outage."""
    run, deps, now = session.run, session.deps, session.deps.now()
    deps.store.chunks.note_lost(sent, now)
    lost = replace(sent, lost_at=now, lost_times=sent.lost_times + 1, unwritten=False)
    session.chunks.keep([lost])
    deps.store.limits.learn_lost(run.connection, run.operation, sent.rows)
    asks_for_pause = answer.retry_after is not None
    weight = OUTAGE_FROM if asks_for_pause else 1
    session.limits = deps.store.limits.note_unclear(run.connection, now, weight=weight)
    if asks_for_pause:
        wait = rate_limit.retry_after_until(now, answer.retry_after, settings=session.settings)
        feedback.block_until(session, wait)
    if session.limits.in_outage:
        feedback.note_failure(session, SUBMIT, VENDOR_UNAVAILABLE, TEXTS[VENDOR_UNAVAILABLE])
        session.throttled.set()
        until = concurrency.outage_until(now, session.limits.unclear_since, session.settings)
        deps.store.limits.hold_submissions(run.connection, until)
    deps.warn(
        "submission without a clear answer",
        run_id=run.run_id,
        chunk=sent.number,
        reason=answer.reason,
    )
