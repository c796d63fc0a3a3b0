"""One look at the jobs of a lane: keep what ended as evidence, free its slots, learn from it.

The raw answers are stored before anything else changes: no result is ever asked for twice, and none
is lost when the vendor forgets it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial

from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, JobEnd
from jobferry.domain.outcome import Verdict
from jobferry.domain.row_verdict import ANSWER_UNUSABLE
from jobferry.domain.trouble import POLL, TEXTS, VENDOR_UNAVAILABLE, Trouble
from jobferry.domain.types import JsonObject
from jobferry.lane.isolation import keep_evidence, poll_each
from jobferry.lane.recovery import search_earlier
from jobferry.lane.session import NEVER, LaneSession
from jobferry.scheduler import completion, polling, rate_limit
from jobferry.vendors.answers import JobPhase, JobReading, PollAnswer
from jobferry.vendors.lost_submission import TAKEN_WITHIN
from jobferry.vendors.poll_collector import READERS

VISIBLE_WITHIN = TAKEN_WITHIN
"""Seconds after its submission in which a job may be unknown to the vendor's readers."""

JOB_DEADLINE = 12 * 3_600.0
"""Seconds after which a job that never ends is given up: half of what vendors keep results."""

SILENT_DEADLINE = 2 * JOB_DEADLINE
"""The same for a job of which no look learns anything."""

UNREADABLE_FOR = 60.0
"""Seconds for which no look can make sense of what is said of a job, until it is given up: while it
runs its slot is taken, and what is odd about it may pass."""

QUIET_PROBLEMS = 3
"""Polls in a row without an answer from which on the next one waits."""

WORTH_ASKING = 0.2
"""Probability of having ended from which a job is asked for, where not all fit in one request."""


def poll_once(work: LaneSession) -> None:
    """Look once, at all jobs of the lane that fit into the requests there are."""
    run, deps, store = work.run, work.deps, work.deps.store
    jobs = _worth_asking(work)
    limits = work.read_limits()
    if not jobs or deps.now() < limits.retry_after_until:
        work.poll_not_before = max(work.poll_not_before, limits.retry_after_until)
        return
    jobs, requests = _paid_for(work, jobs)
    if not jobs:
        return
    asked_at = deps.now()
    # A look for a job that its first reader does not know may need more than was granted.
    waiting = work.meter.waiting(deps.sleep, work.deadline)
    with work.meter.prepaid(requests), waiting:
        polled = poll_each(work.linked.client, list(jobs))
    answer = polled.answer
    now = deps.now()
    work.counts["poll"] += answer.requests
    moment = (asked_at + now) / 2
    _troubles(work, answer)
    stored = keep_evidence(
        partial(_evidence_key, work, now=now), _ended(jobs, answer), now, deps.objects
    )
    work.counts["puts"] += len(set(stored.keys.values()))
    job_ends: list[JobEnd] = []
    for chunk in jobs.values():
        job_id = chunk.job_id or ""
        reading = answer.readings.get(job_id)
        if job_id in polled.unusable and not _unreadable_for_long(work, chunk, now):
            continue
        if job_id in polled.unusable | stored.unusable:
            deps.warn("answer unusable", run_id=run.run_id, chunk=chunk.number)
            evidence = stored.keys.get(job_id)
            job_ends.append(JobEnd(chunk.number, evidence=evidence, verdict=ANSWER_UNUSABLE))
            continue
        if reading is not None:
            work.unreadable.pop(chunk.number, None)
        if reading is not None and reading.phase is JobPhase.ENDED:
            twice = _late_job(work, chunk)
            ended_at = work.note_ended(chunk, moment)
            job_ends.append(
                JobEnd(chunk.number, evidence=stored.keys[job_id], ended_at=ended_at, twice=twice)
            )
            continue
        verdict = _given_up(chunk, answer, now, work.cannot_ask)
        if verdict is not None:
            job_ends.append(JobEnd(chunk.number, verdict=verdict))
        elif reading is not None:
            work.seen[chunk.number] = moment
            _estimate_end(work, chunk, reading, moment)
    done = set(store.chunks.finish(run.connection, list(jobs.values()), job_ends, now))
    work.finished(done)
    _tell_of_late_jobs(work, [e for e in job_ends if e.twice is not None and e.number in done])
    work.reload([e.number for e in job_ends if e.number not in done])
    work.polled(now)
    deps.log(
        "jobs polled",
        run_id=run.run_id,
        lane=work.state.lane,
        jobs=len(jobs),
        finished=len(done),
        requests=answer.requests,
    )


