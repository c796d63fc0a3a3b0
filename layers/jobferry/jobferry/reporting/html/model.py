"""What the report of a run shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that met an error: its number, its cells by header, and what was said about it."""

    row: int
    cells: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows that ended alike. `count` is all of them, `samples` a few."""

    status: OutcomeStatus
    code: str
    text: str
    count: int
    samples: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """The state of the run, `seconds` after it started."""

    seconds: float
    rows_settled: int
    jobs_in_flight: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything the page shows.

    Attributes:
        source: where the file lies, for people (`s3://bucket/key`) started_at,
        closed_at: aware datetimes; shown in UTC
        outcomes: rows by outcome status
        jobs: jobs by `planned`, `submitted`, `finished`
        requests: vendor requests by `submit`, `poll`, `other`
        cost: US dollars by item
        figures: how close the run came to the vendor's limits, and what it used
        files: where the result files are
        warnings: what the plan or the vendor warned of
    """

    run_id: str
    profile: str
    operation: str
    connection: str
    status: RunStatus
    error: str | None
    source: str
    started_at: datetime
    closed_at: datetime
    rows: int
    outcomes: Mapping[str, int]
    jobs: Mapping[str, int]
    requests: Mapping[str, int]
    error_groups: Sequence[ErrorGroup] = ()
    timeline: Sequence[TimelinePoint] = ()
    cost: Mapping[str, float] = field(default_factory=dict)
    files: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def adds_up(self) -> bool:
        return sum(self.outcomes.values()) == self.rows

    def count(self, status: OutcomeStatus) -> int:
        return self.outcomes.get(status, 0)
