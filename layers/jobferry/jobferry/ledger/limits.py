"""What one connection may do now, shared by all its runs."""

from __future__ import annotations

from dataclasses import dataclass

from jobferry.ledger import keys
from jobferry.ledger.table import ConditionFailedError, Table, Update


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a connection as they stand.

    in_flight      slots taken: claimed and submitted chunks of all runs
    max_jobs       the ceiling for it
    blocked_until  epoch seconds before which no request may be sent (Retry-After)
    full_until     epoch seconds before which no job may be submitted (the vendor said: too many)
    window         the minute in which `used` requests were taken
    """

    in_flight: int
    max_jobs: int
    blocked_until: float = 0.0
    full_until: float = 0.0
    window: int = 0
    used: int = 0

    @property
    def free(self) -> int:
        return max(0, self.max_jobs - self.in_flight)


# Lanes that take requests at the same moment meet here; each try lets one of them pass.
_TRIES = 50


class LimitsOf:
    """Access to `CONN#<name>/LIMITS`."""

    def __init__(self, table: Table) -> None:
        self._table = table

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

    def get(self, connection: str) -> Limits:
        item = self._table.get(keys.connection(connection), keys.LIMITS) or {}
        return Limits(
            in_flight=item.get("in_flight", 0),
            max_jobs=item.get("max_jobs", 1),
            blocked_until=item.get("blocked_until", 0.0),
            full_until=item.get("full_until", 0.0),
            window=item.get("window", 0),
            used=item.get("used", 0),
        )

    def take_requests(self, connection: str, wanted: int, budget: int, minute: int) -> int:
        """Take up to `wanted` of the `budget` of requests of one minute; returns how many.

        Requests taken and not sent are lost: the minute is over soon.
        """
        for _ in range(_TRIES):
            limits = self.get(connection)
            used = limits.used if limits.window == minute else 0
            granted = max(0, min(wanted, budget - used))
            if granted == 0:
                return 0
            try:
                self._table.write(
                    Update(
                        keys.connection(connection),
                        keys.LIMITS,
                        assign={"window": minute, "used": used + granted},
                        condition="attribute_not_exists(#w) OR (#w = :was AND #u = :used)",
                        names={"#w": "window", "#u": "used"},
                        values={":was": limits.window, ":used": limits.used},
                    )
                )
            except ConditionFailedError:
                continue  # another lane took some in between
            return granted
        return 0

    def block(self, connection: str, until: float) -> None:
        """No request before `until`, for every lane of every run."""
        self._extend(connection, "blocked_until", until)

    def full(self, connection: str, until: float) -> None:
        """No submission before `until`: the vendor has no slot for us."""
        self._extend(connection, "full_until", until)

    def _extend(self, connection: str, attribute: str, until: float) -> None:
        try:
            self._table.write(
                Update(
                    keys.connection(connection),
                    keys.LIMITS,
                    assign={attribute: until},
                    condition="attribute_not_exists(#a) OR #a < :until",
                    names={"#a": attribute},
                    values={":until": until},
                )
            )
        except ConditionFailedError:
            return  # somebody was told to wait longer still
