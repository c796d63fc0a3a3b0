"""Runs: one CSV processed under one profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.trouble import Trouble


class RunStatus(StrEnum):
    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    """Shown, never stored: a pause is kept beside the status (`Run.phase`)."""
    CLOSING = "closing"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    UNRESOLVED = "unresolved"
    ABORTED = "aborted"
    FAILED = "failed"

    @property
    def closed(self) -> bool:
        return self in _CLOSED


_CLOSED = frozenset(
    {
        RunStatus.COMPLETED,
        RunStatus.COMPLETED_WITH_FAILURES,
        RunStatus.UNRESOLVED,
        RunStatus.ABORTED,
        RunStatus.FAILED,
    }
)


ABORTED = "aborted"
"""The code of a stop that somebody asked for; any other says what refused the run."""


class RunGoneError(LookupError):
    """There is no such run, or there is no more. The state machine repeats no step for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one object: what a run reads, whatever is uploaded over it later."""

    bucket: str
    key: str
    version_id: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class PlanState:
    """How far planning has come: a checkpoint at a chunk boundary.

    Attributes:
        offset: bytes of the source that are planned
        row: last row before `offset`
        chunks: chunks cut so far
        done: the whole file is planned; `row` is the number of rows, `chunks` that of chunks
        dialect: how the file is written (`csvfile.Dialect.to_json`)
        trial_chunks: how many of the first chunks make the trial; 0: it is longer than the plan so
            far, or there is none
        conflicts: rows that have the key of another row, and other cells
    """

    offset: int = 0
    row: int = 0
    chunks: int = 0
    done: bool = False
    dialect: Mapping[str, Any] | None = None
    trial_chunks: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why nothing more of a run is sent. Rows not yet sent become `skipped` with this reason."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing more of a run is sent for now. Jobs in flight are seen through.

    Attributes:
        at: epoch seconds
    """

    code: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Resolving:
    """An operator's request that the vendor be asked once more about rows that are unknown.

    Attributes:
        asked_at: epoch seconds
        after: the last chunk that was looked after
        jobs: jobs that were asked about so far
        ended: of these, jobs whose results could be read
        unknown: rows that were unknown when it began
        done: nothing more can be learned now
    """

    asked_at: float
    after: int = 0
    jobs: int = 0
    ended: int = 0
    unknown: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    run_id: str
    status: RunStatus
    profile: str
    revision: int
    connection: str
    operation: str
    source: Source
    started_at: float
    priority: str = "medium"
    execution: str = ""
    origin: str | None = None
    closed_at: float | None = None
    planned_at: float | None = None
    plan: PlanState = field(default_factory=PlanState)
    outcomes: Mapping[OutcomeStatus, int] = field(default_factory=dict)
    jobs_settled: int = 0
    stop: StopReason | None = None
    pause: Pause | None = None
    suspended: bool = False
    """Its execution has ended with a pause: whoever wants it to go on must start another."""
    row_items: bool = False
    """The table has an item for every row, beside the blocks."""
    trial: int | None = None
    """Rows to send before the run is paused for a person's yes."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Rows settled as failed, by error code (`jobferry.settlement.circuit_breaker`)."""
    failures_seen: Mapping[str, int] = field(default_factory=dict)
    processed_seen: int = 0
    """What an operator has seen of `failures` and `processed`, and said yes to."""
    error: str | None = None
    lanes: int = 0
    relaunches: int = 0
    settled_at_relaunch: int = -1
    stuck_rows: int = -1
    stuck_since: float = 0.0
    """Since when lanes were started again with just so many rows settled."""
    close: str | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    jobs: Mapping[str, int] | None = None
    """Jobs planned, submitted and finished, when it was closed; None before, and of runs of before
    they were kept."""
    job_rows: int | None = None
    """Rows per job, where less than the most was learned to be better; set when it was opened."""
    forecast: Mapping[str, Any] | None = None
    figures: Mapping[str, Any] | None = None
    """How close it came to the bounds, and what it used; set when it was closed."""
    bisected: int = 0
    """Jobs that were refused as a whole and bisected."""
    settle_calls: int = 0
    settle_gb_ms: float = 0
    settle_units: int = 0
    settle_reads: int = 0
    vendor: str = ""
    base_url: str = ""
    """The account that it was opened for; empty for runs of before they were kept."""
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    """What keeps it from going on now, by where that was met (`jobferry.domain.trouble`)."""
    expires_at: int = 0
    """When the table forgets what is written of the run now (epoch seconds). Prolonged while it
    is open."""
    end_jobs: bool = False
    """An operator wants the vendor to end the run's jobs: its lanes ask for it."""
    priority_at: float = 0.0
    """When an operator has changed the priority (epoch seconds): lanes tell jobs made before."""
    forced: bool = False
    """An operator wants it closed whatever happens: no lane works on it any more."""
    resolving: Resolving | None = None
    """The last request for a resolve, and how far it is."""
    warnings: tuple[str, ...] = ()
    """What the vendor or the plan warned of, for a person."""
    by: Mapping[str, str] = field(default_factory=dict)
    """Who `started`, `aborted`, `resumed`, `resolved` it, or gave it another `priority`, as far as
    known."""
    unpacked: Source | None = None
    """What was packed in its source; None while it is not unpacked, or of a plain file."""
    rested_at: float | None = None
    """Since when nobody works on it (epoch seconds): it is paused and its execution has ended."""
    idle: tuple[tuple[float, float], ...] = ()
    """From when to when nobody worked on it before: it rested, or was closed and opened again."""

    @property
    def file(self) -> Source:
        """The object that holds its rows as bytes: the source, or what was unpacked of it."""
        return self.unpacked or self.source

    @property
    def trouble(self) -> Trouble | None:
        """What has kept it from going on for the longest; None while nothing does."""
        return min(self.troubles.values(), key=lambda trouble: trouble.since, default=None)

    @property
    def rows(self) -> int:
        """Rows of the file, as far as planned; none of a file that cannot be used."""
        return 0 if self.status is RunStatus.FAILED else self.plan.row

    @property
    def sendable(self) -> int:
        """Rows in chunks, as far as planned, while it is being planned."""
        return self.plan.row - self.settled_rows

    @property
    def paused(self) -> bool:
        """Whether its lanes send nothing for now; a run that is stopped for good is not paused."""
        return self.pause is not None and self.stop is None

    @property
    def phase(self) -> RunStatus:
        """Its status as people see it."""
        return RunStatus.PAUSED if self.paused and not self.status.closed else self.status

    def idle_until(self, moment: float) -> tuple[tuple[float, float], ...]:
        """From when to when nobody worked on it, up to a moment (epoch seconds)."""
        rests = () if self.rested_at is None else ((self.rested_at, moment),)
        known = (*self.idle, *rests)
        return tuple((start, min(end, moment)) for start, end in known if start < moment)

    def worked(self, until: float) -> float:
        """Seconds from its start to a moment in which it was worked on: pauses do not count."""
        idle = sum(end - start for start, end in self.idle_until(until))
        return max(0.0, until - self.started_at - idle)

    @property
    def processed(self) -> int:
        """Rows settled that were sent."""
        sent = (OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN)
        return sum(self.outcomes.get(status, 0) for status in sent)

    @property
    def fresh_failures(self) -> dict[str, int]:
        """Rows settled as failed, by error code, that no operator has seen."""
        return {kind: n - self.failures_seen.get(kind, 0) for kind, n in self.failures.items()}

    @property
    def fresh_processed(self) -> int:
        """Rows settled that were sent, of which no operator has seen what became of them."""
        return self.processed - self.processed_seen

    @property
    def settled_rows(self) -> int:
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Figures:
    """What lanes used.

    Attributes:
        submit, poll, other: requests to the vendor iterations                  iterations of the
            state machine
        gb_ms: time of their functions (ms) times their memory (GB)
        write_units, read_units: of the table
        puts: objects written (evidence)
    """

    submit: int = 0
    poll: int = 0
    other: int = 0
    laps: int = 0
    gb_ms: int = 0
    write_units: int = 0
    read_units: int = 0
    puts: int = 0

    @property
    def requests(self) -> dict[str, int]:
        return {"submit": self.submit, "poll": self.poll, "other": self.other}
