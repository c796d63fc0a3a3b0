"""Requests per minute, counted so that no minute ever holds too many. Pure.

Vendors count requests in windows whose beginning nobody tells us. A log of the seconds in which
requests were granted keeps every sixty seconds within the limit, wherever a window begins, and
lets a burst pass when nothing was asked before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import NamedTuple

from jobferry.domain.connection import Learned, Log, RequestLog
from jobferry.scheduler.settings import USUAL, SchedulerSettings


def reserve(per_minute: int, settings: SchedulerSettings = USUAL) -> int:
    """Requests of a minute that submissions do not take."""
    if per_minute <= 1:
        return 0
    return min(per_minute - 1, max(1, round(settings.polling_share * per_minute)))


def retry_after_until(
    now: float,
    retry_after: float | None,
    lasting: float = 0.0,
    settings: SchedulerSettings = USUAL,
) -> float:
    """No request before this, after a 429: what the vendor asks for, within reason.

    Args:
        lasting: seconds for which there has been nothing else. Where the vendor does not say how
            long to wait, it is asked later and later.
    """
    grown = min(settings.max_default_retry_after, lasting / 4)
    return now + bounded_wait(retry_after, max(settings.default_retry_after, grown), settings)


def bounded_wait(seconds: float | None, default: float, settings: SchedulerSettings) -> float:
    """A wait within reason; the default where the vendor names none."""
    if seconds is None or math.isnan(seconds):
        return default
    return min(max(0.0, seconds), settings.max_retry_after)


HOLD = 61
"""Seconds that a granted request counts: a minute, and the rest of the second it was granted in."""

_DECREASE = 0.7
_INCREASE = 0.05
"""After a refusal the limit falls to 70 %, and rises by 5 % of itself every minute."""

_LEAST = 10.0
"""No refusal teaches a limit below this: it would take an hour to find out otherwise."""

_OF_A_MINUTE = 5.0

_ONE_LESSON = 5.0
"""Seconds within which several refusals teach the same."""

_MANY = 1_000_000

ENDPOINT = "endpoint:"
ACCOUNT = "account"


def recent(log: Log, now: float) -> Log:
    """What still counts."""
    return tuple((second, n) for second, n in log if second + HOLD > now)


def used(log: Log, now: float) -> int:
    return sum(n for _, n in recent(log, now))


def granted(logs: Mapping[str, Log], limits: Mapping[str, int], wanted: int, now: float) -> int:
    """How many of the wanted requests every limit lets through now."""
    return max(0, min([wanted, *(n - used(logs.get(k, ()), now) for k, n in limits.items())]))


def noted(logs: Mapping[str, Log], names: Set[str], requests: int, now: float) -> dict[str, Log]:
    """The logs after granting these requests; what counts no more is dropped."""
    kept = {name: recent(log, now) for name, log in logs.items()}
    second = int(now)
    for name in names:
        log = dict(kept.get(name, ()))
        log[second] = log.get(second, 0) + requests
        kept[name] = tuple(sorted(log.items()))
    return {name: log for name, log in kept.items() if log}


def given_back(
    logs: Mapping[str, Log], names: Set[str], unsent: int, granted_at: float
) -> dict[str, Log]:
    """The logs without so many requests that were granted then, or soon after, and are not sent."""
    after = dict(logs)
    for name in names & logs.keys():
        left, entries = unsent, []
        for second, n in logs[name]:
            taken = min(left, n) if second >= int(granted_at) else 0
            left -= taken
            entries.append((second, n - taken))
        after[name] = tuple(entry for entry in entries if entry[1])
    return after


def next_grant(logs: Mapping[str, Log], limits: Mapping[str, int], now: float) -> float:
    """The moment from which one more request is let through; `now` if it is now."""
    moment = now
    for name, limit in limits.items():
        over = used(logs.get(name, ()), now) - limit
        for second, n in recent(logs.get(name, ()), now):
            if over < 0:
                break
            over -= n
            moment = max(moment, float(second + HOLD))
    return moment


def tells_of_a_rate(retry_after: float | None) -> bool:
    """Whether a refusal for too many requests is about those of a minute.

    A vendor that asks for a few seconds speaks of a moment's crowd: that is kept, and no lesson.
    """
    return retry_after is None or retry_after >= _OF_A_MINUTE


def lowered(limit: int | None, in_last_minute: int, now: float) -> Learned | None:
    """What to try after a refusal for too many requests.

    None when we were too quiet to be its cause: then the vendor just wants a pause.
    """
    basis = in_last_minute if limit is None else min(limit, max(in_last_minute, limit // 2))
    if basis <= _LEAST or (limit is not None and in_last_minute < limit / 2):
        return None
    return Learned(max(_LEAST, _DECREASE * basis), now)


def effective(ceiling: int | None, learned: Learned | None, now: float) -> int | None:
    """The limit in force: what was learned, risen since, and never above the ceiling."""
    if learned is None:
        return ceiling
    minutes = max(0.0, now - learned.at) / 60.0
    risen = int(learned.value * (1.0 + _INCREASE) ** min(minutes, 200.0))
    return risen if ceiling is None else min(ceiling, max(1, risen))


def per_minute(requests: RequestLog, ceiling: int | None, share: float, now: float) -> int | None:
    """Requests a minute that may be sent now; None while no limit is known.

    Args:
        ceiling: what the operator allows, share included.
        share: the part of the vendor's own limit that is ours.
    """
    if requests.advertised is not None:
        advertised = max(2, int(requests.advertised * share))
        ceiling = advertised if ceiling is None else min(ceiling, advertised)
    return effective(ceiling, requests.learned, now)


class Grant(NamedTuple):
    """What a lane may send now.

    Attributes:
        granted: requests
        more_at: epoch seconds from which more will be granted
        logs: the logs after it; None: nothing was granted
    """

    granted: int
    more_at: float
    logs: Mapping[str, Log] | None = None


def grant(
    before: RequestLog,
    wanted: int,
    limits: Mapping[str, int],
    now: float,
    *,
    kept: int = 0,
    part: float = 1.0,
    seconds_each: float = 0.0,
) -> Grant:
    """Up to `wanted` requests out of what is left of the minute.

    Args:
        limits: requests a minute by name: `ACCOUNT`, and an endpoint's own.
        kept: requests of a minute that are left to polls.
        part: of what is free now, how much may be taken: the rest is for other runs.
        seconds_each: what sending takes, so that they are counted when the last one is sent.
    """
    allowed = {name: max(1, n - kept) if name == ACCOUNT else n for name, n in limits.items()}
    free = granted(before.logs, allowed, _MANY, now)
    count = min(wanted, free if part >= 1.0 else max(min(1, free), int(free * part)))
    if count <= 0:
        return Grant(0, next_grant(before.logs, allowed, now))
    logs = noted(before.logs, {ACCOUNT, *allowed}, count, now + count * seconds_each)
    return Grant(count, next_grant(logs, allowed, now), logs)


def lowered_by_refusal(before: RequestLog, ceiling: int | None, now: float) -> Learned | None:
    """The limit to keep to after a refusal for too many requests; None: it teaches nothing.

    Args:
        ceiling: what the operator allows.
    """
    made = used(before.logs.get(ACCOUNT, ()), now)
    if before.advertised is not None and made < before.advertised:
        return None  # by the vendor's own figure some were left: it wants a pause
    lower = lowered(effective(ceiling, before.learned, now), made, now)
    if lower is None or (before.learned is not None and now <= before.learned.at + _ONE_LESSON):
        return None
    return lower
