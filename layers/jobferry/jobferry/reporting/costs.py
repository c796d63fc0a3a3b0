"""What a run uses of AWS, and what a deployment costs in a month in which nothing runs. Pure.

The counts below are what `benchmarks/cost.py` sees the real steps use, table and state machine in
memory. A test holds what follows from them to what that counts, so whoever changes how often the
engine writes changes a number here. Prices are in `domain/prices.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jobferry.domain import prices

# Write units: a kilobyte is one, in a transaction two.
CHUNK_UNITS = 5.0
"""Of each chunk on its way. `CHUNK#`: intent 1, job id 1, ended and settled in one move 2 (in a
transaction). `ADOPTED#` 1. One less where the vendor is searched by a token: no intent."""
INTENT_UNITS = 1.0
PLAN_UNITS = 0.035
"""Of each chunk's part of its page of the plan."""
CLAIM_UNITS = 8.0
"""Of each claim, shared by the chunks claimed together: `JOB#` made 2 and removed 1, `POOL` 2,
`LIMITS` 2, `REQUESTS` 1."""
REFUSAL_UNITS = 3.0
"""Of a submission that comes too early: intent 1, taken back 1, `REQUESTS` 1."""
POLL_UNITS = 1.0
"""Of each poll: `REQUESTS`."""
SETTLE_UNITS = 4.0
"""Of each move that settles, shared by the chunks that ended together: `LIMITS` 2, `META` 2."""
SETTLE_INDEX_UNITS = 1.0
"""The copy of `META` in `by_time`."""
ROW_UNITS = 1.0
"""Of a row that has an item of its own: one that needs a person, or each with `row_items: all`."""
ROW_INDEX_UNITS = 1.0
"""The copy in `by_person` of a row that needs a person."""
RUN_UNITS, RUN_INDEX_UNITS = 20.0, 10.0
"""Of each run, however small."""
DEMAND_SECONDS = 20.0
"""Seconds from one write of `NEED#` to the next."""

# Read units.
ROUND_READS = 6.0
"""Of each claim, refusal and poll."""
SECOND_READS = 1.4
"""Of each second of a lane: whether the run is stopped, and what other runs need."""
ITERATION_JOB_READS = 1.0
"""Of each job in flight, when an iteration begins."""
CLOSE_CHUNK_READS = 0.3
"""Of each chunk, when its run is closed."""
RUN_READS = 60.0

# Bytes, with the hundred that storage counts for each item.
CHUNK_BYTES = 860
"""`CHUNK#` 645, `ADOPTED#` 182, its part of `PLAN#` 33."""
BLOCK_BYTES = 290
BLOCK_JOB_BYTES = 3.5
BLOCK_ROW_BYTES = 2.3
"""Of a block itself, of each job and of each row in it, compressed."""
CHUNK_DAYS = 30
"""For which items of chunks are kept (`store/chunk_items.py`)."""
ROW_ITEM_BYTES = 340
RUN_BYTES, RUN_INDEX_BYTES = 2_500, 1_700
EVIDENCE_ROW_BYTES = 41
EVIDENCE_JOB_BYTES = 50
RESULT_ROW_BYTES = 34
"""What a result file has beside the row's own cells."""
SNAPSHOT_ROW_BYTES = 60
"""What a snapshot has of a row beside its values, which are taken for as long as the row's."""
REPORT_BYTES = 24_000

HELD = 1.25
"""Items are kept for the retention and a quarter (`settlement/retention.py`)."""
PARTITION_ROWS = 5_000
"""Rows of one partition of blocks (`store/keys.py`)."""
MOST_TOGETHER = 50
"""Chunks that one transaction settles, or claims, at the most."""

# Lambda: gigabyte-seconds, cold starts included.
POLL_JOB_SECONDS = 0.065
"""What one job takes of the function that submits and polls: with many short jobs this, and not the
vendor, is what a run waits for."""
SUBMIT_GB_SECONDS = 0.2
"""Of the step that begins an iteration."""
RUN_GB_SECONDS = 5.0
"""Of opening, planning and closing a small run."""
PLANNED_ROWS_A_GB_SECOND = 69_000
CLOSED_ROWS_A_GB_SECOND = 22_600
"""40,000 rows a second with 1,769 MB (`benchmarks/settle_speed.py`)."""

