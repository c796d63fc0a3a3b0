"""Everything that a scenario which has ended breaks of the promises."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.account_promises import OF_THE_ACCOUNT
from tests.chaos.history import History
from tests.chaos.run_promises import OF_A_RUN, Result, nothing_twice


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken promise: its name, what it says, and how it was broken."""

    promise: str
    meaning: str
    sentence: str


def broken(history: History) -> list[Broken]:
    """All that a scenario breaks of the promises."""
    results = [Result(history, index, file) for index, file in enumerate(history.scenario.files)]
    found = [
        Broken(promise.__name__, promise.__doc__ or "", sentence)
        for promise in OF_A_RUN
        for result in results
        if result.index not in history.deleted or promise is nothing_twice
        for sentence in promise(result)
    ]
    found += [
        Broken(promise.__name__, promise.__doc__ or "", sentence)
        for promise in OF_THE_ACCOUNT
        for sentence in promise(history)
    ]
    return found
