"""Rows of a run that are wanted, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from jobferry.deps import Deps
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run

MOST_READ = 20_000


@dataclass(frozen=True, slots=True)
class RowQuery:
    status: OutcomeStatus | None = None
    row: int | None = None
    error_code: str | None = None
    find: str | None = None

    def wants(self, outcome: Outcome) -> bool:
        texts = (outcome.vendor_id, outcome.error)
        return (
            self.status in (None, outcome.status)
            and self.row in (None, outcome.row)
            and self.error_code in (None, outcome.error_code)
            and (
                self.find is None
                or any(self.find.casefold() in text.casefold() for text in texts if text)
            )
        )


@dataclass(frozen=True, slots=True)
class FoundRow:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RowPage:
    rows: Sequence[FoundRow]
    cursor: str | None
    searched_to: int


def find_rows(
    run: Run, query: RowQuery, deps: Deps, *, limit: int, after: str | None = None
) -> RowPage:
    first = int(after) + 1 if after and after.isdigit() else 1
    outcomes: Iterator[Outcome] = deps.store.rows.between(run.run_id, first, run.plan.row)
    if query.row is not None:
        one = deps.store.rows.get(run.run_id, query.row)
        outcomes = iter([] if one is None else [one])
    found: list[FoundRow] = []
    last = first - 1
    for outcome in islice(outcomes, MOST_READ):
        if query.wants(outcome):
            if len(found) == limit:
                return RowPage(found, str(last), last)
            found.append(FoundRow(outcome))
        last = outcome.row
    more = next(outcomes, None) is not None
    return RowPage(found, str(last) if more else None, last)
