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
    """

    in_flight: int
    max_jobs: int
    blocked_until: float = 0.0
    full_until: float = 0.0

    @property
    def free(self) -> int:
        return max(0, self.max_jobs - self.in_flight)


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
        )

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
