"""What may happen to runs, as values: a scenario is drawn from a seed, run, and shrunk.

Everything that is left to chance stands in the scenario, so that the same scenario always goes the
same way. Its fields have calm defaults: `Scenario()` is one file of one row, and nothing goes
wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from tests.chaos.adapter_scenarios import AdapterScenario
from tests.chaos.malformed_answers import MalformedAnswer
from tests.chaos.outages import Outage
from tests.chaos.sizes import PRODUCTION, Sizes
from virtual.vendor import Reply

T = TypeVar("T")


class FaultKind(StrEnum):
    """What goes wrong with one effect."""

    CRASH_BEFORE = "the function dies just before it"
    CRASH_AFTER = "the function dies just after it"
    ANSWER_LOST = "it is applied, and the answer is lost"
    SENT_TWICE = "it is applied, the answer is lost, and the SDK sends it again"
    THROTTLED = "it is refused as throttled"
    PARTIAL_BATCH = "a part of the batch is written, and the rest comes back unprocessed"
    SLOW_REQUEST = "it takes long to arrive"
    SLOW_ANSWER = "its answer takes long"


@dataclass(frozen=True, slots=True)
class Fault:
    """Effects that go wrong: the `nth` of a kind, counted over the whole scenario from 1, and as
    many after it as make `times` in a row.

    kind  of the effect; `resolve/` stands for every effect of what the operator calls `resolve`
    """

    kind: str = "table.write"
    nth: int = 1
    fault_kind: FaultKind = FaultKind.CRASH_BEFORE
    seconds: float = 0.0
    times: int = 1

    def matches(self, kind: str, number: int) -> bool:
        return kind == self.kind and self.nth <= number < self.nth + max(1, self.times)


@dataclass(frozen=True, slots=True)
class DuplicateTask:
    """The `nth` invocation of a task is delivered again: at once, or some seconds later."""

    task: str = "SubmitJobs"
    nth: int = 1
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class DuplicateEvent:
    """The event of a file is delivered again."""

    file: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class StopExecution:
    """The execution that reaches the `nth` task of the scenario is stopped there.

    OpenRun is not counted: what is stopped before it never became a run.
    """

    nth: int = 1


@dataclass(frozen=True, slots=True)
class AbortRun:
    """The operator stops the run of a file: as it is, or by force with what is known of it."""

    file: int = 0
    at: float = 0.0
    force: bool = False


@dataclass(frozen=True, slots=True)
class IndexLag:
    """For some seconds the table's indexes show nothing new."""

    at: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ChangePriority:
    """The operator gives the run of a file another priority."""

    file: int = 0
    at: float = 0.0
    level: str = "immediate"


@dataclass(frozen=True, slots=True)
class SwitchAccount:
    """The connection is pointed at another account of the vendor, and back after some seconds."""

    at: float = 0.0
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Reupload:
    """The bytes of a file are uploaded once more, under another name."""

    file: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class ResolveRun:
    """When the run of a file is closed, the operator asks the vendor about its unknown rows."""

    file: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class RetryRun:
    """When the run of a file is closed, operators send its failed rows again, so many at once."""

    file: int = 0
    operators: int = 1


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """When the run of a file is closed, the operator deletes it."""

    file: int = 0


Action = (
    DuplicateTask
    | DuplicateEvent
    | StopExecution
    | AbortRun
    | IndexLag
    | ChangePriority
    | SwitchAccount
    | Reupload
    | ResolveRun
    | RetryRun
    | DeleteRun
)

AFTER_CLOSE = ResolveRun | RetryRun | DeleteRun
"""These come when the run of their file is closed, in their order."""


@dataclass(frozen=True, slots=True)
class File:
    """A file and its profile.

    bad      rows without what the operation needs
    repeats  rows with the key of row 1
    keyed    the profile names a row key
    trial    rows to be sent before the operator approves; 0 for all at once
    breaker  rows that may fail alike before the operator must approve; 0 for any number
    ramp     the first jobs are judged before all slots are filled, where there is a breaker
    in_order one job at a time
    snapshot what the records are is kept before they are changed
    """

    rows: int = 1
    bad: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()
    repeatable: bool = False
    keyed: bool = False
    batch: int = 1
    max_attempts: int = 3
    priority: str = "medium"
    arrives: float = 0.0
    trial: int = 0
    breaker: int = 0
    ramp: bool = False
    in_order: bool = False
    snapshot: bool = False