RUN_TRANSITIONS = 10
"""OpenRun, IsRunOpen, AnnounceOpened, PlanRun, IsPlanned, ProcessLanes, CloseRun, IsRunClosed,
AnnounceClosed, RunEnded."""
RUN_INVOCATIONS = 3
RUN_PUTS, RUN_GETS = 8, 10
RUN_NOTICES = 2
"""A run that begins, and one that ends."""

# Assumed bytes of logs: START, END and REPORT of an invocation; a line of ours; the events of a
# state, since the state machine logs all of them.
INVOCATION_LOG = 1_000
LINE_LOG = 500
STATE_LOG = 1_200
RUN_LINES = 10

# What a month costs in which nothing runs (template.yaml).
METRICS = 9
"""Names of metrics that a run sends when it is closed; others are sent when something is wrong."""
ALARM_METRICS = 26
"""Metrics that alarms look at."""
SWEEP_MINUTES = 5.0
SWEEP_SECONDS = 0.3
SWEEP_GB = 0.5
SWEEP_READS = 20
"""Of a sweep while nothing runs (assumed)."""

ROW_BYTES = 120.0
"""Of a row in the file, where it is not known."""
RETENTION_DAYS = 90
FAILED_SHARE = 0.01
"""Of the rows sent: those that fail, where nothing is known."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run consists of.

    Attributes:
        rows: of the file
        jobs: that its rows are sent in
        rejected: rows that are not sent and need a person
        failed_share: of the rows sent
        every_row: `row_items: all`
        row_bytes: of a row in the file, on average
        retention_days: for which it is kept
        snapshot: what records are is kept before they are changed
    """

    rows: int
    jobs: int
    rejected: int = 0
    failed_share: float = FAILED_SHARE
    every_row: bool = False
    row_bytes: float = ROW_BYTES
    retention_days: float = RETENTION_DAYS
    snapshot: bool = False

    @property
    def in_need(self) -> float:
        """Rows that need a person."""
        return self.rejected + self.failed_share * (self.rows - self.rejected)

    @property
    def row_items(self) -> float:
        return self.rows if self.every_row else self.in_need


@dataclass(frozen=True, slots=True)
class Work:
    """What the lanes of a run do.

    Attributes:
        lane_seconds: of all lanes together
        poll_gb: memory of their functions
        chunk_units: write units of each chunk
        in_flight: jobs, as long as there are enough
        blocks: outcome blocks written
    """

    lane_seconds: float
    poll_gb: float
    chunk_units: float
    lanes: int
    in_flight: int
    iterations: float
    claims: float
    refused: float
    polls: float
    settles: float
    blocks: float


def used(load: Load, work: Work) -> prices.Used:
    """What a run uses, as far as can be said before it."""
    invocations = RUN_INVOCATIONS + 2 * work.iterations
    transitions = RUN_TRANSITIONS + work.lanes + prices.ITERATION_TRANSITIONS * work.iterations
    table, indexes, objects = kept(load, work.blocks)
    return prices.Used(
        write_units=_write_units(load, work),
        index_units=RUN_INDEX_UNITS
        + SETTLE_INDEX_UNITS * work.settles
        + ROW_INDEX_UNITS * load.in_need,
        read_units=RUN_READS
        + ROUND_READS * (work.claims + work.refused + work.polls)
        + SECOND_READS * work.lane_seconds
        + ITERATION_JOB_READS * work.in_flight * work.iterations
        + close_reads(load, work.blocks),
        transitions=transitions,
        invocations=invocations,
        gb_seconds=work.poll_gb * work.lane_seconds
        + SUBMIT_GB_SECONDS * work.iterations
        + run_gb_seconds(load.rows),
        puts=RUN_PUTS + work.polls + load.snapshot * load.jobs,
        gets=RUN_GETS + load.jobs + work.refused,
        table_months=table,
        index_months=indexes,
        object_months=objects,
        log_gigabytes=log_gigabytes(invocations, transitions, RUN_LINES + work.polls),
        notices=RUN_NOTICES,
    )


