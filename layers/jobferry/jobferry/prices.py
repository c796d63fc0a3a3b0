"""List prices (us-east-1, US dollars) and what measured counts cost by them.

Sources: the public price pages of AWS Lambda, Step Functions, DynamoDB on demand and S3.
"""

from __future__ import annotations

from collections.abc import Mapping

TRANSITION = 0.025 / 1_000
LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_GB_SECOND_ARM = 0.0000133334
WRITE_UNIT = 0.625 / 1_000_000
READ_UNIT = 0.125 / 1_000_000
S3_PUT = 0.005 / 1_000
S3_GET = 0.0004 / 1_000

# Write units of one chunk on its way: claimed (4), sending (1), submitted (1), finished (2),
# settled (6); see docs/data-model.md.
_WRITES_PER_CHUNK = 14
_TRANSITIONS_PER_LAP = 5


def estimate(*, rows: int, chunks: int, polls: int, lanes: int) -> Mapping[str, float]:
    """Dollars by item for a run of these counts.

    An estimate from counts: a lap of a lane is taken as one poll, a submission as half a second
    and a settlement as a tenth of a second of a 512 MB function.
    """
    laps = polls + lanes
    groups = -(-chunks // 5)
    gb_seconds = 0.5 * (0.5 * chunks + 0.5 * polls + 0.1 * chunks + 3.0)
    return {
        "Row and chunk writes": WRITE_UNIT * (rows + _WRITES_PER_CHUNK * chunks),
        "Reads": READ_UNIT * (rows / 8 + 20 * laps),
        "State transitions": TRANSITION * (_TRANSITIONS_PER_LAP * laps + 2 * groups + 8),
        "Lambda": LAMBDA_GB_SECOND_ARM * gb_seconds + LAMBDA_REQUEST * (2 * laps + groups + 3),
        "S3 requests": S3_PUT * (polls + 12) + S3_GET * (chunks + groups + 4),
    }
