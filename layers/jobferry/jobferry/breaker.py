"""When too many rows fail alike: counting them by class of error, and judging the counts.

A class is what the vendor calls the error (an outcome's error code), spelled so that it can be
part of an attribute's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from jobferry.model import Breaker, Outcome, OutcomeStatus

CLASSES = 24
"""Classes that are counted each by itself, about: a run's counters share one item of the table."""

OTHER = "_other"
"""All classes besides. They have nothing in common, so they trip no breaker."""

_NO_CODE = "no_code"
_CHARACTERS = 64
_UNFIT = re.compile(r"[^A-Za-z0-9]+")


def class_name(code: str | None) -> str:
    """The class of an error code: letters, digits and single `_`, at most 64 characters."""
    return _UNFIT.sub("_", code or "").strip("_")[:_CHARACTERS] or _NO_CODE


def count_failures(outcomes: Iterable[Outcome], known: Collection[str]) -> Counter[str]:
    """Failed rows by class.

    Args:
        known: classes that the run counts already; new ones have names of their own while there
            is room.
    """
    counted: Counter[str] = Counter()
    room = CLASSES - len(known)
    for outcome in outcomes:
        if outcome.status is not OutcomeStatus.FAILED:
            continue
        name = class_name(outcome.error_code)
        if name not in known and name not in counted:
            if room <= 0:
                name = OTHER
            room -= 1
        counted[name] += 1
    return counted


def tripped_by(breaker: Breaker | None, failures: Mapping[str, int], carried: int) -> str | None:
    """The class of error that trips a breaker; None while all is well.

    Args:
        failures: failed rows by class.
        carried: rows that were sent and have their outcome.
    """
    if breaker is None:
        return None
    suspects = {n: count for n, count in failures.items() if n != OTHER}
    worst = max(suspects, key=lambda name: suspects[name], default=None)
    if worst is None or suspects[worst] < breaker.at_least:
        return None
    return worst if suspects[worst] > breaker.share * carried else None
