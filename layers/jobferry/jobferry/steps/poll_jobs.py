"""Poll: one look at all jobs of a lane; keep what ended as evidence, free its slots.

The raw answers are stored before anything else changes, so no result is ever asked for twice
and none is lost when the vendor forgets it.
"""

from __future__ import annotations

from jobferry import pacing
from jobferry.connections import Linked
from jobferry.ledger.chunks import Chunk, Ending
from jobferry.ledger.runs import Halt, Run
from jobferry.model import ChunkState, OutcomeStatus
from jobferry.steps.deps import Deps
from jobferry.steps.lane import LaneState
from jobferry.vendors.base import JobPhase, JobReading, PollAnswer

VISIBLE_WITHIN = 120.0
"""Seconds after its submission in which a job may be unknown to the vendor's readers."""

JOB_DEADLINE = 12 * 3_600.0
"""Seconds after which a job that never ends is given up: half of what vendors keep results."""

REFUSALS = 5
"""Polls in a row that the vendor refuses before the jobs under way are given up."""


def poll_jobs(state: LaneState, deps: Deps) -> LaneState:
    """One look at the lane's jobs.

    Returns:
        The state with the groups of chunks whose jobs are finished.
    """
    run = deps.ledger.runs.must_get(state.run_id)
    linked = deps.connections.link(run.connection)
    mine = deps.ledger.chunks.in_flight(run.connection, run.run_id, state.lane)
    jobs = {c.job_id: c for c in mine if c.state is ChunkState.SUBMITTED and c.job_id}
    limits = deps.ledger.limits.get(run.connection)
    if not jobs or deps.now() < limits.blocked_until or not _may_ask(run, linked, len(jobs), deps):
        return state.then(settle=())
    answer = linked.client.poll(list(jobs))
    now = deps.now()
    deps.ledger.runs.count_requests(run, state.lane, {"poll": answer.requests})
    troubles = _troubles(run, state, answer, deps, now)
    evidence = _keep(run, state, answer, deps, now)
    endings = [
        ending
        for chunk in jobs.values()
        if (ending := _ending(chunk, answer, evidence, now, given_up=troubles >= REFUSALS))
    ]
    finished = deps.ledger.chunks.finish(run.connection, list(jobs.values()), endings, now)
    observed = [
        now - submitted_at
        for chunk in jobs.values()
        if chunk.number in set(finished) and (submitted_at := chunk.submitted_at) is not None
    ]
    deps.log(
        "jobs polled",
        run_id=run.run_id,
        lane=state.lane,
        jobs=len(jobs),
        finished=len(finished),
        requests=answer.requests,
    )
    return state.then(
        settle=tuple(map(tuple, pacing.settle_groups(finished))),
        latency=pacing.learned(state.latency, observed),
        troubles=troubles,
    )


def _may_ask(run: Run, linked: Linked, jobs: int, deps: Deps) -> bool:
    """Take the requests of one look from the connection's budget, if it has one."""
    if linked.request_budget is None:
        return True
    now = deps.now()
    wanted = -(-jobs // linked.vendor.capabilities.poll_batch)
    minute = pacing.window_of(now)
    if deps.ledger.limits.take_requests(run.connection, wanted, linked.request_budget, minute):
        return True
    deps.ledger.limits.block(run.connection, pacing.next_window(now))
    return False


def _troubles(run: Run, state: LaneState, answer: PollAnswer, deps: Deps, now: float) -> int:
    """Obey a throttle, note a refusal; returns the refusals in a row."""
    if answer.throttled is not None:
        deps.ledger.limits.block(
            run.connection, pacing.blocked_until(now, answer.throttled.retry_after)
        )
    if answer.problem is not None:
        deps.warn("poll without an answer", run_id=run.run_id, reason=answer.problem)
    if answer.refused is None:
        return 0
    deps.warn("poll refused", run_id=run.run_id, code=answer.refused.code)
    deps.ledger.runs.halt(run.run_id, Halt(answer.refused.code, answer.refused.message))
    deps.ledger.limits.block(run.connection, pacing.blocked_until(now, None))
    return state.troubles + 1


def _keep(run: Run, state: LaneState, answer: PollAnswer, deps: Deps, now: float) -> str:
    """Store the raw objects of all ended jobs; returns the key."""
    ended = {
        reading.job_id: reading.raw
        for reading in answer.readings.values()
        if reading.phase is JobPhase.ENDED
    }
    key = f"evidence/{run.run_id}/{state.lane:04d}-{state.lap:05d}-{int(now * 1000)}.json"
    if ended:
        deps.objects.put_json(key, {"polled_at": now, "jobs": ended})
    return key


def _ending(
    chunk: Chunk, answer: PollAnswer, evidence: str, now: float, *, given_up: bool
) -> Ending | None:
    """How a chunk's job ended; None while it goes on."""
    reading = answer.readings.get(chunk.job_id or "")
    if reading is not None and reading.phase is JobPhase.ENDED:
        return Ending(chunk.number, evidence=evidence)
    age = now - (chunk.submitted_at or now)
    unknown = _unknown(reading, answer, age, given_up=given_up)
    if unknown is None:
        return None
    return Ending(chunk.number, verdict=(OutcomeStatus.UNKNOWN, *unknown))


def _unknown(
    reading: JobReading | None, answer: PollAnswer, age: float, *, given_up: bool
) -> tuple[str, str] | None:
    """(code, text) when nothing more can be learned of a job."""
    if given_up and answer.refused is not None:
        return answer.refused.code, f"The job was accepted, but: {answer.refused.message}"
    if reading is not None and reading.phase is JobPhase.GONE and age > VISIBLE_WITHIN:
        return "job_forgotten", "The vendor no longer knows the job; look the record up there."
    if age > JOB_DEADLINE:
        return "job_never_ended", f"The job had not ended after {age / 3600:.0f} hours."
    return None
