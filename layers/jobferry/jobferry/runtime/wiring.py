"""Builds the collaborators of the steps from the environment. Only handlers and the CLI call it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config as BotoConfig

from jobferry.deps import Deps
from jobferry.runtime.observability import log, metrics_of, warn
from jobferry.runtime.settings import Settings, from_env
from jobferry.store import Store
from jobferry.store.objects import Objects
from jobferry.store.table import SDK_ATTEMPTS
from jobferry.vendors.connections import Connections, secrets_manager

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

T = TypeVar("T")

_BOTO = BotoConfig(
    retries={"mode": "standard", "total_max_attempts": SDK_ATTEMPTS},
    connect_timeout=5,
    read_timeout=60,
    # A third of what a call of the table costs. Tests hold every request against the SDK's model.
    parameter_validation=False,
)


def build_deps(settings: Settings | None = None, session: boto3.Session | None = None) -> Deps:
    """Collaborators for one warm function.

    Every event needs the table; the clients for S3 and for secrets are made at their first use.
    """
    settings = settings or from_env()
    session = session or boto3.Session()
    with _collection_paused():
        dynamodb = session.client("dynamodb", config=_BOTO)
    store = Store(dynamodb, settings.table_name, settings.retention_days)
    # A session must not be asked for two clients at once, and rows are sent from several threads:
    # https://docs.aws.amazon.com/boto3/latest/guide/session.html
    making = threading.Lock()
    s3 = _made_once(lambda: session.client("s3", config=_BOTO), making)
    read_secret = _made_once(
        lambda: secrets_manager(
            session.client("secretsmanager", config=_BOTO), settings.secret_prefix
        ),
        making,
    )
    return Deps(
        settings=settings,
        store=store,
        objects=Objects(s3, settings.archive_bucket),
        connections=Connections(
            store.config,
            lambda name, refresh: read_secret()(name, refresh),  # noqa: PLW0108 - made late
            reach=settings.reach,
        ),
        log=log,
        warn=warn,
        emit=metrics_of(settings.stack),
    )


def deadline(context: LambdaContext, margin: float) -> float:
    """Epoch seconds at which a handler must begin to end: `margin` seconds before its time-out."""
    return time.time() + context.get_remaining_time_in_millis() / 1000 - margin


def _made_once(make: Callable[[], T], making: threading.Lock) -> Callable[[], T]:
    """`make`, called at the first use alone, and never while another holds the lock."""

    @cache
    def made() -> T:
        with _collection_paused():
            return make()

    def get() -> T:
        with making:
            return made()

    return get


@contextmanager
def _collection_paused() -> Iterator[None]:
    """No garbage collection while a client is made.

    A client is tens of thousands of objects, and all of them stay: looking through them over and
    over for what could go took a quarter of the time (benchmarks/import_time.py).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
