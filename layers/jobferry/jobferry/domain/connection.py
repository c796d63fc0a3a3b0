"""A vendor account: how to reach it, what it may do now, and which runs want its slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WEIGHTS = {"lowest": 1, "low": 2, "medium": 4, "high": 8, "highest": 16, "immediate": 64}


@dataclass(frozen=True, slots=True)
class Demand:
    """A run that wants slots.

    Attributes:
        need: jobs that it has in flight or could start now
    """

    run_id: str
    priority: str
    need: int

    @property
    def weight(self) -> int:
        return WEIGHTS.get(self.priority, WEIGHTS["medium"])


Log = tuple[tuple[int, int], ...]
"""(second, requests granted in it), oldest first."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A limit found out by running into it: `value` at the moment `at` (epoch seconds)."""

    value: float
    at: float


OUTAGE_FROM = 3
"""Submissions in a row without a clear answer from which on the vendor is taken to be out."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of a connection as they stand.

    Attributes:
        in_flight: slots taken: claimed and submitted chunks of all runs
        taken: slots that were ever taken, those given back unused not among them: with `in_flight`
            it tells how many were freed
        ceiling: the most that the operator and the vendor's documentation allow
        advertised_jobs: the slots that the vendor's own headers name
        learned_jobs: the slots found to be there, when the vendor refused one more
        over_limit_penalised: one job too many is answered with a time of penalty, so none is tried
        retry_after_until: epoch seconds before which no request may be sent (Retry-After)
        throttles: how often the vendor has asked for a wait, of all lanes; those that ask at the
            same moment count once
        no_slot_at: when a submission last found no slot, of the lanes that share the connection
        no_slot_jobs: jobs that were taken to be in flight by then
        no_slot_until: epoch seconds before which no job may be submitted (the vendor said: too
            many)
        unclear: submissions in a row that got no clear answer, of all lanes
        unclear_since: when the first of them was over (epoch seconds)
        outage_until: epoch seconds before which no job may be submitted, because of these
        outages: from when to when the last outages were (epoch seconds)
    """

    in_flight: int
    ceiling: int
    advertised_jobs: int | None = None
    learned_jobs: Learned | None = None
    over_limit_penalised: bool = False
    retry_after_until: float = 0.0
    no_slot_until: float = 0.0
    no_slot_at: float = 0.0
    no_slot_jobs: int = 0
    unclear: int = 0
    unclear_since: float = 0.0
    outage_until: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    taken: int = 0
    throttles: int = 0

    @property
    def in_outage(self) -> bool:
        """Whether so many submissions in a row got no clear answer that the vendor is to blame."""
        return self.unclear >= OUTAGE_FROM

    def was_outage(self, moment: float) -> bool:
        """Whether a submission that was over at this moment met an outage."""
        if self.in_outage and moment >= self.unclear_since:
            return True
        return any(since <= moment <= until for since, until in self.outages)


@dataclass(frozen=True, slots=True)
class RequestLog:
    """Requests of the last minute, by limit, and the limit that was learned.

    Attributes:
        advertised: requests a minute that the vendor's own headers name
    """

    logs: Mapping[str, Log] = field(default_factory=dict)
    learned: Learned | None = None
    advertised: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """One vendor account. Its secret lies elsewhere, under the connection's name.

    Attributes:
        share: the part of the request rate that Jobferry may use; the rest stays for people
        by: who has put it so, as far as known
    """

    name: str
    vendor: str
    base_url: str
    max_jobs: int | None = None
    requests_per_minute: int | None = None
    share: float = 1.0
    by: str | None = field(default=None, compare=False)

    @property
    def request_budget(self) -> int | None:
        """Requests a minute that Jobferry may send, all runs together; None: as the vendor lets."""
        if self.requests_per_minute is None:
            return None
        return max(2, int(self.requests_per_minute * self.share))
