"""One lane in the hands of one invocation: its chunks, and what it knows of jobs and limits.

The ledger is read once when the invocation begins, and then follows what this invocation does:
a lane's chunks belong to the lane, and every move of a chunk is conditioned on how it was read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from jobferry.binding.run_binding import RunContext, load_context
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkState, Pool
from jobferry.domain.connection import ConnectionLimits, Demand, RequestLog
from jobferry.domain.latency import Latency
from jobferry.domain.routes import LaneRoute
from jobferry.domain.run import Run, StopReason
from jobferry.domain.timestamps import timestamp
from jobferry.domain.trouble import (
    ADDRESS_NOT_ALLOWED,
    CREDENTIALS_UNUSABLE,
    POLL,
    TEXTS,
    VENDOR_THROTTLES,
    VENDOR_UNREACHABLE,
    Trouble,
)
from jobferry.lane.claimed_jobs import ClaimedJobs, known_jobs, remember
from jobferry.lane.connection_requests import (
    learn_latencies,
    lower_rate,
    note_requests,
    take_requests,
)
from jobferry.lane.moved_account import account_moved, pause_moved_account
from jobferry.lane.request_meter import Meter
from jobferry.lane.state import LaneState
from jobferry.scheduler import bounds, completion, concurrency, fair_share, lanes, ramp, rate_limit
from jobferry.scheduler.completion import CompletionEstimate, Known, can_estimate
from jobferry.scheduler.latency import learned, likely_end
from jobferry.vendors.answers import RateReading, Throttled, ThrottleReason
from jobferry.vendors.connections import BoundConnection

REFRESH_SECONDS = 2.0
"""How old what is known of the run (halted? priority?) and of other runs' needs may be."""

READ_CLAIMED_SECONDS = 5.0
"""Seconds that one search may read which jobs are whose; the next one reads on."""

SAY_SECONDS = 20.0
"""How often a lane says what its run needs."""

TRIES = 3
"""Submissions in a row that find no slot before a look tells what is going on."""

NEVER = float("inf")

_NEVER_SENT = {
    ThrottleReason.UNREACHABLE: VENDOR_UNREACHABLE,
    ThrottleReason.CREDENTIALS: CREDENTIALS_UNUSABLE,
    ThrottleReason.ADDRESS: ADDRESS_NOT_ALLOWED,
}
"""Why a request never left → what keeps the run from going on."""


