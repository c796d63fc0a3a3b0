"""What one connection may do now, shared by all its runs: slots, and moments to wait for.

`ConnectionLimitsStore` is all that is kept of a connection. Slots and moments stand in `LIMITS`,
requests in `REQUESTS`: they change at different times, and writers of the one need not wait for
those of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from jobferry.domain.connection import ConnectionLimits
from jobferry.store import keys
from jobferry.store.demands import Demands
from jobferry.store.learned import LearnedLatencies, learned_of
from jobferry.store.operations import Update
from jobferry.store.request_log import RequestLogs
from jobferry.store.table import ConditionFailedError

OUTAGES = 10
"""Outages that are remembered: what was lost in one is not held against its rows."""


class ConnectionLimitsStore(RequestLogs, Demands, LearnedLatencies):
    """Access to `CONN#<name>`: LIMITS, REQUESTS, what runs need, what was learned of operations."""

    def ensure(self, connection: str, max_jobs: int) -> None:
        """Make the limits of a connection, or set its ceiling; slots in use stay as they are."""
        self._table.write(
            Update(
                keys.connection(connection),
                keys.LIMITS,
                assign={"max_jobs": max_jobs},
                assign_once={"in_flight": 0},
            )
        )

    def get(self, connection: str) -> ConnectionLimits:
        item = self._table.get(keys.connection(connection), keys.LIMITS) or {}
        return ConnectionLimits(
            in_flight=item.get("in_flight", 0),
            taken=item.get("taken", 0),
            ceiling=item.get("max_jobs", 1),
            advertised_jobs=item.get("told_jobs"),
            learned_jobs=learned_of(item.get("learned_jobs")),
            over_limit_penalised=item.get("excess_costs", False),
            retry_after_until=item.get("blocked_until", 0.0),
            no_slot_until=item.get("full_until", 0.0),
            no_slot_at=item.get("full_at", 0.0),
            no_slot_jobs=item.get("full_with", 0),
            unclear=item.get("unclear", 0),
            unclear_since=item.get("unclear_since", 0.0),
            outage_until=item.get("outage_until", 0.0),
            throttles=item.get("throttles", 0),
            outages=tuple((since, until) for since, until in item.get("outages", ())),
        )

    def learn_jobs(self, connection: str, jobs: int, now: float) -> None:
        """The vendor has this many slots for us at the moment."""
        self._set(connection, {"learned_jobs": [max(1, jobs), now]})

    def advertised_jobs(self, connection: str, jobs: int) -> None:
        """The vendor's headers name its slots."""
        self._set(connection, {"told_jobs": jobs})

    def note_no_slot(self, connection: str, jobs: int, now: float) -> None:
        """A submission found no slot when so many jobs were taken to be in flight."""
        self._set(connection, {"full_at": now, "full_with": jobs})

    def note_over_limit_penalty(self, connection: str) -> None:
        """One job too many was answered with a wait: no slot is tried on estimate any more."""
        self._set(connection, {"excess_costs": True})

    def block(self, connection: str, until: float) -> None:
        """No request before `until`, for every lane of every run."""
        self._extend(connection, "blocked_until", until, counted="throttles")

    def full(self, connection: str, until: float) -> None:
        """No submission before `until`: the vendor has no slot for us."""
        self._extend(connection, "full_until", until)

    def unblock(self, connection: str) -> None:
        """Forget every wait that a vendor asked for: an operator knows better."""
        with suppress(ConditionFailedError):  # nothing was ever asked of it
            self._table.write(
                Update(
                    keys.connection(connection),
                    keys.LIMITS,
                    remove=("blocked_until", "full_until", "outage_until"),
                    condition="attribute_exists(pk)",
                )
            )

    def note_unclear(self, connection: str, now: float, *, weight: int = 1) -> ConnectionLimits:
        """A submission got no clear answer.

        Args:
            weight: how many it counts for; `OUTAGE_FROM` where the vendor itself said that it is
                not available.

        Returns:
            The limits after it.
        """
        self._table.write(
            Update(
                keys.connection(connection),
                keys.LIMITS,
                assign_once={"unclear_since": now},
                add={"unclear": weight},
            )
        )
        return self.get(connection)

    def hold_submissions(self, connection: str, until: float) -> None:
        """No submission before `until`: the vendor gives no clear answers."""
        self._extend(connection, "outage_until", until)

    def end_outage(self, connection: str, limits: ConnectionLimits, now: float) -> None:
        """A submission got a clear answer: what was unclear before it counts no more.

        Args:
            limits: as they were read; what became unclear since then still counts.
        """
        over: dict[str, Any] = {}
        if limits.in_outage:
            over["outages"] = [*limits.outages, (limits.unclear_since, now)][-OUTAGES:]
        with suppress(ConditionFailedError):
            self._table.write(
                Update(
                    keys.connection(connection),
                    keys.LIMITS,
                    assign=over,
                    remove=("unclear", "unclear_since", "outage_until"),
                    condition="unclear = :seen",
                    values={":seen": limits.unclear},
                )
            )

    def note_miscount(self, connection: str, seen: int, held: int) -> None:
        """Slots in flight are not as many as chunks that hold one; None was read in between.

        It may pass, so that slots are only set right when the next count finds just the same.
        """
        self._set(connection, {"miscount": [seen, held]})

    def miscount(self, connection: str) -> tuple[int, int] | None:
        """(slots in flight, chunks that held one) of the last count, if they differed."""
        item = self._table.get(keys.connection(connection), keys.LIMITS) or {}
        found = item.get("miscount")
        return (found[0], found[1]) if found else None

    def forget_miscount(self, connection: str) -> None:
        self._table.write(Update(keys.connection(connection), keys.LIMITS, remove=("miscount",)))

    def set_in_flight(self, connection: str, seen: int, held: int) -> bool:
        """Set the slots in flight right, if they still are as they were seen."""
        try:
            self._table.write(
                Update(
                    keys.connection(connection),
                    keys.LIMITS,
                    assign={"in_flight": held},
                    remove=("miscount",),
                    condition="in_flight = :seen",
                    values={":seen": seen},
                )
            )
        except ConditionFailedError:
            return False
        return True

    def _set(self, connection: str, values: Mapping[str, Any]) -> None:
        self._table.write(Update(keys.connection(connection), keys.LIMITS, assign=values))

    def _extend(
        self, connection: str, attribute: str, until: float, counted: str | None = None
    ) -> None:
        try:
            self._table.write(
                Update(
                    keys.connection(connection),
                    keys.LIMITS,
                    assign={attribute: until},
                    add={} if counted is None else {counted: 1},
                    condition="attribute_not_exists(#a) OR #a < :until",
                    names={"#a": attribute},
                    values={":until": until},
                )
            )
        except ConditionFailedError:
            return  # somebody was told to wait longer still
