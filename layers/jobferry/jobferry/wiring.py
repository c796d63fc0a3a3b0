"""Builds the collaborators of the steps from the environment. Only handlers and the CLI call it."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config as BotoConfig

from jobferry.connections import Connections, ReadSecret, secrets_manager
from jobferry.ledger import Ledger
from jobferry.objects import Objects
from jobferry.observability import emit_metrics, log, warn
from jobferry.settings import Settings, from_env
from jobferry.steps.deps import Deps

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_BOTO = BotoConfig(
    retries={"mode": "standard", "max_attempts": 6}, connect_timeout=5, read_timeout=60
)


def build_deps(settings: Settings | None = None, session: boto3.Session | None = None) -> Deps:
    """Collaborators for one warm function. The client for secrets is made on first use."""
    settings = settings or from_env()
    session = session or boto3.Session()
    ledger = Ledger(
        session.client("dynamodb", config=_BOTO), settings.table_name, settings.retention_days
    )

    @cache
    def reader() -> ReadSecret:
        client = session.client("secretsmanager", config=_BOTO)
        return secrets_manager(client, settings.secret_prefix)

    return Deps(
        settings=settings,
        ledger=ledger,
        objects=Objects(session.client("s3", config=_BOTO), settings.archive_bucket),
        connections=Connections(
            ledger.config,
            lambda name, refresh: reader()(name, refresh),  # noqa: PLW0108 - made on first use
            allow_loopback_http=settings.allow_loopback_http,
        ),
        log=log,
        warn=warn,
        emit=emit_metrics,
    )


def deadline(context: LambdaContext, margin: float) -> float:
    """Epoch seconds at which a handler must begin to end: `margin` seconds before its time-out."""
    return time.time() + context.get_remaining_time_in_millis() / 1000 - margin
