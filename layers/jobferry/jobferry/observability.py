"""Logger and metrics, made once. Log keys are names, numbers and ids: never a cell or a secret."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

NAMESPACE = "Jobferry"
SERVICE = "jobferry"

logger = Logger(service=SERVICE)


def log(message: str, **keys: Any) -> None:
    """One structured line at level INFO."""
    logger.info(message, extra=keys)


def warn(message: str, **keys: Any) -> None:
    """One structured line at level WARNING: somebody may want to look."""
    logger.warning(message, extra=keys)


def emit_metrics(**counts: int | float) -> None:
    """Counts of one event, as CloudWatch embedded metrics. Imported late: few handlers need it."""
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for name, count in counts.items():
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        metrics.add_metric(name=name, unit=unit, value=count)
    metrics.flush_metrics()
