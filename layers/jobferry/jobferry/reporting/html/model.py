"""What the report of a run shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobferry.domain.commands import Step
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row that met an error.

    Attributes:
        wrong: what is said about the row is said of this cell
        cut: characters of it that are not in `text`
    """

    header: str
    text: str
    wrong: bool = False
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that met an error, and what was said about it.

    Attributes:
        hidden: columns of the file that are not among `cells`
    """

    row: int
    cells: Sequence[Cell]
    text: str
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows that ended alike: with errors of one form.

    Attributes:
        text: what was said about the first of them
        count: all of them; `samples` are a few
        advice: what to do about them, commands in backticks
        alike: every text is the same, not just of the same form
    """

    status: OutcomeStatus
    code: str
    text: str
    count: int
    samples: Sequence[Sample] = ()
    advice: str = ""
    alike: bool = True


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
        status: as people see it, `paused` among them
        source: where the file lies, for people (`s3://bucket/key`)
        started_at, closed_at, as_of: aware datetimes, shown in UTC; `closed_at` None: it is open
        seconds: in which it was worked on; `paused_seconds` are not among them
        origin: the run whose rows it sends again
        by: who started, aborted, resumed it, as far as known
        outcomes: rows by outcome status
        jobs: jobs by `planned`, `submitted`, `finished`
        requests: vendor requests by `submit`, `poll`, `other`
        cost: US dollars by item
        figures: how close the run came to the vendor's limits, and what it used
        files: where the result files are
        warnings: what the plan or the vendor warned of
        waiting: what it waits for
        steps: what a person does next
    """

    run_id: str
    profile: str
    operation: str
    connection: str
    status: RunStatus
    error: str | None
    source: str
    started_at: datetime
    closed_at: datetime | None
    as_of: datetime
    seconds: float
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
    waiting: Sequence[str] = ()
    steps: Sequence[Step] = ()
    paused_seconds: float = 0.0
    priority: str = "medium"
    origin: str | None = None
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        return self.closed_at is not None

    @property
    def settled(self) -> int:
        """Rows that have their outcome."""
        return sum(self.outcomes.values())

    @property
    def adds_up(self) -> bool:
        return self.settled == self.rows

    def count(self, status: OutcomeStatus) -> int:
        return self.outcomes.get(status, 0)
