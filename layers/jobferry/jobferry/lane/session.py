"""One lane in one invocation: what it knows, as a snapshot for the scheduler, and what happened.

The table is read once when the invocation begins, and then followed: `snapshot` is what
`scheduler.policy` decides by, and the `note_…` methods apply what came of it. Threads that submit
side by side share a session; what they change is changed under its lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event, RLock

from jobferry.binding.run_binding import RunContext, load_context
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.domain.connection import ConnectionLimits, Demand, RequestLog
from jobferry.domain.run import Run, StopReason
from jobferry.domain.trouble import (
    POLL,
    SOURCE,
    SUBMIT,
    VENDOR_THROTTLES,
    VENDOR_UNAVAILABLE,
    Trouble,
)
from jobferry.lane import connection_requests as requests_of
from jobferry.lane.absence import searches_of
from jobferry.lane.chunks_in_hand import ChunksInHand
from jobferry.lane.claimed_jobs import ClaimedJobs, JobsOfOthers, known_jobs
from jobferry.lane.demand import DemandSaid, slots_of_use
from jobferry.lane.job_ages import JobAges
from jobferry.lane.moved_account import account_moved, pause_moved_account
from jobferry.lane.pace import Pace, Usage
from jobferry.lane.request_meter import Meter
from jobferry.lane.state import LaneState
from jobferry.scheduler import policy, ramp, rate_limit
from jobferry.scheduler.completion import NO_CORRECTION, CompletionEstimate, can_estimate
from jobferry.scheduler.settings import SchedulerSettings
from jobferry.scheduler.snapshot import LaneSnapshot
from jobferry.vendors.connections import BoundConnection

_RETRIED_BY_THEMSELVES = (VENDOR_THROTTLES, VENDOR_UNAVAILABLE)
"""The vendor says when a throttled request may be sent again; an outage has a time of its own."""


@dataclass
class LaneSession:
    """One lane in the hands of one invocation.

    Attributes:
        deadline: epoch seconds after which no request may be begun.
        chunks: its chunks that are claimed, submitted or finished.
        ages: what polls have shown of its jobs.
        limits: of the connection, as last read.
        requests: of the connection in the last minute, as last read.
        demands: of the runs of the connection, as last read.
        claimed_jobs: jobs that are not those of lost submissions.
        meter: pays for the requests of the client.
        throttled: the vendor asked for a pause: nothing more is sent in this round.
        left: chunks of the run that nobody has claimed.
        ramping: the run is still to be judged by its first jobs.
        retry_from: when chunks of retried rows may be sent, by number.
        warned: what the vendor warned of since the run was read.
        knows_jobs: how long jobs take was known to the connection.
    """

    state: LaneState
    run: Run
    context: RunContext
    linked: BoundConnection
    deps: Deps
    deadline: float
    chunks: ChunksInHand
    ages: JobAges
    limits: ConnectionLimits
    requests: RequestLog
    claimed_jobs: ClaimedJobs
    usage: Usage
    pace: Pace
    meter: Meter = field(init=False)
    demands: Sequence[Demand] = ()
    throttled: Event = field(default_factory=Event)
    left: int = 0
    ramping: bool = False
    retry_from: dict[int, float] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)
    knows_jobs: bool = True
    _lock: RLock = field(default_factory=RLock)
    _refreshed_at: float = 0.0
    _said: DemandSaid = field(default_factory=DemandSaid)

    def __post_init__(self) -> None:
        self.meter = Meter(
            self.deps.store.limits, self.run.connection, self.account_limit, self.deps.now
        )
        self.linked.client.meter = self.meter

    @property
    def settings(self) -> SchedulerSettings:
        return self.deps.scheduling

    # what the scheduler decides by

    def snapshot(self) -> LaneSnapshot:
        """All that decides what the lane does next, as it is known now."""
        run, vendor = self.run, self.linked.vendor.capabilities
        connection, pace = self.linked.connection, self.pace
        submitted = list(self.chunks.submitted.values())
        doubts = self._doubts()
        return LaneSnapshot(
            jobs=self.ages.in_flight(submitted),
            ready=len(self.chunks.ready),
            searches=tuple(self.search_at(chunk) for chunk in self.chunks.lost),
            to_settle=len(self.to_settle),
            left=self.left,
            stopped=run.stop is not None,
            offer=pace.offer,
            limits=self.limits,
            requests=self.requests,
            request_budget=connection.request_budget,
            share=connection.share,
            run_id=run.run_id,
            demands=self.demands,
            lane=self.state.lane,
            lanes=run.lanes,
            in_order=self.context.profile.in_order,
            ramping=self.ramping,
            latency=self.ages.latency,
            vendor_max_jobs=vendor.max_jobs,
            refuses_excess=vendor.refuses_excess,
            poll_batch=vendor.poll_batch,
            correction=pace.correction,
            others=pace.others,
            answer_seconds=pace.answer_seconds,
            last_polled_at=pace.last_polled_at,
            poll_not_before=pace.poll_not_before,
            submit_not_before=pace.submit_not_before,
            refused=pace.refused,
            refused_at=pace.refused_at,
            failing_until=max((trouble.next_try for trouble in doubts), default=0.0),
            doubtful=bool(doubts) or self.limits.in_outage,
            proven=run.jobs_settled > 0,
            stale=self.ages.go_stale(
                submitted,
                self.usage.began_at,
                self.deps.now() - self.settings.stale_result_part * vendor.retention_seconds,
            ),
        )

    def estimate(self) -> CompletionEstimate | None:
        """Which jobs may be estimated complete, as far as it is known now."""
        return policy.estimate_of(self.snapshot(), self.deps.now(), self.settings)

    def search_at(self, chunk: Chunk) -> float:
        """When a lost submission is searched for, or searched for once more."""
        return max(searches_of(chunk).next_at, self.pace.search_not_before.get(chunk.number, 0.0))

    def _doubts(self) -> list[Trouble]:
        """What makes it doubtful that another submission goes well."""
        troubles = (self.run.troubles.get(where) for where in (SUBMIT, SOURCE))
        return [t for t in troubles if t is not None and t.code not in _RETRIED_BY_THEMSELVES]

    @property
    def to_settle(self) -> list[Chunk]:
        """Chunks whose jobs have ended, and that nobody settles beside this iteration."""
        in_hand = {number for group in self.state.settling for number in group}
        return [chunk for chunk in self.chunks.finished if chunk.number not in in_hand]

    @property
    def goes_on(self) -> bool:
        """Whether anything is in flight or left to be sent."""
        return bool(self.left or self.chunks.holding_slots)

    # what others have done

    def read_limits(self) -> ConnectionLimits:
        """The limits as they stand now, for what is decided by them at once."""
        self.limits = self.deps.store.limits.get(self.run.connection)
        with self._lock:
            seen, now = self.snapshot(), self.deps.now()
            known = policy.followed(seen, self.chunks.freed, now, self.settings)
            self.pace.correction, self.pace.others = known
        return self.limits

    def refresh(self) -> None:
        """See what others did to the run, and what other runs demand."""
        now = self.deps.now()
        if now < self._refreshed_at + self.settings.refresh_seconds:
            return
        store = self.deps.store
        self.run = store.runs.must_get(self.run.run_id)
        self.requests = store.limits.requests(self.run.connection)
        self._refreshed_at = now
        if self.run.status.closed or self.run.forced:
            # Somebody else has brought it to its end, or does: nothing is left to do or to ask for.
            self.left = 0
            self.chunks.clear()
            return
        run, pool = self.run, store.chunks.pool(self.run.run_id)
        # What is left of a paused run is not this lane's to wait for.
        self.left = 0 if run.paused else pool.left
        # After a trial or a pause a person has said yes.
        judged = bool(run.processed_seen) or run.stop is not None
        ramping = ramp.is_on(pool.cursor) and pool.cursor < pool.end
        self.ramping = self.context.ramps and not judged and ramping
        self._put_demand(now)
        self.demands = store.limits.demands(run.connection, now)

    def _put_demand(self, now: float) -> None:
        """Say what the run demands, where that is due."""
        more, ramping = bool(self.left), self.ramping
        if not self._said.is_due(now, more=more, ramping=ramping, settings=self.settings):
            return
        holding = len(self.chunks.holding_slots) * self.run.lanes
        in_order = self.context.profile.in_order
        jobs = slots_of_use(self.left, holding, ramping=ramping, in_order=in_order)
        demand = Demand(self.run.run_id, self.run.priority, jobs)
        self.deps.store.limits.need(self.run.connection, demand, now)

    def reload(self, numbers: Sequence[int]) -> None:
        """Read chunks again that somebody else may have moved."""
        self.chunks.drop(numbers)
        found = self.deps.store.chunks.get(self.run.run_id, numbers)
        self.chunks.keep(c for c in found if c.lane == self.state.lane and c.in_flight)

    # requests

    def account_limit(self) -> dict[str, int]:
        """Requests a minute of the whole account, where a limit is known."""
        connection = self.linked.connection
        per_minute = rate_limit.per_minute(
            self.requests, connection.request_budget, connection.share, self.deps.now()
        )
        return {} if per_minute is None else {rate_limit.ACCOUNT: per_minute}

    def take_requests(
        self,
        wanted: int,
        limits: Mapping[str, int],
        *,
        kept: int = 0,
        part: float = 1.0,
        seconds_each: float = 0.0,
    ) -> tuple[int, float]:
        """Take requests from what all lanes of the connection share (`rate_limit.grant`).

        Returns:
            How many were granted, and from when on more will be. While no limit is known all are,
            and they are only counted.
        """
        now = self.deps.now()
        if not limits:
            self.usage.uncounted += wanted
            return wanted, now
        return requests_of.take_requests(
            self.deps.store.limits,
            self.run.connection,
            wanted,
            limits,
            now,
            kept=kept,
            part=part,
            seconds_each=seconds_each,
        )

    def count(self, **made: int) -> None:
        """Count what was used."""
        with self._lock:
            self.usage.counts.update(made)

    def jobs_of_others(self, chunk: Chunk) -> JobsOfOthers:
        """The jobs that are not those of a chunk's lost submission."""
        return self.claimed_jobs.beside(chunk, self.deadline)

    # what happened

    def note_sending(self, sent: Chunk) -> None:
        """The intent is written, and the request leaves."""
        self.chunks.keep([sent])
        self.count(submit=1)

    def note_accepted(self, job: Chunk | None, seconds: float) -> None:
        """A submission was accepted: if all slots were taken before, jobs have ended.

        Args:
            job: the chunk with its job; None: it is not this lane's any more.
            seconds: what it took.
        """
        self.chunks.keep([job] if job is not None else [])
        with self._lock:
            self.pace.refused = 0
            self.pace.answer_seconds += 0.2 * (seconds - self.pace.answer_seconds)
            if (estimate := self.estimate()) is not None:
                self._keep_estimate(estimate.after_acceptance(self.deps.now()))

    def note_no_slot(self) -> None:
        """A submission came too early: as many jobs as there may be are still in flight."""
        now, held = self.deps.now(), self.limits.in_flight - len(self.chunks.without_job)
        with self._lock:
            self.pace.refused += 1
            self.pace.refused_at = now
            if (estimate := self.estimate()) is not None:
                self._keep_estimate(estimate.after_refusal(now, held))
        if self.limits.in_flight > len(self.chunks.holding_slots):
            self.deps.store.limits.note_no_slot(self.run.connection, held, now)

    def _keep_estimate(self, known: CompletionEstimate) -> None:
        self.pace.correction, self.pace.others = known.correction, known.others

    def note_slots_used_up(self) -> None:
        """The vendor's headers say that no more jobs may be started: the next poll tells more."""
        with self._lock:
            self.pace.refused = max(self.pace.refused, self.settings.refusals_before_poll)
            self.pace.refused_at = self.deps.now()

    def note_polled(self, now: float) -> None:
        """What was concluded before the poll is known better now."""
        pace = self.pace
        pace.refused, pace.correction, pace.last_polled_at = 0, NO_CORRECTION, now
        pace.pool = None

    def refresh_soon(self) -> None:
        """Rows were counted, or the run was paused: read it again before anything else is done."""
        self._refreshed_at = 0.0

    def note_released(self, number: int) -> None:
        """A chunk went back to the pool: it is no longer this lane's, but left to be sent."""
        self.chunks.drop([number])
        with self._lock:
            self.left += 1

    def note_claimed(self, chunks: Sequence[Chunk]) -> None:
        self.chunks.keep_claimed(chunks)
        with self._lock:
            self.left -= len(chunks)
            offer = self.pace.offer
            claimable = max(0, offer.claimable - len(chunks))
            self.pace.offer = replace(offer, claimable=claimable)

    def wait_for_requests(self, until: float) -> None:
        """No request is left before this moment."""
        with self._lock:
            self.pace.poll_not_before = max(self.pace.poll_not_before, until)
            self.pace.submit_not_before = max(self.pace.submit_not_before, until)

    def stop(self, reason: StopReason) -> None:
        """Nothing more of the run is sent, by this lane from now on and by others soon."""
        self.throttled.set()
        self.deps.store.runs.stop(self.run.run_id, reason)
        with self._lock:
            self.run = replace(self.run, stop=self.run.stop or reason)

    def keep_trouble(self, where: str, trouble: Trouble | None) -> None:
        """What keeps the run from going on at a place; None: nothing does any more."""
        with self._lock:
            others = {name: each for name, each in self.run.troubles.items() if name != where}
            now = others if trouble is None else {**others, where: trouble}
            self.run = replace(self.run, troubles=now)

    @property
    def cannot_ask(self) -> Trouble | None:
        """Why the vendor will not be asked any more: it could not be read for so long."""
        trouble = self.run.troubles.get(POLL)
        return trouble if trouble is not None and trouble.ends_asking else None


