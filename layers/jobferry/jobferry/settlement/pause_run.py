"""Trip the breaker: pause a run of which too many rows fail alike, before more of them do."""

from __future__ import annotations

from collections.abc import Iterable

from jobferry.deps import Deps
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import Breaker
from jobferry.domain.run import Pause, Run
from jobferry.settlement.circuit_breaker import OTHER, Trip, code_name, tripped_by

BREAKER = "breaker"

REASON_CHARACTERS = 400
"""Of the reason for a pause, the vendor's own words included."""


def trip_breaker(
    run: Run, breaker: Breaker | None, outcomes: Iterable[Outcome], deps: Deps
) -> None:
    """Pause a run if too many of its rows failed alike since an operator last said yes.

    Args:
        run: read after its failures were counted.
        outcomes: settled just now; one of them serves as an example.
    """
    trip = tripped_by(breaker, run.fresh_failures, run.fresh_processed)
    if trip is None:
        return
    reason = f"{trip.failed:,} of {trip.processed:,} rows failed {failed_with(trip, outcomes)}"
    pause_run(run.run_id, BREAKER, reason, deps, error=trip.code, failed=trip.failed)


def failed_with(trip: Trip, outcomes: Iterable[Outcome]) -> str:
    """What rows failed with that tripped the breaker, for people: `with CODE: …`.

    Args:
        outcomes: where an example is looked for, in the vendor's own words.
    """
    example = _example(trip.code, outcomes)
    if trip.codes == 1:
        return f"with {example}"
    return f"with {trip.codes} error codes, most often with {example}"


def pause_run(run_id: str, code: str, reason: str, deps: Deps, **what: str | int) -> None:
    """Pause a run for somebody to look, and raise the alarm, once.

    what: goes into the log; the reason does not, as it may quote the vendor on a row.
    """
    if deps.store.runs.pause(run_id, Pause(code, reason[:REASON_CHARACTERS], deps.now())):
        deps.warn("run paused", run_id=run_id, code=code, **what)
        deps.emit(RunsPaused=1)


def _example(code: str, outcomes: Iterable[Outcome]) -> str:
    """The error in the vendor's own words, where a row that met it is at hand."""
    for outcome in outcomes:
        if outcome.status is OutcomeStatus.FAILED and code_name(outcome.error_code) == code:
            return ": ".join(filter(None, (outcome.error_code or code, outcome.error)))
    return "other errors" if code.startswith(OTHER) else code
