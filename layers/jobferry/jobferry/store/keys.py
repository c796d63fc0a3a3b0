"""Keys of the table (docs/data-model.md). Numbers are padded so that they sort as numbers."""

from __future__ import annotations

ROWS_PER_BLOCK = 500
"""Rows whose own items lie in one partition, which takes a thousand writes a second: however fast
results come, and even if some come twice, a block never holds a run up."""

ROWS_PER_PARTITION = 5_000
"""Rows whose outcome blocks lie in one partition: with jobs of 100 rows some 60 items."""

ROWS_PER_PERSON_BLOCK = 10_000
"""Rows in one partition of the sparse index: reading it asks each block, and few rows are in it."""

RUNS_BY_TIME = ("by_time", "time_pk", "time_sk")
ROWS_BY_PERSON = ("by_person", "person_pk", "sk")
OPEN_RUNS = "RUNS#OPEN"
CLOSED_RUNS = "RUNS"
"""Runs that are closed, and those that a version before `OPEN_RUNS` has opened."""

SWEEP = "SWEEP"
PROGRESS = "PROGRESS"

META = "META"
DELETED = "DELETED"
NOTICE = "NOTICE#"
"""Begins the keys of what was told of a run, which end with the change."""
POOL = "POOL"
LIMITS = "LIMITS"
REQUESTS = "REQUESTS"

FAILED = "failed_"
"""Begins the names of a run's counters of failed rows, which end with a class of error."""

TROUBLE = "trouble_"
"""Begins the names of what keeps a run from going on, which end with where that was met."""
CONFIG = "CONFIG"
"""Begins the partitions of what people configure. Functions may only read them (template.yaml)."""

CONNECTIONS = f"{CONFIG}#CONNECTIONS"
PROFILES = f"{CONFIG}#PROFILES"
VENDORS = f"{CONFIG}#VENDORS"
"""Lists of names."""

BY = "by_"
"""Begins the names of who has done something to a run, which end with what was done."""


def run(run_id: str) -> str:
    return f"RUN#{run_id}"


def page(first_chunk: int) -> str:
    return f"PLAN#{first_chunk:010d}"


LAST_CHUNK = 10**10 - 1
"""No chunk has a higher number."""


CHUNK = "CHUNK#"


def chunk(number: int) -> str:
    return f"{CHUNK}{number:010d}"


LANE = "LANE#"


def lane(number: int) -> str:
    return f"{LANE}{number:04d}"


def block_of(row: int) -> int:
    """The block that a row (from 1) lies in."""
    return (row - 1) // ROWS_PER_BLOCK


def rows(run_id: str, block: int) -> str:
    return f"ROWS#{run_id}#{block:06d}"


def row(number: int) -> str:
    return f"ROW#{number:010d}"


def partition_of(row: int) -> int:
    """The partition that the outcome block of a row (from 1) lies in."""
    return (row - 1) // ROWS_PER_PARTITION


def first_row_of(partition: int) -> int:
    """The first row whose outcome lies in a partition."""
    return partition * ROWS_PER_PARTITION + 1


def outcomes(run_id: str, partition: int) -> str:
    return f"OUTCOMES#{run_id}#{partition:06d}"


BLOCK = "BLOCK#"


def outcome_block(first_row: int) -> str:
    return f"{BLOCK}{first_row:010d}"


def person_block_of(row: int) -> int:
    """The block of the sparse index that a row (from 1) lies in."""
    return (row - 1) // ROWS_PER_PERSON_BLOCK


def rows_for_a_person(run_id: str, block: int) -> str:
    return f"PERSON#{run_id}#{block:06d}"


def connection(name: str) -> str:
    return f"CONN#{name}"


def connection_config(name: str) -> str:
    return f"{CONFIG}#CONN#{name}"


def profile_config(name: str) -> str:
    return f"{CONFIG}#PROFILE#{name}"


def vendor_config(name: str) -> str:
    return f"{CONFIG}#VENDOR#{name}"


def claim(run_id: str, lane_number: int, name: str) -> str:
    return f"{jobs_of_lane(run_id, lane_number)}{name}"


def claim_name(first_chunk: int, unique: str) -> str:
    """A name that no other claim has or had: what was put back may be claimed again at once."""
    return f"{first_chunk:010d}#{unique}"


def job(run_id: str, lane_number: int, chunk_number: int) -> str:
    """A pointer to one chunk, as versions before claims wrote it."""
    return f"{jobs_of_lane(run_id, lane_number)}{chunk_number:010d}"


JOBS = "JOB#"
"""Begins the keys of all that is in flight on a connection: claims, and pointers of before."""


def jobs_of_lane(run_id: str, lane_number: int) -> str:
    return f"{jobs_of_run(run_id)}{lane_number:04d}#"


def jobs_of_run(run_id: str) -> str:
    return f"{JOBS}{run_id}#"


def job_of_chunk(job_id: str) -> str:
    """The mark that a job is one chunk's. It was once written of adopted jobs alone."""
    return f"ADOPTED#{job_id}"


def demand(run_id: str) -> str:
    return f"NEED#{run_id}"


def learned(operation: str) -> str:
    return f"LEARNED#{operation}"


def profile(name: str) -> str:
    return f"PROFILE#{name}"


def content(digest: str) -> str:
    return f"CONTENT#{digest}"


REVISION = "REV#"


def revision(number: int) -> str:
    return f"{REVISION}{number:08d}"