class RecordBehaviour(StrEnum):
    """What the vendor does with a record."""

    APPLIED = "applied"
    REFUSED = "refused in the results"
    CONFLICT = "met by a conflict the first time, then applied"
    APPLIED_UNREPORTED = "applied, and the results do not say so"
    UNREPORTED = "left alone, and the results do not say so"


class JobBehaviour(StrEnum):
    """What becomes of a job."""

    NORMAL = "ends"
    KILLED = "is killed half way"
    PARTIAL_RESULTS = "has results for its first half only"
    REORDERED = "lists its results in another order"
    FORGOTTEN = "is forgotten by the vendor"
    VISIBLE_LATE = "is not visible at first"
    NEVER_ENDS = "never ends"


class PollReply(StrEnum):
    NORMAL = "the truth"
    THROTTLED = "too many requests"
    REFUSED = "no"
    PROBLEM = "a gateway error"


@dataclass(frozen=True, slots=True)
class ScriptedPoll:
    """What a poll is answered with."""

    reply: PollReply = PollReply.NORMAL
    retry_after: float | None = None


class SearchReply(StrEnum):
    NORMAL = "the truth"
    PENDING = "not yet"
    UNDECIDABLE = "cannot be decided"


@dataclass(frozen=True, slots=True)
class VendorBehaviour:
    """How the vendor behaves.

    max_jobs    jobs that it takes at once
    full_wait   the Retry-After of "too many jobs"
    late        seconds for which a late job is not visible
    excess      its capabilities say that one job too many is refused without a penalty
    latencies   seconds from acceptance to end, by job, over and over; as are `records` by row
    replies     to the first submissions; then as the limits are. So with `polls`, `searches` and
                `reads` of records
    malformed   jobs about which it answers what no adapter should let through
    """

    max_jobs: int = 30
    full_wait: float | None = None
    late: float = 60.0
    excess: bool = False
    request_seconds: float = 0.0
    latencies: tuple[float, ...] = (20.0,)
    replies: tuple[Reply, ...] = ()
    polls: tuple[ScriptedPoll, ...] = ()
    searches: tuple[SearchReply, ...] = ()
    reads: tuple[ScriptedPoll, ...] = ()
    records: tuple[RecordBehaviour, ...] = ()
    jobs: tuple[JobBehaviour, ...] = ()
    malformed: tuple[MalformedAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Files that arrive, a vendor, what goes wrong, and who goes first (`seed`).

    max_jobs     that the operator allows on the connection
    senders      requests of one function in flight at once
    lane_window  jobs that one lane keeps in flight
    tight_deadlines  planning and closing are out of time after every step, and go on from there
    sizes        how much is done at once
    per_minute   requests that the operator allows in a minute; 0: any number
    conflicts    the part of transactions that meet another one, and are tried again
    outages      what fails for long
    hours        for which the scenario goes on, if need be
    retention    days for which everything is kept; 0: a month, and nothing expires
    approve_after  seconds for which the operator leaves a paused run alone
    production_deadlines  deadlines of jobs and searches are those of production
    machine_seconds  what an execution may take; 0: as it is deployed
    adapter_scenario  a real adapter's; of `vendor` only limits and latencies hold then. None: the
                 vendor in memory
    """

    seed: int = 0
    files: tuple[File, ...] = (File(),)
    vendor: VendorBehaviour = VendorBehaviour()
    max_jobs: int = 4
    senders: int = 1
    lane_window: int = 100
    tight_deadlines: bool = False
    sizes: Sizes = PRODUCTION
    per_minute: int = 0
    conflicts: float = 0.0
    outages: tuple[Outage, ...] = ()
    hours: float = 12.0
    retention: int = 0
    approve_after: float = 0.0
    production_deadlines: bool = False
    machine_seconds: float = 0.0
    faults: tuple[Fault, ...] = ()
    actions: tuple[Action, ...] = ()
    adapter_scenario: AdapterScenario | None = None


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letter(file: int) -> str:
    """Files, their profiles and their runs are called a, b, c …"""
    return LETTERS[file]


def row_names(scenario: Scenario) -> Iterator[str]:
    """Every row has a name: `b7` is row 7 of the second file."""
    for index, file in enumerate(scenario.files):
        yield from (f"{letter(index)}{row}" for row in range(1, file.rows + 1))


def file_of(name: str) -> int:
    """The file of a row's name."""
    return LETTERS.index(name[0])
