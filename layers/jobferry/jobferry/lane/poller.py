"""Poll jobs of a lane once: keep what ended as evidence, free its slots, learn from it.

The raw answers are stored before anything else changes: no result is ever asked for twice, and none
is lost when the vendor forgets it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, JobEnd
from jobferry.domain.outcome import Verdict
from jobferry.domain.row_verdict import ANSWER_UNUSABLE
from jobferry.domain.trouble import POLL, TEXTS, VENDOR_UNAVAILABLE, Trouble
from jobferry.domain.types import JsonObject
from jobferry.lane import feedback
from jobferry.lane.isolation import Evidence, Polled, keep_evidence, poll_each
from jobferry.lane.recovery import late_job
from jobferry.lane.session import LaneSession
from jobferry.scheduler.policy import Poll
from jobferry.settlement.outcomes import settle_at_once, settle_chunks
from jobferry.vendors.answers import JobPhase, JobReading, PollAnswer
from jobferry.vendors.lost_submission import TAKEN_WITHIN
from jobferry.vendors.poll_collector import READERS

VISIBLE_WITHIN = TAKEN_WITHIN
"""Seconds after its submission in which a job may be unknown to the vendor's readers."""

JOB_DEADLINE = 12 * 3_600.0
"""Seconds after which a job that never ends is given up: half of what vendors keep results."""

SILENT_DEADLINE = 2 * JOB_DEADLINE
"""The same for a job of which no poll learns anything."""

UNREADABLE_FOR = 60.0
"""Seconds for which no poll can make sense of what is said of a job, until it is given up: while it
runs its slot is taken, and what is odd about it may pass."""

QUIET_PROBLEMS = 3
"""Polls in a row without an answer from which on the next one waits."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one poll has brought.

    Attributes:
        at: when it was, between question and answer (epoch seconds).
        now: when it was over.
    """

    polled: Polled
    stored: Evidence
    at: float
    now: float


def poll(session: LaneSession, order: Poll) -> None:
    """Poll these jobs, as far as there are requests for them."""
    submitted = session.chunks.submitted
    jobs = {job_id: submitted[job_id] for job_id in order.job_ids if job_id in submitted}
    jobs, requests = _paid_for(session, jobs)
    if not jobs:
        return
    seen = _ask(session, jobs, requests)
    _apply_answer(session, seen.polled.answer)
    job_ends = _job_ends(session, jobs, seen)
    few = _few_enough(session, [end.number for end in job_ends])
    settled = _settle_at_once(session, [end for end in job_ends if end.number in few], seen)
    left = [end for end in job_ends if end.number not in settled]
    store = session.deps.store.chunks
    finished = store.finish(session.run.connection, list(jobs.values()), left, seen.now)
    done = settled | set(finished)
    _report_late_jobs(session, [end for end in job_ends if end.twice and end.number in done])
    session.reload([end.number for end in job_ends if end.number not in done])
    _let_go(session, settled)
    session.chunks.finish(finished)
    _settle_here(session, [number for number in finished if number in few], seen)
    session.note_polled(seen.now)
    session.deps.log(
        "jobs polled",
        run_id=session.run.run_id,
        lane=session.state.lane,
        jobs=len(jobs),
        finished=len(done),
        requests=seen.polled.answer.requests,
    )


def _settle_at_once(
    session: LaneSession, job_ends: Sequence[JobEnd], seen: _Seen
) -> frozenset[int]:
    """Settle what needs no second step; returns the numbers of those chunks."""
    ended = [
        (session.chunks[end.number], end) for end in job_ends if end.evidence in seen.stored.jobs
    ]
    if not ended:
        return frozenset()
    context = session.context.for_run(session.run, session.deps)
    settled = settle_at_once(context, ended, seen.stored.jobs, session.deps).chunks
    if settled:
        session.refresh_soon()
    return frozenset(settled)


