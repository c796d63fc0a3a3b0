"""Outcomes: the final word on each row, and what leads to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class OutcomeStatus(StrEnum):
    """The final word on a row."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    """Never sent: the row itself cannot be used."""
    SKIPPED = "skipped"
    """Never sent: a duplicate, or the run was stopped before its turn."""
    UNKNOWN = "unknown"
    """Sent, but the vendor cannot say what became of it."""


class RejectedRow(NamedTuple):
    """A row that is not sent, and why, in words for a spreadsheet user.

    Attributes:
        unclear: it is left out, and nobody has said that it may be: the run is not simply completed
    """

    row: int
    status: OutcomeStatus
    code: str
    reason: str
    unclear: bool = False


class Verdict(NamedTuple):
    """One word for all rows of a chunk, where no results decide them one by one."""

    status: OutcomeStatus
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What the vendor said about one record of a job, normalised."""

    status: OutcomeStatus
    vendor_id: str | None = None
    code: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final word on one row, as it is kept in the store and shown to people."""

    row: int
    status: OutcomeStatus
    vendor_id: str | None = None
    error_code: str | None = None
    error: str | None = None
    job_id: str | None = None
    attempts: int = 0