def _unreadable_for_long(work: LaneSession, chunk: Chunk, now: float) -> bool:
    """Whether what is said of a job has made no sense for long enough; notes since when."""
    since = work.unreadable.setdefault(chunk.number, now)
    age = now - (chunk.submitted_at or now)
    return now - since >= UNREADABLE_FOR or age > VISIBLE_WITHIN


def _late_job(work: LaneSession, chunk: Chunk) -> str | None:
    """The job of an earlier submission of these rows that was taken for never made."""
    if not chunk.earlier:
        return None
    with work.meter.waiting(work.deps.sleep, work.deadline):
        late = search_earlier(chunk, work.context, work.linked, work.deps, work.read_claimed_jobs)
    work.searched(late.requests)
    return late.job_id


def _tell_of_late_jobs(work: LaneSession, job_ends: Sequence[JobEnd]) -> None:
    for job_end in job_ends:
        chunk = work.chunks[job_end.number]
        work.deps.warn(
            "rows carried out twice",
            run_id=chunk.run_id,
            chunk=chunk.number,
            job_id=chunk.job_id,
            other_job_id=job_end.twice,
        )
        work.deps.emit(CarriedOutTwice=1)


def _ended(jobs: Mapping[str, Chunk], answer: PollAnswer) -> dict[str, JsonObject | None]:
    """The raw objects of all jobs that have ended, by job id."""
    return {
        job_id: reading.raw
        for job_id in jobs
        if (reading := answer.readings.get(job_id)) and reading.phase is JobPhase.ENDED
    }


def next_poll_at(work: LaneSession) -> float:
    """When the next look is worth its requests; never, with no job under way."""
    in_flight = work.in_flight()
    if not in_flight:
        return NEVER  # and nothing has to be read to know it
    limits, known = work.limits, work.requests
    now = work.deps.now()
    more = bool(work.left or work.ready) and work.run.stop is None
    full = limits.free(now) == 0 or work.busy >= work.window(limits)
    completion_estimate = work.completion_estimate(limits)
    scarce = more and (work.slots_refused or work.held or (full and completion_estimate is None))
    rate = work.account_limit()
    latency = work.latency
    per_second = len(in_flight) / latency.median if more and latency is not None else 0.0
    return polling.next_poll_at(
        now,
        in_flight,
        latency,
        scarce=scarce,
        more=more,
        scarce_requests=completion_estimate is not None and completion_estimate.scarce_requests,
        last_polled_at=work.last_polled_at,
        retry_after_until=max(
            work.poll_not_before,
            limits.retry_after_until,
            rate_limit.next_grant(known.logs, rate, now),
        ),
        spacing=polling.poll_spacing(rate.get(rate_limit.ACCOUNT), per_second),
    )


