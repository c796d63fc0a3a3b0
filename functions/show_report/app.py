"""ShowReport: a run's report, for whoever has an address of it that is signed and not too old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from jobferry.operator.report_link import LinkKey
from jobferry.runtime.observability import logged
from jobferry.runtime.wiring import build_deps
from jobferry.steps.show_report import show_report

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

session = boto3.Session()
deps = build_deps(session=session)
secrets = session.client("secretsmanager")


def read_key() -> str:
    return secrets.get_secret_value(SecretId=deps.settings.report_link_secret or "")["SecretString"]


key = LinkKey(read_key, deps.now)


# No part of the event is logged: the address that was asked for is a secret.
@logged()
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    return show_report(event, deps, key)
