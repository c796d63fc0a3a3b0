"""The environment of a function, read once; nothing else reads `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from jobferry.vendors.http.addresses import Reach, networks_of

MAX_FILE_BYTES = 5 * 1024**3
MAX_ROWS_PER_FILE = 10_000_000
"""What a file may have where the deployment says nothing else (template.yaml, Parameters)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of the stack's resources and the policies set at deployment.

    Attributes:
        reach: addresses that vendors may have
        max_file_bytes: of a file, packed and unpacked
        max_rows_per_file: rows below the header
        run_topic_arn: where changes of runs are told
        report_link_url, report_link_secret: of the function that shows reports; None: there is none
        report_link_hours: for which an address of a report holds
    """

    table_name: str
    inbox_bucket: str
    archive_bucket: str
    secret_prefix: str
    retention_days: int
    reach: Reach
    run_state_machine_arn: str | None = None
    stack: str = "jobferry"
    """The stack's name: a dimension of its metrics."""
    memory_gb: float = 0.5
    """Of the function, which decides where a wait is cheaper."""
    max_file_bytes: int = MAX_FILE_BYTES
    max_rows_per_file: int = MAX_ROWS_PER_FILE
    run_topic_arn: str | None = None
    report_link_url: str | None = None
    report_link_secret: str | None = None
    report_link_hours: int = 0


def from_env(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from environment variables (template.yaml, Globals).

    Raises:
        KeyError: naming the variable that is missing.
        NetworksError: VENDOR_CIDRS holds something else than networks.
    """
    return Settings(
        table_name=environ["TABLE_NAME"],
        inbox_bucket=environ["INBOX_BUCKET_NAME"],
        archive_bucket=environ["ARCHIVE_BUCKET_NAME"],
        secret_prefix=environ["SECRET_PREFIX"],
        retention_days=int(environ["ROW_RETENTION_DAYS"]),
        reach=Reach(
            environ["ALLOW_LOOPBACK_HTTP"] == "true", networks_of(environ.get("VENDOR_CIDRS", ""))
        ),
        run_state_machine_arn=environ.get("RUN_STATE_MACHINE_ARN"),
        stack=environ.get("STACK_NAME", "jobferry"),
        memory_gb=int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")) / 1024,
        # Only the functions that open and plan runs are told them.
        max_file_bytes=int(environ.get("MAX_FILE_BYTES", MAX_FILE_BYTES)),
        max_rows_per_file=int(environ.get("MAX_ROWS_PER_FILE", MAX_ROWS_PER_FILE)),
        # Only those that tell of runs, and show their reports.
        run_topic_arn=environ.get("RUN_TOPIC_ARN"),
        report_link_url=environ.get("REPORT_LINK_URL") or None,
        report_link_secret=environ.get("REPORT_LINK_SECRET") or None,
        report_link_hours=int(environ.get("REPORT_LINK_HOURS", "0")),
    )