def _write_units(load: Load, work: Work) -> float:
    return (
        RUN_UNITS
        + (work.chunk_units + PLAN_UNITS) * load.jobs
        + CLAIM_UNITS * work.claims
        + REFUSAL_UNITS * work.refused
        + POLL_UNITS * work.polls
        + SETTLE_UNITS * work.settles
        + ROW_UNITS * load.row_items
        + _block_units(load, work.blocks)
        + work.lane_seconds / DEMAND_SECONDS
    )


def block_bytes(load: Load, blocks: float) -> float:
    """Bytes of all blocks."""
    return BLOCK_BYTES * blocks + BLOCK_JOB_BYTES * load.jobs + BLOCK_ROW_BYTES * load.rows


def _block_units(load: Load, blocks: float) -> float:
    if not blocks:
        return 0.0
    kilobytes = block_bytes(load, blocks) / blocks / 1024
    return 2 * blocks * (1.0 if kilobytes < 0.5 else kilobytes + 0.5)


def blocks_of(load: Load, settles: float, in_flight: int) -> float:
    """Blocks that so many settles write: one for each partition that the jobs in flight touch."""
    rows = in_flight * load.rows / load.jobs if load.jobs else 0.0
    touched = min(rows / PARTITION_ROWS, max(0.0, load.jobs / settles - 1) if settles else 0.0)
    return settles * (1 + touched)


def close_reads(load: Load, blocks: float) -> float:
    """Read units of closing a run."""
    return CLOSE_CHUNK_READS * load.jobs + block_bytes(load, blocks) / 4096


def run_gb_seconds(rows: int) -> float:
    """Of opening, planning and closing a run, in gigabyte-seconds."""
    planned, closed = rows / PLANNED_ROWS_A_GB_SECOND, rows / CLOSED_ROWS_A_GB_SECOND
    return RUN_GB_SECONDS + planned + closed


def kept(load: Load, blocks: float) -> tuple[float, float, float]:
    """Gigabyte-months of the table, of its indexes, and of S3: source, evidence and results."""
    items = block_bytes(load, blocks) + ROW_ITEM_BYTES * load.row_items
    chunks = CHUNK_BYTES * load.jobs * min(CHUNK_DAYS, HELD * load.retention_days)
    indexes = RUN_INDEX_BYTES + ROW_ITEM_BYTES * load.in_need
    a_row = 2 * load.row_bytes + EVIDENCE_ROW_BYTES + RESULT_ROW_BYTES
    a_row += load.snapshot * (load.row_bytes + SNAPSHOT_ROW_BYTES)
    objects = REPORT_BYTES + a_row * load.rows + EVIDENCE_JOB_BYTES * load.jobs
    day = 86_400 / prices.MONTH / prices.GIGABYTE
    months = day * load.retention_days
    table = HELD * months * (RUN_BYTES + items) + day * chunks
    return table, HELD * months * indexes, months * objects


def log_gigabytes(invocations: float, transitions: float, lines: float) -> float:
    """Of logs, as written."""
    written = INVOCATION_LOG * invocations + STATE_LOG * transitions + LINE_LOG * lines
    return written / prices.GIGABYTE


def fixed_month(connections: int = 1, sweep_minutes: float = SWEEP_MINUTES) -> Mapping[str, float]:
    """Dollars a month of a deployment, by item, whatever runs."""
    sweep = prices.LAMBDA_REQUEST + SWEEP_READS * prices.READ_UNIT
    sweep += SWEEP_SECONDS * SWEEP_GB * prices.LAMBDA_GB_SECOND_ARM
    return {
        "metrics": METRICS * prices.METRIC,
        "alarms": ALARM_METRICS * prices.ALARM,
        "secret": connections * prices.SECRET,
        "key of links": prices.SECRET,
        "sweeps": prices.MONTH / 60 / sweep_minutes * sweep,
    }


def rows_in_jobs(rows: int, rows_per_job: int) -> int:
    """Jobs that so many rows make."""
    return math.ceil(rows / rows_per_job)
