"""Answers of the vendor in memory that no adapter should let through, and what they must not do.

They reach the steps as they are, without the checks of an adapter: what the steps do with them is
the second line of defence (`lane.isolation`, and what Settle does with results).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import JobReading

LONGEST_WAIT = 3_600.0
"""Seconds that anybody waits for one Retry-After."""

WAITS = (1e12, 1_800_000_000.0, 31_536_000.0, -1.0, math.inf)
"""Waits that nobody can mean."""

HUGE = "x" * 300_000
BEYOND = 10**400


class Malformation(StrEnum):
    """How the answers about one job are malformed."""

    HALF_CHARACTER = "its answer holds half a character"
    NO_JSON = "its answer holds what is no JSON"
    TOO_DEEP = "its answer is nested too deep"
    DEEP = "its answer holds details 500 deep"
    NUL = "texts of its results hold NUL"
    LONG = "ids and codes of its results have 300 kB"
    ID_OBJECT = "ids of its results are {}"
    ID_LIST = "ids of its results are []"
    ID_FALSE = "ids of its results are false"
    ID_NEGATIVE = "ids of its results are -1"
    NO_RESULTS = "its results are a number"
    VALUE_ERROR = "its results are read with a ValueError"
    TYPE_ERROR = "its results are read with a TypeError"
    RECURSION_ERROR = "its results are read with a RecursionError"
    POLL_FAILS = "each poll of it fails in the adapter"
    END_FAILS = "each poll of it fails in the adapter once it has ended"
    SUBMISSION_FAILS = "it is taken, and the adapter fails over the answer"
    PROGRESS = "its progress is 10**400 of 10**401"


STILL_READABLE = frozenset(
    {
        Malformation.DEEP,
        Malformation.NUL,
        Malformation.LONG,
        Malformation.SUBMISSION_FAILS,
        Malformation.PROGRESS,
    }
)
"""With these the vendor says all the same what became of the rows."""

_ERRORS: dict[Malformation, type[Exception]] = {
    Malformation.VALUE_ERROR: ValueError,
    Malformation.TYPE_ERROR: TypeError,
    Malformation.RECURSION_ERROR: RecursionError,
}
_IDS: dict[Malformation, Any] = {
    Malformation.ID_OBJECT: {},
    Malformation.ID_LIST: [],
    Malformation.ID_FALSE: False,
    Malformation.ID_NEGATIVE: -1,
}


@dataclass(frozen=True, slots=True)
class MalformedAnswer:
    """Answers about the `job`-th job, counted from 1, are malformed."""

    job: int = 1
    what: Malformation = Malformation.HALF_CHARACTER

    @property
    def unusable(self) -> bool:
        return self.what not in STILL_READABLE


def nested(depth: int) -> JsonObject:
    """Details within details."""
    value: JsonObject = {}
    for _ in range(depth):
        value = {"details": [value]}
    return value


def malformed_raw(what: Malformation, raw: JsonObject) -> Any:
    """A job's own object, as the vendor answers it."""
    results = raw["results"]
    match what:
        case Malformation.HALF_CHARACTER:
            return {**raw, "note": "half \ud800"}
        case Malformation.NO_JSON:
            return {**raw, "note": {1, 2}}
        case Malformation.TOO_DEEP:
            return {**raw, "note": nested(100_000)}
        case Malformation.DEEP:
            return {**raw, "note": nested(500)}
        case Malformation.NUL:
            return {**raw, "results": [r and [*r[:2], "Nul \0", "Nul \0"] for r in results]}
        case Malformation.LONG:
            results = [r and [r[0], r[1] and r[1] + HUGE, HUGE, HUGE] for r in results]
            return {**raw, "results": results}
        case Malformation.NO_RESULTS:
            return {**raw, "results": 7}
        case _ if what in _IDS:
            return {**raw, "results": [["succeeded", _IDS[what], None, None] for _ in results]}
        case _ if what in _ERRORS:
            return {**raw, "raises": what.name}
    return raw


def fail_reading(raw: JsonObject) -> None:
    """Raise what the reader of these results fails with, if it does."""
    if "raises" in raw:
        raise _ERRORS[Malformation[raw["raises"]]]("the results are malformed")


def malformed_reading(what: Malformation, reading: JobReading) -> JobReading:
    if what is Malformation.PROGRESS:
        return replace(reading, progress=BEYOND, total=10 * BEYOND)
    return reading


def draw_malformed(rng: Random) -> tuple[MalformedAnswer, ...]:
    """One to three jobs of the first six, each malformed in one way."""
    jobs = sorted(rng.sample(range(1, 7), rng.randint(1, 3)))
    return tuple(MalformedAnswer(job, rng.choice(tuple(Malformation))) for job in jobs)
