"""Pure decisions about time and numbers: how many to submit, when to look again, where to wait.

Nothing here reads a clock or a database, so the same code runs in virtual time.
All moments are epoch seconds, all durations seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobferry import prices
from jobferry.latency import Latency

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

LAP_CHUNKS = 160
"""Chunks to be settled with which a lap ends, however soon: what their rows tell may stop it."""

_EVENTS_PER_LAP = 24
_EVENTS_PER_GROUP = 7

LAP_SECONDS = 120.0
"""How long one lap stays in its function when waits are short: results are settled after it, and
functions that carry lanes may take a minute longer."""

WATCHFUL_SECONDS = 20.0
"""The same for a run that one row's error stops."""

FLOOR = 0.2
"""The shortest wait between two looks: a request takes about as long."""

CEILING = 60.0
"""The longest: whatever was learned, a look a minute is affordable."""

THROTTLED = 15.0
"""Wait after a 429 that does not say how long."""

THROTTLED_CEILING = 300.0
"""The longest such wait."""

NO_SLOT = 3.0
"""Wait after "too many jobs" without a Retry-After, when none of our own jobs tells more."""

FULL_CEILING = 30.0
"""The longest such wait."""

_QUIET = 0.2

WORTH_A_LOOK = 0.6
"""Jobs expected to have ended before a look is worth its request while slots are scarce."""

WORTH_A_BATCH = 40.0
"""Jobs expected to have ended before a look is worth it while slots are free, or filled again
without one."""

STALE = 60.0
"""Results that wait are fetched after this, needed or not: people watch."""

_GAP = 0.02
"""Shortest gap between two looks, as a part of the latency: half of it is what a freed slot
stays empty on average."""

_OVERDUE = 0.15
_FIRST = 1.0
_UNKNOWN = 0.5
"""While nothing is known of latencies: the first look after a second, then at ages that grow by
half each time."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job under way, as pacing sees it.

    seen     when it was last seen under way; its submission, if it never was
    expected the moment of its end as the vendor's own count of progress foretells it
    """

    submitted_at: float
    seen: float = 0.0
    expected: float | None = None

    @property
    def known_age(self) -> float:
        """How old it was when last seen under way."""
        return max(0.0, self.seen - self.submitted_at)

    def ended_by(self, moment: float, latency: Latency) -> float:
        """Probability that it has ended by then."""
        if self.expected is not None:
            # What is left goes on about as fast as what is done.
            spread = 0.1 + 0.15 * max(0.0, self.expected - self.seen)
            return 0.5 * math.erfc((self.expected - moment) / (spread * math.sqrt(2.0)))
        return latency.ended_since(moment - self.submitted_at, self.known_age)


LONGEST_WAIT = 3_600.0
"""Seconds: no wait is longer, whatever a vendor asks for. It is asked again then."""

LONGEST_FORECAST = 30 * 86_400.0
"""Seconds: the farthest end of a job that a count of progress is believed for."""

_LARGEST_COUNT = 2**53
"""Counts above this are no counts; below it they are exact as floats."""


def foretold(
    submitted_at: float, now: float, progress: int | None, total: int | None
) -> float | None:
    """When a job will end whose vendor counts its progress; None when it does not, or not yet."""
    age = now - submitted_at
    if not progress or not total or not 0.0 < age < math.inf:
        return None
    if not 0 < progress < total <= _LARGEST_COUNT:
        return None
    return now + min(LONGEST_FORECAST, age * (total - progress) / progress)


def expected_ended(moment: float, flying: Sequence[InFlight], latency: Latency | None) -> float:
    """How many of these jobs have ended by then, on average."""
    if latency is None:
        return 0.0
    return sum(job.ended_by(moment, latency) for job in flying)


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


def next_look(
    now: float,
    flying: Sequence[InFlight],
    latency: Latency | None,
    *,
    scarce: bool,
    more: bool,
    scarce_requests: bool = False,
    looked_at: float = 0.0,
    blocked_until: float = 0.0,
    spacing: float = 0.0,
) -> float:
    """When to poll next: when the jobs expected to have ended are worth the request.

    Args:
        scarce: chunks are left and wait for the slots that ended jobs still hold.
        more: chunks are left.
        scarce_requests: they wait for requests, too: each look takes one from them.
        looked_at: the last look.
        spacing: seconds between looks that the request limit leaves.
    """
    if not flying:
        return math.inf
    earliest = max(now, looked_at + max(FLOOR, spacing), blocked_until)
    oldest = min(job.submitted_at for job in flying)
    before = max(looked_at, oldest)
    if latency is None:
        return max(before + min(CEILING, _FIRST + _UNKNOWN * (before - oldest)), earliest)
    earliest = max(earliest, looked_at + _GAP * latency.median)
    worth = _worth(len(flying), scarce=scarce, more=more, scarce_requests=scarce_requests)
    stale = before + STALE if more and scarce_requests else _stale_at(oldest, before, latency)
    latest = max(earliest, min(before + CEILING, stale))
    return first_moment(lambda t: expected_ended(t, flying, latency) >= worth, earliest, latest)


def _worth(flying: int, *, scarce: bool, more: bool, scarce_requests: bool) -> float:
    """Ended jobs that make a look worth its request."""
    if scarce:
        return min(WORTH_A_LOOK, 0.6 * flying)
    if more and scarce_requests:
        return min(2 * WORTH_A_BATCH, 0.9 * flying)
    if more:
        return min(WORTH_A_BATCH, 0.6 * flying)
    # Nothing is left to submit: each look is to find most of what is under way, so a handful of
    # looks sees the last of it.
    return max(0.6, 0.7 * flying) if flying > 1 else 0.6