def _worth_asking(work: LaneSession) -> dict[str, Chunk]:
    """The jobs to ask for: all, or in whole requests those that have most likely ended."""
    jobs, batch = work.submitted(), work.linked.vendor.capabilities.poll_batch
    if len(jobs) <= batch:
        return jobs
    now, latency = work.deps.now(), work.latency

    def likely(chunk: Chunk) -> float:
        submitted_at = chunk.submitted_at or 0.0
        if latency is None:
            return now - submitted_at
        seen = work.seen.get(chunk.number, submitted_at)
        flight = completion.InFlight(submitted_at, seen, work.estimated_end.get(chunk.number))
        return flight.ended_by(now, latency)

    ranked = sorted(jobs.items(), key=lambda item: -likely(item[1]))
    worth = sum(likely(chunk) >= WORTH_ASKING for _, chunk in ranked)
    whole = -(-max(worth, 1) // batch) * batch
    return dict(ranked[:whole])


def _paid_for(work: LaneSession, jobs: Mapping[str, Chunk]) -> tuple[dict[str, Chunk], int]:
    """As many of the jobs as there are requests for, and these; notes when there will be more."""
    batch = work.linked.vendor.capabilities.poll_batch
    wanted = -(-len(jobs) // batch)
    granted, more_at = work.take_requests(
        wanted, work.account_limit(), seconds_each=work.answer_seconds / READERS
    )
    if granted < wanted:
        work.poll_not_before = max(work.poll_not_before, more_at)
    return dict(list(jobs.items())[: granted * batch]), granted


def _estimate_end(work: LaneSession, chunk: Chunk, reading: JobReading, now: float) -> None:
    moment = completion.estimated_end(
        chunk.submitted_at or now, now, reading.progress, reading.total
    )
    if moment is None:
        work.estimated_end.pop(chunk.number, None)
    else:
        work.estimated_end[chunk.number] = moment


def _troubles(work: LaneSession, answer: PollAnswer) -> None:
    """Obey a throttle, heed headers, note a refusal."""
    run, deps = work.run, work.deps
    if answer.limits is not None:
        work.told(answer.limits)
    if answer.throttled is not None:
        work.apply_throttle(answer.throttled)
    if answer.problem is not None:
        deps.warn("poll without an answer", run_id=run.run_id, reason=answer.problem)
    if answer.refused is not None:
        deps.warn("poll refused", run_id=run.run_id, code=answer.refused.code)
        trouble = work.note_failure(POLL, answer.refused.code, answer.refused.message)
        work.block_until(trouble.next_try)
    elif answer.readings:
        work.note_success(POLL)
    elif answer.throttled is None:
        trouble = work.note_failure(POLL, VENDOR_UNAVAILABLE, TEXTS[VENDOR_UNAVAILABLE])
        if trouble.times > QUIET_PROBLEMS:
            work.poll_not_before = max(work.poll_not_before, trouble.next_try)


def _evidence_key(work: LaneSession, job_ids: Sequence[str], now: float) -> str:
    """A key of its own for these jobs, whoever else finishes others at the same moment."""
    state = work.state
    digest = hashlib.sha256(",".join(job_ids).encode()).hexdigest()[:8]
    when = f"{state.lane:04d}-{state.iteration:05d}-{int(now * 1000)}"
    return f"evidence/{state.run_id}/{when}-{digest}.json"


def _given_up(
    chunk: Chunk, answer: PollAnswer, now: float, trouble: Trouble | None
) -> Verdict | None:
    """The verdict on a chunk of whose job nothing more can be learned; None while it goes on.

    trouble: why the vendor is not asked any more.
    """
    reading = answer.readings.get(chunk.job_id or "")
    age = now - (chunk.submitted_at or now)
    unknown = _unknown(reading, age, trouble)
    return None if unknown is None else row_verdict.when_lost(*unknown)


def _unknown(
    reading: JobReading | None, age: float, trouble: Trouble | None
) -> tuple[str, str] | None:
    """(code, text) when nothing more can be learned of a job."""
    if trouble is not None and reading is None:
        return trouble.code, f"The job was accepted, but: {trouble.text}"
    if reading is not None and reading.phase is JobPhase.GONE and age > VISIBLE_WITHIN:
        return "job_forgotten", "The vendor no longer knows the job; look the record up there."
    # A look that learned nothing of the job says nothing of it; for ever is too long all the same.
    if age > (JOB_DEADLINE if reading is not None else SILENT_DEADLINE):
        return "job_never_ended", f"The job had not ended after {age / 3600:.0f} hours."
    return None
