"""What is known of how long jobs take: a value, and the probabilities that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SHORTEST = 0.02


@dataclass(frozen=True, slots=True)
class Latency:
    """What is known of the time from submission to end, in seconds.

    Attributes:
        mu: mean of the logarithm
        spread: standard deviation of the logarithm
        jobs: observations behind it
    """

    mu: float
    spread: float
    jobs: int

    @property
    def median(self) -> float:
        return math.exp(self.mu)

    @property
    def mean(self) -> float:
        return math.exp(self.mu + self.spread**2 / 2)

    def ended_by(self, age: float) -> float:
        """Probability that a job of this age has ended."""
        if age <= 0:
            return 0.0
        return normal((math.log(age) - self.mu) / self.spread)

    def ended_since(self, age: float, seen: float) -> float:
        """Probability that a job of this age has ended, when at age `seen` it had not."""
        before = self.ended_by(seen)
        if before > 0.999:
            # Beyond what is known of jobs: such a job takes some part of its age longer.
            return min(1.0, max(0.0, (age - seen) / max(seen, _SHORTEST)))
        return max(0.0, (self.ended_by(age) - before) / (1.0 - before))

    def to_list(self) -> list[float]:
        return [round(self.mu, 4), round(self.spread, 4), self.jobs]

    @classmethod
    def from_list(cls, saved: Sequence[float]) -> Latency | None:
        return cls(float(saved[0]), float(saved[1]), int(saved[2])) if saved else None


def density(x: float) -> float:
    """Of the standard normal distribution."""
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def normal(x: float) -> float:
    """Probability that a standard normal variable is below x."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def by_size(rows: int) -> str:
    """The class of sizes that a job of this many rows is learned under: 1, 2, 4, 8 …"""
    return str(1 << (max(1, rows) - 1).bit_length())