def _stale_at(oldest: float, looked_at: float, latency: Latency) -> float:
    """When the oldest job is looked at, whatever else is worth a look: results that wait unseen
    help nobody, and a job that is overdue is looked at less and less often."""
    due = oldest + latency.median * (1 + 2 * latency.spread)
    if looked_at < due:
        return due + min(STALE, max(FLOOR, latency.median))
    return looked_at + max(FLOOR, _OVERDUE * (looked_at - oldest))


def first_moment(holds: Callable[[float], bool], earliest: float, latest: float) -> float:
    """The first moment in the range from which something holds; the last one if it never does."""
    if holds(earliest) or not holds(latest):
        return earliest if holds(earliest) else latest
    before, after = earliest, latest
    while after - before > 0.02:
        middle = (before + after) / 2
        before, after = (before, middle) if holds(middle) else (middle, after)
    return after


def look_spacing(per_minute: int | None, submissions_per_second: float) -> float:
    """Seconds between looks for which submissions leave requests free; 0 without a limit."""
    if per_minute is None:
        return 0.0
    spare = per_minute - 60.0 * submissions_per_second
    return 60.0 / max(spare, reserve(per_minute), 1)


POLLING_SHARE = 0.03
"""Part of a minute's requests that submissions leave to looks, without which none would end.
One look finds a window of jobs, so this is what looks need when requests are what is scarce."""


def reserve(per_minute: int) -> int:
    """Requests of a minute that submissions do not take."""
    return min(per_minute - 1, max(1, round(POLLING_SHARE * per_minute))) if per_minute > 1 else 0


def worth_staying(wait: float, memory_gb: float) -> bool:
    """Whether a wait is cheaper inside the function than as a lap of the state machine."""
    return wait * memory_gb * prices.LAMBDA_GB_SECOND_ARM <= prices.LAP


def blocked_until(now: float, retry_after: float | None, lasting: float = 0.0) -> float:
    """No request before this, after a 429: what the vendor asks for, an hour at the most.

    lasting: seconds for which there has been nothing else. Where the vendor does not say how long
        to wait, it is asked later and later.
    """
    unsaid = max(THROTTLED, min(THROTTLED_CEILING, lasting / 4))
    return now + _bounded(retry_after, unsaid)


def full_until(now: float, retry_after: float | None, quiet: float = 0.0) -> float:
    """No submission before this, after "too many jobs".

    quiet: seconds since a submission was accepted last. Slots that others hold for long are asked
        for less and less often.
    """
    unsaid = min(FULL_CEILING, max(NO_SLOT, _QUIET * quiet))
    return now + _bounded(retry_after, unsaid)


def _bounded(seconds: float | None, unsaid: float) -> float:
    """A wait within reason; `unsaid` where there is none."""
    if seconds is None or math.isnan(seconds):
        return unsaid
    return min(max(0.0, seconds), LONGEST_WAIT)


OUTAGE_FIRST = 30.0
OUTAGE_CEILING = 120.0
"""The longest wait between two submissions that try whether an outage is over."""


def outage_until(now: float, since: float) -> float:
    """No submission before this, while the vendor gives no clear answers.

    since: when the first of the submissions in a row without one was over.
    """
    return now + min(OUTAGE_CEILING, max(OUTAGE_FIRST, now - since))


IDLE_FIRST = 5.0
IDLE_IN_RAMP = 2
"""Times that a lane waits longer and longer for the ramp of its run: it takes two jobs' time."""


def idle_until(now: float, idle: int) -> float:
    """When a lane without a share of the slots asks for one again: later and later.

    idle: how often in a row it had none.
    """
    return now + min(CEILING, IDLE_FIRST * 2.0 ** min(idle, 10))


RENEW_SECONDS = 4 * 3_600.0
"""Age of a lane's execution from which on a fresh one goes on. Lanes that are renewed wait for
each other, so an age that all share bounds for how long one that died is missed."""

SILENCE = 900.0
"""Seconds after the moment at which a lane should have been heard of from which on it counts as
dead: a lap and the retries of its steps are over by then."""


def is_silent(heard_until: float, began_at: float, now: float) -> bool:
    """Whether a lane is dead, as another one sees it that began at `began_at`.

    heard_until: when it should be heard of again; 0: it has ended.
    """
    if not heard_until or now - began_at < SILENCE:
        return False
    return heard_until + SILENCE < now


def settle_groups(chunks: Sequence[int]) -> list[list[int]]:
    """Chunks as the Settle map takes them: groups of at most `SETTLE_GROUP`."""
    return [list(chunks[i : i + SETTLE_GROUP]) for i in range(0, len(chunks), SETTLE_GROUP)]


def events_of_lap(groups: int) -> int:
    """History events of one lap of a lane that settles this many groups.

    Lap takes 4, Submit and Poll 5 each, the Map 4, Choice, Wait and the branches' ends 2 each; a
    group's iteration 7.
    """
    return _EVENTS_PER_LAP + _EVENTS_PER_GROUP * groups


def request_budget(requests_per_minute: int | None, share: float) -> int | None:
    """Requests that may be sent in a minute, polls included; None for no limit of ours."""
    if requests_per_minute is None:
        return None
    return max(2, int(requests_per_minute * share))


def relaunch_at(now: float, relaunches: int) -> float:
    """When lanes start again: at once after progress (0), later and later without any."""
    return now + (0.0 if relaunches == 0 else min(300.0, 5.0 * 2.0 ** (relaunches - 1)))