@dataclass
class LaneSession:
    """A lane at work.

    deadline   epoch seconds after which no request may be begun
    chunks     its chunks that are claimed, submitted or finished, by number
    not_before when chunks of rows that are tried again may be sent, by number
    limits     of the connection, as last read
    requests   of the last minute, as last read
    known_jobs jobs that are not those of lost submissions
    meter      pays for the requests of its client
    seen       when a job was last seen under way, by chunk
    foretold   when a job will end by the vendor's own count, by chunk
    unreadable since when no look made sense of what is said of a job, by chunk
    observed   ages between which jobs ended, by rows of the job
    patience   the vendor asked for some: nothing more is sent for now
    slots_refused  the vendor has no slot free: nothing is submitted before the next look
    tries_refused  submissions that found no slot, in a row
    presumed   what was last taken for ended without a look
    known      what the last submission told of the jobs under way
    try_at     when another submission makes sense, as far as the last one learned
    look_from  no look before this
    search_from  no search before this for a lost submission, by chunk
    short_until  no requests are left before this
    warned     what the vendor warned of since the run was read
    wish_from  when to go on with what an operator wants asked; 0 before the first time
    ramping    the run is still to be judged by its first jobs before all slots are filled
    held       chunks are left, and none may be sent before others are settled
    """

    state: LaneState
    run: Run
    context: RunContext
    linked: BoundConnection
    deps: Deps
    deadline: float
    began_at: float
    units_before: int
    reads_before: int
    chunks: dict[int, Chunk]
    latency: Latency | None
    limits: ConnectionLimits
    requests: RequestLog
    known_jobs: ClaimedJobs
    meter: Meter
    demands: Sequence[Demand] = ()
    not_before: dict[int, float] = field(default_factory=dict)
    seen: dict[int, float] = field(default_factory=dict)
    estimated_end: dict[int, float] = field(default_factory=dict)
    unreadable: dict[int, float] = field(default_factory=dict)
    observed: dict[int, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    patience: Event = field(default_factory=Event)
    slots_refused: bool = False
    tries_refused: int = 0
    estimate: CompletionEstimate | None = None
    known: Known | None = None
    next_submit_at: float = NEVER
    short_until: float = 0.0
    operator_from: float = 0.0
    poll_not_before: float = 0.0
    last_polled_at: float = 0.0
    search_from: dict[int, float] = field(default_factory=dict)
    left: int = 0
    warned: list[str] = field(default_factory=list)
    ramping: bool = False
    held: bool = False
    uncounted: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    answer_seconds: float = 0.3
    _refreshed_at: float = 0.0
    _advertised_rate: int = 0
    _advertised_jobs: int = 0
    _said_at: float = 0.0
    _wanted_more: bool = False
    _said_ramping: bool = False

    # what it holds

    def in_state(self, *states: ChunkState) -> list[Chunk]:
        # Senders side by side keep and drop chunks meanwhile.
        return [chunk for chunk in list(self.chunks.values()) if chunk.state in states]

    @property
    def busy(self) -> int:
        """Chunks that hold a slot."""
        return len(self.in_state(ChunkState.CLAIMED, ChunkState.SUBMITTED))

    @property
    def unsent(self) -> int:
        """Chunks that hold a slot, and of which no job is known."""
        return len(self.in_state(ChunkState.CLAIMED))

    @property
    def ready(self) -> list[Chunk]:
        """Claimed, and nothing was ever sent of this attempt."""
        return [c for c in self.in_state(ChunkState.CLAIMED) if c.sending_at is None]

    @property
    def lost(self) -> list[Chunk]:
        """Sent, and nobody noted a job."""
        return [c for c in self.in_state(ChunkState.CLAIMED) if c.sending_at is not None]

    @property
    def to_settle(self) -> list[Chunk]:
        """Chunks whose jobs have ended, and that nobody settles beside this lap."""
        in_hand = {number for group in self.state.settling for number in group}
        return [c for c in self.in_state(ChunkState.FINISHED) if c.number not in in_hand]

    def submitted(self) -> dict[str, Chunk]:
        """Chunks with a job under way, by job id."""
        return {c.job_id: c for c in self.in_state(ChunkState.SUBMITTED) if c.job_id}

    def in_flight(self) -> list[completion.InFlight]:
        """Jobs under way as pacing sees them."""
        return [
            completion.InFlight(
                c.submitted_at,
                self.seen.get(c.number, c.submitted_at),
                self.estimated_end.get(c.number),
            )
            for c in self.submitted().values()
            if c.submitted_at is not None
        ]

    def keep(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self.chunks[chunk.number] = chunk

    def drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.chunks.pop(number, None)

    def released(self, number: int) -> None:
        """A chunk went back to the pool: it is no longer this lane's, but left to be sent."""
        self.drop([number])
        self.left += 1

    def finished(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.chunks[number] = replace(self.chunks[number], state=ChunkState.FINISHED)

    def reload(self, numbers: Sequence[int]) -> None:
        """Read chunks again that somebody else may have moved."""
        self.drop(numbers)
        mine = self.state.lane
        found = self.deps.store.chunks.get(self.run.run_id, numbers)
        self.keep(c for c in found if c.lane == mine and c.in_flight)

    @property
    def goes_on(self) -> bool:
        """Whether anything is under way or left to be sent."""
        return bool(self.busy or self.left)

    def take_requests(
        self,
        wanted: int,
        limits: Mapping[str, int],
        *,
        kept: int = 0,
        part: float = 1.0,
        seconds_each: float = 0.0,
    ) -> tuple[int, float]:
        """Take requests from what all lanes of the connection share.

        Returns:
            How many were granted, and from when on more will be. While no limit is known all are,
            and they are only counted.
        """
        now = self.deps.now()
        if not limits:
            self.uncounted += wanted
            return wanted, now
        return take_requests(
            self.deps.store.limits,
            self.run.connection,
            wanted,
            limits,
            now,
            kept=kept,
            part=part,
            seconds_each=seconds_each,
        )

    def count_requests(self) -> None:
        """Note the requests that were made while no limit was known."""
        made, self.uncounted = self.uncounted, 0
        note_requests(self.deps.store.limits, self.run.connection, made, self.deps.now())

    # what it knows

    def refresh(self) -> None:
        """See what others did to the run, and what other runs need."""
        now = self.deps.now()
        if now < self._refreshed_at + REFRESH_SECONDS:
            return
        store = self.deps.store
        self.run = store.runs.must_get(self.run.run_id)
        self.requests = store.limits.requests(self.run.connection)
        self._refreshed_at = now
        if self.run.status.closed or self.run.forced:
            # Somebody else has carried it to its end, or does: nothing is left to do, nor to ask
            # for.
            self.left = 0
            self.chunks.clear()
            return
        pool = store.chunks.pool(self.run.run_id)
        # What is left of a paused run is not this lane's to wait for.
        self.left = 0 if self.run.paused else pool.left
        self.ramping = self._is_ramping(pool)
        all_sent = self._wanted_more and not self.left
        ramp_over = self._said_ramping and not self.ramping
        if now >= self._said_at + SAY_SECONDS or all_sent or ramp_over:
            # Said at once when nothing is left: until then others keep away from its slots.
            self._said_at, self._wanted_more = now, bool(self.left)
            self._said_ramping = self.ramping
            need = self.left + self.busy * self.run.lanes
            need = ramp.need(need) if self.ramping else need
            need = min(1, need) if self.context.profile.in_order else need
            demand = Demand(self.run.run_id, self.run.priority, need)
            store.limits.need(self.run.connection, demand, now)
        self.demands = store.limits.demands(self.run.connection, now)

    def _is_ramping(self, pool: Pool) -> bool:
        """Whether it begins with few jobs, and nobody has seen yet what became of those: after a
        trial or a pause a person has said yes."""
        run = self.run
        if not self.context.ramps or run.processed_seen or run.stop is not None:
            return False
        return ramp.is_on(pool.cursor) and pool.cursor < pool.end

    @property
    def sends_in_ramp(self) -> bool:
        """Whether it is this lane that sends the first jobs; the others wait meanwhile."""
        return self.state.lane == 0

    def read_limits(self) -> ConnectionLimits:
        """The limits as they stand now, for what is decided by them at once."""
        self.limits = self.deps.store.limits.get(self.run.connection)
        return self.limits

    def window(self, limits: ConnectionLimits) -> int:
        """Jobs that this lane may have in flight: its part of the run's fair share."""
        if self.ramping and not self.sends_in_ramp:
            return 0
        jobs = limits.max_jobs(self.deps.now())
        if len(self.demands) > 1:
            jobs = fair_share.shares(jobs, self.demands).get(self.run.run_id, jobs)
        if self.context.profile.in_order:
            return min(1, jobs)
        if self.ramping:
            return jobs
        return lanes.window_for(jobs, self.run.lanes, self.state.lane)

    @property
    def has_no_share(self) -> bool:
        """Whether others have all slots, and nothing of this lane is under way."""
        wants = bool(self.left or self.ready) and self.run.stop is None
        return wants and not self.busy and self.window(self.limits) == 0

    def part(self) -> float:
        """The part of the connection's requests that this run takes at a time."""
        return fair_share.part(self.run.run_id, self.demands) if len(self.demands) > 1 else 1.0

    def request_limits(self) -> dict[str, int]:
        """Requests a minute by name of the limit, for submissions of this run's operation."""
        limits = self.account_limit()
        operation = self.context.operation
        if operation.endpoint and operation.endpoint_per_minute:
            limits[rate_limit.ENDPOINT + operation.endpoint] = operation.endpoint_per_minute
        return limits

    def account_limit(self) -> dict[str, int]:
        """Requests a minute of the whole account, where a limit is known."""
        per_minute = rate_limit.per_minute(
            self.requests,
            self.linked.connection.request_budget,
            self.linked.connection.share,
            self.deps.now(),
        )
        return {} if per_minute is None else {rate_limit.ACCOUNT: per_minute}

    def completion_estimate(self, limits: ConnectionLimits) -> CompletionEstimate | None:
        """What may be taken for ended without a look; None where slots are not tried so.

        That is where the vendor does not simply refuse one job too many, with no harm done, where
        the operator keeps jobs back, and where too little is known of jobs.
        """
        can, latency = self.linked.vendor.capabilities, self.latency
        if not can.refuses_excess or limits.ceiling < can.max_jobs or limits.over_limit_penalised:
            return None
        if not can_estimate(latency):
            return None
        jobs = limits.max_jobs(self.deps.now())
        scale = max(1.0, limits.in_flight / max(1, self.busy))
        self.estimate = CompletionEstimate(
            self.in_flight(),
            latency,
            self.answer_seconds,
            jobs / scale,
            self.known,
            scale,
            self._requests_bind(jobs, latency),
        )
        if limits.no_slot_at > max(self.last_polled_at, self.known.at if self.known else 0.0):
            # Another lane has found out.
            self.known = self.estimate.after_refusal(limits.no_slot_at, limits.no_slot_jobs)
            self.estimate = replace(self.estimate, known=self.known)
        return self.estimate

    def _requests_bind(self, jobs: int, latency: Latency) -> bool:
        """Whether the slots could take more jobs a minute than there are requests."""
        per_minute = self.account_limit().get(rate_limit.ACCOUNT)
        if per_minute is None:
            return False
        return 60.0 * jobs / latency.mean > per_minute - rate_limit.reserve(per_minute)

    def found_slot(self) -> None:
        """A submission was accepted: if all slots were taken before, jobs have ended."""
        self.tries_refused = 0
        if self.estimate is not None:
            now = replace(self.estimate, in_flight=self.in_flight(), known=self.known)
            self.known = now.after_acceptance(self.deps.now())

    def refused_slot(self, limits: ConnectionLimits) -> None:
        """A submission came too early: as many jobs as there may be are still under way."""
        now, under_way = self.deps.now(), limits.in_flight - self.unsent
        self.tries_refused += 1
        self.slots_refused = self.tries_refused >= TRIES
        if self.estimate is not None:
            estimate = replace(self.estimate, in_flight=self.in_flight())
            self.known = estimate.after_refusal(now, under_way)
        if limits.in_flight > self.busy:
            self.deps.store.limits.note_no_slot(self.run.connection, under_way, now)

    def polled(self, now: float) -> None:
        """What was told before the look is known better now."""
        self.slots_refused = False
        self.tries_refused = 0
        self.known = None
        self.last_polled_at = now

    # what the vendor asks for

    def blocked(self, until: float) -> None:
        """Nothing may be asked before this moment."""
        self.poll_not_before = max(self.poll_not_before, until)
        self.next_submit_at = min(self.next_submit_at, until)

    def _last_accepted(self, where: str) -> float:
        """When the vendor last took a job of this lane that is under way, or first said no."""
        if in_flight := self.in_flight():
            return max(job.submitted_at for job in in_flight)
        trouble = self.trouble(where)
        return self.began_at if trouble is None else trouble.since

    def apply_throttle(self, answer: Throttled, where: str = POLL) -> None:
        """Make every lane of the connection wait as the vendor asks.

        Args:
            where: what the vendor was asked for (`jobferry.domain.trouble`).
        """
        now, limits = self.deps.now(), self.deps.store.limits
        if answer.absurd_hint:
            self.deps.warn("absurd Retry-After", connection=self.run.connection)
        if answer.reason is ThrottleReason.BUDGET:
            self.patience.set()
            denied = self.meter.denied
            until = (
                now + bounds.MIN_POLL_INTERVAL
                if denied is None
                else max(denied.until, now + bounds.MIN_POLL_INTERVAL)
            )
            self.poll_not_before = max(self.poll_not_before, until)
            self.short_until = max(self.short_until, until)
            return
        if answer.reason in _NEVER_SENT:
            code = _NEVER_SENT[answer.reason]
            self.block_until(self.note_failure(where, code, TEXTS[code]).next_try)
            return
        if not self.submitted() or answer.reason is ThrottleReason.RATE:
            self.note_failure(where, VENDOR_THROTTLES, TEXTS[VENDOR_THROTTLES])
        if answer.reason is ThrottleReason.SLOTS:
            self.patience.set()
            quiet = now - self._last_accepted(where)
            limits.full(
                self.run.connection, concurrency.no_slot_until(now, answer.retry_after, quiet)
            )
            return
        known = self.trouble(where)
        lasting = 0.0 if known is None else now - known.since
        self.block_until(rate_limit.retry_after_until(now, answer.retry_after, lasting))
        if rate_limit.tells_of_a_rate(answer.retry_after):
            lower_rate(limits, self.run.connection, self.linked.connection.request_budget, now)
            self.requests = limits.requests(self.run.connection)
        if answer.limits is not None:
            self.told(answer.limits)

    def block_until(self, until: float) -> None:
        """Nothing is asked on the whole connection before this moment."""
        self.patience.set()
        self.poll_not_before = max(self.poll_not_before, until)
        self.deps.store.limits.block(self.run.connection, until)

    def note_failure(self, where: str, code: str, text: str) -> Trouble:
        """Something keeps the run from going on; it is stopped where that was borne long enough."""
        now = self.deps.now()
        known = self.run.troubles.get(where)
        if known is not None and known.is_the_same(code, now):
            return known
        trouble = self.deps.store.runs.note_trouble(self.run, where, code, text, now)
        self.run = replace(self.run, troubles={**self.run.troubles, where: trouble})
        if trouble.times == 1:
            self.deps.warn(
                "run is kept from going on", run_id=self.run.run_id, where=where, code=code
            )
        if trouble.stops and self.run.stop is None:
            self.stop(StopReason(code, text))
        return trouble

    def note_success(self, where: str) -> None:
        """Nothing keeps the run from going on at this place."""
        if where in self.run.troubles:
            self.deps.store.runs.end_trouble(self.run, where)
            left = {name: known for name, known in self.run.troubles.items() if name != where}
            self.run = replace(self.run, troubles=left)

    def trouble(self, where: str) -> Trouble | None:
        """What keeps the run from going on at this place."""
        return self.run.troubles.get(where)

    @property
    def cannot_ask(self) -> Trouble | None:
        """Why the vendor will not be asked any more: it could not be read for so long."""
        trouble = self.trouble(POLL)
        return trouble if trouble is not None and trouble.ends_asking else None

    def stop(self, stop: StopReason) -> None:
        """Nothing more of the run is sent, by this lane from now on and by others soon."""
        self.patience.set()
        self.deps.store.runs.stop(self.run.run_id, stop)
        self.run = replace(self.run, stop=self.run.stop or stop)

    def told(self, told: RateReading) -> None:
        """Keep the limits that the vendor's headers name."""
        limits = self.deps.store.limits
        if told.requests_limit and told.requests_limit != self._advertised_rate:
            limits.advertised_rate(self.run.connection, told.requests_limit)
            self.requests = limits.requests(self.run.connection)
            self._advertised_rate = told.requests_limit
        if told.jobs_limit and told.jobs_limit != self._advertised_jobs:
            limits.advertised_jobs(self.run.connection, told.jobs_limit)
            self._advertised_jobs = told.jobs_limit
        if told.requests_remaining == 0 and told.resets_in:
            limits.block(self.run.connection, self.deps.now() + told.resets_in)

    def note_ended(self, chunk: Chunk, at: float) -> float:
        """Learn from a job that was seen ended; returns when it probably did."""
        if chunk.submitted_at is None:
            return at
        ages = (
            self.seen.pop(chunk.number, chunk.submitted_at) - chunk.submitted_at,
            at - chunk.submitted_at,
        )
        self.estimated_end.pop(chunk.number, None)
        self.observed[chunk.rows].append(ages)
        self.latency = learned(self.latency, [ages])
        return chunk.submitted_at + likely_end(self.latency, *ages)

    # lost submissions

    def read_claimed_jobs(self) -> Mapping[str, float] | None:
        """Which jobs are whose, as `ClaimedJobs.read`; soon enough for the lane's other work."""
        until = min(self.deps.now() + READ_CLAIMED_SECONDS, self.deadline)
        return self.known_jobs.read(until)

    def searched(self, requests: int) -> None:
        """Count the requests of a search, which the meter has paid for."""
        self.counts["other"] += requests

    # how it ends

    def commit(self, moment: float, *, laps: int = 0) -> LaneState:
        """Note what was used and learned.

        Args:
            moment: when the lane goes on.

        Returns:
            The state with what is to be settled next, which waits until that moment.
        """
        store, run, state = self.deps.store, self.run, self.state
        self.linked.client.meter = None
        self.count_requests()
        remember(self.known_jobs, state.lane)
        if self.observed:
            learn_latencies(store.limits, run.connection, run.operation, self.observed)
        spent = 1000 * (self.deps.now() - self.began_at)
        self.counts["gb_ms"] += round(spent * self.deps.settings.memory_gb)
        self.counts["laps"] += laps
        self.counts["write_units"] += store.write_units() - self.units_before + 1
        self.counts["read_units"] += store.read_units() - self.reads_before
        now = self.deps.now()
        going_at = moment if moment < NEVER else now + bounds.MAX_POLL_INTERVAL
        if self.has_no_share:
            idle = min(state.idle, lanes.IDLE_IN_RAMP) if self.ramping else state.idle
            going_at = max(going_at, lanes.idle_until(now, idle))
        ended = laps and not self.goes_on and not self.to_settle
        alive_until = 0.0 if ended else max(now, going_at)
        store.runs.count(run, state.lane, self.counts, alive_until=alive_until)
        finished = sorted(chunk.number for chunk in self.to_settle)
        return state.then(
            settle=tuple(map(tuple, lanes.settle_groups(finished))),
            last_polled_at=self.last_polled_at,
            idle=state.idle + 1 if self.has_no_share else 0,
            wait_until=timestamp(going_at),
        )


def open_lane(state: LaneState, deps: Deps, deadline: float) -> LaneSession | None:
    """Take up a lane; None when its run is closed."""
    began_at, units_before = deps.now(), deps.store.write_units()
    reads_before = deps.store.read_units()
    run = deps.store.runs.must_get(state.run_id)
    if run.status.closed or run.forced:
        return None
    linked = deps.connections.link(run.connection)
    if account_moved(run, linked.connection):
        pause_moved_account(run, linked.connection, deps)
        return None
    known = deps.store.limits.latencies(run.connection, run.operation)
    work: LaneSession = LaneSession(
        state=state,
        run=run,
        context=load_context(run, deps),
        linked=linked,
        deps=deps,
        deadline=deadline,
        began_at=began_at,
        units_before=units_before,
        reads_before=reads_before,
        chunks={
            c.number: c for c in deps.store.chunks.in_flight(run.connection, run.run_id, state.lane)
        },
        latency=known.get(""),
        limits=deps.store.limits.get(run.connection),
        requests=deps.store.limits.requests(run.connection),
        known_jobs=known_jobs(run, state.lane, deps),
        meter=Meter(deps.store.limits, run.connection, lambda: work.account_limit(), deps.now),  # noqa: PLW0108
        last_polled_at=state.last_polled_at,
    )
    linked.client.meter = work.meter
    for chunk in work.in_state(ChunkState.SUBMITTED):
        submitted_at = chunk.submitted_at or 0.0
        work.seen[chunk.number] = max(submitted_at, state.last_polled_at)
    work.refresh()
    return work


def going_on(state: LaneState, work: LaneSession) -> LaneState:
    """The state after a lap: done, to be renewed, or still at work."""
    events = state.events + lanes.events_of_iteration(len(state.settle))
    if not work.busy and not work.left and not state.settle:
        going = LaneRoute.DONE
    elif _is_long(state, events) or _is_old(state, work) or _misses_a_lane(state, work):
        going = LaneRoute.RENEW
        work.deps.store.runs.relaunch(work.run.run_id, 0, -1)
    else:
        going = LaneRoute.WORKING
    return state.then(iteration=state.iteration + 1, events=events, state=going)


def _is_long(state: LaneState, events: int) -> bool:
    """Whether the history is long enough. What its last iteration has found is settled by the
    next lane, so each lane settles what its first one has found, or none ever would."""
    return events >= lanes.MAX_EVENTS and state.iteration > 0


def _is_old(state: LaneState, work: LaneSession) -> bool:
    return work.deps.now() - state.began_at >= lanes.RENEW_SECONDS


def _misses_a_lane(state: LaneState, work: LaneSession) -> bool:
    """Whether another lane of the run has died: a fresh one reads its jobs when all are renewed."""
    if work.run.lanes <= 1:
        return False
    now = work.deps.now()
    heard = work.deps.store.runs.alive_until(work.run.run_id)
    dead = [
        lane
        for lane in range(work.run.lanes)
        if lane != state.lane
        and lanes.is_dead(heard.get(lane, state.began_at), state.began_at, now)
    ]
    if dead:
        work.deps.warn("lanes are silent", run_id=work.run.run_id, lanes=dead)
    return bool(dead)