def _settle_here(session: LaneSession, numbers: Sequence[int], seen: _Seen) -> None:
    """Settle finished chunks that took a second look; what cannot be is left to SettleJobs."""
    if not numbers:
        return
    settle_chunks(session.run, numbers, session.deps, dict, seen.stored.jobs)
    found = session.deps.store.chunks.get(session.run.run_id, numbers)
    _let_go(session, [chunk.number for chunk in found if not chunk.in_flight])
    session.refresh_soon()


def _let_go(session: LaneSession, numbers: Iterable[int]) -> None:
    """Chunks are settled: claims that held no others are removed."""
    run = session.run
    spent = session.chunks.let_go(numbers)
    session.deps.store.chunks.forget_claims(
        run.connection, run.run_id, session.state.lane, sorted(spent)
    )


def _few_enough(session: LaneSession, numbers: Sequence[int]) -> frozenset[int]:
    """The first of these chunks, with no more rows together than one poll may settle."""
    rows = accumulate(session.chunks[number].rows for number in numbers)
    most = session.settings.rows_settled_at_once
    return frozenset(n for n, held in zip(numbers, rows, strict=True) if held <= most)


def _paid_for(session: LaneSession, jobs: Mapping[str, Chunk]) -> tuple[dict[str, Chunk], int]:
    """As many of the jobs as there are requests for, and these; notes when there will be more."""
    batch = session.linked.vendor.capabilities.poll_batch
    wanted = -(-len(jobs) // batch)
    each = session.pace.answer_seconds / READERS
    granted, more_at = session.take_requests(wanted, session.account_limit(), seconds_each=each)
    if granted < wanted:
        soon = session.deps.now() + session.settings.min_poll_interval
        session.pace.poll_not_before = max(session.pace.poll_not_before, more_at, soon)
    return dict(list(jobs.items())[: granted * batch]), granted


def _ask(session: LaneSession, jobs: Mapping[str, Chunk], requests: int) -> _Seen:
    """Ask the vendor, and keep the answers of jobs that have ended."""
    deps, asked_at = session.deps, session.deps.now()
    # A job that its first reader does not know may need more requests than were granted.
    waiting = session.meter.waiting(deps.sleep, session.deadline)
    with session.meter.prepaid(requests), waiting:
        polled = poll_each(session.linked.client, list(jobs))
    now = deps.now()
    session.count(poll=polled.answer.requests)
    key_of = partial(_evidence_key, session, now=now)
    stored = keep_evidence(key_of, _ended(jobs, polled.answer), now, deps.objects)
    session.count(puts=len(set(stored.keys.values())))
    return _Seen(polled, stored, (asked_at + now) / 2, now)


def _job_ends(session: LaneSession, jobs: Mapping[str, Chunk], seen: _Seen) -> list[JobEnd]:
    """Jobs that have ended, or of which nothing more can be learned."""
    ends = (_job_end(session, chunk, seen) for chunk in jobs.values())
    return [end for end in ends if end is not None]


def _job_end(session: LaneSession, chunk: Chunk, seen: _Seen) -> JobEnd | None:
    """How one job ended; None while it goes on."""
    job_id = chunk.job_id or ""
    reading = seen.polled.answer.readings.get(job_id)
    unusable = job_id in seen.polled.unusable
    if unusable and not _unreadable_for_long(session, chunk, seen.now):
        return None
    if unusable or job_id in seen.stored.unusable:
        session.deps.warn("answer unusable", run_id=chunk.run_id, chunk=chunk.number)
        evidence = seen.stored.keys.get(job_id)
        return JobEnd(chunk.number, evidence=evidence, verdict=ANSWER_UNUSABLE)
    if reading is not None:
        session.ages.note_readable(chunk)
    if reading is not None and reading.phase is JobPhase.ENDED:
        twice = late_job(session, chunk)
        ended_at = session.ages.note_ended(chunk, seen.at)
        key = seen.stored.keys[job_id]
        return JobEnd(chunk.number, evidence=key, ended_at=ended_at, twice=twice)
    verdict = _given_up(chunk, reading, seen.now, session.cannot_ask)
    if verdict is not None:
        return JobEnd(chunk.number, verdict=verdict)
    if reading is not None:
        session.ages.note_active(chunk, reading, seen.at)
    return None


def _unreadable_for_long(session: LaneSession, chunk: Chunk, now: float) -> bool:
    """Whether what is said of a job has made no sense for long enough; notes since when."""
    since = session.ages.note_unreadable(chunk, now)
    age = now - (chunk.submitted_at or now)
    return now - since >= UNREADABLE_FOR or age > VISIBLE_WITHIN


def _report_late_jobs(session: LaneSession, job_ends: Sequence[JobEnd]) -> None:
    for end in job_ends:
        chunk = session.chunks[end.number]
        session.deps.warn(
            "rows carried out twice",
            run_id=chunk.run_id,
            chunk=chunk.number,
            job_id=chunk.job_id,
            other_job_id=end.twice,
        )
        session.deps.emit(CarriedOutTwice=1)


def _ended(jobs: Mapping[str, Chunk], answer: PollAnswer) -> dict[str, JsonObject | None]:
    """The raw objects of all jobs that have ended, by job id."""
    return {
        job_id: reading.raw
        for job_id in jobs
        if (reading := answer.readings.get(job_id)) and reading.phase is JobPhase.ENDED
    }


def _apply_answer(session: LaneSession, answer: PollAnswer) -> None:
    """Apply a throttle and what headers say, note a refusal."""
    run, deps = session.run, session.deps
    if answer.limits is not None:
        feedback.apply_advertised_limits(session, answer.limits)
    if answer.throttled is not None:
        feedback.apply_throttle(session, answer.throttled)
    if answer.problem is not None:
        deps.warn("poll without an answer", run_id=run.run_id, reason=answer.problem)
    if answer.refused is not None:
        deps.warn("poll refused", run_id=run.run_id, code=answer.refused.code)
        code, message = answer.refused.code, answer.refused.message
        feedback.block_until(session, feedback.note_failure(session, POLL, code, message).next_try)
    elif answer.readings:
        feedback.note_success(session, POLL)
    elif answer.throttled is None:
        text = TEXTS[VENDOR_UNAVAILABLE]
        trouble = feedback.note_failure(session, POLL, VENDOR_UNAVAILABLE, text)
        if trouble.times > QUIET_PROBLEMS:
            pace = session.pace
            pace.poll_not_before = max(pace.poll_not_before, trouble.next_try)


def _evidence_key(session: LaneSession, job_ids: Sequence[str], now: float) -> str:
    """A key of its own for these jobs, whoever else finishes others at the same moment."""
    state = session.state
    digest = hashlib.sha256(",".join(job_ids).encode()).hexdigest()[:8]
    when = f"{state.lane:04d}-{state.iteration:05d}-{int(now * 1000)}"
    return f"evidence/{state.run_id}/{when}-{digest}.json"


def _given_up(
    chunk: Chunk, reading: JobReading | None, now: float, trouble: Trouble | None
) -> Verdict | None:
    """The verdict on a chunk of whose job nothing more can be learned; None while it goes on.

    Args:
        trouble: why the vendor is not asked any more.
    """
    age = now - (chunk.submitted_at or now)
    if trouble is not None and reading is None:
        return row_verdict.when_lost(trouble.code, f"The job was accepted, but: {trouble.text}")
    if reading is not None and reading.phase is JobPhase.GONE and age > VISIBLE_WITHIN:
        text = "The vendor no longer knows the job; look the record up there."
        return row_verdict.when_lost("job_forgotten", text)
    # A poll that learned nothing of the job says nothing of it; for ever is too long all the same.
    if age > (JOB_DEADLINE if reading is not None else SILENT_DEADLINE):
        text = f"The job had not ended after {age / 3600:.0f} hours."
        return row_verdict.when_lost("job_never_ended", text)
    return None
