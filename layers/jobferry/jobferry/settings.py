"""The environment of a function, read once; nothing else reads `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of the stack's resources and the policies set at deployment."""

    table_name: str
    inbox_bucket: str
    archive_bucket: str
    secret_prefix: str
    retention_days: int
    allow_loopback_http: bool
    run_state_machine_arn: str | None = None
    memory_gb: float = 0.5
    """Of the function, which decides where a wait is cheaper."""


def from_env(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from environment variables (template.yaml, Globals).

    Raises:
        KeyError: naming the variable that is missing.
    """
    return Settings(
        table_name=environ["TABLE_NAME"],
        inbox_bucket=environ["INBOX_BUCKET_NAME"],
        archive_bucket=environ["ARCHIVE_BUCKET_NAME"],
        secret_prefix=environ["SECRET_PREFIX"],
        retention_days=int(environ["ROW_RETENTION_DAYS"]),
        allow_loopback_http=environ["ALLOW_LOOPBACK_HTTP"] == "true",
        run_state_machine_arn=environ.get("RUN_STATE_MACHINE_ARN"),
        memory_gb=int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")) / 1024,
    )
