"""When too many rows fail alike: counting them by error code, and judging the counts. Pure.

A code is counted by what the vendor calls the error (an outcome's error code), spelled so that it
can be part of an attribute's name. Codes of one `ErrorClass` mean the same and are judged together:
a vendor that has a word of its own for every row is stopped as soon as one that has a single word.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from jobferry.domain.error_codes import ErrorClass, error_class
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import Breaker

CODES = 24
"""Codes that are counted each by itself, about: a run's counters share one item of the table."""

OTHER = "_other_"
"""With the class of an error behind it: all codes of that class besides."""

_NO_CODE = "no_code"
_CHARACTERS = 64
_UNFIT = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Trip:
    """Why a breaker trips.

    Attributes:
        failed: rows that failed alike
        processed: rows that were sent and have their outcome
        code: what most of them failed with, as it is counted
        codes: how many codes they failed with; of those in `OTHER`, all of a class count as one
    """

    failed: int
    processed: int
    code: str
    codes: int = 1


def code_name(code: str | None) -> str:
    """An error code as it is counted: letters, digits and single `_`, at most 64 characters."""
    return _UNFIT.sub("_", code or "").strip("_")[:_CHARACTERS] or _NO_CODE


def count_failures(outcomes: Iterable[Outcome], known: Collection[str]) -> Counter[str]:
    """Failed rows by code.

    Args:
        known: codes that the run counts already; new ones have names of their own while there is
            room.
    """
    counted: Counter[str] = Counter()
    room = CODES - len(known)
    for outcome in outcomes:
        if outcome.status is not OutcomeStatus.FAILED:
            continue
        name = code_name(outcome.error_code)
        if name not in known and name not in counted:
            if room <= 0:
                name = f"{OTHER}{error_class(outcome.error_code, outcome.error).value}"
            room -= 1
        counted[name] += 1
    return counted


def tripped_by(breaker: Breaker | None, failures: Mapping[str, int], processed: int) -> Trip | None:
    """Why a breaker trips; None while all is well.

    Rows fail alike when their errors are of one class; and when no row does anything else, whatever
    their errors are.

    Args:
        failures: failed rows by code.
        carried: rows that were sent and have their outcome.
    """
    if breaker is None:
        return None
    counted = {code: rows for code, rows in failures.items() if rows > 0}
    alike: dict[ErrorClass, dict[str, int]] = defaultdict(dict)
    for code, rows in counted.items():
        alike[_class_of(code)][code] = rows
    groups = list(alike.values())
    if sum(counted.values()) >= processed:
        groups.append(counted)
    worst = max(groups, key=lambda group: sum(group.values()), default={})
    failed = sum(worst.values())
    if failed < breaker.at_least or failed <= breaker.share * processed:
        return None
    return Trip(failed, processed, _most_frequent(worst), len(worst))


def failed_by_class(failures: Mapping[str, int], failed: int) -> dict[str, int]:
    """Failed rows by the class of their errors, as far as any are.

    Args:
        failures: failed rows by code, as a run counts them.
        failed: failed rows in all; those that were not counted by code count as the row's own.
    """
    counted: Counter[str] = Counter()
    for code, rows in failures.items():
        counted[_class_of(code).value] += rows
    counted[ErrorClass.ROW.value] += failed - sum(failures.values())
    return {kind: rows for kind, rows in counted.items() if rows > 0}


def _most_frequent(rows: Mapping[str, int]) -> str:
    """The code of most rows; one with a name of its own where there is any."""
    return max(rows, key=lambda code: (not code.startswith(OTHER), rows[code]))


def _class_of(code: str) -> ErrorClass:
    if code.startswith(OTHER):
        return ErrorClass(code.removeprefix(OTHER))
    return error_class(code)
