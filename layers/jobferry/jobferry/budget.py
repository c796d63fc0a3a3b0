"""Requests per minute, counted so that no minute ever holds too many. Pure.

Vendors count requests in windows whose beginning nobody tells us. A log of the seconds in which
requests were granted keeps every sixty seconds within the limit, wherever a window begins, and
lets a burst pass when nothing was asked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

Log = tuple[tuple[int, int], ...]
"""(second, requests granted in it), oldest first."""

HOLD = 61
"""Seconds that a granted request counts: a minute, and the rest of the second it was granted in."""

_DECREASE = 0.7
_INCREASE = 0.05
"""After a refusal the limit falls to 70 %, and rises by 5 % of itself every minute."""

_LEAST = 10.0
"""No refusal teaches a limit below this: it would take an hour to find out otherwise."""

_OF_A_MINUTE = 5.0

ENDPOINT = "endpoint:"
ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Learned:
    """A limit found out by running into it: `value` at the moment `at` (epoch seconds)."""

    value: float
    at: float


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

    A vendor that asks for a few seconds speaks of a moment's crowd: that is obeyed, and no lesson.
    """
    return retry_after is None or retry_after >= _OF_A_MINUTE


def lowered(limit: int | None, in_last_minute: int, now: float) -> Learned | None:
    """What to try after a refusal for too many requests.

    None when we were too quiet to be its cause: then the vendor just wants patience.
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
