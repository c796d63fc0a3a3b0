"""Logger and metrics, made once. Log keys are names, numbers and ids: never a cell or a secret."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

NAMESPACE = "Jobferry"
SERVICE = "jobferry"

# Lambda takes the moment of a line from it only when it is written as RFC 3339:
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
logger = Logger(service=SERVICE, use_rfc3339=True, utc=True)

Handler = Callable[[dict[str, Any], "LambdaContext"], dict[str, Any]]

_CALLER = 3
"""Frames from the logger to whoever called `log` or `warn`: the `location` of the line."""


def log(message: str, **keys: Any) -> None:
    """One structured line at level INFO."""
    logger.info(message, extra=keys, stacklevel=_CALLER)


def warn(message: str, **keys: Any) -> None:
    """One structured line at level WARNING: somebody may want to look."""
    logger.warning(message, extra=keys, stacklevel=_CALLER)


def logged(*names: str) -> Callable[[Handler], Handler]:
    """Give each line of a handler its invocation (request id, function) and parts of its event.

    Args:
        names: of the event's keys: ids and numbers, which payloads of the state machine are.
    """

    def wrap(handler: Handler) -> Handler:
        @logger.inject_lambda_context(clear_state=True)
        @wraps(handler)
        def logging(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            logger.append_keys(**{name: event[name] for name in names if name in event})
            return handler(event, context)

        return logging

    return wrap


def metrics_of(stack: str) -> Callable[..., None]:
    """What emits the counts of one event as CloudWatch embedded metrics of a stack."""

    def emit(**counts: int | float) -> None:
        # Imported late: few handlers need it.
        from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

        metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
        metrics.add_dimension(name="stack", value=stack)
        for name, count in counts.items():
            unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
            metrics.add_metric(name=name, unit=unit, value=count)
        metrics.flush_metrics()

    return emit
