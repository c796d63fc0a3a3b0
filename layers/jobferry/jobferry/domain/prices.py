"""List prices (US dollars) and what counts cost by them: the only table of prices there is.

Sources: the public price pages of `REGION`, as of `AS_OF`.
https://aws.amazon.com/lambda/pricing/
https://aws.amazon.com/step-functions/pricing/
https://aws.amazon.com/dynamodb/pricing/on-demand/
https://aws.amazon.com/s3/pricing/
https://aws.amazon.com/cloudwatch/pricing/
https://aws.amazon.com/secrets-manager/pricing/
https://aws.amazon.com/eventbridge/pricing/
https://aws.amazon.com/sns/pricing/
No free tier is counted: of DynamoDB the first 25 GB stored are free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REGION = "us-east-1"
AS_OF = "November 2026"

TRANSITION = 0.025 / 1_000
LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_GB_SECOND_ARM = 0.0000133334
WRITE_UNIT = 0.625 / 1_000_000
READ_UNIT = 0.125 / 1_000_000
S3_PUT = 0.005 / 1_000
S3_GET = 0.0004 / 1_000

# By gigabyte and month.
TABLE_STORAGE = 0.25
POINT_IN_TIME_RECOVERY = 0.20
"""Of the table, not of its indexes."""
S3_STORAGE = 0.023
LOG_STORAGE = 0.03

LOG_INGESTION = 0.50
"""By gigabyte."""
SECRET_READ = 0.05 / 10_000

EVENT = 1.00 / 1_000_000
PUBLISH = 0.50 / 1_000_000
"""Of a message to a topic. Mails are 2.00 for 100,000 besides, to queues and functions none."""
NOTICE_GB_SECONDS = 0.6
"""Of the function that sends a message, which is cold more often than not (assumed)."""

NOTICE = EVENT + PUBLISH + 2 * WRITE_UNIT + 2 * READ_UNIT
NOTICE += LAMBDA_REQUEST + NOTICE_GB_SECONDS * LAMBDA_GB_SECOND_ARM
"""What one change of a run costs of which people are notified."""

# By month.
METRIC = 0.30
"""In hours in which it is sent."""
ALARM = 0.10
"""For each metric that an alarm looks at."""
SECRET = 0.40

MONTH = 30.4 * 86_400
"""Seconds."""
GIGABYTE = 1024**3
LOG_DAYS = 30
"""For how long logs are kept (template.yaml, LogRetention)."""

ITERATION_TRANSITIONS = 6
"""States that an iteration of a lane enters: LaneIteration, SubmitJobs, WaitForJobs,
PollJobs, SettleJobs, IsLaneDone."""

ITERATION = ITERATION_TRANSITIONS * TRANSITION + 2 * LAMBDA_REQUEST
"""What one more iteration of a lane costs, apart from the seconds of its functions."""

POLL_GB = 0.25
"""Memory of the function that waits for jobs, in gigabytes (template.yaml)."""

POLL_LARGE_GB = 1.0
"""The same where jobs are so short, or so many, that a small one would hold them up."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a run used of the services that are paid by use.

    Attributes:
        write_units: of the table itself
        index_units: of its indexes, besides
        table_months, index_months, object_months: gigabyte-months kept in the table, in its
            indexes, and in S3
        log_gigabytes: of logs, as written
        secret_reads: of the connection's secret
        notices: changes of which people are notified
    """

    write_units: float = 0
    index_units: float = 0
    read_units: float = 0
    transitions: float = 0
    invocations: float = 0
    gb_seconds: float = 0
    puts: float = 0
    gets: float = 0
    table_months: float = 0
    index_months: float = 0
    object_months: float = 0
    log_gigabytes: float = 0
    secret_reads: float = 0
    notices: float = 0


def cost(used: Used) -> Mapping[str, float]:
    """Dollars by item at list prices."""
    kept_logs = LOG_STORAGE * LOG_DAYS * 86_400 / MONTH
    return {
        "writes": WRITE_UNIT * used.write_units,
        "writes of indexes": WRITE_UNIT * used.index_units,
        "reads": READ_UNIT * used.read_units,
        "state transitions": TRANSITION * used.transitions,
        "Lambda": LAMBDA_GB_SECOND_ARM * used.gb_seconds + LAMBDA_REQUEST * used.invocations,
        "S3 requests": S3_PUT * used.puts + S3_GET * used.gets,
        "table: storage": TABLE_STORAGE * (used.table_months + used.index_months),
        "table: recovery": POINT_IN_TIME_RECOVERY * used.table_months,
        "S3: storage": S3_STORAGE * used.object_months,
        "logs": (LOG_INGESTION + kept_logs) * used.log_gigabytes,
        "secrets": SECRET_READ * used.secret_reads,
        "notices": NOTICE * used.notices,
    }
