"""Fill the free slots of a lane with jobs, each chunk sent at most once per attempt.

The order that makes it safe (design: submitting without duplicates): claim the chunk with its
slot, write the intent, call once, note the job. A crash in between leaves a chunk that says how
far it came; `resolve_lost` asks the vendor about it before anything is sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from jobferry.binding.run_warnings import fresh_warnings, in_vendors_words, is_trial, pause_trial
from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, ChunkState, JobEnd, PlannedChunk, Pool
from jobferry.domain.connection import OUTAGE_FROM, ConnectionLimits
from jobferry.domain.outcome import Verdict
from jobferry.domain.row_verdict import SUBMISSION_LOST
from jobferry.domain.run import StopReason
from jobferry.domain.trouble import (
    POLL,
    SOURCE,
    SUBMIT,
    TEXTS,
    VENDOR_THROTTLES,
    VENDOR_UNAVAILABLE,
    Trouble,
)
from jobferry.domain.types import JsonObject
from jobferry.lane.open_pool import open_pool
from jobferry.lane.recovery import resolve_lost, searches_of
from jobferry.lane.session import NEVER, LaneSession
from jobferry.scheduler import bounds, concurrency, lanes, rate_limit
from jobferry.scheduler.fair_share import is_first
from jobferry.store.chunks import CLAIM_BATCH
from jobferry.store.objects import SourceError
from jobferry.store.rows import CODE_CHARACTERS, storable
from jobferry.vendors.answer_gate import usable_id
from jobferry.vendors.answers import (
    DATA_ERRORS,
    Accepted,
    Ambiguous,
    RateReading,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)

SENDERS = 12
"""Requests under way at once; a submission takes some 0.3 s."""

BYTES_AT_ONCE = 8 * 1024 * 1024
"""Of the file, in the chunks that are sent side by side: what is made of them takes several times
as much, and the functions have little memory."""

CLAIM_TRIES = 8
"""Claims lost to other lanes before this lap goes on without."""

SKIPPED_PER_ITERATION = 4 * CLAIM_BATCH
"""Chunks of a stopped run that one lap hands to Settle."""

STALE_RESULT_PART = 1 / 3
"""Part of the time for which the vendor keeps results: a lane with an unread job of this age sends
nothing more, since what it cannot read in time is lost."""

STALE_CHECK_SECONDS = 60.0
"""Seconds between looks whether that has changed."""

JOB_SECONDS = 20.0
"""How long a job may take before anything is known of jobs."""

INTENT_SECONDS = 5.0
"""What writing the intent may take: by then a request must leave, as `SEND_WINDOW` counts on."""

SETTLING_SECONDS = 1.0
"""Seconds between looks whether what holds the other chunks back is settled."""

OTHERS_SLOTS = 1.0
"""Seconds between looks for a slot while other runs hold them all."""


def fill_slots(work: LaneSession) -> None:
    """Send what may be sent now; `work.next_submit_at` says when more may be."""
    now = work.deps.now()
    sent_before = work.counts["submit"]
    limits = work.read_limits()
    work.next_submit_at, work.short_until, work.held = NEVER, 0.0, False
    stop = work.run.stop
    if stop is not None:
        _skip(work, stop)  # asks the vendor nothing, so that it need not wait for it
    elif work.run.paused:
        _put_back(work, work.ready)
        work.left = 0
    if now < limits.retry_after_until:
        work.blocked(limits.retry_after_until)
        if SUBMIT in work.run.troubles or work.left or work.ready:
            # Whoever of the connection's runs asks, the answer keeps all of them from going on.
            work.note_failure(SUBMIT, VENDOR_THROTTLES, TEXTS[VENDOR_THROTTLES])
        return
    work.patience.clear()
    _resolve(work)
    if work.patience.is_set():
        work.blocked(work.poll_not_before)
        return
    held_until = _held_until(work, limits)
    if stop is not None:
        work.next_submit_at = now if work.left else NEVER
    elif work.run.paused:
        work.left = 0
    elif now < held_until:
        _put_back(work, work.ready)
        work.next_submit_at = held_until
    elif now < limits.no_slot_until:
        work.next_submit_at = limits.no_slot_until
    elif _results_go_stale(work):
        work.short_until = now + STALE_CHECK_SECONDS
    elif not work.slots_refused or not work.submitted():
        work.slots_refused = False
        doubtful = limits.in_outage or bool(_doubts(work))
        to_send = _paid_for(work, limits, most=1 if doubtful else None)
        careful = doubtful or (work.run.jobs_settled == 0 and not work.submitted())
        _send_all(work, to_send, careful=careful)
    if work.run.stop is not None and work.left:
        work.next_submit_at = (
            now  # what was refused just now stopped the run: the rest is skipped at once
        )
        return
    # Where requests are what is missing, nothing else that happens before makes a try worth it.
    sent = work.counts["submit"] > sent_before
    work.next_submit_at = max(
        min(work.next_submit_at, _next_try(work, sent=sent)), work.short_until
    )


def _held_until(work: LaneSession, limits: ConnectionLimits) -> float:
    """When something may be submitted, where the last submissions did not go well."""
    held = (t.next_try for t in _doubts(work))
    return max(limits.outage_until, *held, 0.0)


def _doubts(work: LaneSession) -> list[Trouble]:
    """What makes it doubtful that another submission goes well. For a throttled one the vendor says
    when it may be tried again, and an outage has a time of its own."""
    troubles = (work.trouble(SUBMIT), work.trouble(SOURCE))
    elsewhere = (VENDOR_THROTTLES, VENDOR_UNAVAILABLE)
    return [t for t in troubles if t is not None and t.code not in elsewhere]


def _results_go_stale(work: LaneSession) -> bool:
    """Whether a job is so old, and not read in this invocation, that reading comes first."""
    unread = [
        chunk.submitted_at
        for chunk in work.submitted().values()
        if chunk.submitted_at is not None and work.seen.get(chunk.number, 0.0) < work.began_at
    ]
    oldest_allowed = (
        work.deps.now() - STALE_RESULT_PART * work.linked.vendor.capabilities.retention_seconds
    )
    return min(unread, default=work.deps.now()) < oldest_allowed


def _paid_for(
    work: LaneSession, limits: ConnectionLimits, *, most: int | None = None
) -> list[Chunk]:
    """Chunks to send now: what the lane holds already, and what it claims for the free slots.

    Args:
        most: send no more than this.
    """
    now = work.deps.now()
    if now >= work.deadline:
        return []
    pool = open_pool(work)
    on_offer = _on_offer(work, pool)
    work.held = not on_offer and pool.left < work.left
    ready = sorted(work.ready, key=lambda chunk: chunk.number)
    completion_estimate = work.completion_estimate(limits)
    estimate = completion_estimate.ended(now) if completion_estimate is not None else 0
    jobs = limits.max_jobs(now) + estimate
    window = work.window(limits) + estimate
    room = lanes.to_claim(
        window,
        work.busy - len(ready),
        max(0, jobs - limits.in_flight + len(ready)),
        on_offer + len(ready),
    )
    room = room if most is None else min(room, most)
    others_wait = limits.in_flight > work.busy or window == 0
    if not room and ready and not work.submitted() and others_wait:
        # Two lanes that wait for each other's slots with a chunk in hand would wait for ever, and
        # so would a run that has the share, for the slot of one that has none.
        _put_back(work, ready)
        return []
    granted = _take_requests(work, room) if room else 0
    to_send = ready[:granted]
    return to_send + _claim(work, pool, granted - len(to_send), jobs)


def _claim(work: LaneSession, pool: Pool, wanted: int, jobs: int) -> list[Chunk]:
    """Claim chunks of a pool while fewer than `jobs` are in flight on the connection."""
    run, chunks = work.run, work.deps.store.chunks
    claimed: list[Chunk] = []
    for _ in range(CLAIM_TRIES if wanted else 0):
        count = min(wanted - len(claimed), pool.left, CLAIM_BATCH)
        offered = _offered(work, pool, count) if count > 0 else []
        if not offered:
            break
        got = chunks.claim(run, work.state.lane, offered, pool, work.deps.now(), max_jobs=jobs)
        if got is None and work.read_limits().in_flight + count > jobs:
            wanted -= 1  # another lane took a slot meanwhile
        claimed += got or ()
        work.left -= len(got or ())
        if len(claimed) < wanted:
            pool = open_pool(work)
    work.keep(claimed)
    return claimed


def _take_requests(work: LaneSession, wanted: int) -> int:
    """Submissions that the connection's requests allow now; notes when more will be."""
    limits = work.request_limits()
    kept = rate_limit.reserve(limits[rate_limit.ACCOUNT]) if rate_limit.ACCOUNT in limits else 0
    if is_first(work.run.run_id, work.demands):
        kept = 0  # a small urgent file need not wait for the next minute that a big one has used
    granted, more_at = work.take_requests(
        wanted, limits, kept=kept, part=work.part(), seconds_each=work.answer_seconds / SENDERS
    )
    now = work.deps.now()
    if granted < wanted:
        work.short_until = max(more_at, now + bounds.MIN_POLL_INTERVAL)
        work.next_submit_at = min(work.next_submit_at, work.short_until)
    return granted


