"""Jobs of the other lanes of a connection, as far as a lane can tell. Pure.

A lane knows when each of its own jobs was sent. Of all others it knows what the connection counts:
slots that are taken, slots that were ever taken, and the last refusal. Jobs that are in flight end
at a rate of one in the mean length of a job; each count and each refusal sets the estimate right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from jobferry.domain.connection import ConnectionLimits


@dataclass(frozen=True, slots=True)
class OthersJobs:
    """Slots that other lanes hold, and how many of their jobs have ended.

    Attributes:
        held: slots of other lanes.
        ended: jobs in these that have ended, and that no poll has seen ended, on average.
        at: epoch seconds by which that was so; 0: nothing is known yet.
        freed: slots that other lanes have freed, counted from anywhere.
    """

    held: int = 0
    ended: float = 0.0
    at: float = 0.0
    freed: int = 0

    def ended_by(self, moment: float, mean: float) -> float:
        """How many have ended by then, on average.

        Args:
            mean: seconds that a job takes.
        """
        running = max(0.0, self.held - self.ended)
        return self.held - running * math.exp(-max(0.0, moment - self.at) / max(mean, 1e-3))

    def set_right(self, at: float, ended: float) -> OthersJobs:
        """The same when it is known how many have ended."""
        return replace(self, at=max(at, self.at), ended=min(float(self.held), max(0.0, ended)))

    def counted(
        self, limits: ConnectionLimits, holding: int, freed: int, now: float, mean: float
    ) -> OthersJobs:
        """The estimate after the connection was read again.

        Args:
            holding: slots that this lane holds.
            freed: slots that it has freed.
        """
        held = max(0, limits.in_flight - holding)
        freed_by_others = limits.taken - limits.in_flight - freed
        if not self.at:
            return OthersJobs(held, 0.0, now, freed_by_others)
        # What others' polls have seen ended is no longer among what nobody has seen.
        seen = max(0, freed_by_others - self.freed)
        ended = min(float(held), max(0.0, self.ended_by(now, mean) - seen))
        return OthersJobs(held, ended, now, freed_by_others)

    def has_taken_more(self, before: OthersJobs) -> bool:
        """Whether others have taken slots since then, as far as is known."""
        return not before.at or self.held + self.freed > before.held + before.freed


NO_OTHERS = OthersJobs()
