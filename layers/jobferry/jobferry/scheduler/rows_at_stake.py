"""How many rows are at stake before a run is paused because they fail. Pure."""

from __future__ import annotations

from jobferry.domain.profile import Profile
from jobferry.scheduler import ramp


def rows_at_stake(rows: int, jobs: int, slots: int, profile: Profile, *, undoable: bool) -> int:
    """About how many rows are sent before a run of which every row fails is paused.

    Args:
        rows: to be sent in all.
        jobs: that carry them.
        slots: jobs in flight.
        undoable: there is an operation that takes back what a row has done.
    """
    if profile.breaker is None or not jobs:
        return rows
    a_job = -(-rows // jobs)
    if ramp.applies(profile, undoable=undoable):
        judge = ramp.breaker_for(profile.breaker)
        sent = ramp.STEPS[0] if a_job >= judge.at_least else ramp.STEPS[-1]
        return min(rows, sent * a_job)
    # When the first results are written, the slots of their jobs are filled again.
    window = a_job * min(slots, jobs)
    if profile.in_order:
        return min(rows, -(-profile.breaker.at_least // a_job) * a_job)
    return min(rows, window * (-(-profile.breaker.at_least // window) + 1))