def _next_try(work: LaneSession, *, sent: bool) -> float:
    """When another submission makes sense, by what this one has learned.

    sent: something was sent just now, which took its time.
    """
    now = work.deps.now()
    limits = work.read_limits()
    moment = NEVER
    if work.lost:
        lost = min(_search_from(work, chunk) for chunk in work.lost)
        moment = max(now + concurrency.NO_SLOT, lost, limits.retry_after_until)
    if work.run.stop is not None or not (work.left or work.ready):
        return moment
    held_until = _held_until(work, limits)
    if held_until > now:
        return min(moment, max(held_until, limits.retry_after_until, limits.no_slot_until))
    if work.patience.is_set():
        work.poll_not_before = max(work.poll_not_before, limits.retry_after_until)
        return min(
            moment,
            max(now + bounds.MIN_POLL_INTERVAL, limits.retry_after_until, limits.no_slot_until),
        )
    if work.slots_refused:
        # The next look tells which slots are free; without a job to look at, time does.
        return moment if work.submitted() else min(moment, now + concurrency.NO_SLOT)
    if work.held and not work.ready:
        return min(moment, _released_at(work))
    completion_estimate = work.completion_estimate(limits)
    if completion_estimate is not None:
        over = max(0, limits.in_flight - len(work.ready) - limits.max_jobs(now))
        due = completion_estimate.when(over + 1, now)
        # If nothing was sent, a slot that is presumed free was not for us.
        moment = min(
            moment, max(due, now if sent else now + bounds.MIN_POLL_INTERVAL, limits.no_slot_until)
        )
    if work.has_no_share:
        return moment
    if work.next_submit_at == NEVER and (work.ready or work.busy < work.window(limits)):
        moment = min(moment, now + OTHERS_SLOTS)
    return moment


