"""All that a lane knows when it decides what to do next: values, and no rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobferry.domain.connection import ConnectionLimits, Demand, RequestLog
from jobferry.domain.latency import Latency
from jobferry.scheduler.completion import NO_CORRECTION, Correction, InFlight
from jobferry.scheduler.others import NO_OTHERS, OthersJobs

NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Offer:
    """What of its run's pool a lane may claim now.

    Attributes:
        claimable: chunks.
        more_at: when chunks of retried rows may be claimed that wait for their backoff.
        held: chunks are left, and none may be sent before others are settled.
    """

    claimable: int = 0
    more_at: float = NEVER
    held: bool = False


NO_OFFER = Offer()


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """All that decides what a lane does next. Moments are epoch seconds.

    Attributes:
        jobs: in flight, submitted by this lane.
        ready: chunks that are claimed, and that nothing was sent of.
        searches: for each submission whose answer was lost, when it is to be searched for.
        to_settle: chunks whose jobs have ended, and whose results wait.
        left: chunks of the run that nobody has claimed; 0 while it is paused.
        stopped: nothing more of the run is sent.
        offer: what of these the lane may claim now.
        limits: of the connection.
        requests: of the connection in the last minute.
        request_budget: requests a minute that the operator allows; None: no limit.
        share: the part of the vendor's own rate limit that is ours.
        run_id, demands: runs that want slots of the connection, this one among them.
        lane, lanes: number of this lane, and how many the run has.
        in_order: the run has one job in flight at a time.
        ramping: the run is still to be judged by its first jobs; only lane 0 sends them.
        latency: how long jobs take; None: nothing is known.
        vendor_max_jobs: jobs that an account may have in flight, as the vendor documents it.
        refuses_excess: the vendor refuses one job more, and does nothing.
        poll_batch: jobs that one poll reads.
        correction: what answers since the last poll have proven of the estimate.
        others: jobs of other lanes, as far as it can be told.
        answer_seconds: what a submission takes.
        last_polled_at: 0 before the first poll.
        poll_not_before, submit_not_before: what the last attempt was told, or has learned.
        refused, refused_at: submissions in a row that found no slot, and when the last one did.
        failing_until: no submission before this, where the last ones did not go well.
        doubtful: it is not clear that another submission goes well: one is tried alone.
        proven: something of the run was accepted before.
        stale: results are so old that they must be read before anything else is sent.
    """

    jobs: Sequence[InFlight] = ()
    ready: int = 0
    searches: Sequence[float] = ()
    to_settle: int = 0
    left: int = 0
    stopped: bool = False
    offer: Offer = NO_OFFER
    limits: ConnectionLimits = field(default_factory=lambda: ConnectionLimits(0, 1))
    requests: RequestLog = field(default_factory=RequestLog)
    request_budget: int | None = None
    share: float = 1.0
    run_id: str = ""
    demands: Sequence[Demand] = ()
    lane: int = 0
    lanes: int = 1
    in_order: bool = False
    ramping: bool = False
    latency: Latency | None = None
    vendor_max_jobs: int = 1
    refuses_excess: bool = False
    poll_batch: int = 1
    correction: Correction = NO_CORRECTION
    others: OthersJobs = NO_OTHERS
    answer_seconds: float = 0.3
    last_polled_at: float = 0.0
    poll_not_before: float = 0.0
    submit_not_before: float = 0.0
    refused: int = 0
    refused_at: float = 0.0
    failing_until: float = 0.0
    doubtful: bool = False
    proven: bool = False
    stale: bool = False

    @property
    def busy(self) -> int:
        """Chunks that hold a slot."""
        return len(self.jobs) + self.ready + len(self.searches)

    @property
    def wants_more(self) -> bool:
        """Whether chunks are left to be sent."""
        return not self.stopped and bool(self.left or self.ready)
