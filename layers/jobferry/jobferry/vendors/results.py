"""Verdicts that mean the same whichever vendor's results are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.vendors.answer_gate import error_said

Item = TypeVar("Item")

NO_REASON = "The vendor gave no reason."

NOT_LISTED = RecordResult(
    OutcomeStatus.UNKNOWN,
    code="result_missing",
    text="The job ended without a result for this row; look the record up at the vendor.",
)
SAYS_NOTHING = RecordResult(
    OutcomeStatus.UNKNOWN,
    code="result_says_nothing",
    text="The vendor's result for this row says neither success nor failure.",
)
NOTHING_DONE = RecordResult(
    OutcomeStatus.FAILED,
    code="job_aborted",
    text="The job ended before it began. Nothing was done; the row can be sent again.",
)


def failed(vendor_id: str | None, code: object, text: str) -> RecordResult:
    """A failure in the vendor's words, fit for the table and its code for a log."""
    said, words = error_said(code, text, without="failed", otherwise=NO_REASON)
    return RecordResult(OutcomeStatus.FAILED, vendor_id, said, words)


def one_per_record(
    count: int, placed: Mapping[int, Item], verdict: Callable[[Item], RecordResult]
) -> list[RecordResult]:
    """A verdict for each of `count` records; `placed` has results by their record's position."""
    return [verdict(placed[at]) if at in placed else NOT_LISTED for at in range(count)]
