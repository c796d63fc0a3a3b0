"""How a run is spread over lanes; how long an iteration, a lane and its history may get. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.domain import prices
from jobferry.scheduler.bounds import MAX_POLL_INTERVAL

LANE_WINDOW = 100
"""Jobs that one lane keeps in flight at the least where there are so many: one lane with one
batched look serves an account of thirty, and its requests are the fewest."""

MAX_LANES = 40
"""Concurrency of the Distributed Map."""

SETTLE_GROUP = 40
"""Jobs settled by one invocation: few transitions, a second's work, and still parallel."""

SETTLE_PARALLEL = 10
"""Concurrency of the Settle map."""

MAX_EVENTS = 20_000
"""Events of one lane execution before a fresh one goes on: a history holds 25,000, and what the
count below does not know (retries) needs room."""

ITERATION_CHUNKS = 160
"""Chunks to be settled with which a lap ends, however soon: what their rows tell may stop it."""

_EVENTS_PER_ITERATION = 24
_EVENTS_PER_GROUP = 7

ITERATION_SECONDS = 120.0
"""How long one lap stays in its function when waits are short: results are settled after it, and
functions that carry lanes may take a minute longer."""

WATCHFUL_SECONDS = 20.0
"""The same for a run that one row's error stops."""


def lanes_for(max_jobs: int, chunks: int, poll_batch: int = 1, *, in_order: bool = False) -> int:
    """How many lanes a run of this many chunks is worth; none for nothing.

    in_order: it has one job in flight at a time.
    """
    useful = min(max_jobs, chunks, 1 if in_order else chunks)
    return min(MAX_LANES, -(-useful // max(LANE_WINDOW, min(poll_batch, 250))))


def window_for(max_jobs: int, lanes: int, lane: int = 0) -> int:
    """Jobs that a lane may keep in flight, so that all `lanes` together fill every slot.

    Where there are fewer slots than lanes, the first lanes have one each and the others none.
    """
    if max_jobs < lanes:
        return int(lane < max_jobs)
    return -(-max_jobs // max(1, lanes))


def to_claim(window: int, mine: int, free_slots: int, left: int) -> int:
    """How many chunks a lane claims now: its own room, the connection's, and what is left."""
    return max(0, min(window - mine, free_slots, left))


def worth_staying(wait: float, memory_gb: float) -> bool:
    """Whether a wait is cheaper inside the function than as a lap of the state machine."""
    return wait * memory_gb * prices.LAMBDA_GB_SECOND_ARM <= prices.ITERATION


IDLE_FIRST = 5.0
IDLE_IN_RAMP = 2
"""Times that a lane waits longer and longer for the ramp of its run: it takes two jobs' time."""


def idle_until(now: float, idle: int) -> float:
    """When a lane without a share of the slots asks for one again: later and later.

    idle: how often in a row it had none.
    """
    return now + min(MAX_POLL_INTERVAL, IDLE_FIRST * 2.0 ** min(idle, 10))


RENEW_SECONDS = 4 * 3_600.0
"""Age of a lane's execution from which on a fresh one goes on. Lanes that are renewed wait for
each other, so an age that all share bounds for how long one that died is missed."""

DEAD_AFTER = 900.0
"""Seconds after the moment at which a lane should have been heard of from which on it counts as
dead: a lap and the retries of its steps are over by then."""


def is_dead(alive_until: float, began_at: float, now: float) -> bool:
    """Whether a lane is dead, as another one sees it that began at `began_at`.

    heard_until: when it should be heard of again; 0: it has ended.
    """
    if not alive_until or now - began_at < DEAD_AFTER:
        return False
    return alive_until + DEAD_AFTER < now


def settle_groups(chunks: Sequence[int]) -> list[list[int]]:
    """Chunks as the Settle map takes them: groups of at most `SETTLE_GROUP`."""
    return [list(chunks[i : i + SETTLE_GROUP]) for i in range(0, len(chunks), SETTLE_GROUP)]


def events_of_iteration(groups: int) -> int:
    """History events of one lap of a lane that settles this many groups.

    LaneIteration takes 4, Submit and Poll 5 each, the Map 4, Choice, Wait and the branches' ends
    2 each; a group 7.
    """
    return _EVENTS_PER_ITERATION + _EVENTS_PER_GROUP * groups


def relaunch_at(now: float, relaunches: int) -> float:
    """When lanes start again: at once after progress (0), later and later without any."""
    return now + (0.0 if relaunches == 0 else min(300.0, 5.0 * 2.0 ** (relaunches - 1)))
