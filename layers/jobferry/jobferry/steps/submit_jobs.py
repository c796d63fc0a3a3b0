"""Submit: fill the free slots of a lane's window, each chunk sent at most once per attempt.

The order that makes it safe (design: submitting without duplicates): claim the chunk with its
slot, write the intent, call once, note the job. A crash in between leaves a chunk that says how
far it came; `resolve_lost` asks the vendor about it before anything is sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from threading import Event

from jobferry import pacing
from jobferry.connections import Linked
from jobferry.ledger.chunks import CLAIM_BATCH, Chunk, Ending, Pool
from jobferry.ledger.limits import Limits
from jobferry.ledger.runs import Halt, PlannedChunk, Run
from jobferry.model import ChunkState, OutcomeStatus
from jobferry.steps.context import RunContext, load_context
from jobferry.steps.deps import Deps
from jobferry.steps.lane import DONE, RENEW, WORKING, LaneState, timestamp
from jobferry.steps.resolve_lost import known_jobs, lost_from, resolve_lost
from jobferry.vendors.base import (
    Accepted,
    Ambiguous,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)

SENDERS = 8
"""Requests under way at once; a submission takes some 0.3 s, so a window of 15 takes under 1 s."""

CLAIM_TRIES = 8
"""Claims lost to other lanes before this lap goes on without."""

SKIPPED_PER_LAP = 4 * CLAIM_BATCH
"""Chunks of a stopped run that one lap hands to Settle."""


@dataclass
class _Lap:
    """What one lap gathers. `hold` is set when the vendor asks for patience."""

    run: Run
    context: RunContext
    linked: Linked
    deps: Deps
    deadline: float
    hold: Event = field(default_factory=Event)
    finished: list[int] = field(default_factory=list)

    def may_send(self) -> bool:
        return not self.hold.is_set() and self.deps.now() < self.deadline


def submit_jobs(state: LaneState, deps: Deps, deadline: float) -> LaneState:
    """One lap's submissions.

    Args:
        state: what Poll handed on (or the empty state of a new lane).
        deadline: epoch seconds after which no request may be begun.

    Returns:
        The state with the groups to settle, the moment of the next look, and whether to go on.
    """
    run = deps.ledger.runs.must_get(state.run_id)
    if run.status.closed:
        return state.then(state=DONE, settle=())
    linked = deps.connections.link(run.connection)
    lap = _Lap(run, load_context(run, deps), linked, deps, deadline)
    before = linked.client.requests_made
    chunks = deps.ledger.chunks
    mine = chunks.in_flight(run.connection, run.run_id, state.lane)

    to_send = [c for c in mine if c.state is ChunkState.CLAIMED and c.sending_at is None]
    limits = deps.ledger.limits.get(run.connection)
    other = _resolve(lap, mine) if deps.now() >= limits.blocked_until else 0
    halt = run.halt
    if halt is None:
        busy = sum(c.state in (ChunkState.CLAIMED, ChunkState.SUBMITTED) for c in mine)
        if deps.now() < max(limits.blocked_until, limits.full_until):
            to_send = []  # they stay claimed until the vendor has patience again
        to_send += _claim(lap, state.lane, busy)
        submitted = _send_all(lap, to_send, careful=state.lap == 0 and run.jobs_settled == 0)
    else:
        submitted = 0
        _skip(lap, state.lane, to_send, halt)
    deps.ledger.runs.count_requests(
        run,
        state.lane,
        {"submit": linked.client.requests_made - before - other, "other": other},
    )
    if submitted or lap.finished:
        deps.log(
            "lap submitted",
            run_id=run.run_id,
            lane=state.lane,
            submitted=submitted,
            refused=len(lap.finished),
        )
    return _next(lap, state)


def _next(lap: _Lap, state: LaneState) -> LaneState:
    """The lane's state after this lap, from what the ledger says now."""
    run, deps = lap.run, lap.deps
    mine = deps.ledger.chunks.in_flight(run.connection, run.run_id, state.lane)
    listed = {number for group in state.settle for number in group}
    # Finished but not on the list: by this lap, or by a step that died before it could say so.
    finished = [c.number for c in mine if c.state is ChunkState.FINISHED and c.number not in listed]
    settle = (*state.settle, *map(tuple, pacing.settle_groups(finished)))
    flying = [c for c in mine if c.state in (ChunkState.CLAIMED, ChunkState.SUBMITTED)]
    left = deps.ledger.chunks.pool(run.run_id).left
    events = state.events + pacing.events_of_lap(len(settle))
    if not flying and not left:
        going = DONE
    elif events >= pacing.MAX_EVENTS:
        going = RENEW
        deps.ledger.runs.relaunch(run.run_id, 0, -1)
    else:
        going = WORKING
    now = deps.now()
    limits = deps.ledger.limits.get(run.connection)
    return state.then(
        lap=state.lap + 1,
        events=events,
        settle=settle,
        state=going,
        wait_until=timestamp(_wait_until(now, flying, state.latency, limits, left, lap)),
    )