def open_session(state: LaneState, deps: Deps, deadline: float) -> LaneSession | None:
    """Take up a lane; None when its run is closed."""
    store = deps.store
    usage = Usage(deps.now(), store.write_units(), store.read_units())
    run = store.runs.must_get(state.run_id)
    if run.status.closed or run.forced:
        return None
    linked = deps.connections.link(run.connection)
    if account_moved(run, linked.connection):
        pause_moved_account(run, linked.connection, deps)
        return None
    held = store.chunks.held(run.connection, run.run_id, state.lane)
    chunks = ChunksInHand(held.chunks, held.spent)
    submitted = chunks.in_state(ChunkState.SUBMITTED)
    latency = store.limits.latencies(run.connection, run.operation).get("")
    session = LaneSession(
        state=state,
        run=run,
        context=load_context(run, deps),
        linked=linked,
        deps=deps,
        deadline=deadline,
        chunks=chunks,
        ages=JobAges(latency, submitted, state.last_polled_at),
        limits=store.limits.get(run.connection),
        requests=RequestLog(),
        claimed_jobs=known_jobs(run, state.lane, deps),
        usage=usage,
        pace=Pace(state.last_polled_at, answer_seconds=deps.scheduling.answer_seconds),
        knows_jobs=can_estimate(latency, deps.scheduling),
    )
    session.refresh()
    return session
