"""How runs of one connection share its slots: by priority, and by what each can use. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.domain.connection import Demand


def shares(slots: int, demands: Sequence[Demand]) -> dict[str, int]:
    """Slots for each run: in proportion to weights, no run more than it needs, none left over
    while any run could use it, and at least one for every run while there are enough.

    Every run computes the same from the same demands, so nobody has to hand out anything.
    """
    open_to = sorted((d for d in demands if d.need > 0), key=lambda d: (-d.weight, d.run_id))
    given = {d.run_id: 0 for d in demands}
    left = slots
    for demand in open_to:
        if left == 0:
            break
        given[demand.run_id] = 1
        left -= 1
    while left:
        wanting = [d for d in open_to if given[d.run_id] < d.need]
        if not wanting:
            break
        # The run furthest below its share gets the next slot.
        poorest = min(wanting, key=lambda d: (given[d.run_id] + 1) / d.weight)
        given[poorest.run_id] += 1
        left -= 1
    return given


def part(run_id: str, demands: Sequence[Demand]) -> float:
    """The part of the connection's requests that a run may take while others wait too."""
    mine = sum(d.weight for d in demands if d.run_id == run_id)
    every = sum(d.weight for d in demands if d.need > 0 or d.run_id == run_id)
    return mine / every if mine else 1.0


def is_first(run_id: str, demands: Sequence[Demand]) -> bool:
    """Whether a run comes before all others that want slots: what is kept for polls is its, too."""
    mine = max((d.weight for d in demands if d.run_id == run_id), default=0)
    others = [d.weight for d in demands if d.run_id != run_id and d.need > 0]
    return bool(others) and mine > max(others)
