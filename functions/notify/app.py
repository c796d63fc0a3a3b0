"""Notify: a message to the topic for a run that was opened, paused or closed, once for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from jobferry.operator.report_link import LinkKey
from jobferry.runtime.observability import logged
from jobferry.runtime.wiring import build_deps
from jobferry.steps.notify import as_published, notify

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from jobferry.operator.notice import Notice

session = boto3.Session()
deps = build_deps(session=session)
sns = session.client("sns")
secrets = session.client("secretsmanager")


def read_key() -> str:
    return secrets.get_secret_value(SecretId=deps.settings.report_link_secret or "")["SecretString"]


def publish(message: Notice) -> None:
    sns.publish(**as_published(message, deps.settings.run_topic_arn or ""))


key = LinkKey(read_key, deps.now)


@logged()
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # A delivery that failed is tried again by the same id.
    return notify(event, context.aws_request_id, deps, publish, key)
