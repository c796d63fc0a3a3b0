"""The report of a run as of now: of one that is open or paused, too.

A closed run has its report beside its result files, and that one is answered. Of any other it is
made from what is known: outcomes so far, and the cells of the rows that are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from jobferry.deps import Deps
from jobferry.domain.commands import Step
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.operator.row_cells import Cells, cells_of
from jobferry.operator.status import run_document
from jobferry.reporting.error_summary import ErrorTally, build_report
from jobferry.reporting.html.model import ErrorGroup
from jobferry.reporting.html.page import MAX_GROUPS
from jobferry.reporting.result_files import result_key
from jobferry.reporting.sample_cells import ColumnNames
from jobferry.reporting.timeline import Timeline
from jobferry.store.objects import ObjectMissingError, SourceError

MOST_ROWS = 50_000
"""Rows with an error that are looked at; of a run with more, those of its beginning."""

MOST_CHUNKS = 20_000
"""A run of more has no curve while it is open: its chunks would have to be read for it."""


_UNREPORTABLE = (SourceError, AttributeError, LookupError, TypeError, ValueError)
"""What may come of a file, or a profile, that cannot be read any more."""


def report_page(run: Run, deps: Deps) -> str:
    """The HTML report of a run as of now."""
    if run.closed_at is not None:
        with suppress(ObjectMissingError):
            return deps.objects.get(result_key(run.run_id, "report.html")).decode()
    return page_of_now(run, deps)


def keep_report(run: Run, deps: Deps) -> None:
    """Write the report of a run that rests to where its result files will lie, for those who
    decide how it goes on. A run rests without it where it cannot be made."""
    try:
        put_report(run.run_id, page_of_now(run, deps), deps)
    except _UNREPORTABLE as error:
        deps.warn("no report of a run that rests", run_id=run.run_id, error=type(error).__name__)


def put_report(run_id: str, page: str, deps: Deps) -> None:
    """Keep the report of a run beside its result files."""
    key = result_key(run_id, "report.html")
    deps.objects.put(key, page.encode(), "text/html; charset=utf-8")


def page_of_now(run: Run, deps: Deps) -> str:
    """The report made from what the table knows now."""
    document = run_document(run, deps)
    chunks = deps.store.chunks
    timeline = Timeline(run)
    if run.plan.chunks <= MOST_CHUNKS:
        timeline = Timeline.of(run, chunks.all(run.run_id))
    return build_report(
        run,
        deps.now(),
        timeline=timeline,
        groups=error_groups(run, deps),
        steps=[Step(each["text"], tuple(each["commands"])) for each in document["steps"]],
        requests=document["requests"],
        waiting=document["waiting"],
    )


def error_groups(run: Run, deps: Deps, most: int = MOST_ROWS) -> list[ErrorGroup]:
    """The errors of a run so far by kind, the largest first, with sample rows and their cells.

    Args:
        most: rows that are looked at.
    """
    outcomes = _first(run, deps, most)
    # Which rows are shown is known when all are counted; only of these the file is read.
    counted = _tally(outcomes, {}, ColumnNames()).groups()[:MAX_GROUPS]
    shown = [sample.row for group in counted for sample in group.samples]
    return _tally(outcomes, cells_of(run, shown, deps), column_names(run, deps)).groups(
        run.run_id, run.connection
    )


def _tally(
    outcomes: Iterable[Outcome], cells: Mapping[int, Cells], names: ColumnNames
) -> ErrorTally:
    tally = ErrorTally(names)
    for outcome in outcomes:
        tally.add(outcome, *cells.get(outcome.row, ((), ())))
    return tally


def column_names(run: Run, deps: Deps) -> ColumnNames:
    """What the run's profile says of the columns of its file."""
    found = deps.store.config.profile(run.profile, run.revision)
    return ColumnNames.of(found and Profile.from_document(found[1], found[0]))


def _first(run: Run, deps: Deps, most: int) -> list[Outcome]:
    """The first of its rows that ended badly."""
    wanted = (OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN)
    if not any(run.outcomes.get(status) for status in wanted):
        return []
    found = []
    for outcome in deps.store.rows.for_a_person(run.run_id, run.plan.row):
        found.append(outcome)
        if len(found) == most:
            break
    return found