def _released_at(work: LaneSession) -> float:
    """When chunks that wait for others may be sent, as far as it is not the next look that tells,
    or settling what the last one found."""
    if work.submitted() or work.to_settle:
        return NEVER
    return (
        work.next_submit_at if work.next_submit_at < NEVER else work.deps.now() + SETTLING_SECONDS
    )


def _offered(work: LaneSession, pool: Pool, count: int) -> list[PlannedChunk]:
    """The next `count` chunks of the pool: those that go again first, so that few ever wait."""
    runs, chunks = work.deps.store.runs, work.deps.store.chunks
    known = (sorted(pool.released) + _due(work, pool))[:count]
    offered = [PlannedChunk(c.number, c.spans) for c in chunks.get(work.run.run_id, known)]
    fresh = min(count - len(offered), pool.end - pool.cursor)
    if fresh > 0:
        offered += runs.planned_chunks(work.run.run_id, pool.cursor, fresh)
    return offered


def _due(work: LaneSession, pool: Pool) -> list[int]:
    """Chunks of rows that go again now; those of a stopped run at once, to be skipped."""
    new = sorted(pool.again - work.not_before.keys())[:CLAIM_BATCH]
    for chunk in work.deps.store.chunks.get(work.run.run_id, new):
        work.not_before[chunk.number] = chunk.not_before
    now = work.deps.now() if work.run.stop is None else NEVER
    return sorted(n for n in pool.again if work.not_before.get(n, NEVER) <= now)


