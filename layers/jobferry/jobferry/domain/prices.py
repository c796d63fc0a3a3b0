"""List prices (us-east-1, US dollars) and what measured counts cost by them.

Sources: the public price pages, as of November 2026.
https://aws.amazon.com/lambda/pricing/
https://aws.amazon.com/step-functions/pricing/
https://aws.amazon.com/dynamodb/pricing/on-demand/
https://aws.amazon.com/s3/pricing/
https://aws.amazon.com/cloudwatch/pricing/
https://aws.amazon.com/secrets-manager/pricing/
No free tier is counted: of DynamoDB the first 25 GB stored are free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

# By month.
METRIC = 0.30
ALARM = 0.10
SECRET = 0.40

ITERATION_TRANSITIONS = 6
"""States that an iteration of a lane enters: LaneIteration, SubmitJobs, WaitForJobs,
PollJobs, SettleJobs, IsLaneDone."""

ITERATION = ITERATION_TRANSITIONS * TRANSITION + 2 * LAMBDA_REQUEST
"""What one more iteration of a lane costs, apart from the seconds of its functions."""

POLL_GB = 0.25
"""Memory of the function that waits for jobs, in gigabytes (template.yaml)."""

WRITES_PER_REFUSAL = 3
"""Write units of a submission that comes too early: request 1, intent 1, taken back 1."""

WRITES_PER_CHUNK = 12
"""Write units of one chunk on its way: claimed (7 for pool, limits and claim, shared by those
claimed together), intent 1, mark of the job 1, job 1, requests 1, finished 2 (and 2, shared),
settled 2 (and 2, shared); see docs/data-model.md."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a run used of the services that are paid by use."""

    write_units: float = 0
    read_units: float = 0
    transitions: float = 0
    invocations: float = 0
    gb_seconds: float = 0
    puts: float = 0
    gets: float = 0


def cost(used: Used) -> Mapping[str, float]:
    """Dollars by item at list prices."""
    return {
        "Row and chunk writes": WRITE_UNIT * used.write_units,
        "Reads": READ_UNIT * used.read_units,
        "State transitions": TRANSITION * used.transitions,
        "Lambda": LAMBDA_GB_SECOND_ARM * used.gb_seconds + LAMBDA_REQUEST * used.invocations,
        "S3 requests": S3_PUT * used.puts + S3_GET * used.gets,
    }
