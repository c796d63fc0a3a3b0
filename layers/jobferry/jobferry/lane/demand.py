"""When a lane says what its run could use of the connection's slots, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from jobferry.scheduler import ramp
from jobferry.scheduler.settings import SchedulerSettings


@dataclass
class DemandSaid:
    """What a lane has said last.

    Attributes:
        at: epoch seconds; 0: nothing yet.
        more: chunks were left to be sent.
        ramping: the run was in its ramp.
    """

    at: float = 0.0
    more: bool = False
    ramping: bool = False

    def is_due(self, now: float, *, more: bool, ramping: bool, settings: SchedulerSettings) -> bool:
        """Whether it is to be said again, now and then; at once when nothing is left, since until
        then others keep away from its slots. Notes that it is."""
        all_sent, ramp_over = self.more and not more, self.ramping and not ramping
        if not (now >= self.at + settings.demand_seconds or all_sent or ramp_over):
            return False
        self.at, self.more, self.ramping = now, more, ramping
        return True


def slots_of_use(left: int, holding: int, *, ramping: bool, in_order: bool) -> int:
    """Slots that a run could use.

    Args:
        left: chunks that nobody has claimed.
        holding: slots that it holds.
    """
    jobs = ramp.need(left + holding) if ramping else left + holding
    return min(1, jobs) if in_order else jobs