def _on_offer(work: LaneSession, pool: Pool) -> int:
    """Chunks that may be claimed now; notes when rows that wait will go again."""
    due = len(_due(work, pool))
    if due < len(pool.again):
        now = work.deps.now()
        waiting = (work.not_before.get(n, now) for n in pool.again)
        work.next_submit_at = min(
            work.next_submit_at, min((at for at in waiting if at > now), default=NEVER)
        )
    return pool.left - len(pool.again) + due


def _send_all(work: LaneSession, chunks: Sequence[Chunk], *, careful: bool) -> None:
    """Send chunks side by side.

    careful: the first one goes alone, so that an account or a profile that the vendor refuses
    costs one request and not a window of them.
    """
    alone = len(chunks[:1]) if careful else 0
    for chunk in chunks[:alone]:
        _send(work, chunk)
    largest = max((chunk.source_bytes for chunk in chunks), default=0)
    senders = max(1, min(SENDERS, BYTES_AT_ONCE // max(1, largest)))
    work.deps.parallel_map(lambda chunk: _send(work, chunk), chunks[alone:], senders)


def _send(work: LaneSession, chunk: Chunk) -> None:
    """Send one chunk once, and note what the vendor answered."""
    run, deps = work.run, work.deps
    chunks = deps.store.chunks
    if work.patience.is_set() or deps.now() >= work.deadline:
        _put_back(work, [chunk])
        return
    try:
        records = work.context.records(chunk)
    except SourceError as error:
        _put_back(work, [chunk])
        work.note_failure(SOURCE, error.code, TEXTS[error.code])
        work.patience.set()
        return
    work.note_success(SOURCE)
    body = work.context.vendor.encode(work.context.operation, records)
    token = f"{run.run_id}.{chunk.number}.{chunk.sendings + 1}"
    began = deps.now()
    sent = chunks.begin_sending(chunk, token, hashlib.sha256(body).hexdigest(), began)
    if sent is None:
        work.reload([chunk.number])
        return
    if deps.now() - began > INTENT_SECONDS:
        # Others may soon take this submission for lost, and send it: then nobody sends it now.
        _revert_send(work, sent)
        return
    work.keep([sent])
    with work.meter.prepaid(1):
        answer = _answer(work, records, token)
    work.counts["submit"] += 1
    match answer:
        case Accepted():
            _accepted(work, sent, answer, began)
        case Refused():
            _clear(work)
            _refuse(work, chunk, sent, answer)
        case Throttled():
            _throttled(work, chunk, sent, answer)
        case Ambiguous():
            _unclear(work, sent, answer)


def _answer(work: LaneSession, records: Sequence[JsonObject], token: str) -> SubmitAnswer:
    """What the vendor answers. What the adapter cannot make sense of may have been done."""
    try:
        answer = work.linked.client.submit(work.context.operation, records, token)
    except DATA_ERRORS as error:
        return Ambiguous(f"the answer is unusable ({type(error).__name__})")
    if isinstance(answer, Accepted) and not usable_id(answer.job_id):
        return Ambiguous("the answer names no usable job")
    return answer


def _accepted(work: LaneSession, sent: Chunk, answer: Accepted, began: float) -> None:
    now = work.deps.now()
    # The vendor began with it while the answer was on its way.
    submitted_at = now - min(2.0, (now - began) / 2)
    if work.deps.store.chunks.note_submitted(
        work.run.connection, sent, answer.job_id, submitted_at
    ):
        state = ChunkState.SUBMITTED
        work.keep([replace(sent, state=state, job_id=answer.job_id, submitted_at=submitted_at)])
    else:
        # Somebody else has the chunk; or the job is another chunk's, and this one's is looked for.
        work.deps.warn("job not noted", run_id=sent.run_id, chunk=sent.number)
        work.reload([sent.number])
    work.found_slot()
    work.answer_seconds += 0.2 * (now - began - work.answer_seconds)
    _clear(work)
    work.note_success(SUBMIT)
    _apply_rate_headers(work, answer.limits)
    _keep_warnings(work, sent, answer)


def _keep_warnings(work: LaneSession, sent: Chunk, answer: Accepted) -> None:
    """Keep for people what the vendor warned of. Of a trial nothing more is sent until they saw."""
    said = [in_vendors_words(work.context.vendor.title, text) for text in answer.warnings]
    fresh = fresh_warnings([*work.run.warnings, *work.warned], said)
    if not fresh:
        return
    work.warned += fresh
    for text in fresh:
        work.deps.store.runs.warn(work.run.run_id, text)
    if is_trial(work.run, sent):
        pause_trial(work.run, fresh[0], work.deps)
        work.patience.set()


def _clear(work: LaneSession) -> None:
    """The vendor gave a clear answer: an outage is over."""
    if work.limits.unclear:
        work.deps.store.limits.end_outage(work.run.connection, work.limits, work.deps.now())
        work.limits = replace(work.limits, unclear=0, outage_until=0.0)


def _refuse(work: LaneSession, chunk: Chunk, sent: Chunk, answer: Refused) -> None:
    """A refusal of the request decides its rows; one of the account is tried again for a while."""
    code, message = answer.code, answer.message
    if answer.scope is RefusalScope.RUN and answer.http_status is not None:
        trouble = work.note_failure(SUBMIT, code, message)
        if not trouble.stops:
            work.deps.store.chunks.release(work.run.connection, sent, attempt=chunk.attempt)
            work.released(chunk.number)
            work.patience.set()
            return
    elif answer.scope is RefusalScope.RUN:
        work.stop(StopReason(code, message))  # our own refusal is the same every time
    else:
        work.note_success(SUBMIT)
    job_end = JobEnd(
        chunk.number,
        verdict=_storable(row_verdict.when_refused(chunk, code, message)),
        bisect=_may_be_one_row(chunk, answer),
    )
    now = work.deps.now()
    work.finished(work.deps.store.chunks.finish(work.run.connection, [sent], [job_end], now))


def _unclear(work: LaneSession, sent: Chunk, answer: Ambiguous) -> None:
    """It may have been carried out: it is looked for. Several in a row are an outage."""
    run, deps, now = work.run, work.deps, work.deps.now()
    deps.store.chunks.note_lost(sent, now)
    work.keep([replace(sent, lost_at=now, lost_times=sent.lost_times + 1)])
    deps.store.limits.learn_lost(run.connection, run.operation, sent.rows)
    said_so = answer.retry_after is not None
    weight = OUTAGE_FROM if said_so else 1
    work.limits = deps.store.limits.note_unclear(run.connection, now, weight=weight)
    if said_so:
        work.block_until(rate_limit.retry_after_until(now, answer.retry_after))
    if work.limits.in_outage:
        work.note_failure(SUBMIT, VENDOR_UNAVAILABLE, TEXTS[VENDOR_UNAVAILABLE])
        work.patience.set()
        until = concurrency.outage_until(now, work.limits.unclear_since)
        deps.store.limits.hold_submissions(run.connection, until)
    deps.warn(
        "submission without a clear answer",
        run_id=run.run_id,
        chunk=sent.number,
        reason=answer.reason,
    )


def _revert_send(work: LaneSession, sent: Chunk) -> None:
    """Nothing was done with the chunk: it stays in hand, as it was before it was sent."""
    back = work.deps.store.chunks.revert_send(sent)
    if back is None:
        work.reload([sent.number])
    else:
        work.keep([back])


def _throttled(work: LaneSession, chunk: Chunk, sent: Chunk, answer: Throttled) -> None:
    """Nothing was done: wait as the vendor asks, and learn what its limits are."""
    run, deps = work.run, work.deps
    limits = work.read_limits()
    now = deps.now()
    if answer.reason in (ThrottleReason.RATE, ThrottleReason.SLOTS):
        _clear(work)
    over = limits.in_flight > limits.max_jobs(now)
    if answer.reason is ThrottleReason.SLOTS and over and answer.retry_after is None:
        # Too early by a moment: the chunk stays in hand until another job should have ended.
        work.refused_slot(limits)
        _revert_send(work, sent)
        return
    if answer.reason is ThrottleReason.SLOTS and over:
        deps.store.limits.note_over_limit_penalty(run.connection)
    elif answer.reason is ThrottleReason.SLOTS:
        deps.store.limits.learn_jobs(run.connection, limits.in_flight - work.unsent, now)
    deps.store.chunks.release(run.connection, sent, attempt=chunk.attempt)
    work.released(chunk.number)
    work.apply_throttle(answer, SUBMIT)


def _apply_rate_headers(work: LaneSession, told: RateReading | None) -> None:
    """Use what the headers of an answer tell, before the vendor has to refuse."""
    if told is None:
        return
    work.told(told)
    if told.jobs_remaining == 0:
        work.slots_refused = True


def _storable(verdict: Verdict) -> Verdict:
    """A verdict in a vendor's words, as the table can hold it."""
    code, text = storable(verdict.code, CODE_CHARACTERS), storable(verdict.text)
    return Verdict(verdict.status, code or "", text or "")


_OF_THE_BODY = frozenset({400, 409, 413, 422})
"""HTTP statuses of a request whose body cannot be taken: one of its records may be to blame. So it
may where no request was made of the records at all (no status)."""


def _may_be_one_row(chunk: Chunk, refusal: Refused) -> bool:
    return (
        refusal.scope is RefusalScope.CHUNK
        and (refusal.http_status is None or refusal.http_status in _OF_THE_BODY)
        and chunk.rows > 1
        and not chunk.maybe_applied
    )


def _resolve(work: LaneSession) -> None:
    """Ask about submissions whose answer was lost."""
    known = cache(work.read_claimed_jobs)
    for chunk in work.lost:
        if work.patience.is_set() or work.deps.now() >= work.deadline:
            return
        if work.deps.now() < _search_from(work, chunk):
            continue
        if work.run.stop is not None and (trouble := _cannot_find(work)) is not None:
            _give_up(work, chunk, trouble)
            continue
        seconds = work.latency.median if work.latency is not None else JOB_SECONDS
        with work.meter.waiting(work.deps.sleep, work.deadline):
            search = resolve_lost(chunk, work.context, work.linked, work.deps, known, seconds)
        work.search_from[chunk.number] = search.again_at
        work.searched(search.requests)
        if search.throttled is not None:
            work.apply_throttle(search.throttled)
        elif search.read:
            work.note_success(POLL)
        elif search.read is False:
            work.note_failure(POLL, VENDOR_UNAVAILABLE, TEXTS[VENDOR_UNAVAILABLE])
        if search.source is not None:
            work.note_failure(SOURCE, search.source, TEXTS[search.source])
        elif search.read is not None:
            work.note_success(SOURCE)
        work.reload([chunk.number])
        if chunk.number not in work.chunks:
            work.released(chunk.number)


def _cannot_find(work: LaneSession) -> Trouble | None:
    """Why a lost submission can be searched for no more."""
    source = work.trouble(SOURCE)
    return work.cannot_ask or (source if source is not None and source.stops else None)


def _give_up(work: LaneSession, chunk: Chunk, trouble: Trouble) -> None:
    """A lost submission of a stopped run whose vendor cannot be asked stays unknown."""
    text = f"It is not known whether these rows were carried out: {trouble.text}"
    job_end = JobEnd(chunk.number, verdict=row_verdict.when_lost(SUBMISSION_LOST, text))
    now = work.deps.now()
    work.finished(work.deps.store.chunks.finish(work.run.connection, [chunk], [job_end], now))


def _search_from(work: LaneSession, chunk: Chunk) -> float:
    """When a lost submission is looked for, or looked for once more."""
    return max(searches_of(chunk).next_at, work.search_from.get(chunk.number, 0.0))


def _put_back(work: LaneSession, chunks: Sequence[Chunk]) -> None:
    """Return to the pool what was claimed and not sent."""
    for chunk in chunks:
        work.deps.store.chunks.release(work.run.connection, chunk)
        work.released(chunk.number)


def _skip(work: LaneSession, stop: StopReason) -> None:
    """Finish the rows of a stopped run as skipped, a part of them each lap."""
    run, chunks = work.run, work.deps.store.chunks
    stopped = list(work.ready)
    while len(stopped) < SKIPPED_PER_ITERATION:
        pool = chunks.pool(run.run_id)
        work.left = pool.left
        if not pool.left:
            break
        offered = _offered(work, pool, min(pool.left, CLAIM_BATCH))
        stopped += (
            chunks.claim(run, work.state.lane, offered, pool, work.deps.now(), max_jobs=None) or ()
        )
    work.keep(stopped)
    job_ends = [
        JobEnd(chunk.number, verdict=row_verdict.when_stopped(chunk, stop)) for chunk in stopped
    ]
    work.finished(chunks.finish(run.connection, stopped, job_ends, work.deps.now()))
