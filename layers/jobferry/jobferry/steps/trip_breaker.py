"""Trip the breaker: pause a run of which too many rows fail alike, before more of them do."""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.breaker import class_name, tripped_by
from jobferry.ledger.runs import Pause, Run
from jobferry.model import Breaker, Outcome, OutcomeStatus
from jobferry.steps.deps import Deps

BREAKER = "breaker"

REASON_CHARACTERS = 400
"""Of the reason for a pause, the vendor's own words included."""


def trip_breaker(
    run: Run, breaker: Breaker | None, outcomes: Sequence[Outcome], deps: Deps
) -> None:
    """Pause a run if too many of its rows failed alike since an operator last said yes.

    Args:
        run: read after its failures were counted.
        outcomes: settled just now; one of them serves as an example.
    """
    kind = tripped_by(breaker, run.fresh_failures, run.fresh_carried)
    if kind is None:
        return
    failed, carried = run.fresh_failures[kind], run.fresh_carried
    reason = f"{failed:,} of {carried:,} rows failed with {_example(kind, outcomes)}"
    pause_run(run.run_id, BREAKER, reason, deps, error=kind, failed=failed)


def pause_run(run_id: str, code: str, reason: str, deps: Deps, **what: str | int) -> None:
    """Pause a run for somebody to look, and raise the alarm, once.

    what: goes into the log; the reason does not, as it may quote the vendor on a row.
    """
    if deps.ledger.runs.pause(run_id, Pause(code, reason[:REASON_CHARACTERS], deps.now())):
        deps.warn("run paused", run_id=run_id, code=code, **what)
        deps.emit(BreakersTripped=1)


def _example(kind: str, outcomes: Sequence[Outcome]) -> str:
    """The error in the vendor's own words, where a row that met it is at hand."""
    for outcome in outcomes:
        if outcome.status is OutcomeStatus.FAILED and class_name(outcome.error_code) == kind:
            return ": ".join(filter(None, (outcome.error_code or kind, outcome.error)))
    return kind