def _wait_until(
    now: float,
    flying: Sequence[Chunk],
    latency: float | None,
    limits: Limits,
    left: int,
    lap: _Lap,
) -> float:
    """When the lane wakes: for a job's expected end, a free slot, or the vendor's permission."""
    if lap.run.halt is not None and left:
        return now
    submitted = [pacing.InFlight(c.submitted_at) for c in flying if c.submitted_at is not None]
    moment = pacing.next_look(now, submitted, latency, blocked_until=limits.blocked_until)
    if submitted:
        return moment
    lost = [lost_from(c) for c in flying if c.sending_at is not None]
    if lost:
        # Asking the vendor about a lost submission is worth a request every few seconds.
        return max(now + pacing.NO_SLOT, min(lost), limits.blocked_until)
    # Nothing of ours is under way: others hold the slots, or the vendor wants patience.
    return max(
        moment, min(limits.full_until, now + pacing.CEILING), now + pacing.NO_SLOT * bool(left)
    )


def _claim(lap: _Lap, lane: int, busy: int) -> list[Chunk]:
    """Claim as many chunks as the lane, the connection and the pool allow."""
    run, deps = lap.run, lap.deps
    claimed: list[Chunk] = []
    paid = 0
    window = pacing.window_for(lap.linked.max_jobs, run.lanes)
    for _ in range(CLAIM_TRIES):
        limits = deps.ledger.limits.get(run.connection)
        pool = deps.ledger.chunks.pool(run.run_id)
        now = deps.now()
        if now < max(limits.blocked_until, limits.full_until) or now >= lap.deadline:
            break
        count = pacing.to_claim(window, busy + len(claimed), limits.free, pool.left)
        count = min(count, CLAIM_BATCH)
        if paid < count:
            paid += _take_requests(lap, count - paid, now)
        count = min(count, paid)
        if count == 0:
            break
        got = deps.ledger.chunks.claim(
            run,
            lane,
            _offered(lap, pool, count),
            pool,
            now,
            max_jobs=limits.max_jobs,
        )
        claimed += got or ()
        paid -= len(got or ())
    return claimed


def _take_requests(lap: _Lap, wanted: int, now: float) -> int:
    """Requests that the connection's budget grants this minute; all of them without a budget."""
    budget = lap.linked.request_budget
    if budget is None:
        return wanted
    limits, name = lap.deps.ledger.limits, lap.run.connection
    minute = pacing.window_of(now)
    granted = limits.take_requests(name, wanted, pacing.submission_budget(budget), minute)
    if granted == 0:
        limits.full(name, pacing.next_window(now))
    return granted


def _offered(lap: _Lap, pool: Pool, count: int) -> list[PlannedChunk]:
    """The next `count` chunks of the pool: returned ones first."""
    runs, chunks = lap.deps.ledger.runs, lap.deps.ledger.chunks
    returned = sorted(pool.returned)[:count]
    offered = [PlannedChunk(c.number, c.spans) for c in chunks.get(lap.run.run_id, returned)]
    fresh = min(count - len(offered), pool.end - pool.cursor)
    if fresh > 0:
        offered += runs.planned_chunks(lap.run.run_id, pool.cursor, fresh)
    return offered


def _send_all(lap: _Lap, chunks: Sequence[Chunk], *, careful: bool) -> int:
    """Send chunks side by side; returns how many the vendor accepted.

    careful: the first one goes alone, so that an account or a profile that the vendor refuses
    costs one request and not a window of them.
    """
    if not chunks:
        return 0
    alone = chunks[:1] if careful else []
    accepted = sum(_send(lap, chunk) for chunk in alone)
    with ThreadPoolExecutor(max_workers=SENDERS) as pool:
        return accepted + sum(pool.map(lambda chunk: _send(lap, chunk), chunks[len(alone) :]))


