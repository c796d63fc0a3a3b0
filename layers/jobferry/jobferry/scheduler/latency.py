"""How long a connection's jobs take, learned from when they were seen in flight and ended.

Nobody tells us when a job ended: one poll saw it in flight, a later one saw it done. Taking the
later moment for the end would teach the watcher its own slowness, so each observation is an
interval, and what is learned is where in it the end most likely lay.

The logarithm of the latency is taken as normal: latencies are positive and skewed, and a rare
straggler of five times the usual length must not move the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from jobferry.domain.latency import _SHORTEST, Latency, by_size, density, normal

_MEMORY = 0.05
"""Weight of the newest job once twenty were seen; before that, every job counts the same."""

_SPREAD = 0.35
"""Spread of the logarithm before it is known, and what a few jobs cannot talk away quickly."""

_LEAST_SPREAD = 0.02
_OUTLIER = 3.0


def learned(latency: Latency | None, observed: Sequence[tuple[float, float]]) -> Latency | None:
    """What is known after these jobs as well.

    Args:
        observed: for each job its age when last seen in flight, and when first seen ended.
    """
    for seen, ended in observed:
        latency = _after(latency, max(0.0, seen), max(_SHORTEST, ended))
    return latency


def likely_end(latency: Latency | None, seen: float, ended: float) -> float:
    """The age at which a job most likely ended that was in flight at one and ended at another."""
    if latency is None:
        return (seen + ended) / 2
    away, _ = _end_in_interval(latency, seen, ended)
    return min(ended, max(seen, math.exp(latency.mu + away)))


def _after(latency: Latency | None, seen: float, ended: float) -> Latency:
    if latency is None:
        return Latency(math.log(max(_SHORTEST, (seen + ended) / 2)), _SPREAD, 1)
    away, blur = _end_in_interval(latency, seen, ended)
    jobs = latency.jobs + 1
    weight = max(_MEMORY, 1.0 / jobs)
    variance = (1 - weight) * (latency.spread**2 + weight * away**2) + weight * blur
    return Latency(
        latency.mu + weight * away, max(_LEAST_SPREAD, math.sqrt(variance)), min(jobs, 10_000)
    )


def _end_in_interval(latency: Latency, seen: float, ended: float) -> tuple[float, float]:
    """What an end between two ages says: how far from `mu` its logarithm lay, and the variance
    that is left of it.

    The normal distribution cut to the interval has that mean and variance. So an interval that
    holds every likely end teaches nothing, neither a place nor that ends are near each other.
    A job far out counts as one at the edge: a straggler must not move the picture, and a change
    that stays moves it all the same.
    """
    limit = _OUTLIER * max(latency.spread, 0.1)
    low = (math.log(max(seen, _SHORTEST / 2)) - latency.mu) / latency.spread
    high = (math.log(max(ended, _SHORTEST)) - latency.mu) / latency.spread
    mass = normal(high) - normal(low)
    if mass < 1e-6:
        # The interval lies where no job was before: the end nearer to what is known.
        nearer = (low if low > 0 else high) * latency.spread
        return max(-limit, min(limit, nearer)), 0.0
    below, above = density(low), density(high)
    away = (below - above) / mass
    left = 1.0 + (low * below - high * above) / mass - away**2
    away *= latency.spread
    return max(-limit, min(limit, away)), max(0.0, left) * latency.spread**2


def best_size(
    most: int,
    sizes: Mapping[str, Latency],
    lost: Mapping[str, int],
    slots: int,
    per_minute: int | None,
) -> int:
    """Rows per job that carry most rows a second, by what was learned; at most `most`.

    Args:
        sizes: what was learned of jobs, by size class.
        lost: submissions that got no clear answer, by size class.
        slots: jobs in flight at once.
        per_minute: submissions a minute; None for no limit.

    A size is given up for half of it when its submissions are lost too often, and for another
    only if that was really seen to be faster by a tenth.
    """
    while most > 1 and _lost_too_often(most, sizes, lost):
        most = max(1, most // 2)
    best, speed = most, _speed(most, sizes, slots, per_minute)
    if speed is None:
        return most
    for rows in sorted((int(name) for name in sizes if name), reverse=True):
        if rows >= most:
            continue
        other = _speed(rows, sizes, slots, per_minute)
        if other is not None and other > 1.1 * speed:
            best, speed = rows, other
    return best


_ENOUGH = 5
"""Jobs of a size before anything is concluded from them."""


_LOST_OFTEN = 3
_LOST_PART = 0.1


def _lost_too_often(rows: int, sizes: Mapping[str, Latency], lost: Mapping[str, int]) -> bool:
    times = lost.get(by_size(rows), 0)
    known = sizes.get(by_size(rows))
    jobs = known.jobs if known is not None else 0
    return times >= _LOST_OFTEN and times > _LOST_PART * (jobs + times)


def _speed(
    rows: int, sizes: Mapping[str, Latency], slots: int, per_minute: int | None
) -> float | None:
    """Rows a second with jobs of this many rows; None where too few were seen."""
    latency = sizes.get(by_size(rows))
    if latency is None or latency.jobs < _ENOUGH:
        return None
    jobs = slots / latency.mean
    if per_minute is not None:
        jobs = min(jobs, per_minute / 60)
    return rows * jobs


def learned_by_size(
    known: Mapping[str, Latency], observed: Mapping[int, Sequence[tuple[float, float]]]
) -> dict[str, Latency]:
    """What is known of jobs by size class, `""` for all of them, after these as well.

    Args:
        observed: rows of the job → its ages when last seen in flight, and when first seen ended.
    """
    after = dict(known)
    for rows, ages in observed.items():
        for name in ("", by_size(rows)):
            latency = learned(after.get(name), ages)
            if latency is not None:
                after[name] = latency
    return after