def _send(lap: _Lap, chunk: Chunk) -> bool:
    """Send one chunk once; true when the vendor accepted it."""
    run, deps = lap.run, lap.deps
    chunks = deps.ledger.chunks
    if not lap.may_send():
        chunks.give_back(run.connection, chunk)
        return False
    records = lap.context.records(chunk)
    body = lap.context.vendor.encode(lap.context.operation, records)
    token = f"{run.run_id}.{chunk.number}.{chunk.attempt + 1}"
    sent = chunks.begin_sending(chunk, token, hashlib.sha256(body).hexdigest(), deps.now())
    if sent is None:
        return False
    answer = lap.linked.client.submit(lap.context.operation, records, token)
    match answer:
        case Accepted(job_id):
            chunks.note_submitted(sent, job_id, deps.now())
            return True
        case Refused(code, message, scope):
            ending = Ending(chunk.number, verdict=_refused(chunk, code, message))
            lap.finished += chunks.finish(run.connection, [sent], [ending], deps.now())
            if scope is RefusalScope.RUN:
                lap.hold.set()
                deps.ledger.runs.halt(run.run_id, Halt(code, message))
        case Throttled():
            _obey(lap, answer)
            chunks.give_back(run.connection, sent, attempt=chunk.attempt)
        case Ambiguous(reason, retry_after):
            chunks.note_lost(sent, deps.now())
            if retry_after is not None:
                _obey(lap, Throttled(ThrottleReason.RATE, retry_after))
            deps.warn(
                "submission without a clear answer",
                run_id=run.run_id,
                chunk=chunk.number,
                reason=reason,
            )
    return False


def _refused(chunk: Chunk, code: str, message: str) -> tuple[OutcomeStatus, str, str]:
    """A refusal decides the rows, unless an earlier attempt may have been carried out."""
    if not chunk.in_doubt:
        return OutcomeStatus.FAILED, code, message
    text = f"Sent before without a clear answer, then refused: {message}"
    return OutcomeStatus.UNKNOWN, code, text


def _stopped(chunk: Chunk, halt: Halt) -> tuple[OutcomeStatus, str, str]:
    """What a chunk that a stopped run sends no more is: never sent, or not known."""
    if not chunk.in_doubt:
        return OutcomeStatus.SKIPPED, halt.code, halt.reason
    text = f"Sent before without a clear answer, then the run was stopped: {halt.reason}"
    return OutcomeStatus.UNKNOWN, halt.code, text


def _obey(lap: _Lap, answer: Throttled) -> None:
    """Make every lane of the connection wait as the vendor asks."""
    lap.hold.set()
    now = lap.deps.now()
    limits = lap.deps.ledger.limits
    if answer.reason is ThrottleReason.SLOTS:
        limits.full(lap.run.connection, pacing.full_until(now, answer.retry_after))
    else:
        limits.block(lap.run.connection, pacing.blocked_until(now, answer.retry_after))


def _resolve(lap: _Lap, mine: Sequence[Chunk]) -> int:
    """Ask about submissions whose answer was lost; returns the requests it took."""
    known = cache(lambda: known_jobs(lap.run, lap.deps))
    return sum(
        resolve_lost(chunk, lap.context, lap.linked, lap.deps, known)
        for chunk in mine
        if chunk.state is ChunkState.CLAIMED and chunk.sending_at is not None and lap.may_send()
    )


def _skip(lap: _Lap, lane: int, unsent: Sequence[Chunk], halt: Halt) -> None:
    """Hand the rows of a stopped run to Settle as skipped, a part of them each lap."""
    run, deps = lap.run, lap.deps
    stopped = list(unsent)
    while len(stopped) < SKIPPED_PER_LAP:
        pool = deps.ledger.chunks.pool(run.run_id)
        if not pool.left:
            break
        stopped += (
            deps.ledger.chunks.claim(
                run,
                lane,
                _offered(lap, pool, min(pool.left, CLAIM_BATCH)),
                pool,
                deps.now(),
                max_jobs=None,
            )
            or ()
        )
    endings = [Ending(chunk.number, verdict=_stopped(chunk, halt)) for chunk in stopped]
    lap.finished += deps.ledger.chunks.finish(run.connection, stopped, endings, deps.now())
